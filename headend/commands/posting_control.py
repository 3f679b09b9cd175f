"""hold, stand-down, post, reconcile: what the ledger is told, by an operator's hand."""

import argparse
import json
from contextlib import closing

from headend import rereading, service
from headend.commands.command import DONE, REFUSED, Adding, add_act, add_apply, add_hand, hand, instant, misuse
from headend.config import Channel, Config
from headend.duties.holds import Hold, HoldKind, Order, said, still_over
from headend.editing import disputes
from headend.errors import RefusedError
from headend.exchange import reconciling
from headend.onboarding.known import Registry
from headend.peers import ledger
from headend.store.sqlite import hold_rows, recording_rows, refusal_rows
from headend.store.sqlite import postings as rows
from headend.store.sqlite.database import Database, open_database
from headend.store.sqlite.hold_rows import Act
from headend.trading import posting, recordings
from headend.trading.posting import STUCK, PostingRecord
from headend.trading.reconciliation import Line
from headend.trading.recordings import Recording
from signing.energy import kwh_text
from signing.errors import SigningError
from signing.interval import DAY_S, Interval, ist_text

_LISTED = 200


def add(verb: Adding) -> None:
    """Adds the verbs of this job."""
    hold = verb("hold", _hold, "hold postings back, let them go, or list what is held")
    hold.add_argument("action", choices=["place", "dispute", "release", "list"], help="what to do")
    hold.add_argument("--posted-as", metavar="ID", help="place, dispute: the meter, exactly as the ledger spells it")
    hold.add_argument("--start", type=instant, metavar="TIME", help="of one window; without it, all windows are held")
    hold.add_argument("--end", type=instant, metavar="TIME", help="end of that window")
    hold.add_argument("--party", metavar="TEXT", help="dispute: who contests the figure, and under which reference")
    hold.add_argument("--number", type=int, metavar="N", help="release: the hold that ends")
    hold.add_argument("--by", default="", metavar="NAME", help="the operator who answers for it")
    hold.add_argument("--reason", default="", metavar="TEXT", help="why it is held, or how it ended; kept for ever")
    ending = hold.add_mutually_exclusive_group()
    ending.add_argument(
        "--revised", action="store_true", help="release of a dispute: its window was revised since it was opened"
    )
    ending.add_argument(
        "--refused",
        action="store_true",
        help="release of a dispute: the figure stays; two operators sign it, one after the other",
    )
    add_hand(hold)
    down = verb("stand-down", _stand_down, "post nothing at all until `hold release` ends it")
    add_act(down)
    post = verb("post", _post, "try postings and recordings again that stand still: REFUSED, DIFFERS or EXPIRED")
    post.add_argument("--posted-as", metavar="ID", help="of this meter only, as the ledger spells it")
    post.add_argument("--start", type=instant, required=True, metavar="TIME", help="first start of a window")
    post.add_argument("--end", type=instant, required=True, metavar="TIME", help="windows begin before this")
    add_act(post)
    add_apply(post)
    reconcile = verb("reconcile", _reconcile, "compare what the ledger says with what was attested and posted")
    reconcile.add_argument(
        "--start", type=instant, metavar="TIME", help="first start of a window (default: 7 days ago)"
    )
    reconcile.add_argument("--end", type=instant, metavar="TIME", help="windows begin before this (default: now)")
    reconcile.add_argument("--json", action="store_true", help="one JSON object on one line")


def _hold(settings: Config, arguments: argparse.Namespace) -> int:
    with closing(open_database(settings.database)) as database:
        if arguments.action == "list":
            for hold in hold_rows.holds(database.connection, limit=_LISTED):
                print(_shown(hold))
            return DONE
        if arguments.action == "release":
            return _released(database, arguments)
        if arguments.posted_as is None or (arguments.start is None) != (arguments.end is None):
            return misuse("expected --posted-as, and --start and --end together or not at all")
        order = _order(database, arguments)
        _placed(database, order)
        if order.kind is HoldKind.DISPUTE and order.connection_point is not None and order.window is not None:
            now = service.now()
            rereading.look_again(database, Registry(database), order.connection_point, order.window, now_utc=now)
            print("its gateways are asked to read the window again")
    return DONE


