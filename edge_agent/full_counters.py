"""Whether a cumulative register fell because its counter was full: then what the day's blocks hold leads from the one midnight, over
the counter's end, to the other. Pure.

A reset, or another meter, does not balance over any end. Only the flag is set: figures stay as the meter gave them.
Source: docs/vee-rules.md V24 (a register may fall where a block between says that it rolled over), V23 (the tolerance).
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Final

from edge_agent.daily_balance import DIGIT_WH
from edge_agent.drafts import Draft
from edge_agent.registers import Energies
from signing.interval import Interval, ist_day_start
from signing.statements.reading import Flag
from signing.statements.reading_batch import Register

ENDS_WH: Final = tuple(2**32 * 10**place for place in range(4)) + tuple(10**digits for digits in range(8, 14))
"""Where counters begin again at 0: 32 bits of Wh to kWh, and displays of eight digits of Wh to ten of kWh."""
_TOLERANCE: Final = Fraction(5, 1000)


def day_of(draft: Draft) -> Interval | None:
    """The IST day whose midnight `draft` ends on with a register; None where it ends elsewhere, or has none."""
    end_utc = draft.span.end_utc
    if ist_day_start(end_utc) != end_utc or all(register.stamp_utc != end_utc for register in draft.registers):
        return None
    return Interval(ist_day_start(end_utc - 1), end_utc)


def marked(draft: Draft, day: Interval, registers: Mapping[int, Register], blocks: Mapping[int, Energies]) -> Draft:
    """`draft`, its last block flagged as rolled over where a counter was full on `day`.

    `registers` (by stamp) and `blocks` (by start) are what is signed of the day already; those of `draft` come before them.
    """
    own = {register.stamp_utc: register for register in draft.registers}
    before, after = own.get(day.start_utc, registers.get(day.start_utc)), own[day.end_utc]
    starts = range(draft.start_utc, draft.span.end_utc, draft.period_s)
    known = {
        **blocks,
        **{at: Energies(each.import_wh, each.export_wh) for at, each in zip(starts, draft.readings, strict=True)},
    }
    day_blocks = [known.get(start, Energies(None, None)) for start in day.block_starts(draft.period_s)]
    if before is None or not _rolled_over(before, after, day_blocks):
        return draft
    *others, last = draft.readings
    return replace(draft, readings=(*others, replace(last, flags=last.flags | int(Flag.ROLLED_OVER))))


def _rolled_over(before: Register, after: Register, blocks: list[Energies]) -> bool:
    """Whether some register fell, and every one that did fell over the end of its counter."""
    pairs = (
        (before.import_wh, after.import_wh, [each.import_wh for each in blocks]),
        (before.export_wh, after.export_wh, [each.export_wh for each in blocks]),
    )
    fallen = [
        _is_over_an_end(was, became, energies)
        for was, became, energies in pairs
        if was is not None and became is not None and became < was
    ]
    return bool(fallen) and all(fallen)


def _is_over_an_end(was: int, became: int, energies: list[int | None]) -> bool:
    known = [energy for energy in energies if energy is not None]
    if len(known) < len(energies):
        return False
    total = sum(known)
    allowed = max(Fraction(DIGIT_WH), _TOLERANCE * total)
    return any(was < end and abs(was + total - end - became) <= allowed for end in ENDS_WH)
