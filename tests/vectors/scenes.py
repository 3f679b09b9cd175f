"""Worlds with one story each, told with the means of `world`: what a vector or a test starts from.

A `Scene` is one window with everything that proves it; `change` functions break it in one way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.vectors.world import (
    HOUR,
    METER,
    POINT,
    POSTED_AS,
    RULES,
    TEN,
    Batch,
    Key,
    Statement,
    World,
    energy,
    evidence,
    signed,
)

NOON = TEN + 2 * HOUR


def place(batch: Batch | None) -> list[Any] | None:
    return None if batch is None else [batch.sequence, batch.digest]


def part(
    record: Statement,
    number: int,
    chains: Sequence[tuple[bytes, Batch | None, list[list[int]]]],
    *,
    meter: str = METER,
    start: int = TEN,
    end: int = NOON,
    **other: Any,
) -> list[Any]:
    """A part whose blocks are all VALID, unless `counts`, `measured` or `origin` say otherwise."""
    blocks = [energy(at) for at in range(start, end, 900)]
    measured = [sum(b[0] for b in blocks), sum(b[1] for b in blocks)]
    counts = [len(blocks), len(blocks), 0, 0, 0, 0]
    rows = [[kid, place(head), gaps] for kid, head, gaps in sorted(chains, key=lambda row: row[0])]
    return [
        meter,
        start,
        end,
        [number, record.digest],
        rows,
        other.get("counts", counts),
        other.get("measured", measured),
        None,
        other.get("origin", 2),
    ]


def statement_of(parts: list[Any], rules: Statement, batches: Sequence[Batch], **other: Any) -> list[Any]:
    """The fields of a FINAL WindowActual at revision 0, unless `other` says otherwise."""
    imports = [row[6][0] for row in parts]
    exports = [row[6][1] for row in parts]
    item = {
        "subject": [POINT, POSTED_AS],
        "window": [TEN, NOON],
        "revision": 0,
        "supersedes": None,
        "cause": 0,
        "delta": None,
        "status": 1,
        "reason": None,
        "basis": 0,
        "totals": None if None in [*imports, *exports] else [sum(imports), sum(exports)],
        "parts": parts,
        "ruleset": rules.digest,
        "stated": [],
        "evidence": evidence(batches),
        "salt": b"actual's salt 16",
    }
    item.update(other)
    return list(item.values())


@dataclass
class Scene:
    """One window: the world it happened in and what proves it."""

    world: World
    actuals: list[Statement] = field(default_factory=list)
    records: list[Statement] = field(default_factory=list)
    rules: list[Statement] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    opened: list[Batch] = field(default_factory=list)
    ends: list[Batch] = field(default_factory=list)
    """Ends of runs that are not opened."""
    edits: list[Statement] = field(default_factory=list)

    def rows(self) -> list[list[Any]]:
        ordered = sorted(self.batches, key=lambda b: (b.meter, b.kid, b.sequence, b.digest))
        return [
            self.world.batch_entry(
                batch,
                opened=any(batch is other for other in self.opened),
                end=any(batch is other for other in self.ends),
            )
            for batch in ordered
        ]

    def bundle(self, **more: Any) -> list[Any]:
        return self.world.bundle(self.actuals, self.records, self.rules, self.rows(), **({"edits": self.edits} | more))


def start(world: World | None = None, *, rules: list[Any] | None = None) -> tuple[Scene, bytes]:
    """A world with a rule set and one meter enrolled; and the digest of its enrolment."""
    world = world or World()
    scene = Scene(world)
    scene.rules = [world.rules(rules)]
    enrolment = world.enrol(world.gateway, METER)
    scene.records = [world.record(METER, 0, None, [world.speaker(world.gateway, enrolment)])]
    return scene, enrolment


def hours(scene: Scene) -> Scene:
    """09:00 to 12:00 in hourly batches, with registers at 10:00 and 12:00, all opened."""
    batch = scene.world.batch
    scene.batches = [batch(TEN - HOUR, registers=[TEN]), batch(TEN), batch(TEN + HOUR, registers=[NOON])]
    scene.opened = list(scene.batches)
    return scene


def signed_rules(world: World) -> Statement:
    """Another rule set, signed and not logged."""
    return signed(world.discom, "rule-set", ["tests", 2, RULES])


def finish(scene: Scene, gaps: list[list[int]], head: Batch, **other: Any) -> Scene:
    """The FINAL actual of the scene's one meter and one key."""
    record = scene.records[-1]
    rows = [part(record, len(scene.records) - 1, [(scene.world.gateway.kid, head, gaps)])]
    item = statement_of(rows, scene.rules[0], scene.opened, **other)
    scene.actuals.insert(0, scene.world.actual(item))
    return scene


