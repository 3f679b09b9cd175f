"""One profile for every property, and what a skip means.

No deadlines, because machines are shared; the same examples on every run of continuous integration. There a skip is a failure: a
test that did not run has proved nothing.
"""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

_IN_CI = bool(os.environ.get("SAKSHI_SKIP_IS_FAILURE"))

settings.register_profile("here", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.load_profile("ci" if _IN_CI else "here")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skip into a failure where skips are failures."""
    report = yield
    if _IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report
