"""Rules whose inputs no evidence bundle holds: pure functions over declared inputs, whose findings travel as `stated`.

Every finding names a block of the window: a rule that judges a day or a meter speaks of the block that its caller gives it.
Source: VEE §A V25, V26, V28 to V32; docs/vee-rules.md "Stated rules".
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headend.readings import Finding, ValidatedInterval
from headend.vee.declared import (
    Channel,
    Companion,
    FeederBalance,
    History,
    HistoryDay,
    ImportedRegisters,
    MeanPower,
    TradedExport,
)
from headend.vee.rule import finding
from headend.vee.ruleset import stated_by
from signing.interval import DAY_S, Interval, ist_text
from signing.statements.reading_batch import Register
from signing.statements.rule_set import Rule, RuleSet
from signing.statements.window_actual import Verdict

_PERMILLE = 1000
_HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the head-end knows of a window beyond its evidence; what is absent is not judged by."""

    mean_power: MeanPower | None = None
    day: HistoryDay | None = None
    """The day of the window, as far as it is known."""
    history: History | None = None
    companion: Companion | None = None
    balances: Sequence[FeederBalance] = ()
    """Of the transformer and the feeder that the meter hangs on, where they have a meter of their own."""
    traded: TradedExport | None = None
    imported: ImportedRegisters | None = None


def found_beyond(
    rule_set: RuleSet,
    declared: Declared,
    window: Interval,
    intervals: Sequence[ValidatedInterval],
    registers: Iterable[Register],
) -> tuple[Finding, ...]:
    """What the set's stated rules find of a window: `intervals` and signed `registers` are those of its part's context.

    Raises:
        RuleSetError: this program cannot judge by the set.
    """
    rules = {name: rule for name, (_, rule) in stated_by(rule_set).items()}
    at, stamped = window.start_utc, tuple(registers)
    found: list[Finding] = []
    if "V25" in rules and declared.mean_power is not None:
        found += profile(intervals, declared.mean_power, rules["V25"])
    if "V26" in rules and declared.day is not None and declared.history is not None:
        found += high_low(declared.day, declared.history, rules["V26"], at)
    if "V28" in rules and declared.companion is not None:
        found += check_meter(intervals, declared.companion, rules["V28"], at)
    if "V29" in rules:
        found += [one for balance in declared.balances for one in feeder(balance, rules["V29"], at)]
    if "V30" in rules and declared.history is not None:
        found += prolonged(declared.history, rules["V30"], at)
    if "V31" in rules and declared.traded is not None:
        found += cap(declared.traded, rules["V31"], at)
    if "V32" in rules and declared.imported is not None:
        found += origin([interval.block for interval in intervals], stamped, declared.imported, rules["V32"])
    return tuple(found)


def profile(intervals: Sequence[ValidatedInterval], declared: MeanPower, rule: Rule) -> tuple[Finding, ...]:
    """V25 PROF: a block's import is what its own mean power makes of it, within a digit or so many permille."""
    findings = []
    for interval in intervals:
        watts = declared.mean_w.get(interval.block.start_utc)
        if watts is None or interval.import_wh is None:
            continue
        # In thousandths of a watt-second, so that nothing is rounded before it is compared.
        power = watts * interval.block.length_s
        apart = abs(interval.import_wh * _HOUR_S - power) * _PERMILLE
        allowed = max(rule.parameters["digit_wh"] * _HOUR_S * _PERMILLE, rule.parameters["tolerance_permille"] * power)
        if apart > allowed:
            because = f"import of {interval.import_wh} Wh, mean power of {watts} W"
            numbers = {"import_wh": interval.import_wh, "mean_w": watts}
            findings.append(
                finding(rule, "PROF", Verdict.SUSPECT, because, numbers=numbers, block_utc=interval.block.start_utc)
            )
    return tuple(findings)


