"""Cases from rows say what all batches together would say, now and as it stood before a leaf."""

import random
from collections.abc import Sequence

import pytest

from headend.store.sqlite.batch_rows import SqliteBatches
from headend.store.sqlite.log_rows import leaf_row
from headend.store.sqlite.window_cases import FAR_S, batch_bytes, stored_part, stored_records
from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.windows import evidence, judge
from signing.chain import AdmittedBatch
from signing.evidence import PartCase, WindowCase
from signing.interval import DAY_S, Interval
from signing.statements.window_actual import Basis
from tests.headend.discom import METER, SUBJECT, stated
from tests.headend.premises import DAY, Gateway, Headend, Message, gateway

HOUR = (100, 100, 100, 100)


@pytest.fixture
def premises(headend: Headend) -> Gateway:
    """One enrolled gateway."""
    one = gateway()
    headend.enrol(one)
    return one


def window_case(part: PartCase, window: Interval) -> WindowCase:
    """A case of one part."""
    return WindowCase(
        connection_point=SUBJECT.connection_point,
        posted_as=SUBJECT.posted_as,
        window=window,
        rule_set=DEFAULT_RULE_SET,
        basis=Basis.NET,
        parts=(part,),
    )


def from_rows(headend: Headend, window: Interval = SUBJECT.window, **before: int) -> WindowCase:
    """The case as the store gives it."""
    connection = headend.database.connection
    records = stored_records(connection, METER, **before)
    assert records is not None
    return window_case(stored_part(connection, records, window, **before).case, window)


def from_messages(headend: Headend, messages: Sequence[Message], window: Interval = SUBJECT.window) -> WindowCase:
    """The case with every batch that was ever sent, opened."""
    records = stored_records(headend.database.connection, METER)
    assert records is not None
    batches = tuple(
        AdmittedBatch(kid=m.envelope.kid, digest=m.digest, header=m.batch, opening=m.opening) for m in messages
    )
    part = PartCase(span=window, records=records.records, record_digests=records.digests, batches=batches)
    return window_case(part, window)


@pytest.mark.parametrize("seed", range(12))
def test_rows_and_all_batches_come_to_the_same(headend: Headend, premises: Gateway, seed: int) -> None:
    chance = random.Random(seed)
    sent: list[Message] = []
    for place in range(24):
        hour = chance.choice([place - 6, place - 6, place - 6, chance.randrange(-60, 40)])
        registers = ((hour, 100 * hour + 10_000),) if chance.random() < 0.4 else ()
        message = stated(premises, hour, HOUR, registers=registers)
        if chance.random() < 0.9:
            sent.append(message)
    if chance.random() < 0.3:
        clone = Gateway(premises.name, premises.signer, premises.meters, chains={METER: premises.chains[METER][:12]})
        sent.append(stated(clone, 10, (90,) * 4))
    chance.shuffle(sent)
    headend.take_in(*sent)
    one, other = from_rows(headend), from_messages(headend, sent)
    assert judge(one) == judge(other)
    assert evidence(one) == evidence(other)


def test_what_stood_before_a_leaf_is_given_without_what_came_later(headend: Headend, premises: Gateway) -> None:
    first, late = stated(premises, 10, (100, None, *HOUR, 100, 100)), stated(premises, 10, (100, 60))
    headend.take_in(first)
    size = headend.book.tip(0).size
    before = from_rows(headend)
    headend.take_in(late)
    headend.registrar.change_facts(METER, headend.record(METER).facts, at_utc=DAY)
    assert from_rows(headend, before=leaf_row(0, size)) == before
    assert from_rows(headend) != before
    assert stored_records(headend.database.connection, METER, before=leaf_row(0, 0)) is None
    assert stored_records(headend.database.connection, "nobody") is None


def test_a_base_is_found_among_what_stood_before_the_leaf(headend: Headend, premises: Gateway) -> None:
    sent = [stated(premises, 24 * day, HOUR * 24) for day in range(-6, 2)]
    headend.take_in(*sent[:4])
    size = headend.book.tip(0).size
    before = from_rows(headend)
    headend.take_in(*sent[4:])
    again = from_rows(headend, before=leaf_row(0, size))
    assert (judge(again), evidence(again)) == (judge(before), evidence(before))