def good(world: World | None = None, *, later: int = 1, ct: list[int] | None = None) -> Scene:
    """09:00 to 13:00 and beyond in hourly batches; registers at 10:00 and 12:00 are signed; the window is 10:00 to 12:00."""
    scene, _ = start(world)
    world = scene.world
    if ct is not None:
        scene.records = []
        enrolment = world.enrol(world.gateway, METER)
        speaker = [world.speaker(world.gateway, enrolment)]
        scene.records = [world.record(METER, 0, None, speaker, [world.fact(ct=ct)])]
    nine = world.batch(TEN - HOUR, registers=[TEN])
    ten = world.batch(TEN)
    eleven = world.batch(TEN + HOUR, registers=[NOON])
    after = [world.batch(NOON + HOUR * number) for number in range(later)]
    scene.batches = [nine, ten, eleven, *after]
    scene.opened = [nine, ten, eleven]
    scene.ends = after[-1:]
    return finish(scene, [], scene.batches[-1])


def open_gap(*, stated: bool = True) -> Scene:
    """Sequence 1 is lost for ever; the meter's memory gives its blocks again as sequence 3."""
    scene, _ = start()
    world = scene.world
    nine = world.batch(TEN - HOUR, registers=[TEN])
    world.skip(TEN)
    eleven = world.batch(TEN + HOUR, registers=[NOON])
    again = world.batch(TEN)
    scene.batches = scene.opened = [nine, eleven, again]
    return finish(scene, [[1, 1]] if stated else [], again)


def equal_duplicate() -> Scene:
    """10:00 to 11:00 was read twice, with equal energies: one value a block."""
    scene, _ = start()
    world = scene.world
    nine = world.batch(TEN - HOUR, registers=[TEN])
    ten = world.batch(TEN)
    eleven = world.batch(TEN + HOUR, registers=[NOON])
    again = world.batch(TEN)
    scene.batches = scene.opened = [nine, ten, eleven, again]
    return finish(scene, [], again)


def revoked() -> Scene:
    """The gateway is stolen: record 1 revokes its key, and yet a batch signed by it is logged afterwards and used."""
    scene, enrolment = start()
    world = scene.world
    nine = world.batch(TEN - HOUR, registers=[TEN])
    ten = world.batch(TEN)
    speakers = [world.speaker(world.gateway, enrolment, state=2)]
    scene.records.append(world.record(METER, 1, scene.records[0].digest, speakers))
    eleven = world.batch(TEN + HOUR, registers=[NOON])
    scene.batches = scene.opened = [nine, ten, eleven]
    return finish(scene, [], eleven)


def omitted_revoke() -> Scene:
    """As `revoked`, and the head-end leaves record 1 out of the bundle."""
    scene = revoked()
    scene.records = scene.records[:1]
    return scene


def fork_after_final() -> Scene:
    """Revision 0 is FINAL; then a clone of the gateway sends another history from sequence 1 on: revision 1 withdraws the figure."""
    scene = good()
    world = scene.world
    nine, ten = scene.batches[:2]
    first = scene.actuals[0]
    again = {1: 1, 2: nine.digest, 6: nine.end}
    clone = world.batch(TEN, value=lambda at: (energy(at)[0], energy(at)[1] + 500), header=again)
    assert clone.sequence == ten.sequence
    scene.batches.append(clone)
    scene.opened.append(clone)
    row = part(
        scene.records[0],
        0,
        [(world.gateway.kid, scene.batches[3], [])],
        counts=[8, 0, 0, 0, 8, 0],
        measured=[None, None],
        origin=None,
    )
    item = statement_of(
        [row],
        scene.rules[0],
        scene.opened,
        revision=1,
        supersedes=first.digest,
        cause=4,
        status=3,
        reason="FORK",
    )
    scene.actuals.insert(0, world.actual(item))
    return scene


