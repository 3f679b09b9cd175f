"""MeterRecord: the discom's complete, numbered word about one meter, and the keys that may speak for it.

Source: docs/wire-format.md §4.3; EVIDENCE §§1, 3.
"""

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import ClassVar, Self

from signing import fields
from signing.canonical import decode, encode
from signing.energy import Fraction
from signing.errors import DecodeError
from signing.interval import instant, period
from signing.keys import PublicKey, key_from_item, key_item

MAX_WATTS = 10**12


class Role(IntEnum):
    """What a meter is for. Only REVENUE meters settle."""

    REVENUE = 0
    CHECK = 1
    GENERATION = 2


class Stamps(IntEnum):
    """Which edge of a block the meter's own stamps name."""

    END = 0
    START = 1


class SpeakerState(IntEnum):
    """Whether a key may speak for the meter."""

    ACTIVE = 0
    RETIRED = 1
    REVOKED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A batch by its place in a chain."""

    sequence: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What holds of the meter from `from_utc` on, until a later fact."""

    from_utc: int
    identity: str
    """The serial number that the meter gives on the wire."""
    connection_point: str
    role: Role
    period_s: int
    stamps: Stamps
    ct: Fraction
    pt: Fraction
    factor: Fraction
    """The multiplying factor."""
    sanctioned_w: int | None
    """Sanctioned load in W."""
    installed_w: int | None
    """Installed generation in W."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A key that speaks, or spoke, for the meter."""

    key: PublicKey
    gateway: str
    enrolment: bytes
    """Digest of the EnrolRequest; `previous` of the chain's sequence 0."""
    blocks_from_utc: int
    state: SpeakerState
    last: Place | None
    """The last batch that counts, exactly when RETIRED."""
    good: Place | None
    """After a fork: a batch of the branch that holds."""

    def __post_init__(self) -> None:
        if (self.state is SpeakerState.RETIRED) != (self.last is not None):
            raise DecodeError(f"expected 'last' exactly when RETIRED, got state {self.state.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRecord:
    """The complete state of one meter; number 0 is the first."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.meter-record+cbor;v=1"

    meter: str
    number: int
    previous: bytes | None
    log: int
    facts: tuple[Fact, ...]
    speakers: tuple[Speaker, ...]
    salt: bytes

    def __post_init__(self) -> None:
        if (self.number == 0) != (self.previous is None):
            raise DecodeError(f"expected 'previous' exactly when the number is above 0, got number {self.number}")
        if not self.facts:
            raise DecodeError("expected at least one fact in 'meter-record.facts'")
        if any(later.from_utc <= earlier.from_utc for earlier, later in pairwise(self.facts)):
            raise DecodeError("expected facts in ascending order of 'from' in 'meter-record.facts'")
        kids = [speaker.key.kid for speaker in self.speakers]
        if len(set(kids)) != len(kids):
            raise DecodeError("expected each key once in 'meter-record.speakers'")

    def speaker(self, kid: bytes) -> Speaker | None:
        """The speaker with this key, or none."""
        return next((speaker for speaker in self.speakers if speaker.key.kid == kid), None)

    def vouches(self, kid: bytes, sequence: int) -> bool:
        """Whether a batch with this key and sequence, logged while this record is the newest, is the meter's word."""
        speaker = self.speaker(kid)
        if speaker is None or speaker.state is SpeakerState.REVOKED:
            return False
        return speaker.last is None or sequence <= speaker.last.sequence

    def fact(self, at_utc: int) -> Fact | None:
        """What holds at an instant, or none before the first fact."""
        return next((fact for fact in reversed(self.facts) if fact.from_utc <= at_utc), None)

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        facts = [_fact_item(fact) for fact in self.facts]
        speakers = [_speaker_item(speaker) for speaker in self.speakers]
        return encode([self.meter, self.number, self.previous, self.log, facts, speakers, self.salt])

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The record in canonical bytes. Raises `DecodeError` naming the field."""
        path = "meter-record"
        meter, number, previous, log, facts, speakers, salt = fields.array(decode(payload, path), 7, path)
        fact_rows = fields.sequence(facts, f"{path}.facts", least=1)
        speaker_rows = fields.sequence(speakers, f"{path}.speakers")
        return cls(
            meter=fields.identifier(meter, f"{path}.meter"),
            number=fields.uint(number, f"{path}.number"),
            previous=fields.optional(previous, fields.digest, f"{path}.previous"),
            log=fields.uint(log, f"{path}.log"),
            facts=tuple(_fact(row, f"{path}.facts[{place}]") for place, row in enumerate(fact_rows)),
            speakers=tuple(_speaker(row, f"{path}.speakers[{place}]") for place, row in enumerate(speaker_rows)),
            salt=fields.salt(salt, f"{path}.salt"),
        )


def place_item(place: Place | None) -> list[object] | None:
    """The wire form of a place in a chain."""
    return None if place is None else [place.sequence, place.digest]


def parse_place(value: object, path: str) -> Place:
    """The place that a decoded item holds. Raises `DecodeError` naming `path`."""
    sequence, digest = fields.array(value, 2, path)
    return Place(sequence=fields.uint(sequence, f"{path}.sequence"), digest=fields.digest(digest, f"{path}.digest"))


def _ratio_item(ratio: Fraction) -> list[object]:
    return [ratio.numerator, ratio.denominator]


def _ratio(value: object, path: str) -> Fraction:
    numerator, denominator = fields.array(value, 2, path)
    return Fraction(fields.uint(numerator, path), fields.uint(denominator, path))


def _watts(value: object, path: str) -> int:
    return fields.integer(value, path, least=0, most=MAX_WATTS)


def _fact_item(fact: Fact) -> list[object]:
    return [
        fact.from_utc,
        fact.identity,
        fact.connection_point,
        int(fact.role),
        fact.period_s,
        int(fact.stamps),
        _ratio_item(fact.ct),
        _ratio_item(fact.pt),
        _ratio_item(fact.factor),
        fact.sanctioned_w,
        fact.installed_w,
    ]


def _fact(value: object, path: str) -> Fact:
    row = fields.array(value, 11, path)
    return Fact(
        from_utc=instant(row[0], f"{path}.from"),
        identity=fields.label(row[1], f"{path}.identity"),
        connection_point=fields.label(row[2], f"{path}.connection_point"),
        role=fields.member(row[3], Role, f"{path}.role"),
        period_s=period(row[4], f"{path}.period"),
        stamps=fields.member(row[5], Stamps, f"{path}.stamps"),
        ct=_ratio(row[6], f"{path}.ct"),
        pt=_ratio(row[7], f"{path}.pt"),
        factor=_ratio(row[8], f"{path}.factor"),
        sanctioned_w=fields.optional(row[9], _watts, f"{path}.sanctioned_w"),
        installed_w=fields.optional(row[10], _watts, f"{path}.installed_w"),
    )


def _speaker_item(speaker: Speaker) -> list[object]:
    return [
        key_item(speaker.key),
        speaker.gateway,
        speaker.enrolment,
        speaker.blocks_from_utc,
        int(speaker.state),
        place_item(speaker.last),
        place_item(speaker.good),
    ]


def _speaker(value: object, path: str) -> Speaker:
    row = fields.array(value, 7, path)
    return Speaker(
        key=key_from_item(row[0], f"{path}.key"),
        gateway=fields.identifier(row[1], f"{path}.gateway"),
        enrolment=fields.digest(row[2], f"{path}.enrolment"),
        blocks_from_utc=instant(row[3], f"{path}.blocks_from"),
        state=fields.member(row[4], SpeakerState, f"{path}.state"),
        last=fields.optional(row[5], parse_place, f"{path}.last"),
        good=fields.optional(row[6], parse_place, f"{path}.good"),
    )