def high_low(day: HistoryDay, history: History, rule: Rule, at_utc: int) -> tuple[Finding, ...]:
    """V26 HILO: a day's import against the mean of the days before it; days that are no pattern do not count."""
    series = day.series(Channel.IMPORT)
    before = [each for each in history.before(day.start_utc, rule.parameters["days"]) if each.is_pattern]
    totals = [sum(values) for each in before if (values := each.series(Channel.IMPORT)) is not None]
    if series is None or len(totals) < rule.parameters["least_days"]:
        return ()
    total, scaled, usual = sum(series), sum(series) * len(totals) * _PERMILLE, sum(totals)
    if rule.parameters["low_permille"] * usual <= scaled <= rule.parameters["high_permille"] * usual:
        return ()
    because = f"{total} Wh in a day, {usual} Wh in the {len(totals)} days before"
    numbers = {"day_wh": total, "days": len(totals), "days_wh": usual}
    return (finding(rule, "HILO", Verdict.VALID, because, numbers=numbers, block_utc=at_utc),)


def check_meter(
    intervals: Sequence[ValidatedInterval], companion: Companion, rule: Rule, at_utc: int
) -> tuple[Finding, ...]:
    """V28 CHECK: main and check meter agree within so many class errors over the blocks that both have, each channel apart."""
    findings = []
    allowed = rule.parameters["multiple"] * rule.parameters["class_permille"]
    for channel in Channel:
        series = companion.series(channel)
        pairs = [
            (wh, series[interval.block.start_utc])
            for interval in intervals
            if (wh := _energy(interval, channel)) is not None and interval.block.start_utc in series
        ]
        main, check = sum(wh for wh, _ in pairs), sum(wh for _, wh in pairs)
        if abs(main - check) * _PERMILLE > allowed * main:
            because = f"{channel.value} of {main} Wh, the check meter {companion.meter} says {check} Wh"
            findings.append(
                finding(
                    rule,
                    "CHECK",
                    Verdict.VALID,
                    because,
                    numbers={"check_wh": check, "main_wh": main},
                    block_utc=at_utc,
                )
            )
    return tuple(findings)


def feeder(declared: FeederBalance, rule: Rule, at_utc: int) -> tuple[Finding, ...]:
    """V29 BALANCE: what a feeder loses today against the spread of what it lost before."""
    count, total = len(declared.history_wh), sum(declared.history_wh)
    if count < rule.parameters["least_days"]:
        return ()
    # Both sides times n squared: whole numbers, no root and no division.
    variance = count * sum(wh * wh for wh in declared.history_wh) - total * total
    apart = (count * declared.difference_wh - total) ** 2
    if apart <= rule.parameters["sigmas"] ** 2 * variance:
        return ()
    because = f"{declared.name} lacks {declared.difference_wh} Wh, {total} Wh in the {count} days before"
    numbers = {"days": count, "days_wh": total, "difference_wh": declared.difference_wh}
    return (finding(rule, "BALANCE", Verdict.VALID, because, numbers=numbers, block_utc=at_utc),)


def prolonged(history: History, rule: Rule, at_utc: int) -> tuple[Finding, ...]:
    """V30 PROLONG: how many days in a row, up to the last known one, hold energy that nobody measured; from some on somebody must go there."""
    days = 0
    for day in reversed(history.days):
        if not day.is_estimated:
            break
        days += 1
    if days <= rule.parameters["warn_days"]:
        return ()
    visit = days > rule.parameters["visit_days"]
    because = f"estimated for {days} days in a row" + (": the meter has to be visited" if visit else "")
    return (
        finding(
            rule, "PROLONG", Verdict.ESTIMATED, because, numbers={"days": days, "visit": int(visit)}, block_utc=at_utc
        ),
    )


