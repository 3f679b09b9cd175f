"""A Modbus meter on a TCP port."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from firmware_sim.meter import Meter
from firmware_sim.modbus.sdm630 import Sdm630
from firmware_sim.modbus.session import Others, ServerSession
from firmware_sim.tcp import listen

MAPS: dict[str, Callable[[Meter, int], Sdm630]] = {"sdm630": Sdm630}
"""Register maps by name: made from a meter and its unit id."""


def serve(
    registers: Sdm630,
    *,
    now: Callable[[], int],
    unit: int = 1,
    others: Others = Others.GATEWAY,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AbstractAsyncContextManager[int]:
    """`registers` on `host`:`port` while the context is open; gives the port. `now` is in UTC seconds."""
    return listen(lambda: ServerSession(registers, unit=unit, now=now, others=others), host, port)
