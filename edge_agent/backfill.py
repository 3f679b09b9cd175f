"""How much of a meter's past is read in one piece, so that no piece holds the line for longer than it may. Pure.

A line of 9600 bit/s carries 35 days of a single-phase meter in three to five minutes, and meters share it. Between two pieces
whatever is due now is read first. What a row costs is estimated from the columns, the frames and the line until the meter has
been read, and measured from then on. A piece that a link did not survive is halved, down to one block; after pieces that it
did survive, it grows again.

Source: METERS §§4, 7; DLMS UA Green Book (wrapper, HDLC frames, GET with blocks, general protection).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from edge_agent.registers import ProfileLayout
from signing.interval import DAY_S, Interval

BITS_AN_OCTET: Final = 10
"""Eight data bits, a start bit and a stop bit."""
CLOCK_CLASS: Final = 8
CLOCK_OCTETS: Final = 14
"""An octet-string of twelve, with its tag and length."""
CELL_OCTETS: Final = 5
"""A 32-bit number with its tag: what most meters send. Source: METERS §2."""
ROW_OCTETS: Final = 2
"""Tag and length of a row."""
MOST_ROUNDS: Final = 64
"""Most pieces that a link must survive before a larger one is tried."""
FIRST_ROUNDS: Final = 4
SEVERAL: Final = 2
LEAST_ROWS: Final = 8
"""What fewer rows took says more about the question than about rows."""
UNMEASURED: Final = 2
"""A meter that was not measured may take twice what its line does: it thinks before every answer. Source: METERS §7."""
FIXED_OCTETS: Final = 1200
"""What a turn at the line costs beside rows: association, identity, clock, the registers of a midnight, release."""

_WRAPPER: Final = 8
_FRAME: Final = 12
"""Flags, format, two addresses, control and two check sequences of an HDLC frame with information."""
_SUPERVISORY: Final = 10
"""An HDLC frame without information: the acknowledgement of a frame that is not the last."""
_LLC: Final = 3
_BLOCK_HEADER: Final = 12
_FIRST_QUESTION: Final = 65
_NEXT_QUESTION: Final = 7
_CIPHERING: Final = 21
"""Tag, length, security control, invocation counter and GCM tag of a ciphered APDU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What carries a meter's answers."""

    bps: int | None = None
    """Bits a second, ten to an octet; None where nothing is known to hold it up, as on a network."""
    frame_octets: int | None = None
    """Octets of information in an HDLC frame; None for a wrapper."""
    pdu_octets: int = 1024
    """The longest answer APDU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What rows cost on the wire."""

    octets: int
    """Both ways, with frames, acknowledgements, the questions for further blocks and what ciphering adds."""
    ms: int | None
    """Milliseconds; None where neither line nor measurement bounds them."""


def row_octets(layout: ProfileLayout) -> int:
    """Octets of one row of a profile, with its clock and numbers of the usual width."""
    return ROW_OCTETS + sum(CLOCK_OCTETS if each.class_id == CLOCK_CLASS else CELL_OCTETS for each in layout.columns)


