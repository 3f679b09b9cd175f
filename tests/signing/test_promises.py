"""The numbered promises of evidence that no single module keeps alone, each a test that only it can fail."""

import contextlib
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.windows import judge as headend_judge
from signing.claims import read_claims
from signing.errors import DecodeError, SigningError, VerificationError
from signing.evidence import PartCase, WindowCase
from signing.interval import Interval
from signing.messages import encode_down, parse_down, parse_up
from signing.statements.window_actual import Basis
from signing.verify import Outcome, verify
from signing.verify_lone import lone_header, verify_batch
from tests.signing import tiny_cbor
from tests.signing.bundles import stating, trust_of, verified
from tests.signing.judges import judge
from tests.vectors import generate, scenes
from tests.vectors.world import METER, TEN, World, dumps

GOOD = scenes.good()
GOOD_ITEM = GOOD.bundle()
GOOD_DATA = dumps(GOOD_ITEM)
TRUST = trust_of(GOOD.world)
CANONICAL = [p for p in sorted(generate.HERE.glob("*.cbor")) if p.stem not in {"not-canonical", "trailing-byte"}]


def lone() -> tuple[World, bytes, bytes, bytes]:
    """A world, a bundle of one small batch, and the encoded COSE_Sign1 and opening within it."""
    world = World()
    enrolment = world.enrol(world.gateway, METER)
    record = world.record(METER, 0, None, [world.speaker(world.gateway, enrolment)])
    batch = world.batch(TEN, 1)
    data = dumps(world.bundle([], [record], [], [world.batch_entry(batch)], kind=2))
    return world, data, dumps(batch.tag), batch.opening


def test_p1_any_bit_of_a_header_or_an_opening_flipped_is_refused() -> None:
    world, data, sign1, opening = lone()
    trust = trust_of(world)
    assert verify_batch(data, trust).batch.header.meter == METER
    for part in (sign1, opening):
        at = data.index(part)
        for bit in range(len(part) * 8):
            flipped = bytearray(data)
            flipped[at + bit // 8] ^= 1 << bit % 8
            with pytest.raises(VerificationError):
                verify_batch(bytes(flipped), trust)


@pytest.mark.parametrize("path", CANONICAL, ids=lambda path: path.stem)
def test_p3_a_second_library_re_encodes_every_vector_to_the_same_bytes(path: Any) -> None:
    data = path.read_bytes()
    item = tiny_cbor.decode(data)
    assert tiny_cbor.encode(item) == data


def test_p8_a_block_moved_to_another_time_or_meter_is_refused() -> None:
    for place, value in ((0, "SKS00000002"), (3, TEN + 900), (9, 3)):
        item = tiny_cbor.decode(GOOD_DATA)
        payload = tiny_cbor.decode(item[7][1][0].value[2])
        payload[place] = value
        item[7][1][0].value[2] = tiny_cbor.encode(payload)
        with pytest.raises(VerificationError):
            verify(tiny_cbor.encode(item), TRUST, judge)


def test_p20_foreign_keys_are_invalid_here_and_unanchored_without_a_trust_file() -> None:
    path = generate.HERE / "foreign-keys.cbor"
    with pytest.raises(VerificationError, match=r"^\(0\)"):
        verify(path.read_bytes(), TRUST, judge)
    assert verify(path.read_bytes(), None, judge).outcome is Outcome.UNANCHORED


@settings(max_examples=400, deadline=1000)
@given(st.data())
def test_p14_a_bundle_with_changed_bytes_is_never_another_verdict_and_never_a_crash(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD_DATA) - 1))
    length = data.draw(st.integers(0, 8))
    changed = GOOD_DATA[:at] + data.draw(st.binary(max_size=8)) + GOOD_DATA[at + length :]
    try:
        verdict = verify(changed, TRUST, judge)
    except VerificationError:
        return
    # A signature inside a run may be damaged: its successor vouches for the header.
    assert (verdict.digest, verdict.actual) == (GOOD.actuals[0].digest, verified(GOOD).actual)


ITEMS = st.recursive(
    st.none() | st.integers(-(2**65), 2**65) | st.binary(max_size=40) | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.integers(0, 9), inner, max_size=3),
    max_leaves=12,
)