def _released(database: Database, arguments: argparse.Namespace) -> int:
    number, now = arguments.number, service.now()
    if number is None:
        return misuse("expected --number, which hold ends: see `hold list`")
    if arguments.refused:
        return _refused(database, number, arguments)
    if arguments.revised:
        digest = disputes.end_revised(database, number, by=arguments.by, reason=arguments.reason, now_utc=now)
        print(f"evidence {digest.hex()}")
    else:
        by, outcome = said(arguments.by, "by"), said(arguments.reason, "reason")
        with database.transaction() as connection:
            held = {hold.number: hold.order.kind for hold in hold_rows.open_holds(connection)}
            if held.get(number) is HoldKind.DISPUTE:
                raise RefusedError(f"hold {number} is a dispute: say how it ends, --revised or --refused")
            hold_rows.close_hold(connection, number, by=by, outcome=outcome, at_utc=now)
    print(f"hold {number} ended; {_now_that(database, number)}")
    return DONE


def _now_that(database: Database, number: int) -> str:
    """What becomes of postings that a hold kept back, now that it ended: others may be over them too."""
    ended = hold_rows.hold(database.connection, number)
    still = () if ended is None else still_over(ended.order, hold_rows.open_holds(database.connection))
    if not still:
        return "its postings go within seconds where the head-end serves"
    numbers = ", ".join(str(one.number) for one in still)
    return f"of its postings those stay HELD that others still hold: {numbers} (see `hold list`)"


def _refused(database: Database, number: int, arguments: argparse.Namespace) -> int:
    if arguments.name is None and arguments.key is None:
        found = disputes.dispute(database.connection, number)
        known = refusal_rows.of_dispute(database.connection, number)
        print(_shown(found))
        print(
            "nobody refused it yet" if known is None else f"{known.author.name} would refuse it: {known.refusal.reason}"
        )
        print("nothing was signed: give --as and --key to do it")
        return DONE
    signed = disputes.Refusing(database).sign(number, hand(arguments), reason=arguments.reason, now_utc=service.now())
    if signed.approver is None:
        print(f"{signed.author.name} refuses dispute {number}; another person has to sign it too")
    else:
        print(
            f"dispute {number} is refused by {signed.author.name} and {signed.approver.name}: {signed.refusal.reason}"
        )
        print(f"refusal {signed.refusal.payload().hex()}")
        for person in (signed.author, signed.approver):
            print(f"signed by {person.name}, key {person.key.cose_key.hex()}: {person.signature.hex()}")
    return DONE


def _order(database: Database, arguments: argparse.Namespace) -> Order:
    point = Registry(database).connection_point(arguments.posted_as)
    if point is None:
        raise RefusedError(f"no connection point is posted as '{arguments.posted_as}': `registry export` lists the ids")
    return Order(
        kind=HoldKind.DISPUTE if arguments.action == "dispute" else HoldKind.HOLD,
        connection_point=point,
        window=None if arguments.start is None else Interval(arguments.start, arguments.end),
        party=arguments.party,
        by=arguments.by,
        reason=arguments.reason,
    )


def _stand_down(settings: Config, arguments: argparse.Namespace) -> int:
    order = Order(
        kind=HoldKind.STAND_DOWN,
        connection_point=None,
        window=None,
        party=None,
        by=arguments.by,
        reason=arguments.reason,
    )
    with closing(open_database(settings.database)) as database:
        return _placed(database, order)


def _placed(database: Database, order: Order) -> int:
    with database.transaction() as connection:
        number = hold_rows.open_hold(connection, order, at_utc=service.now())
    print(f"hold {number}: nothing of it is posted from the head-end's next step on; what a ledger has stays there")
    return DONE


