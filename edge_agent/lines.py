"""Lines that meters share: what one carries, and who has it next.

A line serves one look at a time. Who has something due now goes before who reads the past, and whoever reads the past learns that
somebody is waiting. Within an urgency, who came first is served first.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from edge_agent.backfill import Wire
from edge_agent.errors import MeterUnavailableError, ReaderUrlError
from edge_agent.readers.url import ReaderUrl, split

DLMS_PORT = 4059
DEFAULT_FRAME = 128
DEFAULT_BAUD = 9600
DEFAULT_PDU = 1024


def line_of(url: str) -> str | None:
    """The name of the line on which a meter with a memory hangs together with others; None where it has one of its own.

    A serial device is one line under all its paths; what stands behind one address and HDLC is one line too.
    """
    parts = _parts(url)
    if parts is None:
        return None
    if parts.scheme == "dlms+serial":
        return os.path.realpath(parts.path)
    return f"{parts.host}:{parts.port or DLMS_PORT}" if parts.scheme == "dlms+hdlc+tcp" else None


def wire_of(url: str, line_bps: int | None = None) -> Wire:
    """What carries the answers of the meter at `url`. `line_bps` is what is known of a line behind a network."""
    parts = _parts(url)
    if parts is None:
        return Wire(bps=line_bps)
    is_serial, is_framed = parts.scheme == "dlms+serial", parts.scheme in {"dlms+serial", "dlms+hdlc+tcp"}
    return Wire(
        bps=line_bps or (_number(parts, "baud", DEFAULT_BAUD) if is_serial else None),
        frame_octets=_number(parts, "frame", DEFAULT_FRAME) if is_framed else None,
        pdu_octets=_number(parts, "pdu", DEFAULT_PDU),
    )


def _parts(url: str) -> ReaderUrl | None:
    try:
        return split(url)
    except ReaderUrlError:
        return None


def _number(parts: ReaderUrl, key: str, default: int) -> int:
    text = parts.keys.get(key, "")
    return int(text) if text.isascii() and text.isdecimal() and int(text) else default


@dataclass(eq=False, slots=True, kw_only=True)
class _Waiting:
    """One who waits for a line."""

    is_urgent: Callable[[], bool]
    served: asyncio.Future[None]


@dataclass(slots=True)
class Line:
    """A line with one owner at a time."""

    _waiting: list[_Waiting] = field(default_factory=list)
    _is_taken: bool = False

    def is_wanted(self) -> bool:
        """Whether somebody waits for the line who has something due now."""
        return any(each.is_urgent() for each in self._waiting)

    @asynccontextmanager
    async def turn(self, is_urgent: Callable[[], bool], *, within_s: float) -> AsyncIterator[None]:
        """The line, for as long as the context is open. `is_urgent` is asked whenever the line is free: what was not due
        when the wait began may be due by then.

        Raises:
            MeterUnavailableError: the line was not free within `within_s`.
        """
        await self._take(is_urgent, within_s)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, is_urgent: Callable[[], bool], within_s: float) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        mine = _Waiting(is_urgent=is_urgent, served=asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        try:
            async with asyncio.timeout(within_s):
                await mine.served
        except BaseException as error:
            if mine in self._waiting:
                self._waiting.remove(mine)
            else:
                self._pass_on()  # it became ours in the moment in which we gave up
            if isinstance(error, TimeoutError):
                raise MeterUnavailableError(f"other meters held the line for {within_s:g} s") from error
            raise

    def _pass_on(self) -> None:
        following = next((each for each in self._waiting if each.is_urgent()), None)
        following = following or next(iter(self._waiting), None)
        if following is None:
            self._is_taken = False
            return
        self._waiting.remove(following)
        following.served.set_result(None)
