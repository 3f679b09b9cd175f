"""How a figure stands, as claims and as a compact JWS by the statement key: a "not yet" is signed like a figure.

Pure but for the key. Source: RFC 7515; docs/wire-format.md.
"""

import hashlib
import json

from headend.views.exchange import ChangesView, ChangeView, StandingView
from headend.web.claims import Json
from signing.interval import Interval, utc_text
from signing.statements.window_actual import Status

STANDING_TYPE = "window-standing+jws"
"""`typ` of a JWS over the claims of `standing`."""

UNKNOWN = "UNKNOWN"
PENDING = "PENDING"
HELD = "HELD"
_REASONS = {
    UNKNOWN: "no window of a trade that the caller is a party to",
    HELD: "the discom keeps the figure back while it is looked into",
    PENDING: "nothing is attested yet",
}


def standing(domain: str, view: StandingView, now_utc: int) -> dict[str, Json]:
    """What is said of one meter and window now; no figure is ever in it but by its evidence digest."""
    newest = view.revisions[-1].statement if view.revisions else None
    state = HELD if view.hold is not None else PENDING if newest is None else newest.status.name
    reason = _REASONS.get(state) if newest is None else newest.reason
    is_open = newest is None or newest.status in {Status.PENDING, Status.PROVISIONAL, Status.WITHDRAWN}
    return {
        **_subject(domain, view.posted_as, view.window, now_utc),
        "sides": [side.value for side in view.sides],
        "state": state,
        "reason": reason,
        "next_time": utc_text(view.next_utc) if is_open and view.next_utc is not None else None,
        "revisions": [
            {
                "revision": one.statement.revision,
                "status": one.statement.status.name,
                "evidence_digest": one.digest.hex(),
                "index": one.index,
            }
            for one in view.revisions
        ],
    }


def unknown(domain: str, asked: dict[str, Json], now_utc: int) -> dict[str, Json]:
    """What is said where there is nothing for the caller: the same whether there is nothing, or nothing of its own."""
    return {
        "issuer": f"did:web:{domain}",
        "stated_at": utc_text(now_utc),
        **asked,
        "state": UNKNOWN,
        "reason": _REASONS[UNKNOWN],
        "next_time": None,
        "revisions": [],
    }


def change(view: ChangeView) -> dict[str, Json]:
    """One entry of the changes without its figure."""
    statement = view.actual.statement
    return {
        "index": view.actual.index,
        "meter": statement.posted_as,
        "window": _window(statement.window),
        "revision": None if view.is_held else statement.revision,
        "status": HELD if view.is_held else statement.status.name,
        "evidence_digest": None if view.is_held else view.actual.digest.hex(),
    }


def changed(domain: str, view: ChangesView, after: int, now_utc: int) -> dict[str, Json]:
    """A stretch of the log, for its JWS: nobody can leave an entry out of it unseen."""
    return {
        "issuer": f"did:web:{domain}",
        "stated_at": utc_text(now_utc),
        "after": after,
        "next": view.next_index,
        "changes": [change(one) for one in view.items],
    }


def tag(stated: dict[str, Json] | list[dict[str, Json]]) -> str:
    """An entity tag of what is said, whenever it is said."""
    entries = stated if isinstance(stated, list) else [stated]
    lasting = [{name: value for name, value in one.items() if name != "stated_at"} for one in entries]
    text = json.dumps(lasting, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _subject(domain: str, posted_as: str, window: Interval, now_utc: int) -> dict[str, Json]:
    return {
        "issuer": f"did:web:{domain}",
        "stated_at": utc_text(now_utc),
        "meter": posted_as,
        "window": _window(window),
    }


def _window(window: Interval) -> dict[str, Json]:
    return {"start": utc_text(window.start_utc), "end": utc_text(window.end_utc)}
