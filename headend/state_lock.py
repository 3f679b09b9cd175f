"""One program at a time on a state directory."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headend.errors import FatalError


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Holds the lock of a state directory: two services would take each other's messages from the broker, without end.

    Raises:
        FatalError: somebody else holds it, or the directory does not exist; with the remedy.
    """
    try:
        lock = (state / "serve.lock").open("ab")
    except OSError as error:
        raise FatalError(f"cannot use '{state}' ({error.strerror}): run `sakshi-headend init` once") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FatalError(f"another `sakshi-headend serve` runs on '{state}': stop it first") from error
        yield