def cap(declared: TradedExport, rule: Rule, at_utc: int) -> tuple[Finding, ...]:
    """V31 CAP: a day's traded export against what the installed generation could give in 24 h. A note to the exchange."""
    able = declared.installed_w * (DAY_S // _HOUR_S)
    if declared.traded_wh * _PERMILLE <= rule.parameters["cap_permille"] * able:
        return ()
    because = f"{declared.traded_wh} Wh traded in a day by {declared.installed_w} W of generation"
    numbers = {"installed_w": declared.installed_w, "traded_wh": declared.traded_wh}
    return (finding(rule, "CAP", Verdict.VALID, because, numbers=numbers, block_utc=at_utc),)


def origin(
    blocks: Sequence[Interval], signed: Sequence[Register], imported: ImportedRegisters, rule: Rule
) -> tuple[Finding, ...]:
    """V32 ORIGIN: what was signed at the premises against what the AMISP's own system read of the same meter, stamp by stamp.

    Where they differ by more than a digit, something else than the meter was signed for. Every block is SUSPECT from the last stamp
    that agrees to the next, or without end where none does.
    """
    doubted: dict[int, Finding] = {}
    for doubt in origin_doubts(signed, imported.registers, rule):
        numbers = {"difference_wh": doubt.difference_wh, "stamp_utc": doubt.stamp_utc}
        for block in blocks:
            start = block.start_utc
            if doubt.covers(block) and start not in doubted:
                doubted[start] = finding(
                    rule, "ORIGIN", Verdict.SUSPECT, doubt.because, numbers=numbers, block_utc=start
                )
    return tuple(doubted[start] for start in sorted(doubted))


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginDoubt:
    """One stamp at which signed and imported registers differ, and the time that it throws doubt on."""

    stamp_utc: int
    difference_wh: int
    from_utc: int
    """The last stamp before it that agrees; 0 where none does."""
    until_utc: int | None
    """The next one that agrees; none where none does."""

    @property
    def because(self) -> str:
        """The doubt in words."""
        return f"signed and imported registers differ by {self.difference_wh} Wh at {ist_text(self.stamp_utc)}"

    def covers(self, block: Interval) -> bool:
        """Whether any of a block lies in the doubted time."""
        return block.end_utc > self.from_utc and (self.until_utc is None or block.start_utc < self.until_utc)


def origin_doubts(signed: Iterable[Register], imported: Iterable[Register], rule: Rule) -> tuple[OriginDoubt, ...]:
    """V32's doubts over all of a meter's time, ascending by stamp; several stamps may doubt the same time."""
    apart = _apart(signed, imported)
    good = sorted(stamp for stamp, wh in apart.items() if wh <= rule.parameters["digit_wh"])
    doubts = []
    for stamp, wh in sorted(apart.items()):
        if wh > rule.parameters["digit_wh"]:
            before, after = bisect_left(good, stamp), bisect_right(good, stamp)
            doubts.append(
                OriginDoubt(
                    stamp_utc=stamp,
                    difference_wh=wh,
                    from_utc=good[before - 1] if before else 0,
                    until_utc=good[after] if after < len(good) else None,
                )
            )
    return tuple(doubts)


def _apart(signed: Iterable[Register], imported: Iterable[Register]) -> Mapping[int, int]:
    """By stamp, the most by which any two values of one channel differ, for the stamps that both sides have."""
    theirs: dict[int, list[Register]] = {}
    for register in imported:
        theirs.setdefault(register.stamp_utc, []).append(register)
    found: dict[int, int] = {}
    for ours in signed:
        for other in theirs.get(ours.stamp_utc, ()):
            pairs = ((ours.import_wh, other.import_wh), (ours.export_wh, other.export_wh))
            gaps = [abs(one - two) for one, two in pairs if one is not None and two is not None]
            if gaps:
                found[ours.stamp_utc] = max(*gaps, found.get(ours.stamp_utc, 0))
    return found


def _energy(interval: ValidatedInterval, channel: Channel) -> int | None:
    return interval.import_wh if channel is Channel.IMPORT else interval.export_wh
