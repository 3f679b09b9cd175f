"""The facts that an operator states at an enrolment: one TOML file beside the gateway's enrolment file.

::

    shard = 0
    [[meter]]
    id = "SKS1000001"                       # the discom's id, as the gateway's request names it
    identity = "SKS1000001"                 # the serial number that the meter gives
    connection_point = "MRT-000123"
    posted_as = ["TEST_METER_SELLER_001"]   # the ledgers' ids, exactly as they spell them
    from = "2026-01-01T00:00:00+05:30"      # since when this holds
    period_s = 900

Several tables with one `id` are its facts from several times on. One that says nothing but `id`, `blocks_from` and `posted_as` keeps what the
meter's record says: enough for another key of a meter that is enrolled already.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from headend.onboarding.enrol import MeterFacts
from signing import fields
from signing.energy import ONE, parse_fraction
from signing.errors import DecodeError
from signing.interval import PERIODS_S, parse_instant
from signing.statements.meter_record import MAX_WATTS, Fact, Role, Stamps
from signing.tables import Table, parse_toml
from signing.topics import MAX_SHARD

E = TypeVar("E", bound=IntEnum)

_OF_A_FACT = (
    "connection_point", "ct", "factor", "from", "identity", "installed_w", "period_s", "pt", "role", "sanctioned_w", "stamps",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentFacts:
    """What the discom says to one enrolment file."""

    shard: int
    meters: Mapping[str, MeterFacts]


def parse(text: str, source: str) -> EnrolmentFacts:
    """The facts in TOML `text`.

    Raises:
        DecodeError: every fault at once, each with its key.
    """
    root = parse_toml(text, source)
    shard = root.integer("shard", least=0, most=MAX_SHARD, default=0)
    meters: dict[str, MeterFacts] = {}
    for table in root.tables("meter", least=1):
        name, stated = _meter(table)
        meters[name] = _with(meters[name], stated, table) if name in meters else stated
    root.close()
    root.faults.check()
    return EnrolmentFacts(shard=shard, meters=meters)


def _meter(table: Table) -> tuple[str, MeterFacts]:
    name = table.parsed("id", fields.identifier, "x")
    facts = (_fact(table),) if any(map(table.has, _OF_A_FACT)) else ()
    # What is kept says from when on its meter was recorded, and not from when on this key speaks for it.
    since = facts[0].from_utc if facts else 0
    has_start = table.has("blocks_from") or not facts
    blocks_from = table.parsed("blocks_from", parse_instant, since) if has_start else since
    aliases = _aliases(table)
    table.close()
    return name, MeterFacts(facts=facts, blocks_from_utc=blocks_from, posted_as=aliases)


def _with(one: MeterFacts, other: MeterFacts, table: Table) -> MeterFacts:
    """The facts of two tables of one meter; the first says from when on its key speaks."""
    facts = one.facts + other.facts
    if not one.facts or not other.facts or other.facts[0].from_utc <= one.facts[-1].from_utc:
        table.faults.add(table.key("from"), "expected a later time than in the table before of this meter")
    return MeterFacts(facts=facts, blocks_from_utc=one.blocks_from_utc, posted_as=one.posted_as + other.posted_as)


def _fact(table: Table) -> Fact:
    since = table.parsed("from", parse_instant, 0)
    return Fact(
        from_utc=since,
        identity=table.parsed("identity", fields.label, "x"),
        connection_point=table.parsed("connection_point", fields.label, "x"),
        role=_member(table, "role", Role.REVENUE),
        period_s=_period(table),
        stamps=_member(table, "stamps", Stamps.END),
        ct=table.parsed("ct", parse_fraction, ONE, default="1"),
        pt=table.parsed("pt", parse_fraction, ONE, default="1"),
        factor=table.parsed("factor", parse_fraction, ONE, default="1"),
        sanctioned_w=_watts(table, "sanctioned_w"),
        installed_w=_watts(table, "installed_w"),
    )


def _aliases(table: Table) -> tuple[str, ...]:
    names = table.texts("posted_as", default=())
    for place, alias in enumerate(names):
        try:
            fields.label(alias, "posted_as")
        except DecodeError as error:
            table.faults.add(f"{table.key('posted_as')}[{place}]", str(error))
    return names


def _period(table: Table) -> int:
    seconds = table.integer("period_s", least=1, most=max(PERIODS_S), default=900)
    if seconds not in PERIODS_S:
        table.faults.add(table.key("period_s"), f"expected 900, 1800 or 3600, got {seconds}")
        return PERIODS_S[0]
    return seconds


def _watts(table: Table, name: str) -> int | None:
    return table.integer(name, least=0, most=MAX_WATTS) if table.has(name) else None


def _member(table: Table, name: str, default: E) -> E:
    word = table.text(name, default=default.name)
    kinds = {member.name: member for member in type(default)}
    if word not in kinds:
        table.faults.add(table.key(name), f"expected one of {', '.join(kinds)}, got {word!r:.40}")
    return kinds.get(word, default)
