"""What an earlier connection learned of a meter, so that a look over a slow line is little more than its rows.

On a line of 9600 bit/s, identity, columns and scalers cost two seconds of every look, and they change once in years. What is
signed is still said anew every time: the serial number is never remembered, only compared. A capture period or a buffer that
changed, and anything that the meter then refuses or says in another shape, makes all of it be read again.

Source: METERS §7; Blue Book, class 7: a change of the columns or the period empties the buffer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.readers.reader import Learned, Reader, Recalling
from edge_agent.registers import MeterClock, ProfileLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What is known of a meter when a look begins."""

    serial: str | None
    """As the meter says it on this connection."""
    clock: MeterClock
    asked_ms: int
    """When the clock was asked for and answered, by the gateway's clock."""
    answered_ms: int
    layout: ProfileLayout
    is_recalled: bool
    """Whether the layout is that of an earlier connection."""


class Recollection:
    """What is remembered of one meter, for at most `keep_s` seconds."""

    def __init__(self, keep_s: int) -> None:
        self._keep_s = keep_s
        self._learned: Learned | None = None
        self._serial: str | None = None
        self._since_utc = 0

    async def begin(self, reader: Reader, now_ms: Callable[[], int]) -> Beginning:
        """What a look begins with: from memory where the meter agrees with it, else read whole.

        Raises:
            ReaderError: as the reader. What is remembered is then forgotten, unless the meter was only away.
        """
        learned = self._valid(now_ms() // 1000)
        if learned is not None and isinstance(reader, Recalling):
            try:
                recalled = await self._recalled(reader, learned, now_ms)
            except (MeterDecodeError, MeterRefusedError):
                self.forget()
                raise
            if recalled is not None:
                return recalled
            self.forget()
        serial = (await reader.identity()).serial
        asked_ms = now_ms()
        clock = await reader.clock()
        answered_ms = now_ms()
        return Beginning(
            serial=serial,
            clock=clock,
            asked_ms=asked_ms,
            answered_ms=answered_ms,
            layout=await reader.layout(),
            is_recalled=False,
        )

    def keep(self, reader: Reader, beginning: Beginning) -> None:
        """Remembers what `reader` knows now; what was remembered before becomes no younger by it."""
        if not isinstance(reader, Recalling) or self._keep_s == 0:
            return
        if not beginning.is_recalled:
            self._since_utc = beginning.answered_ms // 1000
        self._learned, self._serial = reader.learned(), beginning.serial

    def forget(self) -> None:
        """Remembers nothing."""
        self._learned = None

    def _valid(self, now_utc: int) -> Learned | None:
        # A clock that was set back makes nothing last longer.
        return self._learned if 0 <= now_utc - self._since_utc < self._keep_s else None

    async def _recalled(self, reader: Recalling, learned: Learned, now_ms: Callable[[], int]) -> Beginning | None:
        """None when the meter is not the one that is remembered, or was set up anew."""
        asked_ms = now_ms()
        glance = await reader.glance()
        answered_ms = now_ms()
        known = learned.load
        if (
            glance.serial != self._serial
            or glance.capture_period_s != known.capture_period_s
            or glance.entries_in_use < known.entries_in_use
        ):
            return None
        reader.recall(learned)
        return Beginning(
            serial=glance.serial,
            clock=glance.clock,
            asked_ms=asked_ms,
            answered_ms=answered_ms,
            layout=known,
            is_recalled=True,
        )
