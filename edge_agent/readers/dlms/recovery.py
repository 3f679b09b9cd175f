"""A stale invocation counter, mended once: ask the meter through its public association what it accepted last.

What it says is not authenticated. It only ever moves our counter up, and a counter below what was proven is never followed.

Source: METERS §3 (0.0.43.1.x is readable as the public client); GXF's invocation counter manager refuses to go back likewise.
"""

from collections.abc import Callable
from typing import Protocol

from edge_agent.errors import CounterRefusedError, MeterDecodeError, MeterRefusedError, MeterUnavailableError
from edge_agent.readers.dlms import profile
from edge_agent.readers.dlms.client import DlmsClient
from edge_agent.readers.dlms.cosem import Attribute
from edge_agent.readers.dlms.session import Session


class CounterBook(Protocol):
    """What is noted of one key's counters."""

    def take_look(self) -> bool:
        """Whether it is time to ask the meter though nothing failed; the look is then noted as taken."""

    def learn(self, counter: int) -> bool:
        """Takes what the meter accepted last; gives whether that is ahead of all that we used.

        Raises:
            CounterBackError: it is below what the meter was proven to have accepted.
            CounterJumpError: it is far beyond what anybody can have used.
        """


class CounterRecovery:
    """Implements `client.Renewal` for one meter: `public` gives an unused client of the public association, `renew` a new
    session of the association that failed.
    """

    def __init__(
        self,
        *,
        public: Callable[[], DlmsClient],
        counter: Attribute,
        book: CounterBook,
        renew: Callable[[], Session],
    ) -> None:
        self._public = public
        self._counter = counter
        self._book = book
        self._renew = renew

    async def before(self) -> None:
        """See `Renewal.before`: a key that was never used here may have been used elsewhere, and a counter that went back shows
        only to those who look.
        """
        if self._book.take_look():
            counter = await self._read()
            if counter is not None:
                self._book.learn(counter)

    async def again(self, error: MeterRefusedError | MeterUnavailableError) -> Session | None:
        """See `Renewal.again`."""
        counter = await self._read()
        if counter is None:
            return None
        is_ahead = self._book.learn(counter)
        return self._renew() if is_ahead or isinstance(error, CounterRefusedError) else None

    async def _read(self) -> int | None:
        client = self._public()
        try:
            await client.open()
            return profile.integer(await client.get(self._counter), str(self._counter))
        except (MeterDecodeError, MeterRefusedError, MeterUnavailableError):
            return None  # what failed before says more
        finally:
            await client.close()
