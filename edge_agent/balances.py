"""The balance of every day of one meter, judged once, as soon as all of it is signed. Reading goes on whatever it says."""

from collections import Counter
from collections.abc import Iterable

from edge_agent.balance import Reading
from edge_agent.config import MeterSettings
from edge_agent.daily_balance import Cause, Judgement, SignedDay, judge
from edge_agent.outbox.days import Days
from signing.interval import DAY_S, Interval, ist_day_start

PATIENCE_S = 7200
"""How long after a day the first block of the next one is waited for: it tells what stamps mean."""
DOUBTS = 2
"""Days that another reading of the stamps fits better, and none between that refutes it, before they are told where the day passes
as it is read."""


class Balances:
    """What is known of one meter's days, between looks."""

    def __init__(self, days: Days, settings: MeterSettings) -> None:
        self._days = days
        self._settings = settings
        self._judged: set[int] | None = None
        self._doubts = Counter[Reading]()

    def begin(self, now_utc: int, period_s: int) -> None:
        """Takes the days before yesterday that are whole by now as told by an earlier process. Once."""
        if self._judged is None:
            yesterday = ist_day_start(now_utc) - DAY_S
            self._judged = set()
            whole = {signed.day.start_utc for signed in self._whole_days(now_utc, period_s)}
            self._judged = {start for start in whole if start < yesterday}

    def judge(self, now_utc: int, period_s: int) -> list[str]:
        """What the days say that became whole since: one line a cause, that of the newest day."""
        self.begin(now_utc, period_s)
        assert self._judged is not None
        days = list(self._whole_days(now_utc, period_s))
        self._judged |= {signed.day.start_utc for signed in days}
        found = [each for each in map(judge, days) if self._is_to_be_told(each)]
        return list(_lines(found))

    def _is_to_be_told(self, judgement: Judgement) -> bool:
        for refuted in judgement.refutes:
            self._doubts[refuted] = 0
        if judgement.stamps_name is None:
            return judgement.cause is not None
        self._doubts[judgement.stamps_name] += 1
        return judgement.is_certain or self._doubts[judgement.stamps_name] >= DOUBTS

    def _whole_days(self, now_utc: int, period_s: int) -> Iterable[SignedDay]:
        """The days that are over and signed, whatever is signed of them, with registers at both midnights, and were not judged;
        oldest first.
        """
        meter, today = self._settings.id, ist_day_start(now_utc)
        first = max(0, today - (self._settings.backfill_days + 1) * DAY_S)
        span = Interval(first, today)
        registers = self._days.registers(meter, span)
        for start in range(first, today, DAY_S):
            before, after = registers.get(start), registers.get(start + DAY_S)
            day = Interval(start, start + DAY_S)
            if before is None or after is None or before.import_wh is None or after.import_wh is None:
                continue
            if start in (self._judged or ()):
                continue
            around = Interval(max(0, start - period_s), day.end_utc + period_s)
            blocks = self._days.energies(meter, around, period_s)
            is_settled = day.end_utc in blocks or now_utc >= day.end_utc + PATIENCE_S
            if is_settled and all(at in blocks for at in day.block_starts(period_s)):
                yield SignedDay(day=day, period_s=period_s, blocks=blocks, before=before, after=after)


def _lines(found: Iterable[Judgement]) -> Iterable[str]:
    by_cause: dict[Cause, list[Judgement]] = {}
    for each in found:
        if each.cause is not None:
            by_cause.setdefault(each.cause, []).append(each)
    for judgements in by_cause.values():
        *others, newest = judgements
        yield newest.text + (f" (and {len(others)} more days)" if others else "")
