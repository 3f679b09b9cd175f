"""`sakshi-sim` in a process of its own."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def simulator(*arguments: str, end: signal.Signals = signal.SIGTERM) -> AsyncIterator[str]:
    """A simulator; gives where it listens, and asserts its one line, its clean end and its silence."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "firmware_sim.cli", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        ready = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        assert ready.startswith("listening "), (await process.stderr.read()).decode()
        yield ready.removeprefix("listening ").strip()
    finally:
        if process.returncode is None:
            process.send_signal(end)
        output, errors = await process.communicate()
    assert (process.returncode, output, errors) == (0, b"", b"")
