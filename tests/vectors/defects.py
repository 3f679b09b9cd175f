"""One function for each vector: a story, or a good window broken in one way.

Each gives the bytes and what `sakshi-verify` must say of them.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2

from tests.vectors import scenes
from tests.vectors.scenes import NOON, Scene, part, statement_of
from tests.vectors.world import (
    HOUR,
    METER,
    RAO,
    TEN,
    Batch,
    EdKey,
    Key,
    World,
    content_type,
    dumps,
    energy,
    to_be_signed,
)

TRUST = "trust.toml"


@dataclass
class Run:
    """One call of the verifier: the trust file or none, and what comes of it."""

    exit: int
    message: str
    check: int | None = None
    trust: str | None = TRUST


@dataclass
class Vector:
    """A file, what is wrong with it, and what each run says."""

    data: bytes
    defect: str
    runs: list[Run] = field(default_factory=list)
    option: str = "bundle"


def _vector(item: Any, defect: str, *runs: Run, option: str = "bundle") -> Vector:
    return Vector(item if isinstance(item, bytes) else dumps(item), defect, list(runs), option)


def _row(bundle: list[Any], sequence: int) -> list[Any]:
    """The row of a batch in a bundle of the good window."""
    found: list[Any] = bundle[7][sequence]
    return found


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _resigned(row: list[Any], **parts: Any) -> None:
    """Replaces parts of a batch's COSE_Sign1."""
    protected, unprotected, payload, signature = row[0].value
    row[0] = cbor2.CBORTag(
        18,
        [
            parts.get("protected", protected),
            parts.get("unprotected", unprotected),
            parts.get("payload", payload),
            parts.get("signature", signature),
        ],
    )


def good_window() -> Vector:
    """The window that the others break."""
    return _vector(scenes.good().bundle(), "none", Run(0, "VALID"))


def open_gap() -> Vector:
    bundle = scenes.open_gap().bundle()
    return _vector(bundle, "sequence 1 was lost for ever; stated as a gap", Run(0, "1 sequences never admitted"))


def unstated_gap() -> Vector:
    bundle = scenes.open_gap(stated=False).bundle()
    return _vector(bundle, "sequence 1 is missing and no gap is stated", Run(1, "sequence 1 is left out", 5))


def equal_duplicate() -> Vector:
    return _vector(scenes.equal_duplicate().bundle(), "blocks read twice with equal energies", Run(0, "6.768"))


def omitted_revoke() -> Vector:
    run = Run(1, f"record 1 of meter {METER} is left out", 4)
    return _vector(scenes.omitted_revoke().bundle(), "the record that revokes the key is left out", run)


def revoked_then_logged() -> Vector:
    run = Run(1, "record 1 does not let this key speak", 4)
    return _vector(scenes.revoked().bundle(), "a batch logged after its key was revoked", run)


def fork_after_final() -> Vector:
    bundle = scenes.fork_after_final().bundle()
    return _vector(bundle, "a clone's history arrives after FINAL; revision 1 holds the figure back", Run(0, "PENDING"))


def fork_left_final() -> Vector:
    """The head-end keeps FINAL although both histories are in its log."""
    scene = scenes.good()
    world, (nine, *_) = scene.world, scene.batches
    again = {1: 1, 2: nine.digest, 6: nine.end}
    clone = world.batch(TEN, value=lambda at: (energy(at)[0], energy(at)[1] + 500), header=again)
    scene.batches.append(clone)
    scene.opened.append(clone)
    row = part(scene.records[0], 0, [(world.gateway.kid, scene.batches[3], [])])
    scene.actuals = [world.actual(statement_of([row], scene.rules[0], scene.opened))]
    return _vector(scene.bundle(), "FINAL over a fork", Run(1, "stated FINAL, the rules recompute to PENDING", 8))


def meter_exchange() -> Vector:
    return _vector(scenes.meter_exchange().bundle(), "two meters share the window", Run(0, "6.768"))


def device_exchange() -> Vector:
    return _vector(scenes.device_exchange().bundle(), "two devices of one meter share the window", Run(0, "6.768"))


def edited_conflict() -> Vector:
    run = Run(0, "edits: edit 0 of meter SKS00000001: seal broken, figures agreed with the customer")
    return _vector(scenes.edited().bundle(), "two persons say what a block in conflict is worth", run)


