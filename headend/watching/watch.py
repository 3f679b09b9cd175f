"""Finding troubles: read from the database and from this machine, in one look every minute.

Source: issue of day one; EVIDENCE §3 (what breaks); VEE §C 6 (gates).
"""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC
from pathlib import Path

from cryptography import x509

from headend.config import Config
from headend.duties.alerts import AlertKind, Trouble
from headend.duties.component import Component
from headend.exchange import legs
from headend.onboarding.known import Registry
from headend.store.sqlite import (
    actuals,
    alert_rows,
    amendment_rows,
    contract_rows,
    doubt_rows,
    lost_rows,
    postings,
    question_rows,
    reconciliation_rows,
    recording_rows,
)
from headend.store.sqlite.database import Database
from headend.trading.forecast import at_risk, forecast, warning
from headend.trading.posting import STUCK
from signing.interval import DAY_S, ist_text
from signing.keys import PublicKey
from signing.statements.meter_record import SpeakerState

_MIB = 2**20


class Watch:
    """Looks for troubles. Owned by the thread that owns the database's connection."""

    __slots__ = ("_config", "_database", "_down", "_key", "_registry")

    def __init__(self, *, config: Config, database: Database, registry: Registry, key: PublicKey) -> None:
        """`key` is the discom's statement key."""
        self._config = config
        self._database = database
        self._registry = registry
        self._key = key
        self._down: dict[str, int] = {}
        """Since when each part has not worked, as far as this watch saw it."""

    def look(self, components: Iterable[Component], now_utc: int) -> tuple[Trouble, ...]:
        """Every trouble that there is now.

        Raises:
            FatalError: the stored registry or an actual cannot be read.
            StoreUnavailableError: the database cannot be read now.
        """
        self._registry.refresh()
        return (
            *self._windows(now_utc),
            *self._gateways(now_utc),
            *self._postings(),
            *self._words(),
            *self._reconciliation(),
            *self._origins(now_utc),
            *self._disk(),
            *self._certificate(now_utc),
            *self._components(components, now_utc),
            *self._lost(),
            *self._late_terms(now_utc),
        )

    def _windows(self, now_utc: int) -> Iterator[Trouble]:
        config, connection = self._config, self._database.connection
        days = config.ledger.look_back_days
        awaited = legs.followed(self._database, config.discom, look_back_days=days, now_utc=now_utc)
        near = [
            delivery
            for delivery in awaited
            if (gate := config.gates.next_utc(delivery.window, now_utc)) is not None
            and gate - now_utc <= config.gates.warn_before_s
        ]
        found = {one: actuals.newest(connection, self._key, one.posted_as, one.window) for one in near}
        newest = {one: stored.signed.statement for one, stored in found.items() if stored is not None}
        known = frozenset(one.posted_as for one in near if self._registry.connection_point(one.posted_as) is not None)
        for outlook in at_risk(forecast(near, newest, known, config.gates, now_utc), config.gates, now_utc):
            delivery = outlook.delivery
            about = f"{delivery.posted_as} {delivery.delivery_start} {delivery.delivery_end}"
            yield Trouble(kind=AlertKind.WINDOW_AT_RISK, about=about, text=warning(outlook))

    def _gateways(self, now_utc: int) -> Iterator[Trouble]:
        """Gateways whose newest block, of all the meters that they speak for, ended too long ago; one never heard is not silent."""
        reaches = alert_rows.heard(self._database.connection)
        newest: defaultdict[str, list[int]] = defaultdict(list)
        for name in self._registry.meters():
            meter = self._registry.meter(name)
            for kid, speaker in () if meter is None else meter.speakers.items():
                reach = reaches.get((name, kid))
                if speaker.state is SpeakerState.ACTIVE and reach is not None:
                    newest[speaker.gateway].append(reach)
        for gateway, ends in sorted(newest.items()):
            silent_since = max(ends)
            if now_utc - silent_since > self._config.alerts.silent_after_s:
                text = (
                    f"nothing of its {len(ends)} meter(s) since the block that ended {ist_text(silent_since)}: "
                    "see its link and power, then its meters"
                )
                yield Trouble(kind=AlertKind.SILENT_GATEWAY, about=gateway, text=text)

    def _postings(self) -> Iterator[Trouble]:
        for record in postings.postings_in(self._database.connection, STUCK):
            delivery = record.delivery
            about = f"{delivery.posted_as} {delivery.delivery_start} {delivery.delivery_end} {record.actual.hex()[:16]}"
            text = f"{record.state.value}: {record.note or 'nothing was said'}; see `sakshi-headend reconcile`"
            yield Trouble(kind=AlertKind.LEDGER_DIFFERENCE, about=about, text=text)

    def _words(self) -> Iterator[Trouble]:
        connection = self._database.connection
        for word in recording_rows.in_states(connection, STUCK):
            about = f"trade {word.record_id} {word.side.value} round {word.round} {word.actual.hex()[:16]}"
            text = (
                f"{word.state.value}: {word.note or 'nothing was said'}; once that is put right, `sakshi-headend post` "
                "says it again, and `attest` another figure"
            )
            yield Trouble(kind=AlertKind.LEDGER_DIFFERENCE, about=about, text=text)
        for question in question_rows.refused(connection):
            text = (
                f"{question.subscriber} refused the answer: {question.note}; ask its operator, then have it asked again"
            )
            yield Trouble(kind=AlertKind.LEDGER_DIFFERENCE, about=f"question {question.number}", text=text)

        for subscriber, name, window in question_rows.taken_back(connection):
            about = f"{name} {ist_text(window.start_utc)} at {subscriber}"
            text = "it was told a figure that was taken back since, and the network has no word for that: tell its operator"
            yield Trouble(kind=AlertKind.LEDGER_DIFFERENCE, about=about, text=text)

    def _reconciliation(self) -> Iterator[Trouble]:
        found = reconciliation_rows.newest(self._database.connection)
        if found is not None and found.differing:
            text = (
                f"{found.differing} of {found.deliveries} deliveries differed at {ist_text(found.at_utc)}: "
                "see `sakshi-headend reconcile`"
            )
            yield Trouble(kind=AlertKind.LEDGER_DIFFERENCE, about="daily reconciliation", text=text)

    def _origins(self, now_utc: int) -> Iterator[Trouble]:
        """Meters whose signed registers are not those that the other system read, now or within the true-up."""
        since = now_utc - self._config.gates.true_up_days * DAY_S
        for meter, doubts in doubt_rows.all_doubts(self._database.connection).items():
            recent = [one for one in doubts if one.until_utc is None or one.until_utc > since]
            if recent:
                text = f"{recent[-1].because}: its windows are held as PENDING; visit the meter and its gateway"
                yield Trouble(kind=AlertKind.ORIGIN_DIFFERENCE, about=meter, text=text)

    def _disk(self) -> Iterator[Trouble]:
        free = shutil.disk_usage(self._config.state).free // _MIB
        if free < self._config.alerts.disk_free_mib:
            text = f"{free} MiB are free, {self._config.alerts.disk_free_mib} are wanted: free space, or move the state"
            yield Trouble(kind=AlertKind.DISK, about=str(self._config.state), text=text)

    def _certificate(self, now_utc: int) -> Iterator[Trouble]:
        place = self._config.web.certificate
        if place is None:
            return
        try:
            found = x509.load_pem_x509_certificate(Path(place).read_bytes())
        except (OSError, ValueError) as error:
            yield Trouble(kind=AlertKind.CERTIFICATE, about=place, text=f"cannot be read ({error}): put it back")
            return
        ends = int(found.not_valid_after_utc.astimezone(UTC).timestamp())
        if ends - now_utc < self._config.alerts.certificate_days * DAY_S:
            yield Trouble(kind=AlertKind.CERTIFICATE, about=place, text=f"ends {ist_text(ends)}: renew it")

    def _components(self, components: Iterable[Component], now_utc: int) -> Iterator[Trouble]:
        down = {component.name: component for component in components if not component.works}
        self._down = {name: self._down.get(name, now_utc) for name in down}
        for name, component in sorted(down.items()):
            if now_utc - self._down[name] >= self._config.alerts.component_after_s:
                yield Trouble(kind=AlertKind.COMPONENT, about=name, text=component.note)

    def _lost(self) -> Iterator[Trouble]:
        lost = lost_rows.count(self._database.connection)
        if lost:
            text = f"{lost} statement(s) are lost: gateways are asked for theirs; say again what the discom signed"
            yield Trouble(kind=AlertKind.LOST, about="log 0", text=text)

    def _late_terms(self, now_utc: int) -> Iterator[Trouble]:
        since = now_utc - self._config.ledger.look_back_days * DAY_S
        for seen in amendment_rows.late(self._database.connection, since):
            one = seen.amendment
            text = f"its terms changed after its delivery began ({one.changes}): the first ones stay; ask the ledger's operator"
            yield Trouble(kind=AlertKind.LATE_TERMS, about=f"trade {one.record_id}", text=text)
        for contract in contract_rows.late(self._database.connection, since):
            about = f"trade {contract.record_id}, contract of {contract.platform}"
            text = f"it came after the delivery began ({contract.changes}) and was refused: the first terms stay; ask the platform"
            yield Trouble(kind=AlertKind.LATE_TERMS, about=about, text=text)
