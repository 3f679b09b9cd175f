"""The rows of the gateway: what reading meters costs on the wire, on a line, in a client and in a whole agent."""

from benchmarks import gateway, gurux_place, line, meter_reading
from benchmarks import wear as state_wear
from benchmarks.bench import NO_BROKER, Bench
from benchmarks.gateway import BUDGET_RSS, BUDGET_WRITTEN, Cost
from benchmarks.meter_reading import ReadingCost
from benchmarks.over_mqtt import Place
from benchmarks.premises import Street
from benchmarks.report import Left
from benchmarks.site import Ground

COSEM_GOAL, GURUX_GOAL = 1.0, 10.0
WIRE_LIMIT, LINE_LIMIT, FLAT_LIMIT = 1.02, 1.05, 1.05
PDUS = (256, 512, 1024, 2048)
"""Longest APDUs of simulated meters."""
BPS = 9600
_DAYS, _QUICK_DAYS = 35, 3
_BLOCK_S = 1800
"""Of the polled month: what firmware captures by unless it is told otherwise."""
_MIB = 1024 * 1024
_WHOLE_MONTH = 30
_WRITTEN_BACK_S = 36
"""After so long Linux has written every page that was changed, unless it is told otherwise."""


def cosem(bench: Bench) -> None:
    """The DLMS reader beside dlms-cosem, on a plain profile."""
    found = meter_reading.beside_cosem(bench.folder, bench.plan.repeats, cores=bench.plan.cores)
    context = f"{found.rows} rows over TCP, LLS, nothing ciphered, ours with scalers; {_times(found)}"
    bench.add("DLMS profile read", found.ratio, context, unit="CPU of dlms-cosem / ours", goal=COSEM_GOAL)


def gurux(bench: Bench) -> None:
    """The DLMS reader beside Gurux's, on a ciphered profile."""
    name = "ciphered DLMS profile read"
    place = gurux_place.install(bench.folder / "gurux")
    if isinstance(place, str):
        bench.left.append(Left(name=name, why=place))
        return
    found = meter_reading.beside_gurux(bench.folder / "ciphered", place, bench.plan.repeats, cores=bench.plan.cores)
    context = f"{found.rows} rows over TCP, suite 0; ours verifies every tag, theirs none; {_times(found)}"
    bench.add(name, found.ratio, context, unit="CPU of Gurux's Python client / ours", goal=GURUX_GOAL)


def _times(found: ReadingCost) -> str:
    return (
        f"{found.ours_s * 1e3:.0f} ms against {found.theirs_s * 1e3:.0f} ms of CPU, {found.ours_wall_s * 1e3:.0f} ms against "
        f"{found.theirs_wall_s * 1e3:.0f} ms in all"
    )


def wire(bench: Bench) -> None:
    """Octets of a ciphered profile behind HDLC, for meters with several lengths of APDU."""
    for pdu in PDUS:
        found = line.octets(bench.folder / f"wire-{pdu}", pdu, _DAYS)
        context = (
            f"{found.rows} rows, frames of {line.FRAME}; least {found.least}; the profile alone {found.profile} "
            f"({found.profile / found.least:.4f})"
        )
        for kind, octets in (("first", found.first), ("later", found.later)):
            bench.add_limited(
                f"{kind} reading, meter's APDUs {pdu}",
                octets / found.least,
                f"{octets} octets, association, columns and release included; {context}",
                unit="octets on the wire / least for the profile",
                most=WIRE_LIMIT,
            )


def line_time(bench: Bench) -> None:
    """Time of a ciphered profile on a slow line."""
    found = line.paced(bench.folder / "paced", BPS, bench.plan.line_days)
    context = (
        f"{found.rows} rows, {found.octets} octets over a pseudo-terminal of {BPS} bit/s, {found.took_s:.1f} s against "
        f"{found.line_s:.1f} s of the line's own; real time, nothing scaled"
    )
    bench.add_limited(
        "profile on a line", found.took_s / found.line_s, context, unit="time / the line's", most=LINE_LIMIT
    )


