"""hold, stand-down: what is kept from being told, by an operator's hand; said first with what it bears on."""

import argparse
from collections import Counter
from collections.abc import Iterable
from contextlib import closing

from headend import rereading, service
from headend.commands.command import (
    DONE,
    Adding,
    acting,
    add_act,
    add_apply,
    add_hand,
    ended,
    hand,
    instant,
    misuse,
    whose,
    why,
)
from headend.config import Config
from headend.duties.holds import Hold, HoldKind, Order, still_over
from headend.editing import disputes
from headend.editing.disputes import Refusing
from headend.errors import RefusedError
from headend.exchange import legs
from headend.exchange.holding import Bearing, Told, bearing
from headend.onboarding.known import Registry
from headend.store.sqlite import actuals, hold_rows, refusal_rows
from headend.store.sqlite.database import Database, open_database
from headend.trading.posting import PostingRecord
from headend.trading.trades import Delivery
from signing.energy import kwh_text
from signing.interval import Interval, ist_text
from signing.signer import open_signer

_LISTED = 200
_SHOWN = 20
"""Lines of what an order bears on; the rest is counted."""


def add(verb: Adding) -> None:
    """Adds the verbs of this job."""
    hold = verb("hold", _hold, "hold postings back, let them go, or list what is held; first without --apply")
    hold.add_argument("action", choices=["place", "dispute", "release", "list"], help="what to do")
    hold.add_argument("--posted-as", metavar="ID", help="place, dispute: the meter, exactly as the ledger spells it")
    hold.add_argument("--start", type=instant, metavar="TIME", help="of one window; without it, all windows are held")
    hold.add_argument("--end", type=instant, metavar="TIME", help="end of that window")
    hold.add_argument("--party", metavar="TEXT", help="dispute: who contests the figure, and under which reference")
    hold.add_argument("--number", type=int, metavar="N", help="release: the hold that ends")
    ending = hold.add_mutually_exclusive_group()
    ending.add_argument(
        "--revised", action="store_true", help="release of a dispute: its window was revised since it was opened"
    )
    ending.add_argument(
        "--refused",
        action="store_true",
        help="release of a dispute: the figure stays; two operators sign it, one after the other",
    )
    add_act(hold, reason="why it is held, or how it ended; kept for ever")
    add_hand(hold)
    add_apply(hold)
    down = verb("stand-down", _stand_down, "post nothing at all until `hold release` ends it; first without --apply")
    add_act(down)
    add_apply(down)


