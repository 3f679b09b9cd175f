"""What the registers that were read at an exchange of devices give the block that it cuts.

The old device's share reaches from the block's start to its closing register, the new one's from its opening register to the block's end. At
both ends of the block stands the nearest signed register, less or plus the VALID blocks between. Two persons say so by an edit; nothing of it is
a measurement. Source: EVIDENCE §4 (a block cut by an exchange).
"""

import sqlite3
from dataclasses import dataclass, replace
from fractions import Fraction as Factor
from typing import TypeAlias

from headend.editing.editing import EditRefusedError
from headend.onboarding.known import Registry
from headend.readings import Quality
from headend.registry.supply import Exchange
from headend.store.sqlite import actuals
from headend.store.sqlite.window_cases import stored_part, stored_records
from headend.vee.validate import validate
from headend.windows import bounded
from signing.evidence import PartCase, device, signed_registers
from signing.interval import Interval, floor_to_block, is_aligned, ist_text
from signing.keys import PublicKey
from signing.statements.edit import EditedBlock
from signing.statements.meter_record import Fact
from signing.statements.rule_set import RuleSet

_Pair: TypeAlias = tuple[int | None, int | None]
"""Import and export in Wh; absent where the device states none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One device at the exchange."""

    meter: str
    fact: Fact
    at_utc: int
    """An instant of its time beside the exchange."""


class CutBlock:
    """Computes cut blocks from one database. Owned by the thread that owns the connection."""

    __slots__ = ("_connection", "_key", "_registry")

    def __init__(self, connection: sqlite3.Connection, registry: Registry, key: PublicKey) -> None:
        """`key` is the discom's statement key: rule sets are read with it."""
        self._connection = connection
        self._registry = registry
        self._key = key

    def value(self, exchange: Exchange) -> EditedBlock:
        """The block that an exchange cuts, of its old meter, in Wh as that meter would state them.

        1. both devices are recorded, with one block length
        2. the exchange cuts a block
        3. a signed register of each device stands beside the block, and all blocks between them are VALID
        4. neither device ran backwards in its share

        Raises:
            EditRefusedError: with the number of the check and the remedy.
            FatalError, RuleSetError: the rules cannot be read.
        """
        old = self._side(exchange.old_meter, exchange.at_utc - 1)
        new = self._side(exchange.new_meter, exchange.at_utc)
        period_s = old.fact.period_s
        if new.fact.period_s != period_s:
            raise EditRefusedError("(1) the two devices have blocks of two lengths: state the block by `--block`")
        if is_aligned(exchange.at_utc, period_s):
            raise EditRefusedError(f"(2) the exchange at {ist_text(exchange.at_utc)} cuts no block of {period_s} s")
        start = floor_to_block(exchange.at_utc, period_s)
        began = self._register(old, start, -1)
        ended = self._register(new, start + period_s, 1)
        ratio = _factor(new.fact) / _factor(old.fact)
        closing, opening = exchange.closing, exchange.opening
        imported = _whole((began[0], closing.import_wh), (opening.import_wh, ended[0]), ratio)
        if imported is None:
            raise EditRefusedError("(3) an import register lacks: state the block by `--block`")
        exported = _whole((began[1], closing.export_wh), (opening.export_wh, ended[1]), ratio)
        return EditedBlock(start_utc=start, import_wh=imported, export_wh=exported)

    def _side(self, meter: str, at_utc: int) -> _Side:
        known = self._registry.meter(meter)
        fact = None if known is None else known.record.fact(at_utc)
        if fact is None:
            raise EditRefusedError(f"(1) meter {meter} is not recorded at {ist_text(at_utc)}: see its registry sheet")
        return _Side(meter=meter, fact=fact, at_utc=at_utc)

    def _register(self, side: _Side, edge_utc: int, direction: int) -> _Pair:
        """What the device's registers show at an edge of the block: the nearest signed one outside of it, moved by the blocks between."""
        records = stored_records(self._connection, side.meter)
        rules = (
            None if records is None else actuals.newest_rule_set(self._connection, self._key, records.records[-1].log)
        )
        if records is None or rules is None:
            raise EditRefusedError(f"(3) nothing is stored of meter {side.meter}")
        beside = sorted((edge_utc, edge_utc + direction * side.fact.period_s))
        case = stored_part(self._connection, records, Interval(*beside)).case
        stamps = signed_registers(case.batches, device(records.records[-1], side.at_utc))
        outside = [stamp for stamp, found in stamps.items() if (stamp - edge_utc) * direction >= 0 and len(found) == 1]
        if not outside:
            raise EditRefusedError(
                f"(3) no signed register of meter {side.meter} {'follows' if direction > 0 else 'precedes'} {ist_text(edge_utc)}: "
                "wait for it, or state the block by `--block`"
            )
        stamp = min(outside, key=lambda one: abs(one - edge_utc))
        (register,) = stamps[stamp]
        blocks: tuple[_Pair, ...] = ()
        if stamp != edge_utc:
            span = Interval(*sorted((stamp, edge_utc)))
            blocks = self._between(case, span, side, rules.signed.statement)
        return (
            _moved(register.import_wh, -direction, [block[0] for block in blocks]),
            _moved(register.export_wh, -direction, [block[1] for block in blocks]),
        )

    def _between(self, case: PartCase, span: Interval, side: _Side, rules: RuleSet) -> tuple[_Pair, ...]:
        judged = validate(bounded(replace(case, span=span)), side.fact.period_s, rules)
        blocks = [interval for interval in judged.intervals if span.contains(interval.block)]
        bad = [interval.block.start_utc for interval in blocks if interval.quality is not Quality.VALID]
        if bad or len(blocks) * side.fact.period_s != span.length_s:
            raise EditRefusedError(
                f"(3) the block of meter {side.meter} at {ist_text((bad or [span.start_utc])[0])} is not VALID, and a register lies "
                "beyond it: state the block by `--block`"
            )
        return tuple((block.import_wh, block.export_wh) for block in blocks)


def _moved(register: int | None, sign: int, energies: list[int | None]) -> int | None:
    """A register before (-1) or after (1) blocks that were measured beside it."""
    present = [wh for wh in energies if wh is not None]
    return None if register is None or len(present) < len(energies) else register + sign * sum(present)


def _whole(old: _Pair, new: _Pair, ratio: Factor) -> int | None:
    """What both devices measured of the block, each from its first register to its second, as the old one would state it."""
    if None in {*old, *new}:
        return None
    shares = [(after or 0) - (before or 0) for before, after in (old, new)]
    if min(shares) < 0:
        raise EditRefusedError(
            f"(4) a register fell by {-min(shares)} Wh: read the exchange's registers again, and correct the exchange"
        )
    # Rounded once, half to even.
    return round(shares[0] + shares[1] * ratio)


def _factor(fact: Fact) -> Factor:
    """By what the meter's own Wh are multiplied."""
    factor = Factor(1)
    for one in (fact.ct, fact.pt, fact.factor):
        factor *= Factor(one.numerator, one.denominator)
    return factor
