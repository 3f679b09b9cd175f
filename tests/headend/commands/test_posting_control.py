"""hold, stand-down, post, reconcile: by an operator's hand, against a real exchange where one is asked."""

import json
from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import pytest

from headend import service
from headend.store.sqlite import hold_rows, hunt_rows, operator_rows, recording_rows
from headend.store.sqlite import postings as rows
from headend.store.sqlite.database import open_database
from headend.trading.posting import PostingRecord, PostingState
from headend.trading.recordings import Recording
from headend.trading.trades import Delivery
from ledger_client.ledger import Side, TradeStatus
from signing.backends.file import create_key
from signing.interval import DAY_S, Interval, utc_text
from signing.keys import Algorithm
from signing.statements.window_actual import Status
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway
from tests.headend.trading.test_posting import RECORD, TRADE
from tests.headend.trading.test_reconciliation import WORD
from tests.ledger_client.rehearsal import Rehearsal

NAME = "LEDGER-SKS00000001"
WHO = ["--by", "asha", "--reason", "the seal is broken"]
DAY = ["--start", "2026-04-26T00:00:00+05:30", "--end", "2026-04-27T00:00:00+05:30"]


def put(installed: Installation, record: PostingRecord) -> None:
    with closing(open_database(installed.config.database)) as database, database.transaction() as connection:
        rows.put_posting(connection, record)


def states(installed: Installation) -> list[tuple[PostingState, str]]:
    with closing(open_database(installed.config.database)) as database:
        found = rows.postings_from(database.connection, Interval(0, 2_000_000_000))
    return [(record.state, record.note) for record in found]


def posting(state: PostingState, name: str = NAME) -> PostingRecord:
    delivery = Delivery(
        posted_as=name,
        delivery_start=RECORD.delivery.delivery_start,
        delivery_end="2026-04-26T06:30:00Z",
        window=RECORD.delivery.window,
    )
    return replace(RECORD, delivery=delivery, state=state)


def test_a_hold_is_placed_listed_and_released(founded: Installation, enrolled: Gateway, command: Command) -> None:
    code, out, _ = command("hold", "place", "--posted-as", NAME, *WHO, "--apply")
    assert code == 0
    assert out.startswith("hold 1:")
    assert "1 HOLD CP-1: held (hold 1) since" in command("hold", "list")[1]
    code, out, _ = command("hold", "release", "--number", "1", "--by", "bela", "--reason", "sealed again", "--apply")
    assert code == 0
    assert "ended" in command("hold", "list")[1]
    assert "by bela: sealed again" in command("hold", "list")[1]


@pytest.mark.parametrize(("days", "awaited"), [(44, 1), (46, 0)])
def test_a_stand_down_counts_windows_that_are_followed_to_the_end_of_their_true_up(
    founded: Installation, command: Command, days: int, awaited: int
) -> None:
    with founded.file.open("a") as file:
        file.write("[posting]\ngive_up_days = 1\n")
    start = service.now() - days * DAY_S
    span = Interval(start, start + 7200)
    sold = replace(TRADE, seller_id=NAME, discom_id_seller=founded.config.discom, window=span)
    with closing(open_database(founded.config.database)) as database, database.transaction() as connection:
        rows.put_trades(connection, [sold], start)
    assert f"awaited, with nothing addressed yet: {awaited} window(s)" in command("stand-down")[1]


BEFORE = ["hold", "place", "--posted-as", NAME]


