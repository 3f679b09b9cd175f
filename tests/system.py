"""Programs that come from Debian packages, for the tests that need them."""

import os
import shutil

import pytest


def require(program: str) -> str:
    """The path of `program`, or a skip that says how to get it; a failure where skips are failures."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is None:
        reason = f"{program} is not installed: run `make system`"
        if os.environ.get("SAKSHI_SKIP_IS_FAILURE"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
