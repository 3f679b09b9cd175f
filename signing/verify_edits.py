"""What two persons stated: the edits of each meter, from 0 to the one that the actual names. Checks (0), (3), (4) and (5) of `signing.verify`."""

from collections.abc import Mapping, Sequence

from signing.anchor import Anchor
from signing.claims import Claimed, Claims
from signing.errors import VerificationError
from signing.statements.edit import Edit
from signing.statements.window_actual import WindowActual

Edits = Mapping[str, tuple[Claimed[Edit], ...]]
"""Verified edits by meter, each meter's numbered from 0 without holes."""


def verified_edits(claims: Claims, anchor: Anchor) -> Edits:
    """The edits of a bundle: each stated by the discom in this log, signed by two persons, numbered and linked; none left out.

    Raises:
        VerificationError: (0), (3), (4) (5) edits of a meter that the actual rests on no edit of.
    """
    for meter, entries in claims.edits.items():
        _require_line(meter, entries, anchor)
    _require_heads(claims.actuals[0].statement, claims.edits)
    return claims.edits


def _require_line(meter: str, entries: Sequence[Claimed[Edit]], anchor: Anchor) -> None:
    previous, index = None, -1
    for number, claimed in enumerate(entries):
        edit = claimed.statement
        name = f"edit {edit.proposal.number} of meter {meter}"
        anchor.stated(claimed, Edit, name)
        # (4): an edit left out could be the one that takes a value away.
        if edit.proposal.number != number:
            raise VerificationError(4, f"edit {number} of meter {meter} is left out, got edit {edit.proposal.number}")
        if edit.proposal.previous != previous:
            raise VerificationError(4, f"{name} does not name the edit before it")
        if claimed.at.index <= index:
            raise VerificationError(4, f"{name} stands before the edit that it follows, at index {claimed.at.index}")
        try:
            edit.require_two_persons()
        except VerificationError as error:
            raise VerificationError(4, f"{name}: {error}") from None
        previous, index = claimed.envelope.digest, claimed.at.index


def _require_heads(actual: WindowActual, edits: Edits) -> None:
    for head in actual.edits:
        shown = edits.get(head.meter, ())
        newest = shown[-1] if shown else None
        if newest is None or (newest.statement.proposal.number, newest.envelope.digest) != (head.number, head.digest):
            ends = "none" if newest is None else f"up to edit {newest.statement.proposal.number}"
            raise VerificationError(
                4,
                f"edit {head.number} of meter {head.meter} is left out: the actual rests on it, and the bundle holds {ends}",
            )
    strangers = sorted(edits.keys() - {head.meter for head in actual.edits})
    if strangers:
        raise VerificationError(5, f"the bundle holds edits of meter {strangers[0]}, and the actual rests on none")
