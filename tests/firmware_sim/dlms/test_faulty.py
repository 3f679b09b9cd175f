"""Faults by name: what each changes on the wire, and what is refused."""

from collections.abc import Sequence

import pytest

from firmware_sim.dlms.acse import Conformance
from firmware_sim.dlms.axdr import Reader, Value, date_time, parse_date_time
from firmware_sim.dlms.catalogue import BLOCK_LOAD, CLOCK, DAILY_LOAD
from firmware_sim.dlms.clients import READER_SAP, UTILITY_SAP
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.faulty import AHEAD, DLMS_FAULTS, is_of_every_meter, parse_dlms_fault, spoil
from firmware_sim.dlms.notification import Notifier
from firmware_sim.dlms.object_faults import ROLL_WH
from firmware_sim.dlms.objects import AccessRefusedError, CosemObject, Selection, logical_name
from firmware_sim.errors import SetupError
from firmware_sim.instants import IST_OFFSET_S, utc_text
from tests.firmware_sim.dlms.ciphered_wire import KEYS
from tests.firmware_sim.meters import NOW, now, seller

IMPORTED = logical_name("1.0.1.8.0.255")
EXPORTED = logical_name("1.0.2.8.0.255")
IMPORT_BLOCK = logical_name("1.0.1.29.0.255")
LAST = (NOW + IST_OFFSET_S) // 900 * 900 - IST_OFFSET_S
"""The end of the last complete block."""
CLOCK_REFERENCE: list[Value] = [8, CLOCK, 2, 0]


def device(*faults: str, days: int = 2) -> Device:
    return spoil(Device(seller(days=days), now=now), [parse_dlms_fault(text) for text in faults])


def found(of: Device, name: bytes) -> CosemObject:
    return next(each for each in of.objects if each.name == name)


def told(of: Device, name: bytes, attribute: int = 2, at: int = NOW) -> Value:
    return Reader(found(of, name).read(attribute, at, None)).data()


def range_of(first: int, last: int) -> Selection:
    return Selection(selector=1, parameters=[CLOCK_REFERENCE, date_time(first), date_time(last), []])


def rows(of: Device, selection: Selection | None = None, profile: bytes = BLOCK_LOAD) -> list[dict[bytes, Value]]:
    """Rows by the names of their columns."""
    told_rows = Reader(found(of, profile).read(2, NOW, selection)).data()
    assert isinstance(told_rows, list)
    load = found(of, profile).profile
    assert load is not None
    names = [column.name for column in load.columns]
    named = []
    for row in told_rows:
        assert isinstance(row, list)
        named.append(dict(zip(names, row, strict=True)))
    return named


def stamps(of: Device, selection: Selection | None = None) -> list[int | None]:
    return [None if row[CLOCK] is None else instant(row[CLOCK]) for row in rows(of, selection)]


def instant(cell: Value) -> int:
    assert isinstance(cell, bytes)
    return parse_date_time(cell)


def number(value: Value) -> int:
    assert isinstance(value, int)
    return value


def test_columns_stand_elsewhere_and_hold_the_same() -> None:
    plain, shuffled = device(), device("shuffled-columns")
    for profile in (BLOCK_LOAD, DAILY_LOAD):
        assert rows(shuffled, profile=profile) == rows(plain, profile=profile)
        usual, other = (list(rows(each, profile=profile)[0]) for each in (plain, shuffled))
        assert usual.index(CLOCK) == 0
        assert 0 < other.index(CLOCK) < len(other) - 1
    assert told(shuffled, BLOCK_LOAD, 6) == CLOCK_REFERENCE
    assert stamps(shuffled, range_of(LAST, LAST)) == [LAST]


def test_only_the_first_clock_of_an_answer_is_told() -> None:
    asked = range_of(LAST - 1800, LAST)
    assert stamps(device("null-clocks"), asked) == [LAST - 1800, None, None]
    assert stamps(device("null-clocks", "lifo"), asked) == [LAST, None, None]


def test_a_clock_after_a_gap_is_told() -> None:
    gap = parse_dlms_fault(f"clock-step=1800@{utc_text(LAST - 1800)}")
    of = spoil(device(), [gap, parse_dlms_fault("null-clocks")])
    assert stamps(of, range_of(LAST - 2700, LAST + 1800)) == [LAST - 2700, None, LAST + 900, None]


def test_every_register_of_one_block_is_null() -> None:
    of = device(f"null-values={utc_text(LAST - 900)}")
    before, at = rows(of, range_of(LAST - 900, LAST))
    assert None not in before.values()
    assert [name for name, value in at.items() if value is not None] == [CLOCK]


def test_the_newest_row_is_first_in_answers_and_in_numbers() -> None:
    of = device("lifo")
    assert told(of, BLOCK_LOAD, 5) == 2
    assert told(device(), BLOCK_LOAD, 5) == 1
    assert stamps(of, range_of(LAST - 900, LAST)) == [LAST, LAST - 900]
    assert stamps(of, Selection(selector=2, parameters=[1, 2, 1, 0])) == [LAST, LAST - 900]
    assert stamps(of)[0] == LAST


