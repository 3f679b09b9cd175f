"""How wrong estimates are on simulated homes: blocks are hidden, estimated by each method, and compared with the truth.

Simulated days are more alike than real ones, which flatters like days; figures for real homes need public series.
Source: VEE §E; docs/vee-rules.md "Estimates".
"""

from dataclasses import dataclass

from firmware_sim.world import Dwelling, Home
from headend.readings import Quality
from headend.vee.accuracy import Accuracy, accuracy, without_limit
from headend.vee.declared import Channel, DayKind, History, HistoryBlock, HistoryDay
from headend.vee.estimate_order import Known
from signing.interval import DAY_S, parse_instant

FIRST_DAY = parse_instant("2026-04-01T00:00:00+05:30", "first day")
METHODS = ("E1", "E3", "E4")
SEEDS = (1, 5)
_WEEK = (*(DayKind.WORKDAY,) * 5, DayKind.SATURDAY, DayKind.SUNDAY)
_FIRST_WEEKDAY = 2
"""1 April 2026 is a Wednesday."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One home and channel."""

    home: str
    channel: Channel
    row: Accuracy


def history(home: Home, days: int) -> History:
    """So many days of a home's net meter, quarter by quarter."""
    return History(days=tuple(_day(home, number) for number in range(days)))


def measured(days: int, stride: int) -> tuple[Measured, ...]:
    """Every method, length and channel, for a home with a roof and a shop without one, in two climates."""
    found = []
    for seed in SEEDS:
        for home in (Home(seed=seed, array_w=5000), Home(seed=seed, dwelling=Dwelling.SHOP)):
            past = history(home, days)
            known = Known(kinds={day.start_utc: day.kind for day in past.days})
            name = f"{home.dwelling.value}, seed {seed}"
            for channel in Channel if home.array_w else (Channel.IMPORT,):
                rows = accuracy(
                    past, known, channel, methods=METHODS, stride=stride, digit_wh=10, rule_set=without_limit()
                )
                found += [Measured(name, channel, row) for row in rows]
    return tuple(found)


def table(rows: tuple[Measured, ...]) -> str:
    """The measurements for people: mean error of a block in Wh, and how many of a thousand lay within their bounds."""
    lines = [
        "| home | channel | blocks | method | gaps | mean error, Wh | within bounds |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in rows:
        whole, rest = divmod(entry.row.mean_error_mwh, 1000)
        lines.append(
            f"| {entry.home} | {entry.channel.value} | {entry.row.length} | {entry.row.method} | {entry.row.gaps} "
            f"| {whole}.{rest // 100} | {entry.row.within_permille} ‰ |"
        )
    return "\n".join(lines)


def mean_error_mwh(rows: tuple[Measured, ...], method: str, length: int) -> int:
    """Over every home and channel, the mean error of a hidden block of one method at one length, in thousandths of a Wh."""
    chosen = [entry.row for entry in rows if (entry.row.method, entry.row.length) == (method, length)]
    blocks = sum(row.gaps * row.length for row in chosen)
    return sum(row.error_wh for row in chosen) * 1000 // max(1, blocks)


def _day(home: Home, number: int) -> HistoryDay:
    start = FIRST_DAY + number * DAY_S
    energy = home.day((start + 19_800) // DAY_S)
    blocks = tuple(
        HistoryBlock(
            import_wh=max(0, load - solar), export_wh=max(0, solar - load), quality=Quality.VALID, is_supplied=True
        )
        for load, solar in zip(energy.load_wh, energy.solar_wh, strict=True)
    )
    kind = _WEEK[(number + _FIRST_WEEKDAY) % len(_WEEK)]
    return HistoryDay(start_utc=start, kind=kind, period_s=900, blocks=blocks)


if __name__ == "__main__":
    print(table(measured(days=35, stride=13)))
