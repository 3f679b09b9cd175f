"""Two operators of a head-end, and edits that they make together."""

from collections.abc import Mapping

from headend.duties.operators import Pending
from headend.editing.editing import Editing, Hand, Wish
from headend.store.sqlite import operator_rows
from signing.envelope import Signed
from signing.statements.edit import Edit, EditedBlock
from tests.headend.discom import LATER, METER
from tests.headend.premises import Headend, p256

RAO = Hand(name="A. Rao", signer=p256(501))
SEN = Hand(name="B. Sen", signer=p256(502))
NIL = (None, None)

Values = Mapping[int, tuple[int | None, int | None]]
"""Import and export by block start."""


def register(headend: Headend) -> None:
    with headend.database.transaction() as connection:
        for hand in (RAO, SEN):
            operator_rows.add_operator(connection, hand.name, hand.signer.public_key, at_utc=LATER)


def wish(values: Values, meter: str = METER, reason: str = "seal broken") -> Wish:
    blocks = tuple(EditedBlock(start_utc=at, import_wh=wh[0], export_wh=wh[1]) for at, wh in sorted(values.items()))
    return Wish(meter=meter, blocks=blocks, reason=reason)


def editing(headend: Headend) -> Editing:
    return Editing(database=headend.database, registry=headend.registry)


def proposed(headend: Headend, values: Values, *, by: Hand = RAO, meter: str = METER) -> Pending:
    desk = editing(headend)
    proposal = desk.proposal(wish(values, meter), now_utc=LATER)
    return desk.propose(proposal, by.signs(proposal), now_utc=LATER)


def approved(headend: Headend, number: int, *, by: Hand = SEN) -> Signed[Edit]:
    signer = headend.statement_signer
    person = by.signs(operator_rows.proposal(headend.database.connection, number).proposal)
    return editing(headend).approve(number, person, book=headend.book, signer=signer, now_utc=LATER)


def edited(headend: Headend, values: Values, *, meter: str = METER) -> Signed[Edit]:
    """The logged edit of these blocks."""
    return approved(headend, proposed(headend, values, meter=meter).number)