def device_exchange() -> Scene:
    """Another device comes at 11:00 under the same meter id; its registers start at zero."""
    scene, enrolment = start()
    world = scene.world
    eleven_o_clock, gateway = TEN + HOUR, world.gateway
    nine = world.batch(TEN - HOUR, registers=[TEN])
    ten = world.batch(TEN, registers=[eleven_o_clock])
    facts = [world.fact(), world.fact("SN-0002", since=eleven_o_clock)]
    speakers = [world.speaker(gateway, enrolment)]
    scene.records.append(world.record(METER, 1, scene.records[0].digest, speakers, facts))

    def anew(stamp: int) -> list[int]:
        since = [energy(at) for at in range(eleven_o_clock, stamp, 900)]
        return [stamp, sum(row[0] for row in since), sum(row[1] for row in since)]

    eleven = world.batch(eleven_o_clock, identity="SN-0002", registers=[eleven_o_clock, NOON], registered=anew)
    scene.batches = scene.opened = [nine, ten, eleven]
    chains: list[tuple[bytes, Batch | None, list[list[int]]]] = [(gateway.kid, eleven, [])]
    rows = [
        part(scene.records[1], 1, chains, end=eleven_o_clock),
        part(scene.records[1], 1, chains, start=eleven_o_clock),
    ]
    scene.actuals = [world.actual(statement_of(rows, scene.rules[0], scene.opened))]
    return scene


def meter_exchange() -> Scene:
    """The meter is exchanged at 11:00: two meters, one window, one part each."""
    scene, enrolment = start()
    world = scene.world
    eleven_o_clock = TEN + HOUR
    other_gateway, new = Key(4), "SKS00000002"
    nine = world.batch(TEN - HOUR, registers=[TEN])
    ten = world.batch(TEN, registers=[eleven_o_clock])
    retired = [world.speaker(world.gateway, enrolment, 1, [ten.sequence, ten.digest])]
    scene.records.append(world.record(METER, 1, scene.records[0].digest, retired))
    enrolment = world.enrol(other_gateway, new)
    fact = world.fact("SN-0002", since=eleven_o_clock)
    scene.records.append(world.record(new, 0, None, [world.speaker(other_gateway, enrolment)], [fact]))
    eleven = world.batch(
        eleven_o_clock, meter=new, key=other_gateway, identity="SN-0002", registers=[eleven_o_clock, NOON]
    )
    scene.batches = scene.opened = [nine, ten, eleven]
    rows = [
        part(scene.records[1], 1, [(world.gateway.kid, ten, [])], end=eleven_o_clock),
        part(scene.records[2], 0, [(other_gateway.kid, eleven, [])], meter=new, start=eleven_o_clock),
    ]
    scene.actuals = [world.actual(statement_of(rows, scene.rules[0], scene.opened))]
    return scene


TEN_30 = TEN + HOUR // 2


def conflict() -> Scene:
    """10:30 was read twice, with two values: one window that nobody can measure."""
    scene, _ = start()
    world = scene.world
    nine = world.batch(TEN - HOUR, registers=[TEN])
    ten = world.batch(TEN)
    eleven = world.batch(TEN + HOUR, registers=[NOON])
    again = world.batch(TEN_30, 1, value=lambda at: (energy(at)[0], energy(at)[1] + 300))
    scene.batches = scene.opened = [nine, ten, eleven, again]
    return scene


def stating_edits(scene: Scene, manual: list[Any] | None = None, **item: Any) -> Scene:
    """The PROVISIONAL actual of `conflict` in which 10:30 is worth what the newest edit says."""
    world, newest = scene.world, scene.edits[-1]
    manual = manual or list(energy(TEN_30))
    blocks = [energy(at) for at in range(TEN, NOON, 900) if at != TEN_30]
    measured = [sum(b[0] for b in blocks), sum(b[1] for b in blocks)]
    chains: list[tuple[bytes, Batch | None, list[list[int]]]] = [(world.gateway.kid, scene.batches[-1], [])]
    row = part(scene.records[0], 0, chains, counts=[8, 7, 0, 1, 0, 0], measured=measured)
    totals = [measured[0] + manual[0], measured[1] + manual[1]]
    fields = statement_of([[*row, manual]], scene.rules[0], scene.opened, **({"status": 0, "totals": totals} | item))
    heads = [[METER, len(scene.edits) - 1, newest.digest]]
    scene.actuals = [world.actual([*fields, heads], version=2)]
    return scene


def edited() -> Scene:
    """As `conflict`, and two persons say what 10:30 is worth."""
    scene = conflict()
    scene.edits = [scene.world.edit(0, None, [[TEN_30, *energy(TEN_30)]])]
    return stating_edits(scene)


def edited_twice() -> Scene:
    """As `edited`, and then they say otherwise."""
    scene = conflict()
    first = scene.world.edit(0, None, [[TEN_30, *energy(TEN_30)]])
    scene.edits = [first, scene.world.edit(1, first, [[TEN_30, 1, 2]], reason="the other reading was right")]
    return stating_edits(scene, [1, 2])
