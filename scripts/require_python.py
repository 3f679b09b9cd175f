"""Refuses an interpreter older than the project supports, before anything is installed with it."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file exists to say so to an older interpreter
    sys.exit(f"Sakshi needs Python 3.11 or newer, got {sys.version.split()[0]}: run `make PYTHON=/path/to/python3.11`")
