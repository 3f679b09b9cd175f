"""Enrolment: an EnrolRequest and the facts of its meters become signed, logged MeterRecords.

A record is the complete state of one meter; changing anything means signing the next number. Records are leaves like batches,
and stand before every batch that they vouch for. Source: docs/wire-format.md §§4.2, 4.3; EVIDENCE §1.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from headend.errors import EnrolmentRefusedError
from headend.log.logbook import Logbook, LogTransaction
from headend.onboarding.known import RegisteredMeter, Registry
from headend.onboarding.recording import first_record, log_record, next_record
from headend.registry.dated import Dated
from headend.store.sqlite import registry_rows, supply_rows
from signing import fields
from signing.canonical import decode
from signing.envelope import Signed, from_item, unseal
from signing.errors import SigningError
from signing.keys import Signer
from signing.statements.enrolment import EnrolRequest, Retirement, open_enrolment
from signing.statements.meter_record import Fact, MeterRecord, Place, Speaker, SpeakerState


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFacts:
    """What the discom knows of one meter of an enrolment."""

    facts: tuple[Fact, ...]
    """Ascending by `from_utc`; empty keeps what the meter's record says."""
    blocks_from_utc: int
    """From when on the new key speaks for the meter's blocks; may lie before the enrolment, as the meter's memory does."""
    posted_as: tuple[str, ...] = ()
    """The ledgers' ids of the meter's connection point, exactly as they spell them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An enrolment file with what the discom says to it."""

    file: bytes
    """As the agent wrote it."""
    meters: Mapping[str, MeterFacts]
    """By meter, exactly those that the file names."""
    shard: int
    """Of the gateway, fixed for ever."""
    log: int = 0
    """Holds everything about meters that are new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """What an enrolment made."""

    request: Signed[EnrolRequest]
    records: tuple[Signed[MeterRecord], ...]


class Registrar:
    """Signs and logs records. Owned by the thread that owns the logbook."""

    __slots__ = ("_book", "_registry", "_signer")

    def __init__(self, *, book: Logbook, registry: Registry, signer: Signer) -> None:
        """`signer` is the discom's statement key."""
        self._book = book
        self._registry = registry
        self._signer = signer

    def enrol(self, application: Application, *, at_utc: int) -> Enrolled:
        """Registers the key of one enrolment file for its meters; see `enrol_all`."""
        (enrolled,) = self.enrol_all((application,), at_utc=at_utc)
        return enrolled

    def enrol_all(self, applications: Sequence[Application], *, at_utc: int) -> tuple[Enrolled, ...]:
        """Registers the keys of enrolment files for their meters, all of them or none.

        1. each file holds a request signed by the key that it names
        2. the key is not registered yet, and the gateway keeps its shard
        3. facts are given for exactly the meters of the request; a new meter has at least one
        4. each key that the request retires is a speaker of that meter and signed the request too
        5. no two of the applications share a key or a meter

        Raises:
            EnrolmentRefusedError: with the number of the check and the remedy. Nothing changed.
        """
        requests = [_opened(application.file) for application in applications]
        _require_apart(requests)
        with self._book.transaction() as transaction:
            self._registry.reload()
            enrolled = tuple(
                self._enrol(transaction, request, application, at_utc=at_utc)
                for request, application in zip(requests, applications, strict=True)
            )
        self._registry.reload()
        return enrolled

    def revoke(self, meter: str, kid: bytes, *, at_utc: int) -> Signed[MeterRecord]:
        """Logs that a key no longer speaks for a meter: whatever it sent before stays, nothing more is admitted.

        Raises:
            EnrolmentRefusedError: the meter or the speaker does not exist.
        """
        return self._change(meter, kid, lambda speaker: replace(speaker, state=SpeakerState.REVOKED, last=None), at_utc)

    def retire(self, meter: str, kid: bytes, last: Place, *, at_utc: int) -> Signed[MeterRecord]:
        """Logs the last batch of a key that counts; batches up to it may still come.

        Raises:
            EnrolmentRefusedError: the meter or the speaker does not exist, or it is revoked.
        """

        def retired(speaker: Speaker) -> Speaker:
            if speaker.state is SpeakerState.REVOKED:
                raise EnrolmentRefusedError(f"key {kid.hex()[:16]} of {meter} is REVOKED: it cannot be retired")
            return replace(speaker, state=SpeakerState.RETIRED, last=last)

        return self._change(meter, kid, retired, at_utc)

    def name_good(self, meter: str, kid: bytes, good: Place, *, at_utc: int) -> Signed[MeterRecord]:
        """Logs which branch of a forked chain holds, by one batch of it.

        Raises:
            EnrolmentRefusedError: the meter or the speaker does not exist.
        """
        return self._change(meter, kid, lambda speaker: replace(speaker, good=good), at_utc)

    def change_facts(self, meter: str, facts: Sequence[Fact], *, at_utc: int) -> Signed[MeterRecord]:
        """Logs new facts of a meter; they replace the old ones as a whole.

        Raises:
            EnrolmentRefusedError: the meter has no record.
        """
        with self._book.transaction() as transaction:
            self._registry.reload()
            current = self._current(meter)
            record = self._log(transaction, next_record(current, facts=tuple(facts)), at_utc=at_utc)
        self._registry.reload()
        return record

    def name_alias(self, posted_as: str, connection_point: str) -> None:
        """Stores that a ledger calls a connection point `posted_as`.

        Raises:
            EnrolmentRefusedError: the name belongs to another connection point.
        """
        with self._book.transaction() as transaction:
            self._registry.reload()
            self._put_alias(transaction, posted_as, connection_point)
        self._registry.reload()

    def _enrol(
        self, transaction: LogTransaction, request: Signed[EnrolRequest], application: Application, *, at_utc: int
    ) -> Enrolled:
        statement = request.statement
        self._require_new(request, application.shard)
        _require_facts(statement, application.meters, self._registry)
        self._require_retired(statement, application.file)
        registry_rows.put_key(
            transaction.connection,
            kid=statement.key.kid,
            cose_key=statement.key.cose_key,
            gateway=registry_rows.put_gateway(transaction.connection, statement.gateway, application.shard),
            request=application.file,
            at_utc=at_utc,
        )
        records = []
        for name in statement.meters:
            given = application.meters[name]
            record = self._enrolled(request, name, given, application.log)
            records.append(self._log(transaction, record, at_utc=at_utc))
            for alias in given.posted_as:
                self._put_alias(transaction, alias, record.facts[-1].connection_point)
        return Enrolled(request=request, records=tuple(records))

    def _put_alias(self, transaction: LogTransaction, posted_as: str, connection_point: str) -> None:
        history = self._registry.alias(posted_as)
        taken = history[-1].value if history else None
        if taken is not None and taken != connection_point:
            raise EnrolmentRefusedError(f"'{posted_as}' already names connection point {taken}: one id, one place")
        if history and taken is None:
            raise EnrolmentRefusedError(f"'{posted_as}' was ended: name it again by `sakshi-headend registry set`")
        if not history:
            supply_rows.put_aliases(transaction.connection, posted_as, (Dated(0, connection_point),))

    def _require_new(self, request: Signed[EnrolRequest], shard: int) -> None:
        if self._registry.key(request.kid) is not None:
            raise EnrolmentRefusedError(f"(2) key {request.kid.hex()[:16]} is registered already: nothing to do")
        address = self._registry.gateway(request.statement.gateway)
        if address is not None and address.shard != shard:
            raise EnrolmentRefusedError(
                f"(2) gateway {address.gateway} is in shard {address.shard}, got {shard}: a shard is fixed at enrolment"
            )

    def _require_retired(self, request: EnrolRequest, file: bytes) -> None:
        for entry in request.retires:
            speaker = self._current(entry.meter).record.speaker(entry.kid)
            if entry.meter not in request.meters or speaker is None:
                raise EnrolmentRefusedError(f"(4) key {entry.kid.hex()[:16]} does not speak for {entry.meter}")
            _require_old_signature(speaker, file)

    def _enrolled(self, request: Signed[EnrolRequest], name: str, given: MeterFacts, log: int) -> MeterRecord:
        speaker = Speaker(
            key=request.statement.key,
            gateway=request.statement.gateway,
            enrolment=request.digest,
            blocks_from_utc=given.blocks_from_utc,
            state=SpeakerState.ACTIVE,
            last=None,
            good=None,
        )
        current = self._registry.meter(name)
        if current is None:
            return first_record(name, given.facts, (speaker,), log=log)
        retires = {entry.kid: entry for entry in request.statement.retires if entry.meter == name}
        speakers = (*(_retired(old, retires.get(old.key.kid)) for old in current.record.speakers), speaker)
        return next_record(current, speakers=speakers, facts=given.facts or current.record.facts)

    def _change(
        self, meter: str, kid: bytes, changed: Callable[[Speaker], Speaker], at_utc: int
    ) -> Signed[MeterRecord]:
        with self._book.transaction() as transaction:
            self._registry.reload()
            current = self._current(meter)
            if current.record.speaker(kid) is None:
                raise EnrolmentRefusedError(f"key {kid.hex()[:16]} is not listed for meter {meter}: check both")
            speakers = tuple(changed(old) if old.key.kid == kid else old for old in current.record.speakers)
            record = self._log(transaction, next_record(current, speakers=speakers), at_utc=at_utc)
        self._registry.reload()
        return record

    def _current(self, meter: str) -> RegisteredMeter:
        current = self._registry.meter(meter)
        if current is None:
            raise EnrolmentRefusedError(f"meter {meter} has no record: enrol it first")
        return current

    def _log(self, transaction: LogTransaction, record: MeterRecord, *, at_utc: int) -> Signed[MeterRecord]:
        return log_record(transaction, record, self._signer, at_utc=at_utc)


