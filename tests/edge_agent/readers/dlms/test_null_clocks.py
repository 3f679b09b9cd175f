"""Rows without a clock: believed where they end as the meter's period says, refused where that period is a lie."""

from pathlib import Path

import pytest

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.dlms.null_clocks import Run, last_run, unproved
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from edge_agent.registers import IMPORT_BLOCK, ProfileRow
from firmware_sim.dlms.clients import DEFAULT_PASSWORD
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.faulty import is_of_every_meter, parse_dlms_fault, spoil
from firmware_sim.dlms.server import serve_device
from firmware_sim.faults import parse_fault
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import DAY_S, Interval, floor_to_block, ist_day_start, parse_instant

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
TODAY = ist_day_start(NOW)
P = 900


def row(block: int, *, has_clock: bool = True) -> ProfileRow:
    """The row stamped so many quarter hours after midnight."""
    stamp = bytes(12) if has_clock else None
    return ProfileRow(stamp=stamp, stamp_utc=block * P, end_utc=block * P, clock_status=None, values={})


def run(rows: list[ProfileRow]) -> Run:
    found = last_run(rows)
    assert found is not None
    return found


def test_the_last_run_is_found_and_what_stands_behind_it() -> None:
    assert last_run([]) is None
    assert last_run([row(1), row(2)]) is None
    assert run([row(1), row(2, has_clock=False)]) == Run(place=1, end_utc=2 * P, next_utc=None)
    rows = [row(1), row(2, has_clock=False), row(5), row(6, has_clock=False), row(9), row(11)]
    assert run(rows) == Run(place=3, end_utc=6 * P, next_utc=9 * P)


@pytest.mark.parametrize(
    ("end", "following", "asked"),
    [
        (8, None, (8 * P + 1, 9 * P)),
        (9, None, None),
        (5, None, (5 * P + 1, 9 * P)),
        (5, 7, (5 * P + 1, 7 * P - 1)),
        (5, 6, None),
    ],
)
def test_a_run_that_ends_early_is_asked_after(end: int, following: int | None, asked: tuple[int, int] | None) -> None:
    at = Run(place=1, end_utc=end * P, next_utc=None if following is None else following * P)
    assert unproved(at, first_utc=0, last_utc=9 * P, period_s=P, newest_first=False, of="") == asked


@pytest.mark.parametrize(
    ("end", "following", "asked"),
    [
        (3, None, (2 * P, 3 * P - 1)),
        (2, None, None),
        (5, 3, (3 * P + 1, 5 * P - 1)),
        (4, 3, None),
    ],
)
def test_a_run_of_a_newest_first_buffer_is_asked_before(
    end: int, following: int | None, asked: tuple[int, int] | None
) -> None:
    at = Run(place=1, end_utc=end * P, next_utc=None if following is None else following * P)
    assert unproved(at, first_utc=2 * P, last_utc=9 * P, period_s=P, newest_first=True, of="") == asked


@pytest.mark.parametrize(
    ("end", "following", "newest_first"),
    [(10, None, False), (7, 7, False), (8, 7, False), (1, None, True), (3, 3, True), (2, 3, True)],
)
def test_a_run_that_leads_too_far_is_refused(end: int, following: int | None, *, newest_first: bool) -> None:
    at = Run(place=1, end_utc=end * P, next_utc=None if following is None else following * P)
    with pytest.raises(MeterDecodeError, match=r"every 900 s in profile 1\.0\.99\.1\.0\.255.*do not end"):
        unproved(at, first_utc=2 * P, last_utc=9 * P, period_s=P, newest_first=newest_first, of="1.0.99.1.0.255")


def device(*faults: str, period_s: int = 900) -> Device:
    own = [parse_dlms_fault(each) for each in faults if not is_of_every_meter(each)]
    every = tuple(parse_fault(each) for each in faults if is_of_every_meter(each))
    meter = Meter(MeterSpec(serial="12345678", period_s=period_s, days=3), Home(seed=7, array_w=5000), every)
    return spoil(Device(meter, now=lambda: NOW), own)


async def starts(of: Device, folder: Path, span: Interval) -> list[int]:
    """Starts of the blocks in `span` by the agent's reader; every energy is the meter's own."""
    (folder / "lls").write_bytes(DEFAULT_PASSWORD)
    async with (
        serve_device(of) as port,
        open_reader(f"dlms+tcp://127.0.0.1:{port}?client=32&password=file:{folder}/lls") as reader,
    ):
        assert isinstance(reader, Reader)
        rows = await reader.block_rows(span)
    period_s = of.meter.spec.period_s
    for each in rows:
        truth = of.meter.block(each.end_utc - period_s, period_s).energies
        assert each.values[IMPORT_BLOCK].raw == truth.imported_wh
    return [each.end_utc - period_s for each in rows]


WAYS = ["", "no-range", "no-selective-access", "no-selective-access=unsaid"]
SPANS = {
    "an hour": Interval(floor_to_block(NOW, 3600) - 3600, floor_to_block(NOW, 3600)),
    "a morning": Interval(TODAY, floor_to_block(NOW, 3600)),
    "a day": Interval(TODAY - DAY_S, TODAY),
}


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("order", [(), ("lifo",), ("exclusive-edges",)], ids=str)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("period_s", "said"), [(1800, 900), (3600, 900), (3600, 1800), (900, 1800), (900, 3600)])
async def test_rows_without_clocks_of_a_meter_that_lies_about_its_period_are_never_believed(  # noqa: PLR0917 - axes
    tmp_path: Path, period_s: int, said: int, way: str, order: tuple[str, ...], span: str
) -> None:
    faults = ["null-clocks", f"lies-about-period={said}", *order, *([way] if way else [])]
    of = device(*faults, period_s=period_s)
    try:
        read = await starts(of, tmp_path, SPANS[span])
    except MeterDecodeError as error:
        assert "1.0.99.1.0.255" in str(error)  # noqa: PT017 - rows that all have a clock, or none, are no error
        return
    # An answer of one row has a clock in every row.
    assert len(read) <= 1


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("order", [(), ("exclusive-edges",), ("shuffled-columns",)], ids=str)
@pytest.mark.parametrize("period_s", [900, 1800, 3600])
async def test_rows_without_clocks_of_an_honest_meter_keep_their_places(
    tmp_path: Path, period_s: int, order: tuple[str, ...], way: str, span: str
) -> None:
    of = device("null-clocks", *order, *([way] if way else []), period_s=period_s)
    assert await starts(of, tmp_path, SPANS[span]) == list(SPANS[span].block_starts(period_s))


@pytest.mark.parametrize("way", WAYS[:2])
@pytest.mark.parametrize("gone", ["11:50", "11:35", "10:07", "00:01"])
async def test_a_row_that_is_missing_behind_or_amid_them_is_a_gap(tmp_path: Path, gone: str, way: str) -> None:
    at = parse_instant(f"2026-04-26T{gone}:00+05:30", "gone")
    for order in ((), ("lifo",)):
        of = device("null-clocks", f"missing-block=2026-04-26T{gone}:00+05:30", *order, *([way] if way else []))
        expected = [each for each in SPANS["a morning"].block_starts(900) if not each <= at < each + 900]
        assert await starts(of, tmp_path, SPANS["a morning"]) == expected