def _post(settings: Config, arguments: argparse.Namespace) -> int:
    try:
        span = Interval(arguments.start, arguments.end)
    except SigningError as error:
        return misuse(str(error))
    by, reason = said(arguments.by, "by"), said(arguments.reason, "reason")
    with closing(open_database(settings.database)) as database:
        found = [record for record in rows.postings_from(database.connection, span) if _is_wanted(record, arguments)]
        words = recordings.stuck(recording_rows.beginning(database.connection, span))
        said_words = [one for one in words if _is_wanted(one, arguments)]
        for about in (*map(_told, found), *map(_told, said_words)):
            print(about)
        number = len(found) + len(said_words)
        if not arguments.apply:
            print(f"{number} posting(s) would be tried again: give --apply to do it")
            return DONE
        now = service.now()
        with database.transaction() as connection:
            for record in found:
                rows.put_posting(connection, posting.retried(record, now, by))
            for one in said_words:
                recording_rows.put(connection, recordings.retried(one, now, by))
            for about in (*map(_about, found), *map(_about, said_words)):
                hold_rows.put_act(connection, Act(verb="post", about=about, by=by, reason=reason, done_utc=now))
        print(f"{number} posting(s) are tried again")
    return DONE


def _is_wanted(record: PostingRecord | Recording, arguments: argparse.Namespace) -> bool:
    return record.state in STUCK and arguments.posted_as in {None, record.delivery.posted_as}


def _told(record: PostingRecord | Recording) -> str:
    return f"{_about(record)}: {record.state.value}, {record.note}"


def _reconcile(settings: Config, arguments: argparse.Namespace) -> int:
    now = service.now()
    start = now - 7 * DAY_S if arguments.start is None else arguments.start
    try:
        span = Interval(start, now if arguments.end is None else arguments.end)
    except SigningError as error:
        return misuse(str(error))
    if settings.ledger.channel is Channel.NONE:
        raise RefusedError('nothing is posted where [ledger] channel is "none": alerts tell what a provider refused')
    with closing(open_database(settings.database)) as database, ledger(settings, service.now) as opened:
        lines = reconciling.lines(settings, database, opened, span)
    differing = [line for line in lines if line.differences]
    if arguments.json:
        print(json.dumps({"ok": not differing, "lines": [_fields(line) for line in lines]}, ensure_ascii=False))
    else:
        for line in differing:
            print(
                f"{line.delivery.posted_as} {ist_text(line.delivery.window.start_utc)}: {'; '.join(line.differences)}"
            )
        print(f"{len(lines) - len(differing)} of {len(lines)} deliveries agree")
    return REFUSED if differing else DONE


def _fields(line: Line) -> dict[str, object]:
    return {
        "posted_as": line.delivery.posted_as,
        "delivery_start": line.delivery.delivery_start,
        "delivery_end": line.delivery.delivery_end,
        "posted_kwh": None if line.posted_wh is None else kwh_text(line.posted_wh),
        "allocated_kwh": None if line.allocated_wh is None else kwh_text(line.allocated_wh),
        "ledger_kwh": None if line.ledger_wh is None else kwh_text(line.ledger_wh),
        "evidence": None if line.actual is None else line.actual.hex(),
        "differences": list(line.differences),
    }


def _about(record: PostingRecord | Recording) -> str:
    delivery = record.delivery
    window = f"{delivery.posted_as} {delivery.delivery_start} to {delivery.delivery_end}"
    if isinstance(record, PostingRecord):
        return f"{window} revision {record.revision}"
    return f"{window} trade {record.record_id} {record.side.value} round {record.round}"


def _shown(hold: Hold) -> str:
    order = hold.order
    about = "everything" if order.connection_point is None else order.connection_point
    if order.window is not None:
        about += f" {ist_text(order.window.start_utc)} to {ist_text(order.window.end_utc)}"
    ended = (
        "" if hold.closed_utc is None else f"; ended {ist_text(hold.closed_utc)} by {hold.closed_by}: {hold.outcome}"
    )
    return f"{hold.number} {order.kind.value} {about}: {hold.note}{ended}"
