"""The speed of a serial line, on any stream: eight data bits, a start bit and a stop bit are ten bits a byte."""

import asyncio
from collections.abc import Callable
from fractions import Fraction

BITS_A_BYTE = 10
_PORTION = 32


def line_seconds(octets: int, bps: int) -> Fraction:
    """How long a line of `bps` bits a second takes for so many bytes, one way, without a pause."""
    return Fraction(octets * BITS_A_BYTE, bps)


class PacedWriter:
    """Writes answers no sooner than a line of `bps` would have carried the question and them; at once without `bps`."""

    def __init__(self, write: Callable[[bytes], None], bps: int | None) -> None:
        self._write = write
        self._bps = bps
        self._free_at = 0.0
        self._waiting: set[asyncio.TimerHandle] = set()

    def send(self, heard: int, answer: bytes) -> None:
        """Write `answer`, after `heard` bytes came that the stream under us carried faster than the line does."""
        if self._bps is None:
            if answer:
                self._write(answer)
            return
        loop = asyncio.get_running_loop()
        at = max(self._free_at, loop.time()) + float(line_seconds(heard, self._bps))
        self._waiting = {each for each in self._waiting if each.when() > loop.time() and not each.cancelled()}
        for start in range(0, len(answer), _PORTION):
            portion = answer[start : start + _PORTION]
            at += float(line_seconds(len(portion), self._bps))
            self._waiting.add(loop.call_at(at, self._write, portion))
        self._free_at = at

    def after(self, work: Callable[[], None]) -> None:
        """Do `work` once everything is written."""
        if self._bps is None:
            work()
        else:
            self._waiting.add(asyncio.get_running_loop().call_at(self._free_at, work))

    def stop(self) -> None:
        """Write nothing any more."""
        for timer in self._waiting:
            timer.cancel()
        self._waiting.clear()