def edit_replaced() -> Vector:
    return _vector(scenes.edited_twice().bundle(), "the newest edit of a block holds", Run(0, "1 manual"))


def edit_left_out() -> Vector:
    """The newest edit, which the actual rests on, is not shown."""
    scene = scenes.edited_twice()
    scene.edits = scene.edits[:1]
    run = Run(1, f"edit 1 of meter {METER} is left out", 4)
    return _vector(scene.bundle(), "an edit that the actual rests on is left out", run)


def edit_before_left_out() -> Vector:
    scene = scenes.edited_twice()
    scene.edits = scene.edits[1:]
    return _vector(scene.bundle(), "an earlier edit is left out", Run(1, "edit 0 of meter", 4))


def _edited_by(**persons: Any) -> Scene:
    scene = scenes.conflict()
    scene.edits = [scene.world.edit(0, None, [[scenes.TEN_30, *energy(scenes.TEN_30)]], **persons)]
    return scenes.stating_edits(scene)


def edit_by_one_person() -> Vector:
    scene = _edited_by(approver=(RAO, "B. Sen"))
    return _vector(scene.bundle(), "one key signs for two persons", Run(1, "the keys of two persons", 4))


def edit_unapproved() -> Vector:
    """The second signature is over something else."""
    scene = _edited_by(signed_by_approver=[METER, 0, None, 900, [[scenes.TEN_30, 0, 0]], "agreed", bytes(16)])
    return _vector(scene.bundle(), "one of two signatures is missing", Run(1, "'B. Sen' did not sign", 4))


def edit_after_the_actual() -> Vector:
    scene = scenes.conflict()
    world = scene.world
    late = world.edit(0, None, [[scenes.TEN_30, *energy(scenes.TEN_30)]], into_log=False)
    scene.edits = [late]
    scenes.stating_edits(scene)
    world.logged(late)
    return _vector(scene.bundle(), "an edit logged after it was used", Run(1, f"edit 0 of meter {METER} stands", 7))


def edit_called_final() -> Vector:
    """Two persons say what was measured to the last Wh, and it is no measurement."""
    scene = scenes.conflict()
    scene.edits = [scene.world.edit(0, None, [[scenes.TEN_30, *energy(scenes.TEN_30)]])]
    run = Run(1, "stated FINAL, the rules recompute to PROVISIONAL", 8)
    return _vector(scenes.stating_edits(scene, status=1).bundle(), "FINAL over an edited block", run)


def foreign_keys() -> Vector:
    """Well formed in every way, and of somebody else."""
    world = World(discom=Key(11), log=EdKey(12), gateway=Key(13))
    inside = Run(1, "not signed by the log key of the trust file", 0)
    outside = Run(3, "no trust file", trust=None)
    return _vector(scenes.good(world).bundle(), "keys that the trust file does not name", inside, outside)


def foreign_discom_key() -> Vector:
    world = World(discom=Key(11))
    run = Run(1, "which is not the discom's", 0)
    return _vector(scenes.good(world).bundle(), "a discom key that the trust file does not name", run)


def flipped_header() -> Vector:
    bundle = scenes.good().bundle()
    row = _row(bundle, 2)
    payload = row[0].value[2]
    _resigned(row, payload=_flipped(payload, len(payload) - 1))
    return _vector(bundle, "one bit of a header flipped", Run(1, "sequence 2", 4))


def flipped_opening() -> Vector:
    bundle = scenes.good().bundle()
    row = _row(bundle, 1)
    row[1] = row[1].replace(b"SN-0001", b"SN-0000")
    return _vector(bundle, "one bit of an opening flipped", Run(1, "the opening is not the one", 5))


def flipped_signature_in_a_run() -> Vector:
    bundle = scenes.good().bundle()
    row = _row(bundle, 1)
    _resigned(row, signature=_flipped(row[0].value[3], 40))
    return _vector(bundle, "a damaged signature that a link makes good", Run(0, "VALID"))


def flipped_signature_at_the_end() -> Vector:
    bundle = scenes.good().bundle()
    row = _row(bundle, 3)
    _resigned(row, signature=_flipped(row[0].value[3], 40))
    return _vector(bundle, "a damaged signature that nothing makes good", Run(1, "sequence 3", 4))


def truncated_path() -> Vector:
    bundle = scenes.good().bundle()
    bundle[4][0][2] = bundle[4][0][2][:-1]
    return _vector(bundle, "an inclusion path without its last hash", Run(1, "the log does not hold revision 0", 3))


