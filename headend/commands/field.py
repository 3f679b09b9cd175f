"""work-orders: what field crews must go and look at."""

import argparse
from contextlib import closing

from headend import service
from headend.commands.command import DONE, Adding
from headend.config import Config
from headend.duties.work_orders import Cause, sheet
from headend.onboarding.known import Registry
from headend.store.sqlite.database import open_database
from headend.watching.field_work import FieldWork


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    orders = verb("work-orders", _orders, "write what somebody must go and look at, by feeder and cause, as CSV")
    orders.add_argument(
        "--cause", action="append", default=[], choices=[cause.value for cause in Cause], help="only these; repeatable"
    )
    orders.add_argument("--feeder", metavar="ID", help="only of this feeder")


def _orders(settings: Config, arguments: argparse.Namespace) -> int:
    with closing(open_database(settings.database)) as database:
        work = FieldWork(database=database, registry=Registry(database), silent_after_s=settings.alerts.silent_after_s)
        found = [
            order
            for order in work.orders(service.now())
            if (not arguments.cause or order.cause.value in arguments.cause)
            and arguments.feeder in {None, order.feeder}
        ]
    print(sheet(found), end="")
    return DONE