def backfill(bench: Bench) -> None:
    """A whole agent with eight meters that holds weeks of blocks to read."""
    days = _DAYS if bench.plan.repeats > 1 else _QUICK_DAYS
    place = bench.place
    if place is None:
        bench.left.append(Left(name="agent with eight meters", why=NO_BROKER))
        return
    bench.anchor.sample()
    found = gateway.backfill(_ground(bench, "backfill"), bench.folder / "backfill-gateway", _street(bench, place), days)
    _figures(bench, f"agent, {days} days of 8 meters back-filled", found)


def month(bench: Bench) -> None:
    """A whole agent with eight meters that polls them for a month."""
    days = bench.plan.month_days
    place = bench.place
    if place is None:
        bench.left.append(Left(name="agent that polls eight meters", why=NO_BROKER))
        return
    bench.anchor.sample()
    found = gateway.month(
        _ground(bench, "month"), bench.folder / "month-gateway", _street(bench, place), days, _BLOCK_S
    )
    name = f"agent, 8 meters polled for {days} days"
    _figures(bench, name, found)
    context = (
        f"{found.first_rss / _MIB:.1f} MiB after the first day, {found.settled_rss / _MIB:.1f} MiB after a third of the days, "
        f"{found.last_rss / _MIB:.1f} MiB after the last"
    )
    bench.add_limited(
        f"{name}: flat",
        found.last_rss / found.settled_rss,
        context,
        unit="RSS / after a third of the days",
        most=FLAT_LIMIT,
    )


def wear(bench: Bench) -> None:
    """What the agent's state alone writes, by how meters are read."""
    is_quick = bench.plan.month_days < _WHOLE_MONTH
    kinds = {
        "8 meters together, at once": (8, 50 if is_quick else 1500, 0.0),
        f"8 meters together, {_WRITTEN_BACK_S} s apart": (8, 0 if is_quick else 5, float(_WRITTEN_BACK_S)),
        "a meter alone, at once": (1, 50 if is_quick else 3000, 0.0),
    }
    for number, (name, (meters, polls, apart_s)) in enumerate(kinds.items()):
        if not polls:
            continue
        found = state_wear.wear(bench.folder / f"wear-{number}", meters=meters, polls=polls, apart_s=apart_s)
        bench.add_limited(
            f"state alone, {name}: disk",
            found.a_reading / BUDGET_WRITTEN,
            f"{found.a_reading:.0f} bytes a reading, batches and receipts; {found.readings} readings",
            unit="bytes written a reading / 4 KiB",
            most=1.0,
        )


def _street(bench: Bench, place: Place) -> Street:
    return Street(broker=place.broker, cores=bench.plan.cores)


def _ground(bench: Bench, name: str) -> Ground:
    folder = bench.folder / name
    folder.mkdir()
    return Ground(folder, ())


def _figures(bench: Bench, name: str, found: Cost) -> None:
    many = f"{found.blocks} blocks in {found.batches} batches, suite 0, MQTT"
    bench.add_limited(
        f"{name}: memory",
        found.peak_rss / BUDGET_RSS,
        f"peak {found.peak_rss / _MIB:.1f} MiB; {many}",
        unit="peak RSS / 64 MiB",
        most=1.0,
    )
    bench.add(
        f"{name}: CPU",
        found.cpu_a_block_s / bench.anchor.median_s(),
        f"{found.cpu_a_block_s * 1e6:.0f} us a block read, signed, stored, sent and receipted; {many}",
        unit="CPU of a block / one verification (less is better)",
    )
    bench.add_limited(
        f"{name}: disk",
        found.written_a_block / BUDGET_WRITTEN,
        f"{found.written_a_block:.0f} bytes a reading with journal and receipts; {many}",
        unit="bytes written a reading / 4 KiB",
        most=1.0,
    )