def moved_index() -> Vector:
    bundle = scenes.good().bundle()
    row = _row(bundle, 1)
    row[2] = [row[2][0] + 1, row[2][1]]
    return _vector(bundle, "a batch at another index than the log's", Run(1, "the log does not hold sequence 1", 3))


def wrong_algorithm() -> Vector:
    """EdDSA said of a P-256 key, under a signature that verifies as ES256."""
    scene = scenes.good()
    bundle = scene.bundle()
    row, key = _row(bundle, 3), scene.world.gateway
    protected = dumps({1: -8, 3: content_type("reading-batch"), 4: key.kid})
    _resigned(row, protected=protected, signature=key.sign(to_be_signed(protected, row[0].value[2])))
    return _vector(bundle, "an algorithm that is not the key's", Run(1, "expected algorithm -7", 4))


def absent_algorithm() -> Vector:
    scene = scenes.good()
    bundle = scene.bundle()
    protected = dumps({3: content_type("reading-batch"), 4: scene.world.gateway.kid})
    _resigned(_row(bundle, 3), protected=protected)
    return _vector(bundle, "no algorithm", Run(1, "exactly alg, content type and kid", 1))


def unprotected_algorithm() -> Vector:
    bundle = scenes.good().bundle()
    _resigned(_row(bundle, 3), unprotected={1: -7})
    return _vector(bundle, "an algorithm outside the signature", Run(1, "empty unprotected header", 1))


def not_canonical() -> Vector:
    data = dumps(scenes.good().bundle())
    assert data[:3] == b"\x88\x01\x01"
    return _vector(data[:1] + b"\x18\x01" + data[2:], "an integer longer than need be", Run(1, "canonical CBOR", 1))


def trailing_byte() -> Vector:
    return _vector(dumps(scenes.good().bundle()) + b"\x00", "a byte after the end", Run(1, "canonical CBOR", 1))


def erased_opening() -> Vector:
    bundle = scenes.good().bundle()
    _row(bundle, 1)[1] = b""
    return _vector(bundle, "readings erased, headers kept", Run(5, "ERASED"))


def erased_register() -> Vector:
    """The erased opening held the register that bounds the context."""
    bundle = scenes.good().bundle()
    _row(bundle, 0)[1] = b""
    return _vector(bundle, "a register erased, headers kept", Run(5, "ERASED"))


def withheld_opening() -> Vector:
    bundle = scenes.good().bundle()
    _row(bundle, 1)[1] = None
    return _vector(bundle, "an opening that is needed is not there", Run(1, "is not opened", 5))


def header_left_out() -> Vector:
    bundle = scenes.good().bundle()
    del bundle[7][1]
    return _vector(bundle, "a header left out", Run(1, "sequence 1 is left out", 5))


def head_left_out() -> Vector:
    bundle = scenes.good().bundle()
    del bundle[7][3]
    return _vector(bundle, "the newest header left out", Run(1, "stated head sequence 3", 5))


def short_evidence() -> Vector:
    scene = scenes.hours(scenes.start()[0])
    world, (_, ten, eleven) = scene.world, scene.batches
    row = part(scene.records[0], 0, [(world.gateway.kid, eleven, [])])
    scene.actuals = [world.actual(statement_of([row], scene.rules[0], [ten, eleven]))]
    return _vector(scene.bundle(), "evidence that leaves a batch out", Run(1, "'evidence' does not cover", 6))


def rules_after_the_actual() -> Vector:
    """The rule set is signed, used, and logged only afterwards."""
    scene = scenes.good()
    world = scene.world
    first = scene.actuals[0]
    rules = scenes.signed_rules(world)
    row = part(scene.records[0], 0, [(world.gateway.kid, scene.batches[-1], [])])
    item = statement_of([row], rules, scene.opened, revision=1, supersedes=first.digest, cause=3, delta=[0, 0])
    scene.actuals.insert(0, world.actual(item))
    scene.rules = [world.logged(rules)]
    return _vector(scene.bundle(), "a rule set logged after it was used", Run(1, "the rule set stands at index", 7))