def _hold(settings: Config, arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        with closing(open_database(settings.database)) as database:
            for hold in hold_rows.holds(database.connection, limit=_LISTED):
                print(_shown(hold))
        return DONE
    if arguments.action == "release":
        if arguments.number is None:
            return misuse("expected --number, which hold ends: see `hold list`")
        with closing(acting(settings, arguments)) as database:
            return _released(settings, database, arguments)
    if arguments.posted_as is None or (arguments.start is None) != (arguments.end is None):
        return misuse("expected --posted-as, and --start and --end together or not at all")
    with closing(acting(settings, arguments)) as database:
        return _placed(settings, database, _order(database, arguments), arguments)


def _stand_down(settings: Config, arguments: argparse.Namespace) -> int:
    order = Order(
        kind=HoldKind.STAND_DOWN,
        connection_point=None,
        window=None,
        party=None,
        by=whose(arguments),
        reason=why(arguments),
    )
    with closing(acting(settings, arguments)) as database:
        return _placed(settings, database, order, arguments)


def _order(database: Database, arguments: argparse.Namespace) -> Order:
    point = Registry(database).connection_point(arguments.posted_as)
    if point is None:
        raise RefusedError(f"no connection point is posted as '{arguments.posted_as}': `registry export` lists the ids")
    return Order(
        kind=HoldKind.DISPUTE if arguments.action == "dispute" else HoldKind.HOLD,
        connection_point=point,
        window=None if arguments.start is None else Interval(arguments.start, arguments.end),
        party=arguments.party,
        by=whose(arguments),
        reason=why(arguments),
    )


def _placed(settings: Config, database: Database, order: Order, arguments: argparse.Namespace) -> int:
    registry, now = Registry(database), service.now()
    # Before anything is written: this reads much, and intake waits for a transaction.
    found = bearing(
        database, registry, order, hold_rows.open_holds(database.connection), _followed(settings, database, now)
    )
    with database.transaction() as connection:
        number = hold_rows.open_hold(connection, order, at_utc=now)
    if arguments.apply:
        print(f"hold {number}: nothing of it is posted from the head-end's next step on; what a ledger has stays there")
    else:
        print(f"would hold {_about(order)}: nothing of it would be posted or told; what a ledger has stays there")
    _tell(found, "stops", arguments)
    if order.kind is HoldKind.DISPUTE and order.connection_point is not None and order.window is not None:
        print(_figure(settings, database, order.connection_point, order.window))
        spans = rereading.look_again(database, registry, order.connection_point, order.window, now_utc=now)
        asked = "are asked" if arguments.apply else "would be asked"
        print(f"its gateways {asked} to read the window again: {spans} day(s) of its meters")
    return ended(arguments)


def _released(settings: Config, database: Database, arguments: argparse.Namespace) -> int:
    if arguments.refused:
        return _refused(database, arguments)
    number, now = arguments.number, service.now()
    hold = next((one for one in hold_rows.open_holds(database.connection) if one.number == number), None)
    if hold is None:
        raise RefusedError(f"hold {number} does not exist or has ended: see `sakshi-headend hold list`")
    others = [one for one in hold_rows.open_holds(database.connection) if one.number != number]
    found = bearing(database, Registry(database), hold.order, others, _followed(settings, database, now))
    by, outcome = whose(arguments), why(arguments)
    if arguments.revised:
        digest = disputes.end_revised(database, number, by=by, reason=outcome, now_utc=now)
        print(f"evidence {digest.hex()}")
    else:
        with database.transaction() as connection:
            if hold.order.kind is HoldKind.DISPUTE:
                raise RefusedError(f"hold {number} is a dispute: say how it ends, --revised or --refused")
            hold_rows.close_hold(connection, number, by=by, outcome=outcome, at_utc=now)
    print(f"hold {number} {'ended' if arguments.apply else 'would end'}; {_now_that(database, number)}")
    _tell(found, "goes", arguments)
    return ended(arguments)


def _now_that(database: Database, number: int) -> str:
    """What becomes of postings that a hold kept back, now that it ended: others may be over them too."""
    found = hold_rows.hold(database.connection, number)
    still = () if found is None else still_over(found.order, hold_rows.open_holds(database.connection))
    if not still:
        return "its postings go within seconds where the head-end serves"
    numbers = ", ".join(str(one.number) for one in still)
    return f"of its postings those stay HELD that others still hold: {numbers} (see `hold list`)"


def _refused(database: Database, arguments: argparse.Namespace) -> int:
    number = arguments.number
    if not arguments.apply:
        found = disputes.dispute(database.connection, number)
        known = refusal_rows.of_dispute(database.connection, number)
        print(_shown(found))
        print(
            "nobody refused it yet" if known is None else f"{known.author.name} would refuse it: {known.refusal.reason}"
        )
        if arguments.name is not None:
            print(Refusing(database).would(number, hand(arguments), reason=arguments.reason))
        print("nothing was signed: give --apply, --as and --key to do it")
        return DONE
    signed = Refusing(database).sign(number, hand(arguments), reason=arguments.reason, now_utc=service.now())
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


def _followed(settings: Config, database: Database, now_utc: int) -> Iterable[Delivery]:
    return legs.followed(database, settings.discom, look_back_days=settings.followed_days, now_utc=now_utc)


def _figure(settings: Config, database: Database, point: str, window: Interval) -> str:
    """What was said last of a window that is contested."""
    digest = actuals.newest_digest(database.connection, point, window)
    key = open_signer(settings.keys.statements).public_key
    stored = None if digest is None else actuals.by_digest(database.connection, key, digest)
    if stored is None:
        return "no figure was said of exactly this window yet"
    actual = stored.signed.statement
    figure = actual.reason if actual.totals is None else f"net {kwh_text(actual.totals.net_wh)} kWh"
    return f"its figure now: revision {actual.revision} {actual.status.name}, {figure}, evidence {stored.signed.digest.hex()}"


def _tell(found: Bearing, moves: str, arguments: argparse.Namespace) -> None:
    """What an order bears on: the same words before it is placed or ended and after."""
    counted = Counter(one.state.value for one in found.alone)
    states = ", ".join(f"{number} {state}" for state, number in sorted(counted.items()))
    print(f"{moves} now: {len(found.alone)} posting(s)" + (f", {states}" if states else ""))
    if not arguments.apply:
        for one in found.alone[:_SHOWN]:
            print(f"  {_line(one)}")
        if len(found.alone) > _SHOWN:
            print(f"  and {len(found.alone) - _SHOWN} more")
    print(f"HELD by others too: {len(found.shared)}; confirmed by the ledger, where it stays: {found.confirmed}")
    print(f"awaited, with nothing addressed yet: {len(found.awaited)} window(s)")


def _line(one: Told) -> str:
    window = one.delivery.window
    told = (
        f"net {kwh_text(one.net_wh)} kWh"
        if isinstance(one, PostingRecord)
        else f"{kwh_text(one.allocated_wh)} kWh of trade {one.record_id}"
    )
    return f"{one.delivery.posted_as} {ist_text(window.start_utc)} to {ist_text(window.end_utc)}: {one.state.value}, {told}"


def _about(order: Order) -> str:
    if order.connection_point is None:
        return "everything"
    if order.window is None:
        return f"every window of {order.connection_point}"
    return f"{order.connection_point} {ist_text(order.window.start_utc)} to {ist_text(order.window.end_utc)}"


def _shown(hold: Hold) -> str:
    order = hold.order
    about = "everything" if order.connection_point is None else order.connection_point
    if order.window is not None:
        about += f" {ist_text(order.window.start_utc)} to {ist_text(order.window.end_utc)}"
    closed = (
        "" if hold.closed_utc is None else f"; ended {ist_text(hold.closed_utc)} by {hold.closed_by}: {hold.outcome}"
    )
    return f"{hold.number} {order.kind.value} {about}: {hold.note}{closed}"