def test_a_row_is_stamped_by_its_start() -> None:
    plain, of = device(), device("start-stamps")
    (end,) = rows(plain, range_of(LAST, LAST))
    (start,) = rows(of, range_of(LAST - 900, LAST - 900))
    assert start[IMPORT_BLOCK] == end[IMPORT_BLOCK]
    assert instant(start[CLOCK]) == LAST - 900
    assert rows(of, profile=DAILY_LOAD) == rows(plain, profile=DAILY_LOAD)


@pytest.mark.parametrize(
    ("argument", "octet_text"), [("+330", "014a"), ("330", "014a"), ("-330", "feb6"), ("unspecified", "8000")]
)
def test_a_deviation_stands_in_every_date_time(argument: str, octet_text: str) -> None:
    of = device(f"deviation={argument}")
    for raw in (told(of, CLOCK), rows(of)[0][CLOCK]):
        assert isinstance(raw, bytes)
        assert raw[9:11].hex() == octet_text


def test_a_clock_status_stands_in_every_date_time() -> None:
    for raw in (told(device("clock-status-ff"), CLOCK), rows(device("clock-status-ff"))[0][CLOCK]):
        assert isinstance(raw, bytes)
        assert raw[11] == 0xFF


def test_a_range_leaves_out_its_edges() -> None:
    assert stamps(device("exclusive-edges"), range_of(LAST - 1800, LAST)) == [LAST - 900]


@pytest.mark.parametrize(
    ("fault", "refused"),
    [("no-selective-access", (1, 2)), ("no-selective-access=unsaid", (1, 2)), ("no-range", (1,)), ("lifo", ())],
)
def test_selectors_are_refused(fault: str, refused: Sequence[int]) -> None:
    of = device(fault)
    selections = {1: range_of(LAST, LAST), 2: Selection(selector=2, parameters=[1, 1, 1, 0])}
    for selector, selection in selections.items():
        if selector in refused:
            with pytest.raises(AccessRefusedError):
                rows(of, selection)
        else:
            assert len(rows(of, selection)) == 1
    says_so = fault == "no-selective-access"
    assert bool(of.withheld & Conformance.SELECTIVE_ACCESS) == says_so


@pytest.mark.parametrize("seconds", [600, -600])
def test_a_moved_clock_loses_no_energy(seconds: int) -> None:
    moment = LAST - 4 * 900 - 300
    of = device(f"clock-step={seconds}@{utc_text(moment)}", days=1)
    assert told(of, CLOCK) == date_time(NOW + seconds)
    assert told(of, CLOCK, at=moment) == date_time(moment)
    after = [row for row in rows(of) if instant(row[CLOCK]) > moment - 7200]
    ends = [instant(row[CLOCK]) for row in after]
    assert moment in ends
    first, last = ends[0], ends[-1] - seconds
    meter = seller(days=1)
    rise = meter.registers(last).imported_wh - meter.registers(first).imported_wh
    assert sum(number(row[IMPORT_BLOCK]) for row in after[1:]) == rise
    assert last == (NOW + seconds + IST_OFFSET_S) // 900 * 900 - IST_OFFSET_S - seconds


def test_a_clock_that_is_moved_and_set_right_again_loses_no_energy_either() -> None:
    wrong, right = LAST - 20 * 900 - 300, LAST - 6 * 900 - 400
    of = device(
        "deviation=unspecified", f"clock-step=1000@{utc_text(wrong)}", f"clock-step=-1000@{utc_text(right)}", days=1
    )
    clock = told(of, CLOCK)
    assert isinstance(clock, bytes)
    assert (instant(clock), clock[9:11]) == (NOW, b"\x80\x00")
    after = [row for row in rows(of) if instant(row[CLOCK]) > wrong - 3600]
    ends = [instant(row[CLOCK]) for row in after]
    assert [end for end in ends if (end + IST_OFFSET_S) % 900] == [wrong, right + 1000]
    assert ends[-1] == LAST
    meter = seller(days=1)
    rise = meter.registers(LAST).imported_wh - meter.registers(ends[0]).imported_wh
    assert sum(number(row[IMPORT_BLOCK]) for row in after[1:]) == rise


@pytest.mark.parametrize("seconds", [600, -600])
def test_a_clock_that_was_always_ahead_cuts_other_blocks(seconds: int) -> None:
    of, meter = device(f"clock-step={seconds}"), seller(days=2)
    assert told(of, CLOCK) == date_time(NOW + seconds)
    newest = rows(of)[-1]
    end = (NOW + seconds + IST_OFFSET_S) // 900 * 900 - IST_OFFSET_S
    assert instant(newest[CLOCK]) == end
    assert newest[IMPORT_BLOCK] == meter.block(end - seconds - 900, 900).energies.imported_wh
    assert len(rows(of)) == len(rows(device()))


