"""post, reconcile: what the ledger is told, by an operator's hand."""

import argparse
import json
import sqlite3
from contextlib import closing

from headend import service
from headend.commands.command import (
    DONE,
    REFUSED,
    Adding,
    acting,
    add_act,
    add_apply,
    ended,
    instant,
    misuse,
    whose,
    why,
)
from headend.config import Channel, Config
from headend.errors import RefusedError
from headend.exchange import reconciling
from headend.peers import ledger
from headend.store.sqlite import actuals, hold_rows, recording_rows
from headend.store.sqlite import postings as rows
from headend.store.sqlite.database import open_database
from headend.store.sqlite.hold_rows import Act
from headend.trading import posting, recordings
from headend.trading.posting import STUCK, PostingRecord
from headend.trading.reconciliation import Line
from headend.trading.recordings import Recording
from signing.energy import kwh_text
from signing.errors import SigningError
from signing.interval import DAY_S, Interval, ist_text
from signing.statements.window_actual import Status


def add(verb: Adding) -> None:
    """Adds the verbs of this job."""
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


def _post(settings: Config, arguments: argparse.Namespace) -> int:
    try:
        span = Interval(arguments.start, arguments.end)
    except SigningError as error:
        return misuse(str(error))
    by, reason, now = whose(arguments), why(arguments), service.now()
    with closing(acting(settings, arguments)) as database:
        still = posting.stuck(rows.postings_from(database.connection, span))
        found = [one for one in still if _is_wanted(one, arguments) and _has_figure(database.connection, one)]
        words = recordings.stuck(recording_rows.beginning(database.connection, span))
        said_words = [one for one in words if _is_wanted(one, arguments) and _has_figure(database.connection, one)]
        for about in (*map(_told, found), *map(_told, said_words)):
            print(about)
        number = len(found) + len(said_words)
        with database.transaction() as connection:
            for record in found:
                rows.put_posting(connection, posting.retried(record, now, by))
            for one in said_words:
                recording_rows.put(connection, recordings.retried(one, now, by))
            for about in (*map(_about, found), *map(_about, said_words)):
                hold_rows.put_act(connection, Act(verb="post", about=about, by=by, reason=reason, done_utc=now))
        print(f"{number} posting(s) {'are' if arguments.apply else 'would be'} tried again")
    return ended(arguments)


def _is_wanted(record: PostingRecord | Recording, arguments: argparse.Namespace) -> bool:
    return record.state in STUCK and arguments.posted_as in {None, record.delivery.posted_as}


def _has_figure(connection: sqlite3.Connection, record: PostingRecord | Recording) -> bool:
    """Whether what was posted still stands: a figure that was taken back since must not go again."""
    status = actuals.newest_status(connection, record.delivery.posted_as, record.delivery.window)
    if status in {Status.PENDING, Status.NOT_MEASURABLE, Status.WITHDRAWN}:
        print(f"{_about(record)}: its window is {status.name} now, so it is not tried again")
        return False
    return True


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
