"""What goes wrong with the answers and pushes of a DLMS meter on their way."""

from collections.abc import Callable

from firmware_sim.dlms.ciphering import CIPHERED
from firmware_sim.dlms.device import Line, Spoiler

_BLOCK = b"\xc4\x02"
_NOISE = b"\x7e\xff\x00\x55\xaa"


def drops_after(blocks: int) -> Callable[[], Spoiler]:
    """A connection ends without a word once so many blocks of long answers were sent, ciphered or not."""

    def begin() -> Spoiler:
        sent = 0

        def spoil(answer: bytes) -> bytes | None:
            nonlocal sent
            if not (answer.startswith(_BLOCK) or answer[0] in CIPHERED):
                return answer
            sent += 1
            return answer if sent <= blocks else None

        return spoil

    return begin


def wrong_tags() -> Spoiler:
    """The last bit of every ciphered answer is turned, so that no tag fits."""
    return lambda answer: answer[:-1] + bytes([answer[-1] ^ 1]) if answer[0] in CIPHERED else answer


def push_replayed(frame: bytes) -> tuple[bytes, ...]:
    """A push is sent, and then sent again as it was."""
    return frame, frame


def push_wrong_tag(frame: bytes) -> tuple[bytes, ...]:
    """The last bit of a push is turned, so that no tag fits."""
    return (frame[:-1] + bytes([frame[-1] ^ 1]),)


def push_garbage(frame: bytes) -> tuple[bytes, ...]:
    """In place of a push comes what no wrapper begins with, and as much of a push that is cut."""
    return _NOISE * 4, frame[: len(frame) // 2]


class Silent:
    """A connection on which nothing is ever answered. Implements `Line`."""

    def __init__(self, line: Line) -> None:
        self._line = line

    @property
    def closed(self) -> bool:
        """Never: it stays open, and silent."""
        return False

    def receive(self, data: bytes) -> bytes:  # noqa: ARG002 - the line's signature
        """Nothing."""
        return b""

    def quiet(self) -> None:
        """See `Line.quiet`."""
        self._line.quiet()


class Noisy:
    """Stray bytes before every answer, as a line without a termination gives them. Implements `Line`."""

    def __init__(self, session: Line) -> None:
        self._session = session

    @property
    def closed(self) -> bool:
        """See `Line.closed`."""
        return self._session.closed

    def receive(self, data: bytes) -> bytes:
        """See `Line.receive`."""
        answer = self._session.receive(data)
        return _NOISE + answer if answer else answer

    def quiet(self) -> None:
        """See `Line.quiet`."""
        self._session.quiet()
