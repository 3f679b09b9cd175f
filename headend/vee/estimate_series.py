"""Methods that estimate from other series: a check meter, days that are alike, the sun, a category; and those that need none.

Each gives weights for the holes of a task; `filled` scales them to the registers and holds them to the rules. None takes an estimate for an
input: only days and series that were measured count. Source: VEE §B E2 to E8; docs/vee-rules.md "Estimates".
"""

from collections.abc import Mapping, Sequence

from headend.vee.declared import (
    Agreement,
    Channel,
    Companion,
    DayKind,
    Disconnection,
    History,
    HistoryDay,
    Profile,
    Sky,
)
from headend.vee.estimate import Filled, Task, filled
from signing.interval import DAY_S, Interval, ist_day_start


def companion(task: Task, declared: Companion) -> Filled | None:
    """E2 CHECK: the check meter's energies, scaled to the registers."""
    series = declared.series(task.channel)
    return _weighed(task, "E2", [series.get(start) for start in task.holes])


def like_days(
    task: Task, history: History, kinds: Mapping[int, DayKind], *, days: int, lookback_days: int
) -> Filled | None:
    """E3 LIKEDAY: the mean of the same block of the `days` nearest days of the same kind, scaled. `kinds` are by IST midnight."""
    return _weighed(
        task,
        "E3",
        [_mean(task, start, _alike(history, start, kinds, lookback_days)[-days:], days) for start in task.holes],
    )


def average_days(
    task: Task, history: History, kinds: Mapping[int, DayKind], *, least_days: int, lookback_days: int
) -> Filled | None:
    """E4 AVGDAY: as E3, over every such day of a longer time."""
    return _weighed(
        task,
        "E4",
        [_mean(task, start, _alike(history, start, kinds, lookback_days), least_days) for start in task.holes],
    )


def sunlit(task: Task, skies: Mapping[int, Sky], *, least_neighbours: int, most_s: int) -> Filled | None:
    """E5 SOLAR: what a clear sky would have given, times the share that reached the neighbours; export only, of at most `most_s`.

    By day `least_neighbours` have to say something: one roof may be shaded, or its house empty.
    """
    if task.channel is not Channel.EXPORT or len(task.holes) * task.period_s > most_s:
        return None
    return _weighed(task, "E5", [_sunlight(skies.get(start), least_neighbours) for start in task.holes])


def category(task: Task, declared: Profile, *, least_days: int) -> Filled | None:
    """E6 PROFILE: the category's day, scaled to the registers, or to this customer's average daily use; none where neither is known.

    Fewer than `least_days` measured days say nothing of a consumer's average use.
    """
    weights, daily = declared.weights.get(task.channel, ()), declared.daily_wh.get(task.channel)
    if declared.days.get(task.channel, 0) < least_days:
        daily = None
    whole = sum(weights)
    if len(weights) * task.period_s != DAY_S or whole <= 0 or (task.rise_wh is None and daily is None):
        return None
    chosen = [weights[(start - ist_day_start(start)) // task.period_s] for start in task.holes]
    return _weighed(
        task, "E6", chosen if task.rise_wh is not None else [(daily or 0) * weight // whole for weight in chosen]
    )


def agreed(task: Task, declared: Agreement) -> Filled | None:
    """E7: what two persons agreed on, for every hole; it need not sum to registers, which may be what was wrong.

    None where it breaks a rule that a measurement has to keep.
    """
    values = declared.values.get(task.channel, {})
    return _weighed(_unbounded(task), "E7", [values.get(start) for start in task.holes])


def disconnected(task: Task, declared: Sequence[Disconnection]) -> Filled | None:
    """E8 ZERO: nothing flowed through an open connection, unless the registers say that something did."""
    is_open = covers(declared, task) and task.residual_wh in {None, 0}
    return filled(task, "E8", [0] * len(task.holes)) if is_open else None


def covers(declared: Sequence[Disconnection], task: Task) -> bool:
    """Whether the connection was open in all of every hole."""
    spans = [entry.span for entry in declared]
    return all(any(span.contains(Interval(at, at + task.period_s)) for span in spans) for at in task.holes)


def _weighed(task: Task, method: str, weights: Sequence[int | None]) -> Filled | None:
    known = [weight for weight in weights if weight is not None]
    return filled(task, method, known) if len(known) == len(weights) else None


def _unbounded(task: Task) -> Task:
    return Task(
        channel=task.channel,
        period_s=task.period_s,
        blocks=task.blocks,
        rise_wh=None,
        tolerance_wh=0,
        limits=task.limits,
    )


def _alike(history: History, at_utc: int, kinds: Mapping[int, DayKind], lookback_days: int) -> tuple[HistoryDay, ...]:
    """Days before the one of `at_utc`, of its kind, that may stand for another; ascending, so that the last are the nearest."""
    midnight = ist_day_start(at_utc)
    return tuple(
        day for day in history.before(midnight, lookback_days) if day.kind is kinds.get(midnight) and day.is_pattern
    )


def _mean(task: Task, start: int, days: Sequence[HistoryDay], least: int) -> int | None:
    """The mean energy of the block in those days, rounded once, half to even; none where they are fewer than `least`."""
    place = (start - ist_day_start(start)) // task.period_s
    energies = [
        wh for day in days if day.period_s == task.period_s and (wh := day.blocks[place].wh(task.channel)) is not None
    ]
    if len(energies) < least:
        return None
    whole, rest = divmod(sum(energies), len(energies))
    return whole + (2 * rest > len(energies) or (2 * rest == len(energies) and whole % 2 == 1))


def _sunlight(sky: Sky | None, least_neighbours: int) -> int | None:
    """What reached this roof; nothing at night, unknown where the neighbours say nothing by day."""
    if sky is None:
        return None
    if sky.clear_wh == 0:
        return 0
    is_told = sky.neighbours >= least_neighbours and sky.neighbours_clear_wh > 0
    return None if not is_told else sky.clear_wh * sky.neighbours_wh // sky.neighbours_clear_wh
