"""DisputeRefusal: what two persons say to somebody who contests a figure that stays. Source: docs/wire-format.md §4.10.

It is signed by both persons alone and stands in no log: it changes no figure, and whoever is told holds the text and both signatures.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from signing import fields
from signing.canonical import decode, encode
from signing.errors import DecodeError
from signing.interval import Interval, instant
from signing.statements.persons import Person, require_two

MAX_TEXT = 200
"""Characters of a party or of a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeRefusal:
    """The answer to one dispute."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.dispute-refusal+cbor;v=1"

    dispute: int
    """The discom's number of it."""
    connection_point: str
    window: Interval
    party: str
    """Who contests it, and under which reference."""
    reason: str
    evidence: bytes | None
    """Digest of the WindowActual that stays; none where the discom attested none."""
    salt: bytes

    def require_two_persons(self, author: Person, approver: Person) -> None:
        """That two different persons signed it.

        Raises:
            VerificationError: (1), (4) as `require_two`.
        """
        require_two(self, author, approver)

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        window = [self.window.start_utc, self.window.end_utc]
        return encode([self.dispute, self.connection_point, window, self.party, self.reason, self.evidence, self.salt])

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The refusal in canonical bytes. Raises `DecodeError` naming the field."""
        path = "dispute-refusal"
        dispute, point, window, party, reason, evidence, salt = fields.array(decode(payload, path), 7, path)
        start, end = fields.array(window, 2, f"{path}.window")
        return cls(
            dispute=fields.uint(dispute, f"{path}.dispute"),
            connection_point=fields.label(point, f"{path}.connection_point"),
            window=Interval(instant(start, f"{path}.window.start"), instant(end, f"{path}.window.end")),
            party=_text(party, f"{path}.party"),
            reason=_text(reason, f"{path}.reason"),
            evidence=fields.optional(evidence, fields.digest, f"{path}.evidence"),
            salt=fields.salt(salt, f"{path}.salt"),
        )


def _text(value: object, path: str) -> str:
    if type(value) is not str or not 1 <= len(value) <= MAX_TEXT or not value.isprintable():
        raise DecodeError(f"expected 1 to {MAX_TEXT} printable characters, got {value!r:.80} in '{path}'")
    return value