def _opened(file: bytes) -> Signed[EnrolRequest]:
    try:
        return open_enrolment(file)
    except SigningError as error:
        raise EnrolmentRefusedError(
            f"(1) not a valid enrolment file ({error}): let the agent write it again"
        ) from error


def _require_apart(requests: Sequence[Signed[EnrolRequest]]) -> None:
    kids = [request.kid for request in requests]
    meters = [meter for request in requests for meter in request.statement.meters]
    if len(set(kids)) != len(kids) or len(set(meters)) != len(meters):
        raise EnrolmentRefusedError("(5) two applications share a key or a meter: enrol them one after the other")


def _require_facts(request: EnrolRequest, meters: Mapping[str, MeterFacts], registry: Registry) -> None:
    if set(meters) != set(request.meters):
        odd = ", ".join(sorted(set(meters) ^ set(request.meters)))
        raise EnrolmentRefusedError(f"(3) facts and request name different meters: {odd}")
    for name, given in meters.items():
        if not given.facts and registry.meter(name) is None:
            raise EnrolmentRefusedError(f"(3) meter {name} is new and has no facts: give at least one")


def _require_old_signature(speaker: Speaker, file: bytes) -> None:
    """The same payload, signed by the key that retires."""
    _, request, by_old_key = fields.array(decode(file, "enrolment"), 3, "enrolment")
    retiring = f"key {speaker.key.kid.hex()[:16]}"
    if by_old_key is None:
        raise EnrolmentRefusedError(
            f"(4) {retiring} did not sign its own retirement: revoke it first (`sakshi-headend key revoke`)"
        )
    try:
        second = unseal(from_item(by_old_key, "enrolment.by_old_key"), EnrolRequest, speaker.key)
    except SigningError as error:
        raise EnrolmentRefusedError(f"(4) {retiring} did not sign its own retirement ({error})") from error
    if second.envelope.payload != from_item(request, "enrolment.request").payload:
        raise EnrolmentRefusedError(f"(4) {retiring} signed another request")


def _retired(speaker: Speaker, entry: Retirement | None) -> Speaker:
    if entry is None:
        return speaker
    last = Place(sequence=entry.last, digest=entry.digest)
    return replace(speaker, state=SpeakerState.RETIRED, last=last)
