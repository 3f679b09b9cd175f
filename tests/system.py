"""Programs and libraries that come from Debian packages, for the tests that need them."""

import ctypes
import ctypes.util
import os
import shutil
from typing import NoReturn

import pytest


def require(program: str) -> str:
    """The path of `program`, or a skip that says how to get it; a failure where skips are failures."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is None:
        _missing(program)
    return path


def require_library(name: str) -> ctypes.CDLL:
    """The shared library `name`, as the linker knows it; else as `require`."""
    found = ctypes.util.find_library(name)
    if found is None:
        _missing(f"the library {name}")
    return ctypes.CDLL(found, use_errno=True)


def _missing(what: str) -> NoReturn:
    reason = f"{what} is not installed: run `make system`"
    if os.environ.get("SAKSHI_SKIP_IS_FAILURE"):
        pytest.fail(reason)
    pytest.skip(reason)
