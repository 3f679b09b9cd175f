"""Every story cleans up: whatever it started, and whatever that started, is gone when it ends."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

_MARK = "SAKSHI_STORY"


@pytest.fixture(autouse=True)
def none_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Marks the environment that every process of the story inherits, and finds those that still have it at the end."""
    mark = f"{_MARK}={uuid.uuid4().hex}"
    monkeypatch.setenv(*mark.split("="))
    yield
    left = processes_with(mark)
    assert left == {}, f"the story left processes behind: {left}"


def processes_with(mark: str) -> dict[int, str]:
    """Command lines by pid of the processes, other than this one, whose environment holds `mark`."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) != os.getpid() and mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
        except OSError:
            continue  # it ended meanwhile, or is another user's
    return found