def wire_octets(content: int, wire: Wire, *, is_ciphered: bool) -> int:
    """Octets on the wire, both ways, for an answer of so many octets."""
    ciphering = _CIPHERING if is_ciphered else 0
    blocks = max(1, -(-content // max(1, wire.pdu_octets - _BLOCK_HEADER - ciphering)))
    questions = _FIRST_QUESTION + _NEXT_QUESTION * (blocks - 1) + ciphering * blocks
    answers = content + blocks * (_BLOCK_HEADER + ciphering)
    if wire.frame_octets is None:
        return questions + answers + 2 * blocks * _WRAPPER
    frames = blocks * max(1, -(-(answers // blocks + _LLC) // wire.frame_octets))
    return questions + answers + 2 * blocks * _LLC + (blocks + frames) * _FRAME + (frames - blocks) * _SUPERVISORY


@dataclass(frozen=True, slots=True)
class _Cost:
    """What one row was measured to cost."""

    octets: Fraction
    ms: Fraction


class Pace:
    """How large the pieces of one meter are, from what is known of its line and from what became of earlier pieces.

    No piece holds the line for longer than `hold_s` seconds, as far as that can be known.
    """

    def __init__(self, wire: Wire, *, hold_s: int) -> None:
        self._wire = wire
        self._hold_ms = hold_s * 1000
        self._cost: _Cost | None = None
        """As it was last."""
        self._row_ms = Fraction(0)
        """As it is to be reckoned with."""
        self._most: int | None = None
        """Blocks that the link bears; None while it has borne everything."""
        self._survived = 0
        self._borne = Counter[int]()
        """How many pieces of each size came since the last loss."""
        self._rounds = FIRST_ROUNDS

    def piece_blocks(self, layout: ProfileLayout, *, is_ciphered: bool, spent_ms: int = 0) -> int:
        """Blocks of the next piece: at least one, and at most a day's. `spent_ms` of this turn at the line are over."""
        day = DAY_S // layout.capture_period_s
        block_ms = self._block_ms(layout, is_ciphered=is_ciphered)
        if block_ms:
            left = self._hold_ms - spent_ms - self._line_ms(FIXED_OCTETS)
            day = min(day, max(1, int(left / block_ms)))
        return day if self._most is None else min(day, self._most)

    def estimate(self, blocks: int, layout: ProfileLayout, *, is_ciphered: bool) -> Estimate:
        """What so many blocks cost, as far as is known."""
        if self._cost is not None:
            octets, ms = int(blocks * self._cost.octets), int(blocks * self._cost.ms)
        else:
            octets = wire_octets(blocks * row_octets(layout), self._wire, is_ciphered=is_ciphered)
            ms = int(UNMEASURED * self._line_ms(octets))
        return Estimate(octets=octets, ms=ms or None)

    def survived(self, blocks: int, *, rows: int, octets: int, elapsed_ms: int) -> None:
        """A piece of so many blocks was read: how many rows came, and what they cost."""
        if rows >= LEAST_ROWS:
            self._measure(_Cost(Fraction(octets, rows), Fraction(elapsed_ms, rows)))
        self._borne[blocks] += 1
        if self._most is None or blocks < self._most:
            return
        self._survived += 1
        if self._survived >= self._rounds:
            # A link that bears a day of quarter hours in one piece bears everything that is asked of it.
            self._most = self._most * 2 if self._most * 2 < DAY_S // 900 else None
            self._survived = 0

    def lost(self, blocks: int) -> None:
        """The link was lost inside a piece of so many blocks.

        Where it has borne several as large since the last loss, the size is not why: links of such a meter bear so much in all,
        and small pieces would only waste it.
        """
        if sum(count for size, count in self._borne.items() if size >= blocks) < SEVERAL:
            self._most = max(1, blocks // 2)
            # Every loss costs minutes: the larger piece is tried again ever later.
            self._rounds = min(MOST_ROUNDS, 2 * self._rounds)
        self._survived = 0
        self._borne.clear()

    def _measure(self, cost: _Cost) -> None:
        """Dearer counts at once, cheaper by halves: a piece that is too small only costs another question."""
        self._cost, self._row_ms = cost, max(cost.ms, (self._row_ms + cost.ms) / 2)

    def _block_ms(self, layout: ProfileLayout, *, is_ciphered: bool) -> Fraction:
        """Milliseconds of one block; 0 where nothing is known to hold it up."""
        if self._row_ms:
            return self._row_ms
        day = DAY_S // layout.capture_period_s
        octets = wire_octets(day * row_octets(layout), self._wire, is_ciphered=is_ciphered)
        return UNMEASURED * self._line_ms(octets) / day

    def _line_ms(self, octets: int) -> Fraction:
        return Fraction(0) if self._wire.bps is None else Fraction(octets * BITS_AN_OCTET * 1000, self._wire.bps)


def plan_text(blocks: int, estimate: Estimate, wire: Wire, *, period_s: int, piece_blocks: int) -> str:
    """The plan of a back-fill, for people."""
    time = "as fast as the meter answers" if estimate.ms is None else f"about {-(-estimate.ms // 1000)} s"
    line = "" if wire.bps is None else f" at {wire.bps} bps"
    days = Fraction(blocks * period_s, DAY_S)
    return (
        f"{blocks} blocks ({float(days):.1f} days), about {estimate.octets} octets, {time}{line}, in pieces of at most "
        f"{piece_blocks} blocks"
    )


def remaining(span: Interval, without: Iterable[Interval]) -> Interval | None:
    """The first part of `span` that none of `without` covers; None when all of it is covered."""
    start = span.start_utc
    for each in sorted(without, key=lambda interval: interval.start_utc):
        if each.end_utc <= start:
            continue
        if each.start_utc > start:
            return Interval(start, min(each.start_utc, span.end_utc)) if start < span.end_utc else None
        start = each.end_utc
    return Interval(start, span.end_utc) if start < span.end_utc else None