def _leaves(item: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    rows = item.value if hasattr(item, "value") else item
    found = [path]
    if isinstance(rows, list):
        for place, entry in enumerate(rows):
            found += _leaves(entry, (*path, place))
    return found


PLACES = _leaves(tiny_cbor.decode(GOOD_DATA))


@settings(max_examples=400, deadline=1000)
@given(place=st.sampled_from(PLACES), item=ITEMS)
def test_p14_a_bundle_with_another_value_anywhere_is_refused_in_words(place: tuple[int, ...], item: Any) -> None:
    bundle = tiny_cbor.decode(GOOD_DATA)
    if not place:
        bundle = item
    else:
        row = bundle
        for step in place[:-1]:
            row = (row.value if hasattr(row, "value") else row)[step]
        (row.value if hasattr(row, "value") else row)[place[-1]] = item
    changed = dumps(bundle)
    try:
        verdict = verify(changed, TRUST, judge)
    except VerificationError:
        return
    assert verdict.actual == verified(GOOD).actual


WH = st.none() | st.integers(-5, 2000) | st.sampled_from([-(2**53) + 1, 2**53 - 1])
QUARTERS = st.integers(-8, 12)


@st.composite
def hostile_batches(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What a gateway with a genuine key could sign: any times, values and places in its chain."""
    rows = draw(
        st.lists(
            st.tuples(QUARTERS, st.integers(1, 8), st.lists(WH, min_size=8, max_size=8), st.booleans()), max_size=6
        )
    )
    found = []
    for start, blocks, values, lies in rows:
        at = TEN + start * 900 + draw(st.sampled_from([0, 0, 0, 1]))
        registers = sorted({at + 900 * draw(st.integers(0, blocks)) for _ in range(draw(st.integers(0, 2)))})
        header: dict[int, Any] = {}
        if lies:
            header = {
                draw(st.sampled_from([6, 7])): TEN + draw(st.integers(-9000, 9000)),
                8: [draw(st.none() | QUARTERS), 1],
            }
            header |= {1: draw(st.integers(0, 3)), 4: 900}
        found.append({"start": at, "blocks": blocks, "values": values, "registers": registers, "header": header})
    return found


@settings(max_examples=300, deadline=2000)
@given(hostile_batches())
def test_p14_whatever_a_genuine_key_signs_is_judged_or_refused(rows: list[dict[str, Any]]) -> None:
    scene, _ = scenes.start()
    for row in rows:
        by_start = {row["start"] + 900 * n: (wh, wh) for n, wh in enumerate(row["values"])}
        batch = scene.world.batch(
            row["start"], row["blocks"], registers=row["registers"], header=row["header"], value=by_start.__getitem__
        )
        scene.batches.append(batch)
    scene.opened = list({batch.digest: batch for batch in scene.batches}.values())
    head = max(scene.batches, key=lambda batch: batch.sequence, default=None)
    stating(scene, chains=[(scene.world.gateway.kid, head, [])])
    trust = trust_of(scene.world)
    with contextlib.suppress(VerificationError):
        verify(dumps(scene.bundle()), trust, headend_judge)
    claims = read_claims(dumps(scene.bundle()))
    records = (claims.records[METER][0].statement,)
    case = PartCase(
        span=Interval(TEN, scenes.NOON),
        records=records,
        record_digests=(scene.records[0].digest,),
        batches=tuple(row.batch for row in claims.batches),
    )
    window = WindowCase(
        connection_point="CP-MEERUT-1",
        posted_as="98765432-IN",
        window=case.span,
        rule_set=DEFAULT_RULE_SET,
        basis=Basis.NET,
        parts=(case,),
    )
    assert headend_judge(window) == headend_judge(replace(window, parts=(replace(case, batches=case.batches[::-1]),)))


UP = (generate.HERE / "worked-example.cbor").read_bytes()
DOWN = dumps(GOOD.world.receipt(*GOOD.batches))


@settings(max_examples=300, deadline=1000)
@given(st.binary(max_size=64), st.integers(0, len(UP)), st.integers(0, 16))
def test_p14_messages_and_lone_batches_parse_or_are_refused(noise: bytes, at: int, length: int) -> None:
    for whole, parse in ((UP, parse_up), (UP, lone_header), (DOWN, parse_down)):
        changed = whole[:at] + noise + whole[at + length :]
        with contextlib.suppress(DecodeError):
            parse(changed)


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x81" * 100_000,
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\x7f" * 8,
        b"\xbf" * 64,
        b"\xd8\x12" * 1000,
        b"\xc2\x5a\x00\x0f\xff\xff",
        b"\xd8\x1c\x81\xd8\x1d\x00",
    ],
)
def test_p14_hostile_lengths_and_depths_cost_nothing(hostile: bytes) -> None:
    started = time.perf_counter()
    for parse in (parse_up, parse_down, lone_header, lambda data: verify(data, TRUST, judge)):
        with pytest.raises(SigningError):
            parse(hostile)
    assert time.perf_counter() - started < 1


def test_messages_are_fed_byte_by_byte_and_with_a_byte_too_many() -> None:
    for whole, parse in ((UP, parse_up), (DOWN, parse_down)):
        for length in range(len(whole)):
            with pytest.raises(DecodeError):
                parse(whole[:length])
        with pytest.raises(DecodeError):
            parse(whole + b"\x00")
    assert parse_up(UP).encoded() == UP
    assert encode_down(parse_down(DOWN)) == DOWN


@pytest.mark.parametrize("rules", [judge, headend_judge])
def test_a_window_with_three_thousand_headers_takes_less_than_a_second(rules: Any) -> None:
    scene = scenes.good(later=2997)
    data = dumps(scene.bundle())
    trust = trust_of(scene.world)
    started = time.perf_counter()
    assert verify(data, trust, rules).outcome is Outcome.VALID
    taken = time.perf_counter() - started
    print(f"{len(data)} bytes, {taken:.3f} s")
    # Generous: the machine may be busy. Alone it takes a fifth of this.
    assert taken < 3