def test_a_hold_names_first_what_it_stops_and_what_it_does_not_reach(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    put(founded, posting(PostingState.DUE))
    put(founded, replace(posting(PostingState.CONFIRMED), actual=b"c" * 32))
    put(founded, replace(posting(PostingState.WAITING, "OTHER"), actual=b"o" * 32))
    shown = "  LEDGER-SKS00000001 2026-04-26 10:00:00 IST to 2026-04-26 12:00:00 IST: DUE, net"
    same = "HELD by others too: 0; confirmed by the ledger, where it stays: 1\nawaited, with nothing addressed yet: 0 window(s)\n"
    out = command(*BEFORE)[1]
    assert out.startswith("would hold every window of CP-1: nothing of it would be posted or told;")
    assert f"\nstops now: 1 posting(s), 1 DUE\n{shown}" in out
    assert out.endswith(f"{same}nothing was done: give --apply to do it\n")
    assert "would hold CP-1 2026-04-26 10:00:00 IST to" in command(*BEFORE, *WINDOW)[1]
    elsewhere = ["--start", "2026-04-26T12:00:00+05:30", "--end", "2026-04-26T14:00:00+05:30"]
    assert (
        "stops now: 0 posting(s)\nHELD by others too: 0; confirmed by the ledger, where it stays: 0\n"
        in command(*BEFORE, *elsewhere)[1]
    )
    out = command(*BEFORE, *WHO, "--apply")[1]
    assert out.endswith(f"stops now: 1 posting(s), 1 DUE\n{same}")
    assert "stops now: 0 posting(s)\nHELD by others too: 1;" in command(*BEFORE)[1]


def test_a_stand_down_counts_what_it_stops_and_its_end_what_goes(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    put(founded, posting(PostingState.DUE))
    put(founded, replace(posting(PostingState.WAITING, "OTHER"), actual=b"o" * 32))
    put(founded, replace(posting(PostingState.CONFIRMED, "OTHER"), actual=b"c" * 32))
    out = command("stand-down")[1]
    assert out.startswith("would hold everything:")
    assert "stops now: 2 posting(s), 1 DUE, 1 WAITING\n" in out
    assert "confirmed by the ledger, where it stays: 1\n" in out
    command("stand-down", *WHO, "--apply")
    out = command("hold", "release", "--number", "1")[1]
    assert out.startswith(
        "hold 1 would end; its postings go within seconds where the head-end serves\ngoes now: 2 posting(s)"
    )
    command(*BEFORE, *WHO, "--apply")
    assert "goes now: 1 posting(s), 1 WAITING" in command("hold", "release", "--number", "1")[1]
    assert "goes now: 1 posting(s), 1 WAITING" in command("hold", "release", "--number", "1", *WHO, "--apply")[1]


def test_what_is_many_is_counted_after_the_first_twenty(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    for number in range(22):
        put(founded, replace(posting(PostingState.DUE), actual=bytes([number]) * 32))
    out = command("stand-down")[1]
    assert (out.count(": DUE, net"), "  and 2 more\n" in out) == (20, True)


def test_an_own_word_is_named_by_its_trade(founded: Installation, enrolled: Gateway, command: Command) -> None:
    with closing(open_database(founded.config.database)) as database, database.transaction() as connection:
        recording_rows.put(
            connection, replace(WORD, state=PostingState.DUE, delivery=posting(PostingState.DUE).delivery)
        )
        recording_rows.put(
            connection,
            replace(WORD, delivery=posting(PostingState.DUE).delivery, round=3, state=PostingState.CONFIRMED),
        )
    out = command(*BEFORE)[1]
    assert f"kWh of trade {WORD.record_id}\n" in out
    assert "confirmed by the ledger, where it stays: 1" in out
    assert "confirmed by the ledger, where it stays: 1" in command("stand-down")[1]


def test_a_dispute_shows_the_figure_that_is_contested_and_what_is_read_again(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    words = ["hold", "dispute", "--posted-as", NAME, *WINDOW, "--party", "TPDDL, mail 7"]
    assert "no figure was said of exactly this window yet" in command(*words)[1]
    command("attest", "--posted-as", NAME, *WINDOW, *WHO, "--apply")
    out = command(*words)[1]
    assert "its figure now: revision 0 PENDING, 8 of 8 blocks missing, evidence " in out
    assert "its gateways would be asked to read the window again: 1 day(s) of its meters" in out
    assert "its gateways are asked to read the window again: 1 day(s)" in command(*words, *WHO, "--apply")[1]


def test_what_others_still_hold_is_said_when_a_hold_ends(enrolled: Gateway, command: Command) -> None:
    command("stand-down", *WHO, "--apply")
    command("stand-down", *WHO, "--apply")
    command("hold", "place", "--posted-as", NAME, *WHO, "--apply")
    assert (
        "others still hold: 2, 3 (see `hold list`)" in command("hold", "release", "--number", "1", *WHO, "--apply")[1]
    )
    assert "others still hold: 2 (see" in command("hold", "release", "--number", "3", *WHO, "--apply")[1]
    assert "its postings go within seconds" in command("hold", "release", "--number", "2", *WHO, "--apply")[1]


def test_a_hold_that_ended_cannot_end_again(enrolled: Gateway, command: Command) -> None:
    command("stand-down", *WHO, "--apply")
    end = ["hold", "release", "--number", "1", "--by", "bela", "--reason", "done", "--apply"]
    assert command(*end)[0] == 0
    code, _, err = command(*end)
    assert code == 1
    assert "hold list" in err


def test_a_dispute_names_who_contests_which_window(founded: Installation, enrolled: Gateway, command: Command) -> None:
    window = ["--start", "2026-04-26T10:00:00+05:30", "--end", "2026-04-26T12:00:00+05:30"]
    assert command("hold", "dispute", "--posted-as", NAME, *window, "--party", "TPDDL, mail 7", *WHO, "--apply")[0] == 0
    with closing(open_database(founded.config.database)) as database:
        (hold,) = hold_rows.open_holds(database.connection)
    assert (hold.order.party, hold.order.window) == ("TPDDL, mail 7", RECORD.delivery.window)


WINDOW = ["--start", "2026-04-26T10:00:00+05:30", "--end", "2026-04-26T12:00:00+05:30"]


@pytest.fixture
def dispute(enrolled: Gateway, command: Command) -> str:
    """The number of a dispute of which nobody knows more."""
    code, out, _ = command("hold", "dispute", "--posted-as", NAME, *WINDOW, "--party", "TPDDL, mail 7", *WHO, "--apply")
    assert code == 0
    assert "its gateways are asked to read the window again" in out
    return "1"


def signing(installed: Installation, name: str) -> list[str]:
    """How an operator signs who has just been added."""
    private = installed.folder / f"{name}.pem"
    key = create_key(str(private), Algorithm.EDDSA)
    with closing(open_database(installed.config.database)) as database, database.transaction() as connection:
        operator_rows.add_operator(connection, name, key.public_key, at_utc=1)
    return ["--as", name, "--key", f"file:{private}"]


def test_opening_a_dispute_has_the_window_read_again(founded: Installation, dispute: str) -> None:
    with closing(open_database(founded.config.database)) as database:
        (hunt,) = hunt_rows.hunts(database.connection, "SKS00000001")
    assert hunt.span == RECORD.delivery.window


def test_a_dispute_does_not_end_without_saying_how(dispute: str, command: Command) -> None:
    words = ["hold", "release", "--number", dispute, *WHO]
    for more, message in (([], "--revised or --refused"), (["--revised"], "no revision of the window was said")):
        code, _, err = command(*words, *more)
        assert code == 1
        assert message in err
    assert command(*words, "--revised", "--refused")[0] == 2


def test_two_operators_refuse_a_dispute_one_after_the_other(
    founded: Installation, dispute: str, command: Command
) -> None:
    words = ["hold", "release", "--number", dispute, "--refused"]
    apply = [*words, "--apply"]
    assert "nobody refused it yet\nnothing was signed" in command(*words)[1]
    rao, sen = signing(founded, "rao"), signing(founded, "sen")
    reason = ["--reason", "the meter was tested"]
    assert (
        "rao would refuse it: the meter was tested; another person has to sign it too"
        in command(*words, *reason, *rao)[1]
    )
    assert "'reason'" in command(*words, *rao)[2]
    assert "the key " in command(*words, *reason, *rao[:2], *sen[2:])[2]
    assert "nobody refused it yet" in command(*words)[1]
    code, out, _ = command(*apply, *reason, *rao)
    assert (code, out) == (0, "rao refuses dispute 1; another person has to sign it too\n")
    assert "rao would refuse it: the meter was tested" in command(*words)[1]
    assert "sen would end it, as the other person: the meter was tested" in command(*words, *sen)[1]
    code, out, _ = command(*apply, *sen)
    assert code == 0
    assert out.startswith("dispute 1 is refused by rao and sen: the meter was tested\nrefusal ")
    assert "signed by sen, key " in out
    assert "by rao and sen: refused: the meter was tested" in command("hold", "list")[1]
    assert command(*words)[0] == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["release", "--by", "b", "--reason", "r"], 2, "--number"),
        (["place", *WHO], 2, "--posted-as"),
        (["place", "--posted-as", NAME, "--start", "2026-04-26T10:00:00Z", *WHO], 2, "together"),
        (["place", "--posted-as", "NOBODY", *WHO], 1, "'NOBODY'"),
        (["place", "--posted-as", NAME, "--by", "asha", "--apply"], 1, "'reason'"),
        (["dispute", "--posted-as", NAME, "--party", "x", *WHO], 1, "window"),
    ],
)
def test_a_hold_asked_for_wrongly_says_what_lacks(
    enrolled: Gateway, command: Command, words: list[str], code: int, message: str
) -> None:
    got, out, err = command("hold", *words)
    assert (got, out) == (code, "")
    assert message in err


@pytest.mark.parametrize("state", [PostingState.REFUSED, PostingState.DIFFERS, PostingState.EXPIRED])
def test_what_stands_still_is_tried_again_with_apply(
    founded: Installation, enrolled: Gateway, command: Command, state: PostingState
) -> None:
    put(founded, posting(state))
    code, out, _ = command("post", *DAY, *WHO)
    assert code == 0
    assert "1 posting(s) would be tried again" in out
    assert states(founded) == [(state, "")]
    assert command("post", *DAY, *WHO, "--apply")[0] == 0
    assert states(founded) == [(PostingState.DUE, "tried again by asha")]
    with closing(open_database(founded.config.database)) as database:
        (act,) = hold_rows.acts(database.connection, limit=9)
    assert (act.verb, act.by, act.reason) == ("post", "asha", "the seal is broken")


@pytest.mark.parametrize("state", [PostingState.CONFIRMED, PostingState.SUPERSEDED, PostingState.HELD])
def test_what_does_not_stand_still_is_left_alone(
    founded: Installation, enrolled: Gateway, command: Command, state: PostingState
) -> None:
    put(founded, posting(state))
    assert "0 posting(s)" in command("post", *DAY, *WHO, "--apply")[1]
    assert states(founded) == [(state, "")]


def test_an_older_figure_is_not_tried_again_over_a_newer_one(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    put(founded, posting(PostingState.REFUSED))
    put(founded, replace(posting(PostingState.CONFIRMED), actual=b"n" * 32, revision=RECORD.revision + 1))
    assert "0 posting(s)" in command("post", *DAY, *WHO, "--apply")[1]
    assert [state for state, _ in states(founded)] == [PostingState.REFUSED, PostingState.CONFIRMED]


@pytest.mark.parametrize("status", [Status.PENDING, Status.NOT_MEASURABLE, Status.WITHDRAWN])
def test_a_figure_that_was_taken_back_is_not_tried_again(
    founded: Installation, enrolled: Gateway, command: Command, status: Status
) -> None:
    put(founded, posting(PostingState.DIFFERS))
    window = RECORD.delivery.window
    times = (utc_text(window.start_utc), utc_text(window.end_utc))
    assert command("attest", "--posted-as", NAME, "--start", times[0], "--end", times[1], *WHO, "--apply")[0] == 0
    with closing(open_database(founded.config.database)) as database, database.transaction() as connection:
        connection.execute("UPDATE actuals SET status = ?", (int(status),))
    out = command("post", *DAY, *WHO, "--apply")[1]
    assert f"its window is {status.name} now, so it is not tried again\n0 posting(s)" in out
    with closing(open_database(founded.config.database)) as database, database.transaction() as connection:
        recording_rows.put(connection, word(PostingState.REFUSED, 1))
    assert "0 posting(s)" in command("post", *DAY, *WHO, "--apply")[1]
    assert [state for state, _ in states(founded)] == [PostingState.DIFFERS]


def test_only_the_meter_that_was_named_is_tried_again(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    put(founded, posting(PostingState.REFUSED))
    put(founded, posting(PostingState.REFUSED, "OTHER"))
    assert "1 posting(s)" in command("post", *DAY, "--posted-as", "OTHER", *WHO, "--apply")[1]


def word(state: PostingState, number: int, **changes: object) -> Recording:
    from dataclasses import replace

    one = Recording(
        record_id="tx-1_it-1",
        transaction_id="tx-1",
        order_item_id="it-1",
        side=Side.SELLER,
        round=number,
        delivery=posting(state).delivery,
        actual=b"a" * 32,
        allocated_wh=4000,
        status=TradeStatus.COMPLETED,
        state=state,
        attempts=1,
        next_try_utc=5,
        note="SCH_ROLE",
    )
    return replace(one, **changes)  # type: ignore[arg-type]  # the caller names fields


def words(installed: Installation) -> list[tuple[int, PostingState, str]]:
    with closing(open_database(installed.config.database)) as database:
        found = recording_rows.beginning(database.connection, Interval(0, 2_000_000_000))
    return [(one.round, one.state, one.note) for one in found]


def test_a_word_that_stands_still_is_tried_again_unless_a_later_one_was_said(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    with closing(open_database(founded.config.database)) as database, database.transaction() as connection:
        for one in (
            word(PostingState.REFUSED, 1),
            word(PostingState.REFUSED, 3),
            word(PostingState.REFUSED, 1, record_id="other"),
            word(PostingState.CONFIRMED, 3, record_id="other"),
        ):
            recording_rows.put(connection, one)
    before = words(founded)
    code, out, _ = command("post", *DAY, *WHO)
    assert code == 0
    assert "trade tx-1_it-1 SELLER round 3: REFUSED, SCH_ROLE\n1 posting(s) would be tried again" in out
    assert words(founded) == before
    assert "0 posting(s)" in command("post", *DAY, "--posted-as", "OTHER", *WHO, "--apply")[1]
    assert command("post", *DAY, *WHO, "--apply")[0] == 0
    assert words(founded)[1] == (3, PostingState.DUE, "tried again by asha")
    assert [words(founded)[at] for at in (0, 2, 3)] == [before[at] for at in (0, 2, 3)]
    with closing(open_database(founded.config.database)) as database:
        (act,) = hold_rows.acts(database.connection, limit=9)
    assert act.about.endswith("trade tx-1_it-1 SELLER round 3")


def test_reconcile_says_which_trades_await_a_figure(
    founded: Installation, exchange: Rehearsal, enrolled: Gateway, command: Command
) -> None:
    text = founded.file.read_text()
    url = founded.config.ledger.url
    founded.file.write_text(text.replace(url, f"deg+http://{exchange.address}"))
    exchange.put_both(seller_id=NAME, price_inr_per_kwh=Decimal(5))
    code, out, _ = command("reconcile", *DAY)
    assert code == 1
    assert "await a figure and none was posted" in out
    assert "0 of 1 deliveries agree" in out
    code, out, _ = command("reconcile", *DAY, "--json")
    (line,) = json.loads(out)["lines"]
    assert (line["posted_as"], line["posted_kwh"], line["ledger_kwh"]) == (NAME, None, None)


@pytest.mark.usefixtures("enrolled")
@pytest.mark.parametrize(
    ("channel", "message"), [("record", "awaits this discom's word"), ("none", 'channel is "none"')]
)
def test_reconcile_knows_how_the_ledger_is_told(
    founded: Installation, exchange: Rehearsal, command: Command, channel: str, message: str
) -> None:
    text = founded.file.read_text()
    url = founded.config.ledger.url
    told = f'deg+http://{exchange.address}"\nchannel = "{channel}'
    founded.file.write_text(text.replace(url, told))
    exchange.put_both(seller_id=NAME, price_inr_per_kwh=Decimal(5))
    code, out, err = command("reconcile", *DAY)
    assert code == 1
    assert message in out + err


def test_reconcile_against_a_ledger_that_does_not_answer_is_an_error(enrolled: Gateway, command: Command) -> None:
    code, out, err = command("reconcile", *DAY)
    assert (code, out) == (1, "")
    assert err
