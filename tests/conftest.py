"""One profile for every property: no deadlines, because machines are shared; the same examples on every run of continuous integration."""

import os

from hypothesis import settings

settings.register_profile("here", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=300, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("SAKSHI_SKIP_IS_FAILURE") else "here")