@pytest.mark.parametrize(("days", "found"), [(1, True), (35, True), (41, True), (43, False)])
def test_a_register_is_looked_for_as_far_as_a_meter_keeps_them(
    headend: Headend, premises: Gateway, days: int, *, found: bool
) -> None:
    assert FAR_S == 40 * DAY_S
    headend.take_in(
        stated(premises, -24 * days, HOUR, registers=((-24 * days, 5),)),
        stated(premises, 10, HOUR * 2, registers=((12, 10_000),)),
    )
    part = from_rows(headend).parts[0]
    opened = [batch for batch in part.batches if batch.opening is not None]
    assert (len(opened) == 2) is found


@pytest.mark.parametrize(
    ("first", "last"),
    [(-48, 24), (0, 72), (-48, 72), (-48 - 24 * 40, 72 + 24 * 40)],
    ids=["before", "after", "both", "far"],
)
def test_a_register_at_the_far_end_of_a_batch_brings_everything_up_to_it(
    headend: Headend, premises: Gateway, first: int, last: int
) -> None:
    # Whole days, each a batch: the one that meets what is looked at reaches beyond it, and so does the span up to its register.
    sent = []
    for hour in range(first - 72, last + 24, 24):
        at = {hour: first, hour + 24: last}
        registers = tuple((h, 10_000 + (h - first) * 400) for h, edge in at.items() if h == edge)
        sent.append(stated(premises, hour, HOUR * 24, registers=registers))
    # Another reading of the last day and of the first, in pieces: what stands in it counts as well.
    sent += [stated(premises, hour, (101,) * 4) for hour in (first + 2, last - 2)]
    headend.take_in(*sent)
    one, other = from_rows(headend), from_messages(headend, sent)
    assert judge(one) == judge(other)
    assert evidence(one) == evidence(other)


def test_batches_are_given_as_they_came_until_they_are_erased(headend: Headend, premises: Gateway) -> None:
    message = stated(premises, 10, HOUR)
    headend.take_in(message)
    connection = headend.database.connection
    records = stored_records(connection, METER)
    assert records is not None
    part = stored_part(connection, records, SUBJECT.window)
    leaf = part.leaves[message.digest]
    assert batch_bytes(connection, leaf) == (message.envelope.encoded(), message.opening.encoded())
    with headend.database.transaction() as writing:
        writing.execute("UPDATE batches SET opening = NULL")
    assert batch_bytes(connection, leaf) == (message.envelope.encoded(), None)
    (erased,) = stored_part(connection, records, SUBJECT.window).case.batches
    assert erased.opening is None


def test_the_chain_is_read_whole_where_a_gap_or_a_fork_leaves_its_reach_unconfirmed(
    headend: Headend, premises: Gateway
) -> None:
    messages = [stated(premises, 24 * day, HOUR) for day in range(-9, 0)]
    messages.append(stated(premises, 10, HOUR * 2, registers=((10, 1000), (12, 1800))))
    headend.take_in(*messages[:3], *messages[4:])
    store = SqliteBatches(headend.database.connection)
    ((_, chain),) = store.chains(METER)
    assert store.gaps(chain)
    part = from_rows(headend).parts[0]
    assert len(part.batches) == len(messages) - 1
    headend.take_in(messages[3])
    assert not store.gaps(chain)
    assert len(from_rows(headend).parts[0].batches) < len(messages)


def test_headers_that_were_read_for_one_window_are_not_decoded_again_for_the_next(
    headend: Headend, premises: Gateway
) -> None:
    headend.take_in(*(stated(premises, hour, HOUR) for hour in range(8, 14)))
    connection = headend.database.connection
    records = stored_records(connection, METER)
    assert records is not None
    first = stored_part(connection, records, SUBJECT.window).case.batches
    again = stored_part(connection, records, SUBJECT.window).case.batches
    assert len(first) == 6
    assert all(one.header is other.header for one, other in zip(first, again, strict=True))
