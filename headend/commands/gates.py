"""forecast: what the windows will have to show at their gates."""

import argparse
import json
from collections import Counter
from contextlib import closing

from headend import service
from headend.commands.command import DONE, REFUSED, Adding
from headend.config import Config
from headend.exchange import legs
from headend.onboarding.known import Registry
from headend.store.sqlite import actuals
from headend.store.sqlite.database import open_database
from headend.trading.forecast import Outlook, Prospect, at_risk, forecast, warning
from signing.interval import ist_text, utc_text
from signing.signer import open_signer


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    command = verb("forecast", _forecast, "say how complete the windows are whose gates are coming")
    command.add_argument("--json", action="store_true", help="one JSON object on one line")


def _forecast(settings: Config, arguments: argparse.Namespace) -> int:
    key = open_signer(settings.keys.statements).public_key
    now = service.now()
    with closing(open_database(settings.database)) as database:
        registry = Registry(database)
        awaited = legs.followed(database, settings.discom, look_back_days=settings.ledger.look_back_days, now_utc=now)
        stored = {
            delivery: actuals.newest(database.connection, key, delivery.posted_as, delivery.window)
            for delivery in awaited
        }
    known = frozenset(
        one.posted_as for one in awaited if registry.connection_point(one.posted_as, one.window.start_utc) is not None
    )
    newest = {delivery: found.signed.statement for delivery, found in stored.items() if found is not None}
    outlooks = forecast(awaited, newest, known, settings.gates, now)
    risky = at_risk(outlooks, settings.gates, now)
    if arguments.json:
        print(json.dumps({"ok": not risky, "windows": [_fields(one) for one in outlooks]}, ensure_ascii=False))
    else:
        for gate in sorted({one.gate_utc for one in outlooks}):
            counted = Counter(one.prospect for one in outlooks if one.gate_utc == gate)
            shown = ", ".join(f"{counted[prospect]} {prospect.value}" for prospect in Prospect)
            print(f"gate {ist_text(gate)}: {shown}")
        for one in outlooks:
            if one.prospect is not Prospect.READY:
                print(warning(one))
    return REFUSED if risky else DONE


def _fields(one: Outlook) -> dict[str, object]:
    return {
        "gate": utc_text(one.gate_utc),
        "posted_as": one.delivery.posted_as,
        "delivery_start": one.delivery.delivery_start,
        "delivery_end": one.delivery.delivery_end,
        "prospect": one.prospect.value,
        "valid": one.valid,
        "expected": one.expected,
        "cause": one.cause,
    }
