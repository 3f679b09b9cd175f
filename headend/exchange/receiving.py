"""The discom's verification room for the exchange, and where questions are taken: kept first, ACKed after.

What is kept survives whatever happens next; the answer is another thread's work. Source: EXCHANGE §3.3, §4.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from headend.config import Config
from headend.duties.component import Component
from headend.errors import HeadendError
from headend.exchange.clocks import CallerClocks
from headend.exchange.strangers import KnownKeys
from headend.pace import Pace
from headend.peers import directory, ledger_signer
from headend.settings.beckn import BecknSettings
from headend.store.sqlite import question_rows, signature_rows
from headend.store.sqlite.database import open_database
from headend.store.sqlite.question_rows import NewQuestion
from ledger_client.beckn.context import host_of, is_loopback
from ledger_client.beckn.directory import Directory
from ledger_client.beckn.receiver import Received, Receiver, Reply
from ledger_client.beckn.refusal import Code, Refusal, RefusedError, refused
from ledger_client.beckn.status import StatusRequest
from ledger_client.beckn.verification import Caller, Gate, GatePolicy
from ledger_client.signature import SKEW_S, HttpSigner, ReplayCache, SignatureHeader

_LOG = logging.getLogger("sakshi.headend.beckn")

_OF_ALL_PER_MINUTE = 600
"""Messages of anybody, before a signature is looked at; and of whoever names a key that was verified before, so that a flood of
others' keeps no caller out.
"""

_TOO_MANY = 429
_AGAIN_S = "60"


class ReplaysSinceStart:
    """A replay cache that refuses what may have been sent before this program started: what it remembered then is gone.

    It is for requests without effect, which are not worth a write to the disk each: whoever repeats one would read what its signer read.
    """

    def __init__(self, started_utc: int) -> None:
        self._started_utc = started_utc
        self._cache = ReplayCache()

    def admit(self, header: SignatureHeader, *, now: int) -> bool:
        """Whether this signature is new; see `Replays.admit`."""
        # Of a signer whose clock is ahead, it may have come before the start although it was created after.
        return header.created >= self._started_utc + SKEW_S and self._cache.admit(header, now=now)


class ExchangeDoor:
    """Lets in what a subscriber of the network signed, and keeps questions. Safe to use from several threads."""

    def __init__(
        self,
        *,
        settings: BecknSettings,
        signer: HttpSigner,
        registry: Directory,
        database: Path,
        started_utc: int,
        remembered: Iterable[SignatureHeader],
    ) -> None:
        """`registry` says who the subscribers are; `signer` is this discom's own key for HTTP.

        `remembered` are the signatures of the questions that were kept before the start and have not expired.
        """
        self._settings = settings
        self._database = database
        replays = ReplayCache()
        for header in remembered:
            replays.admit(header, now=started_utc)
        policy = GatePolicy(
            networks=settings.networks, callers=settings.subscribers, callback_hosts=settings.callback_hosts
        )
        self._pulls = Gate(directory=registry, replays=ReplaysSinceStart(started_utc), policy=policy)
        # What is repeated is refused from memory alone: a flood of replays costs no write and no look at the disk.
        self._questions = Gate(directory=registry, replays=replays, policy=policy)
        self._clocks = CallerClocks()
        self._receiver = Receiver(
            gate=self._questions,
            signer=signer,
            dialect=settings.dialect,
            identifiers=settings.identifiers,
        )
        self._everybody = Pace(_OF_ALL_PER_MINUTE)
        self._callers = Pace(settings.per_minute)
        self._turn = threading.Lock()
        self._known = KnownKeys()
        """Keys of callers that a message was verified with: registered ones, so there are few."""
        self._refused: Counter[str] = Counter()

    @property
    def status_path(self) -> str:
        """Where questions come to."""
        return self._settings.status_path

    def refusals(self) -> dict[str, int]:
        """How many messages were refused since the start, by code."""
        with self._turn:
            return dict(self._refused)

    def caller(self, authorization: str, now_utc: int) -> str:
        """The subscriber that signed a request without a body.

        Raises:
            RefusedError: it is not to be believed, comes too often, or is nobody who is served.
        """
        try:
            self._require_pace(self._known.crowd(authorization), self._everybody, now_utc)
            caller = self._pulls.caller(authorization, b"", now=now_utc)
            self._known.know(str(caller.header.key_id))
            subscriber = caller.subscriber_id
            self._clocks.heard(subscriber, caller.header.created, now_utc)
            self._require_pace(subscriber, self._callers, now_utc)
        except RefusedError as error:
            self._count(error.refusal)
            self._note_early(error.refusal, self._pulls, authorization, b"", now_utc)
            raise
        return subscriber

    def clock(self, now_utc: int) -> Component | None:
        """How this clock stands against the callers'; none where nobody was heard."""
        return self._clocks.component(now_utc)

    def status(self, authorization: str | None, body: bytes, now_utc: int) -> Reply:
        """The reply to one POST of a question. An ACK is given only once the question is kept."""
        try:
            self._require_pace(self._known.crowd(authorization), self._everybody, now_utc)
        except RefusedError as error:
            return self._denied(authorization, body, error.refusal, now_utc)
        received = self._receiver.status(authorization, body, now=now_utc)
        if received.caller is not None:
            self._known.know(str(received.caller.header.key_id))
            self._clocks.heard(received.caller.subscriber_id, received.caller.header.created, now_utc)
        elif received.refusal is not None:
            self._note_early(received.refusal, self._questions, authorization, body, now_utc)
        if received.request is None or received.caller is None:
            if received.refusal is not None:
                self._count(received.refusal)
            return received.reply
        try:
            self._require_pace(received.caller.subscriber_id, self._callers, now_utc)
            self._require_callback(received.caller, received.request)
            self._keep(received, received.request, body, now_utc)
        except RefusedError as error:
            return self._denied(authorization, body, error.refusal, now_utc, is_verified=True)
        except HeadendError as error:
            # Nothing is kept, so nothing is ACKed: the asker sends it again.
            _LOG.warning("a question could not be kept: %s", error)
            return self._receiver.internal(authorization, body, now=now_utc)
        return received.reply

    def too_long(self, authorization: str | None, most_bytes: int, now_utc: int) -> Reply:
        """The reply to a body that was not read to its end."""
        refusal = refused(Code.INVALID_FORMAT, f"expected at most {most_bytes} bytes").refusal
        return self._denied(authorization, b"", refusal, now_utc)

    def _note_early(self, refusal: Refusal, gate: Gate, authorization: str | None, body: bytes, now_utc: int) -> None:
        """Notes that a caller's clock is ahead, where that is why its message was refused."""
        if refusal.code is not Code.SIGNATURE_INVALID:
            return
        header = gate.early(authorization, body, now=now_utc)
        if header is not None:
            self._clocks.heard(header.key_id.subscriber_id, header.created, now_utc)

    def _keep(self, received: Received, request: StatusRequest, body: bytes, now_utc: int) -> None:
        wanted = request.wanted
        if len(wanted) > self._settings.most_windows:
            raise refused(
                Code.SCHEMA_VALIDATION_FAILED,
                f"expected at most {self._settings.most_windows} intervals of meters, got {len(wanted)}: ask in parts",
                "message.contract.commitments",
            )
        assert received.caller is not None
        new = NewQuestion(
            subscriber=received.caller.subscriber_id,
            message_id=request.context.message_id,
            body=body,
            callback=request.context.callback_url,
            windows=tuple((one.meter_id, one.window) for one in wanted),
        )
        with self._turn, closing(open_database(self._database)) as database, database.transaction() as connection:
            if not signature_rows.put(connection, received.caller.header, now_utc):
                raise refused(Code.REPLAY_DETECTED, "this signature was seen before: sign each request anew")
            # The commit point of a question: the ACK goes out after it, and nothing before it is promised. Its signature is
            # remembered with it, so that whatever was ACKed is no longer good after a restart either.
            number = question_rows.put_question(connection, new, now_utc)
        _LOG.info("question %d of %s: %d interval(s)", number, new.subscriber, len(wanted))

    def _require_callback(self, caller: Caller, request: StatusRequest) -> None:
        """Refuses to answer to an address that nobody vouches for, or that is this machine's own."""
        host = host_of(request.context.bap_uri)
        if self._settings.callback_hosts is None and caller.subscriber.url is None:
            raise refused(
                Code.UNAUTHORIZED_ACTION,
                "the registry names no address of the caller, and no callback_hosts are configured here",
                "context.bapUri",
            )
        if is_loopback(host) and not is_loopback(host_of(self._settings.receiver)):
            raise refused(Code.UNAUTHORIZED_ACTION, "expected an address outside this machine", "context.bapUri")

    def _require_pace(self, name: str, pace: Pace, now_utc: int) -> None:
        if not pace.admits(name, now_utc):
            raise refused(Code.POLICY, "too many messages in a minute: send it later, signed anew")

    def _denied(
        self, authorization: str | None, body: bytes, refusal: Refusal, now_utc: int, *, is_verified: bool = False
    ) -> Reply:
        self._count(refusal)
        reply = self._receiver.nack(authorization, body, refusal, now=now_utc, is_verified=is_verified)
        if refusal.code is not Code.POLICY:
            return reply
        return replace(reply, status=_TOO_MANY, headers={**reply.headers, "Retry-After": _AGAIN_S})

    def _count(self, refusal: Refusal) -> None:
        with self._turn:
            self._refused[refusal.code.value] += 1
        # Codes and paths only: a message may quote what was sent.
        _LOG.info("refused %s%s", refusal.code.value, f" in {refusal.path}" if refusal.path else "")


@contextmanager
def opened_door(config: Config, now: Callable[[], int]) -> Iterator[ExchangeDoor | None]:
    """The door that a configuration opens, until the block ends; none where it opens none.

    Raises:
        FatalError, KeyFileError: the directory or the key cannot be used; with the remedy.
    """
    if config.beckn is None:
        yield None
        return
    with closing(open_database(config.database)) as database:
        remembered = signature_rows.remembered(database.connection, now())
    with directory(config.beckn, now) as registry:
        yield ExchangeDoor(
            settings=config.beckn,
            signer=ledger_signer(config),
            registry=registry,
            database=config.database,
            started_utc=now(),
            remembered=remembered,
        )
