"""What one connection point used, gave, bought and sold in one month, for the bill. Pure.

The retailer's part is what is left of the meter after the settled trades: P2P energy is billed by the trade and MUST NOT be billed by the
retailer again. Where a block lacks, the month is INCOMPLETE and has no totals: what is known of it is said apart, and never taken for the
whole. Source: EXCHANGE §5 (billing: utility import = meter - sum(settle)); VEE §C 4.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum

from headend.billing.tariff import Tariff
from headend.readings import Quality
from headend.series import SeriesBlock
from headend.trading.trades import TradeSide, settled_wh
from ledger_client.ledger import Side
from signing.energy import Fraction, kwh_decimal, scaled
from signing.errors import DecodeError
from signing.interval import IST, Interval


class Completeness(Enum):
    """What a month's energies rest on."""

    MEASURED = "MEASURED"
    """Every block was measured."""
    ESTIMATED = "ESTIMATED"
    """Some were estimated, or agreed on by two persons."""
    INCOMPLETE = "INCOMPLETE"
    """Some have no value at all: there are no totals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredRun:
    """Blocks of one meter while nothing of it changed, with the factors that hold for them."""

    meter: str
    factors: tuple[Fraction, ...]
    blocks: tuple[SeriesBlock, ...]
    expected: int
    """How many blocks the run has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One charge on one trade, or the trade's own price."""

    trade: str
    """The ledger's record id."""
    name: str
    """``energy`` for the price; the charge's name otherwise."""
    energy_wh: int
    inr_per_kwh: Decimal
    amount_inr: Decimal
    """What the connection point pays; negative is paid to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Determinants:
    """One connection point and month."""

    connection_point: str
    month: str
    """``2026-04``, of Indian time."""
    meters: tuple[str, ...]
    completeness: Completeness
    blocks: Mapping[Quality, int]
    import_wh: int | None
    """Total drawn from the grid after factors; none while INCOMPLETE."""
    export_wh: int | None
    """Total given to the grid; none while INCOMPLETE, and for meters without an export register."""
    known_import_wh: int
    known_export_wh: int
    bought_wh: int
    """Settled energy of trades as the buyer."""
    sold_wh: int
    lines: tuple[Line, ...]
    open_trades: tuple[str, ...]
    """Record ids of trades of the month that are not settled yet."""
    faults: tuple[str, ...]
    """What a clerk must look at before this is billed."""

    @property
    def residual_import_wh(self) -> int | None:
        """What the retailer supplied; none while INCOMPLETE."""
        return None if self.import_wh is None else self.import_wh - self.bought_wh

    @property
    def residual_export_wh(self) -> int | None:
        """What the retailer took; none where the export is unknown."""
        return None if self.export_wh is None else self.export_wh - self.sold_wh

    @property
    def is_final(self) -> bool:
        """Whether nothing of it is open: it may be billed as it stands."""
        return self.completeness is not Completeness.INCOMPLETE and not self.open_trades and not self.faults


def determinants(
    connection_point: str,
    month: str,
    runs: Sequence[MeteredRun],
    sides: Iterable[TradeSide],
    tariff: Tariff,
) -> Determinants:
    """The month's determinants from its validated blocks and its trades.

    Raises:
        DecodeError: the tariff names no state for a discom of a trade.
    """
    counted = Counter(block.quality for run in runs for block in run.blocks)
    counted[Quality.MISSING] += sum(run.expected - len(run.blocks) for run in runs)
    lacking = counted[Quality.MISSING] + counted[Quality.SUSPECT]
    bought, sold, lines, open_trades = 0, 0, list[Line](), list[str]()
    for own in sorted(sides, key=lambda one: (one.trade.window, one.trade.record_id, one.side.value)):
        settled = settled_wh(own.trade)
        if settled is None:
            open_trades.append(own.trade.record_id)
            continue
        bought += settled if own.side is Side.BUYER else 0
        sold += settled if own.side is Side.SELLER else 0
        lines += _lines(own, settled, tariff)
    known_import, known_export, has_export = _energies(runs)
    is_whole = bool(runs) and not lacking
    found = Determinants(
        connection_point=connection_point,
        month=month,
        meters=tuple(sorted({run.meter for run in runs})),
        completeness=_completeness(runs, counted, lacking),
        blocks=dict(counted),
        import_wh=known_import if is_whole else None,
        export_wh=known_export if is_whole and has_export else None,
        known_import_wh=known_import,
        known_export_wh=known_export,
        bought_wh=bought,
        sold_wh=sold,
        lines=tuple(lines),
        open_trades=tuple(dict.fromkeys(open_trades)),
        faults=(),
    )
    return _with_faults(found)


def month_span(month: str) -> Interval:
    """The IST month that text such as ``2026-04`` names.

    Raises:
        DecodeError: it names none.
    """
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise DecodeError(f"expected a month such as 2026-04, got {month!r:.40}") from error
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    start, end = (int(datetime(day.year, day.month, 1, tzinfo=IST).timestamp()) for day in (first, following))
    return Interval(start, end)


def _completeness(runs: Sequence[MeteredRun], counted: Counter[Quality], lacking: int) -> Completeness:
    if not runs or lacking:
        return Completeness.INCOMPLETE
    is_estimated = counted[Quality.ESTIMATED] or counted[Quality.MANUAL]
    return Completeness.ESTIMATED if is_estimated else Completeness.MEASURED


def _energies(runs: Sequence[MeteredRun]) -> tuple[int, int, bool]:
    """Import, export and whether every block states an export; each run scaled once."""
    imported = exported = 0
    has_export = bool(runs)
    for run in runs:
        imported += scaled(sum(block.import_wh or 0 for block in run.blocks), *run.factors)
        exported += scaled(sum(block.export_wh or 0 for block in run.blocks), *run.factors)
        has_export = has_export and all(block.export_wh is not None for block in run.blocks)
    return imported, exported, has_export


def _lines(own: TradeSide, settled: int, tariff: Tariff) -> list[Line]:
    trade = own.trade
    found = []
    if trade.price_inr_per_kwh is not None:
        sign = 1 if own.side is Side.BUYER else -1
        amount = (trade.price_inr_per_kwh * kwh_decimal(settled)).quantize(Decimal("0.01"))
        found.append(
            Line(
                trade=trade.record_id,
                name="energy",
                energy_wh=settled,
                inr_per_kwh=trade.price_inr_per_kwh,
                amount_inr=sign * amount,
            )
        )
    reach = tariff.reach(trade.discom_id_buyer, trade.discom_id_seller) if tariff.charges else None
    for charge in () if reach is None else tariff.of(reach, trade.window.start_utc):
        amount = charge.amount_inr(settled, own.side)
        if amount:
            found.append(
                Line(
                    trade=trade.record_id,
                    name=charge.name,
                    energy_wh=settled,
                    inr_per_kwh=charge.inr_per_kwh,
                    amount_inr=amount,
                )
            )
    return found


def _with_faults(found: Determinants) -> Determinants:
    faults = []
    if found.residual_import_wh is not None and found.residual_import_wh < 0:
        faults.append("more was bought than the meter drew: see the ledger's allocations")
    if found.residual_export_wh is not None and found.residual_export_wh < 0:
        faults.append("more was sold than the meter gave: see the ledger's allocations")
    if found.sold_wh and found.import_wh is not None and found.export_wh is None:
        faults.append("energy was sold and the meter has no export register: see its record")
    return replace(found, faults=tuple(faults))
