"""What a scenario file declares beyond its evidence, in the words of `headend.vee.declared`.

``[declared]`` holds any of ``mean_w`` (W by block), ``check_wh`` (the check meter's import from 10:00 on), ``day_wh`` (today's use), ``days_wh`` (that of the days before),
``estimated_days`` (how many of them, the last, were estimated), ``[declared.feeder]``, ``[declared.traded]``, and ``registers`` as the AMISP's system read them.
"""

from collections.abc import Iterable
from typing import Any

from headend.readings import Finding, Quality
from headend.vee.declared import (
    Companion,
    DayKind,
    FeederBalance,
    History,
    HistoryBlock,
    HistoryDay,
    ImportedRegisters,
    MeanPower,
    TradedExport,
)
from headend.vee.stated_rules import Declared
from signing.interval import DAY_S, Interval
from signing.statements.window_actual import StatedFinding
from tests.headend.vee import world

_BLOCKS = 96


def day(number: int, total_wh: int, quality: Quality = Quality.VALID, kind: DayKind = DayKind.WORKDAY) -> HistoryDay:
    """An IST day, `number` days after the usual one, of even use; the first block takes what is left over."""
    even, rest = divmod(total_wh, _BLOCKS)
    energies = [even + rest, *[even] * (_BLOCKS - 1)]
    blocks = tuple(HistoryBlock(import_wh=wh, export_wh=0, quality=quality, is_supplied=True) for wh in energies)
    return HistoryDay(start_utc=world.MIDNIGHT + number * DAY_S, kind=kind, period_s=900, blocks=blocks)


def declared(stated: dict[str, Any]) -> Declared:
    """What ``[declared]`` says."""
    means = stated.get("mean_w")
    check = stated.get("check_wh")
    feeder, traded, registers = stated.get("feeder"), stated.get("traded"), stated.get("registers")
    return Declared(
        mean_power=None
        if means is None
        else MeanPower(mean_w={world.at(text): watts for text, watts in means.items()}),
        day=day(0, stated["day_wh"]) if "day_wh" in stated else None,
        history=_history(stated),
        companion=None if check is None else _check(check),
        balances=()
        if feeder is None
        else (FeederBalance(difference_wh=feeder["difference_wh"], history_wh=tuple(feeder["history_wh"])),),
        traded=None if traded is None else TradedExport(**traded),
        imported=None
        if registers is None
        else ImportedRegisters(registers=tuple(world.register(*row) for row in registers), digest=bytes(32)),
    )


def stated_findings(findings: Iterable[Finding], window: Interval) -> tuple[StatedFinding, ...]:
    """What a WindowActual of `window` says of these findings: one row a rule and block, the worst verdict of each, sorted."""
    worst: dict[tuple[str, int, int], StatedFinding] = {}
    for found in findings:
        if found.block_utc is None or not window.start_utc <= found.block_utc < window.end_utc:
            continue
        key = (found.rule, found.version, found.block_utc)
        entry = StatedFinding(rule=found.rule, version=found.version, block_utc=found.block_utc, verdict=found.verdict)
        if key not in worst or worst[key].verdict < entry.verdict:
            worst[key] = entry
    return tuple(worst[key] for key in sorted(worst))


def _history(stated: dict[str, Any]) -> History | None:
    totals = stated.get("days_wh")
    if totals is None:
        return None
    estimated = len(totals) - stated.get("estimated_days", 0)
    return History(
        days=tuple(
            day(place - len(totals), wh, Quality.VALID if place < estimated else Quality.ESTIMATED)
            for place, wh in enumerate(totals)
        )
    )


def _check(imports: list[int]) -> Companion:
    start = world.at("10:00")
    return Companion(
        meter="SKS-check",
        import_wh={start + place * 900: wh for place, wh in enumerate(imports)},
        export_wh={},
    )
