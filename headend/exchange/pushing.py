"""Pushes: what a subscriber is told without having asked. Each begins as a question of this head-end's own, and is answered like any other.

So a push is kept before it leaves, held, disclosed, repeated and revised by the same rules, and a window is told once: what the
subscriber asked for itself is no push. Source: EXCHANGE §4 (unsolicited push); docs/exchange.md.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from headend.config import Config
from headend.settings.beckn import BecknSettings, Push
from headend.store.sqlite import actuals, question_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.question_rows import NewQuestion
from ledger_client import exact_json
from ledger_client.beckn.context import Action, Context
from ledger_client.beckn.status import StatusRequest, unsolicited
from signing.interval import DAY_S, Interval

GATHER_S = 60
"""How long figures are gathered for one push, and how often it is looked for windows that got none yet."""


class Pushing:
    """Begins the pushes of one database. Owned by the thread that owns it."""

    __slots__ = ("_config", "_database", "_last_leaf", "_new_id", "_next_utc", "_settings")

    def __init__(
        self,
        *,
        config: Config,
        settings: BecknSettings,
        database: Database,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        """`new_id` gives a new UUID each time."""
        self._config = config
        self._settings = settings
        self._database = database
        self._new_id = new_id
        self._last_leaf: int | None = None
        self._next_utc = 0

    def step(self, now_utc: int) -> int:
        """Begins what is due; how many figures it is about.

        Raises:
            StoreUnavailableError: nothing was begun; try again later.
        """
        newest = actuals.last_said(self._database.connection)
        if not self._settings.pushes or now_utc < self._next_utc or newest == self._last_leaf:
            return 0
        begun = [self._begun(push, now_utc) for push in self._settings.pushes]
        # More than one push holds is begun next time, whether anything new comes or not.
        is_all = max(begun) < self._settings.most_windows
        self._last_leaf, self._next_utc = newest if is_all else None, now_utc + GATHER_S
        return sum(begun)

    def _begun(self, push: Push, now_utc: int) -> int:
        span = Interval(now_utc - self._config.ledger.look_back_days * DAY_S, now_utc + 1)
        windows = question_rows.untold(
            self._database.connection, self._config.discom, push.subscriber, span, limit=self._settings.most_windows
        )
        if not windows:
            return 0
        message_id = self._new_id()
        body = exact_json.dumps(
            {
                "network": push.network,
                "subscriber": push.subscriber,
                "uri": push.uri,
                "own": self._config.ledger.subscriber,
                "receiver": self._settings.receiver,
                "discom": self._config.discom,
                "transaction": self._new_id(),
                "message": message_id,
                "contract": self._new_id(),
                "windows": [[name, window.start_utc, window.end_utc] for name, window in windows],
            }
        )
        new = NewQuestion(
            subscriber=push.subscriber,
            message_id=message_id,
            body=body,
            callback=pushed(body).context.callback_url,
            windows=windows,
            is_push=True,
        )
        with self._database.transaction() as connection:
            question_rows.put_question(connection, new, now_utc)
        return len(windows)


def pushed(body: bytes) -> StatusRequest:
    """What a push that was begun says, as if it had been asked."""
    kept: Any = exact_json.loads(body)
    meters: defaultdict[str, list[Interval]] = defaultdict(list)
    for name, start_utc, end_utc in kept["windows"]:
        meters[name].append(Interval(int(start_utc), int(end_utc)))
    context = Context(
        action=Action.ON_STATUS,
        network_id=kept["network"],
        bap_id=kept["subscriber"],
        bap_uri=kept["uri"],
        bpp_id=kept["own"],
        bpp_uri=kept["receiver"],
        transaction_id=kept["transaction"],
        message_id=kept["message"],
    )
    return unsolicited(
        context=context,
        contract_id=kept["contract"],
        meters=[(name, kept["discom"], windows) for name, windows in sorted(meters.items())],
    )
