"""A DLMS meter on a TCP port."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from firmware_sim.dlms.session import DEFAULT_PASSWORD, ServerSession
from firmware_sim.meter import Meter
from firmware_sim.tcp import listen

PORT = 4059
"""What IANA gives DLMS/COSEM."""


def serve(
    meter: Meter,
    *,
    now: Callable[[], int],
    host: str = "127.0.0.1",
    port: int = 0,
    password: bytes = DEFAULT_PASSWORD,
) -> AbstractAsyncContextManager[int]:
    """`meter` on `host`:`port` while the context is open; gives the port. `now` is its clock, in UTC seconds."""
    return listen(lambda: ServerSession(meter, now=now, password=password), host, port)