def _stating(**fields_of_part: Any) -> Scene:
    scene = scenes.hours(scenes.start()[0])
    world, eleven = scene.world, scene.batches[-1]
    item = fields_of_part.pop("item", {})
    row = part(scene.records[0], 0, [(world.gateway.kid, eleven, [])], **fields_of_part)
    scene.actuals = [world.actual(statement_of([row], scene.rules[0], scene.opened, **item))]
    return scene


def inflated_part() -> Vector:
    bundle = _stating(measured=[106, 7768]).bundle()
    return _vector(
        bundle, "a part with 1 kWh too much", Run(1, "'measured_export_wh': stated 7768, recomputed 6768", 8)
    )


def inflated_totals() -> Vector:
    bundle = _stating(item={"totals": [106, 7768]}).bundle()
    return _vector(bundle, "totals that are not the sum of the parts", Run(1, "export 7768 Wh", 8))


def other_subject() -> Vector:
    bundle = _stating(item={"subject": ["CP-MEERUT-2", "98765432-IN"]}).bundle()
    return _vector(bundle, "another customer's connection point", Run(1, "the rules recompute to PENDING", 8))


def upgraded_origin() -> Vector:
    bundle = _stating(origin=3).bundle()
    return _vector(bundle, "an origin stronger than the meter gave", Run(1, "'origin'", 8))


def only_the_actual() -> Vector:
    scene = scenes.good()
    bundle = scene.world.bundle(scene.actuals, kind=0)
    return _vector(bundle, "no readings: what an exchange holds", Run(4, "ATTESTED"))


def before_the_pin() -> Vector:
    """The trust file pins a tree that is larger than the bundle's."""
    run = Run(3, "before the pinned", trust="trust-pinned.toml")
    return _vector(scenes.good().bundle(), "a bundle older than the pinned checkpoint", run)


PINNED_SIZE = 9


def pinned() -> str:
    """The trust file of the good world with a pinned checkpoint that lies ahead of it."""
    scene = scenes.good(later=3)
    return scene.world.trust(pin=scene.world.checkpoint(PINNED_SIZE))


def reaches_the_pin() -> Vector:
    run = Run(0, "VALID", trust="trust-pinned.toml")
    return _vector(scenes.good(later=3).bundle(), "none: the pinned checkpoint is reached", run)


def rewritten_log() -> Vector:
    """As many leaves as were pinned and more, and another one among the first."""
    world = World()
    world.logged(scenes.signed_rules(world))
    scene = scenes.good(world, later=3)
    bundle = scene.bundle(old_sizes=[PINNED_SIZE])
    return _vector(
        bundle, "a log that does not extend the pinned one", Run(1, "does not extend", 2, "trust-pinned.toml")
    )


def _lone(scene: Scene, batch: Batch, *, logged: bool) -> list[Any]:
    row = [batch.tag, batch.opening, scene.world.place(batch) if logged else None]
    return scene.world.bundle([], scene.records, [], [row], kind=2)


def lone_batch() -> Vector:
    scene = scenes.good()
    item = _lone(scene, scene.batches[1], logged=True)
    return _vector(item, "none: one batch with its meter's records", Run(0, "AUTHENTIC"), option="batch")


def lone_batch_not_logged() -> Vector:
    scene = scenes.good()
    item = _lone(scene, scene.world.skip(NOON + HOUR), logged=False)
    return _vector(item, "a batch without a place in the log", Run(3, "NOT LOGGED"), option="batch")


def lone_batch_of_another() -> Vector:
    scene = scenes.good()
    thief = Key(21)
    scene.world.enrol(thief, METER)
    batch = scene.world.batch(TEN, key=thief)
    item = _lone(scene, batch, logged=True)
    return _vector(item, "a key that no record names", Run(1, "no record lets the key", 4), option="batch")


def worked_example() -> Vector:
    """The message of docs/wire-format.md §1."""
    world = World()
    world.enrol(world.gateway, METER)
    values = dict(zip(range(TEN, TEN + HOUR, 900), [812, 790, 845, 901], strict=True))
    imports = dict(zip(range(TEN, TEN + HOUR, 900), [0, 3, 0, 0], strict=True))
    header = {1: 41, 2: sha256(b"batch 40").digest(), 6: TEN, 7: TEN + HOUR + 12}
    batch = world.batch(TEN, identity=METER, value=lambda at: (imports[at], values[at]), header=header)
    return Vector(dumps([1, batch.tag, batch.opening, 5120]), "none: the message of the worked example", [], "up")
