"""The TCP wrapper: eight octets in front of every APDU.

Source: IEC 62056-47 (DLMS UA Green Book, "wrapper"): version 1, source port, destination port, length; big-endian.
"""

from typing import Final

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.dlms.link import Received

HEADER_OCTETS: Final = 8
VERSION: Final = 1
MAX_APDU: Final = 0xFFFF
PUSH_CLIENT: Final = 64
"""Whom meters push to. Source: METERS §3."""


class WrapperLink:
    """One client's end of a wrapper connection: frames out, whole APDUs in, however the bytes arrive."""

    def __init__(self, *, client: int, server: int) -> None:
        self._client = client
        self._server = server
        self._pending = bytearray()

    def send(self, apdu: bytes) -> bytes:
        """The bytes that carry `apdu` (1…65535 octets) to the meter."""
        if not 0 < len(apdu) <= MAX_APDU:
            raise ValueError(f"expected 1 to {MAX_APDU} octets, got {len(apdu)}")
        return b"".join(part.to_bytes(2, "big") for part in (VERSION, self._client, self._server, len(apdu))) + apdu

    def receive(self, data: bytes) -> Received:
        """The APDUs that `data` completes, in order; the wrapper itself never replies. What the meter pushes on this connection answers
        nothing: it is passed over.

        Raises:
            MeterDecodeError: when a header is not the wrapper's, or is addressed between other parties. The connection is
                then of no further use: nothing marks the next frame.
        """
        self._pending += data
        apdus: list[bytes] = []
        while len(self._pending) >= HEADER_OCTETS:
            length, is_push = self._checked(bytes(self._pending[:HEADER_OCTETS]))
            end = HEADER_OCTETS + length
            if len(self._pending) < end:
                break
            if not is_push:
                apdus.append(bytes(self._pending[HEADER_OCTETS:end]))
            del self._pending[:end]
        return Received(tuple(apdus))

    @property
    def answer_octets(self) -> int:
        """See `Link.answer_octets`."""
        return MAX_APDU

    def was_block(self) -> None:
        """See `Link.was_block`: no length is better than another."""

    @property
    def gain(self) -> float:
        """See `Link.gain`."""
        return 0.0

    @property
    def is_gone(self) -> bool:
        """See `Link.is_gone`: a wrapper is only framing, and there is never anything to take down."""
        return True

    def ask_again(self) -> bytes:
        """See `Link.ask_again`: the stream below loses nothing."""
        return b""

    def disconnect(self) -> bytes:
        """See `Link.disconnect`."""
        return b""

    def _checked(self, header: bytes) -> tuple[int, bool]:
        """How long the frame's APDU is, and whether it is for the push client."""
        version, source, destination, length = (int.from_bytes(header[at : at + 2], "big") for at in (0, 2, 4, 6))
        is_push = destination == PUSH_CLIENT != self._client
        if (version, source) != (VERSION, self._server) or not (is_push or destination == self._client):
            raise MeterDecodeError(
                f"expected a wrapper header version 1 from {self._server} to {self._client}, "
                f"got version {version} from {source} to {destination}"
            )
        if length == 0:
            raise MeterDecodeError("expected an APDU behind the wrapper header, got length 0")
        return length, is_push