def test_registers_begin_again_and_blocks_go_on() -> None:
    meter, moment = seller(days=2), LAST - 3600
    rise = meter.registers(NOW).imported_wh - meter.registers(moment).imported_wh
    for fault in ("reset", "rollover"):
        of = device(f"{fault}={utc_text(moment)}")
        assert told(of, IMPORTED) == rise
        assert rows(of) == rows(device())
    before = meter.registers(moment).imported_wh - meter.registers(moment - 900).imported_wh
    assert told(device(f"rollover={utc_text(moment)}"), IMPORTED, at=moment - 900) == (ROLL_WH - before) % ROLL_WH
    assert (
        told(device(f"reset={utc_text(moment)}"), IMPORTED, at=moment - 900)
        == meter.registers(moment - 900).imported_wh
    )


def test_import_and_export_change_places_everywhere() -> None:
    plain, of = device(), device("swapped-ct")
    assert told(of, IMPORTED) == told(plain, EXPORTED)
    assert told(of, EXPORTED) == told(plain, IMPORTED)
    for profile, time in ((BLOCK_LOAD, 29), (DAILY_LOAD, 8)):
        first, second = (logical_name(f"1.0.{c}.{time}.0.255") for c in (1, 2))
        for mine, theirs in zip(rows(of, profile=profile), rows(plain, profile=profile), strict=True):
            assert (mine[first], mine[second]) == (theirs[second], theirs[first])


def test_a_period_is_claimed_and_nothing_else_changes() -> None:
    of = device("lies-about-period=1800")
    assert told(of, BLOCK_LOAD, 4) == 1800
    assert told(of, DAILY_LOAD, 4) == 86_400
    assert rows(of) == rows(device())


def test_counters_are_ahead() -> None:
    counters = device("stale-counter").counters
    assert [counters.accepted(sap) for sap in (READER_SAP, UTILITY_SAP)] == [AHEAD, AHEAD]


def test_answers_are_dropped_spoilt_or_left() -> None:
    (begin,) = device("drop-after-block=2").spoilers
    spoil_one = begin()
    block = b"\xc4\x02\xc1"
    assert [spoil_one(each) for each in (b"\x61", block, b"\xc4\x01", block, block)] == [
        b"\x61", block, b"\xc4\x01", block, None,
    ]  # fmt: skip
    assert begin()(block) == block
    (wrong,) = device("wrong-tag").spoilers
    assert (wrong()(b"\xcc\x10"), wrong()(b"\xc4\x10")) == (b"\xcc\x11", b"\xc4\x10")


def test_pushes_are_replayed_spoilt_or_garbage() -> None:
    def sent(*faults: str) -> list[bytes]:
        notifier = Notifier(device(*faults), KEYS)
        return list(notifier.frames())

    (good,) = sent()
    assert sent("push-replayed") == [good, good]
    assert sent("push-wrong-tag") == [good[:-1] + bytes([good[-1] ^ 1])]
    noise, cut = sent("push-garbage")
    assert noise[:2] != b"\x00\x01"
    assert good.startswith(cut)
    assert 8 < len(cut) < len(good)
    assert len(sent("push-wrong-tag", "push-replayed")) == 2


def test_a_line_is_slow_silent_or_noisy() -> None:
    assert device("slow-link=120").bps == 1200
    assert device().bps is None
    (silent,), (noisy,) = device("silent").lines, device("noise-bytes").lines

    class Echo:
        closed = True
        quiets = 0

        def quiet(self) -> None:
            Echo.quiets += 1

        def receive(self, data: bytes) -> bytes:
            return data

    assert (silent(Echo()).receive(b"x"), silent(Echo()).closed) == (b"", False)
    assert (noisy(Echo()).receive(b"x")[-1:], len(noisy(Echo()).receive(b"x")), noisy(Echo()).receive(b"")) == (
        b"x",
        6,
        b"",
    )
    assert noisy(Echo()).closed
    for line in (silent(Echo()), noisy(Echo())):
        line.quiet()
    assert Echo.quiets == 2


@pytest.mark.parametrize(
    "text",
    ["lifo=1", "deviation=0", "deviation", "clock-step", "clock-step=x@2026-01-01T00:00Z", "clock-step=90000@2026-01-01T00:00Z",
     "no-selective-access=x", "drop-after-block=-1", "slow-link=0", "lies-about-period=0", "reset=x", "null-values", "gremlins"],
)  # fmt: skip
def test_a_wrong_name_or_argument_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="expected"):
        parse_dlms_fault(text)


def test_every_fault_is_named_in_what_an_unknown_one_draws() -> None:
    with pytest.raises(SetupError) as refused:
        parse_dlms_fault("gremlins")
    assert all(name in str(refused.value) for name in (*DLMS_FAULTS, "outage", "missing-block"))
    assert is_of_every_meter("outage=x")
    assert not is_of_every_meter("lifo")


def test_faults_combine() -> None:
    of = device(
        "lifo", "shuffled-columns", "deviation=unspecified", "null-clocks", f"null-values={utc_text(LAST - 900)}"
    )
    newest, second = rows(of, range_of(LAST - 900, LAST))
    newest_clock = newest.pop(CLOCK)
    assert isinstance(newest_clock, bytes)
    assert newest_clock == date_time(LAST)[:9] + b"\x80\x00\x00"
    assert set(newest.values()) == {None}
    assert second[CLOCK] is None
    assert second[IMPORT_BLOCK] is not None
