"""Where meters' pushes arrive: TCP connections and datagrams, with limits on all that a stranger could have too much of.

Not one octet is ever sent back. What arrives waits in a queue of bounded length for whoever judges it; what is too much is counted.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeAlias

from edge_agent.errors import MeterDecodeError
from edge_agent.push_desk import Refusal
from edge_agent.push_settings import PushSettings
from edge_agent.readers.dlms.push import PushFrames, parse_datagram

MOST_CONNECTIONS: Final = 32
MOST_OF_ONE: Final = 4
"""Connections of one address."""
IDLE_S: Final = 60.0
"""How long a connection may be silent between two pushes."""
FRAME_S: Final = 10.0
"""How long a push may take from its first octet to its last."""
MOST_A_MINUTE: Final = 240
MOST_OF_ONE_A_MINUTE: Final = 60
"""Pushes of one address."""
MOST_ADDRESSES: Final = 1024
"""Addresses that are told apart within a minute; the others share one allowance. Who writes datagrams chooses their address."""
MOST_WAITING: Final = 64
_READ_OCTETS: Final = 4096
_WINDOW_S: Final = 60.0

Refuse: TypeAlias = Callable[[Refusal, str, str], None]
"""Hears why something is not taken, in words, and from where."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One APDU, and the address that it came from."""

    apdu: bytes
    peer: str


class Allowance:
    """How many pushes are still looked at in this minute."""

    def __init__(self) -> None:
        self._since_s = float("-inf")
        self._taken: Counter[str] = Counter()
        self._total = 0

    def takes(self, peer: str, now_s: float) -> bool:
        """Whether one more of `peer` is looked at."""
        if now_s - self._since_s >= _WINDOW_S:
            self._since_s, self._total = now_s, 0
            self._taken.clear()
        known = peer if peer in self._taken or len(self._taken) < MOST_ADDRESSES else ""
        if self._total >= MOST_A_MINUTE or self._taken[known] >= MOST_OF_ONE_A_MINUTE:
            return False
        self._taken[known] += 1
        self._total += 1
        return True


class PushListener:
    """Listens while it is open. One task asks it for what `arrived`."""

    def __init__(
        self, settings: PushSettings, refuse: Refuse, *, idle_s: float = IDLE_S, frame_s: float = FRAME_S
    ) -> None:
        self._settings = settings
        self._refuse = refuse
        self._idle_s = idle_s
        self._frame_s = frame_s
        self._allowance = Allowance()
        self._waiting: asyncio.Queue[Arrived] = asyncio.Queue(MOST_WAITING)
        self._open: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None

    @property
    def tcp_port(self) -> int:
        """The port that is listened on for connections, as the system gave it."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def udp_port(self) -> int:
        """The port that is listened on for datagrams."""
        assert self._datagrams is not None
        return int(self._datagrams.get_extra_info("sockname")[1])

    async def __aenter__(self) -> Self:
        """Binds where it is configured.

        Raises:
            OSError: an address cannot be had; then none is.
        """
        try:
            if self._settings.tcp is not None:
                at = self._settings.tcp
                self._server = await asyncio.start_server(self._connected, at.host, at.port, limit=_READ_OCTETS)
            if self._settings.udp is not None:
                at = self._settings.udp
                loop = asyncio.get_running_loop()
                self._datagrams, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self._datagram), (at.host, at.port)
                )
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hears nothing more. Idempotent."""
        server, self._server = self._server, None
        datagrams, self._datagrams = self._datagrams, None
        if datagrams is not None:
            datagrams.close()
        if server is not None:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    async def arrived(self) -> Arrived:
        """The next push, in the order of arrival."""
        return await self._waiting.get()

    # Connections

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = _host(writer.get_extra_info("peername"))
        self._open[peer] += 1
        try:
            if self._open.total() > MOST_CONNECTIONS or self._open[peer] > MOST_OF_ONE:
                self._refuse(
                    Refusal.CROWDED, f"expected at most {MOST_OF_ONE} connections, {MOST_CONNECTIONS} in all", peer
                )
                return
            await self._hear(reader, peer)
        except MeterDecodeError as error:
            self._refuse(Refusal.MALFORMED, str(error), peer)
        except OSError:
            pass  # gone: what was whole is taken
        finally:
            self._open[peer] -= 1
            self._open += Counter()  # forgets who has none
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _hear(self, reader: asyncio.StreamReader, peer: str) -> None:
        """What one connection says, until it ends or is too slow.

        Raises:
            MeterDecodeError: it loses the wrapper's framing, or ends within a push.
        """
        loop = asyncio.get_running_loop()
        frames, deadline = PushFrames(), loop.time() + self._idle_s
        while True:
            was_between = frames.is_between
            try:
                async with asyncio.timeout_at(deadline):
                    data = await reader.read(_READ_OCTETS)
            except TimeoutError:
                if not was_between:
                    self._refuse(Refusal.SLOW, f"expected a whole push within {self._frame_s:g} s", peer)
                return
            if not data:
                if not was_between:
                    raise MeterDecodeError("expected the rest of a push, got the end of the connection")
                return
            apdus = frames.feed(data)
            if not all(self._take(apdu, peer) for apdu in apdus):
                return
            if frames.is_between:
                deadline = loop.time() + self._idle_s
            elif was_between or apdus:
                deadline = loop.time() + self._frame_s

    def _take(self, apdu: bytes, peer: str) -> bool:
        """Whether `apdu` waits to be judged now."""
        is_allowed = self._allowance.takes(peer, asyncio.get_running_loop().time())
        if not is_allowed or self._waiting.full():
            most = f"{MOST_OF_ONE_A_MINUTE} pushes a minute of one address, {MOST_A_MINUTE} in all"
            self._refuse(Refusal.FLOODED, f"expected at most {most}", peer)
            return False
        self._waiting.put_nowait(Arrived(apdu, peer))
        return True

    # Datagrams

    def _datagram(self, data: bytes, address: object) -> None:
        peer = _host(address)
        try:
            self._take(parse_datagram(data), peer)
        except MeterDecodeError as error:
            self._refuse(Refusal.MALFORMED, str(error), peer)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes, object], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._heard(data, addr)


def _host(address: object) -> str:
    return str(address[0]) if isinstance(address, tuple) and address else "unknown"
