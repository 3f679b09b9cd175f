"""The trade exchange's notification of discoms: each platform's contract goes on exactly as it was signed.

Rules only: what is due is given as a value, what came of it is taken as one; `forwarding_app` moves the bytes.
Source: P2P guide, phase 1: "Scheduled trade notification".
"""

from collections.abc import Mapping
from dataclasses import replace

from ledger_client.ledger import Side
from ledger_client.sandbox.store import Forward, Row, Store
from ledger_client.signature import parse_header

AT_ONCE = 100
LATEST_TRY_S = 30
"""Longest wait between two tries, seconds; the first is 1."""

WAITING, TAKEN, REFUSED, EXPIRED = "WAITING", "TAKEN", "REFUSED", "EXPIRED"
_LATER = frozenset({408, 425, 429})


class Forwarding:
    """What goes to which discom, over the exchange's store. `urls`: where each discom takes contracts, by its short code."""

    def __init__(self, store: Store, urls: Mapping[str, str]) -> None:
        self._store = store
        self._urls = dict(urls)

    def note(self, row: Row, body: bytes, authorization: str, now: int) -> None:
        """Keeps a verified put for the discoms of its trade that take contracts; inside the transaction of the put."""
        expires = parse_header(authorization).expires
        for discom in dict.fromkeys(row.discom_id(side) for side in Side):
            if discom is not None and discom in self._urls:
                self._store.save_forward(
                    Forward(
                        forward=0,
                        discom_id=discom,
                        record_id=row.record_id,
                        body=body,
                        authorization=authorization,
                        expires_utc=expires,
                        state=WAITING,
                        next_try_utc=now,
                    )
                )

    def due(self, now: int) -> list[tuple[Forward, str]]:
        """What goes out now, each with its address. What a signature has run out for goes nowhere any more."""
        found = []
        for one in self._store.forwards_due(now, AT_ONCE):
            url = self._urls.get(one.discom_id)
            if now > one.expires_utc or url is None:
                self._save(replace(one, state=EXPIRED))
            else:
                found.append((one, url))
        return found

    def heard(self, one: Forward, http_status: int | None, note: str, now: int) -> Forward:
        """What one is after a try; `http_status` None is no answer."""
        attempts = one.attempts + 1
        if http_status is None or http_status >= 500 or http_status in _LATER:
            wait_s = min(2 ** min(one.attempts, 10), LATEST_TRY_S)
            after = replace(one, attempts=attempts, next_try_utc=now + wait_s, note=note)
        else:
            state = TAKEN if http_status == 200 else REFUSED
            after = replace(one, attempts=attempts, state=state, note=note)
        self._save(after)
        return after

    def listed(self) -> list[dict[str, object]]:
        """What became of every contract, oldest first."""
        return [
            {
                "discomId": one.discom_id,
                "recordId": one.record_id,
                "state": one.state,
                "attempts": one.attempts,
                "note": one.note,
            }
            for one in self._store.forwards()
        ]

    def _save(self, one: Forward) -> None:
        with self._store.transaction():
            self._store.save_forward(one)
