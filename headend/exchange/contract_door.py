"""Where platforms' signed contracts are taken: verified as everything of the exchange is, kept as they came, then ACKed.

Whoever carries a contract here, the exchange or its platform, is not asked for: the signature over the body is its platform's.
Source: P2P guide, phase 1: "Submit signed contract", "Scheduled trade notification"; EXCHANGE §3.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from headend.config import Config
from headend.errors import HeadendError
from headend.exchange.strangers import KnownKeys, Strangers, named
from headend.pace import Pace
from headend.peers import directory, ledger_signer
from headend.settings.beckn import BecknSettings
from headend.store.sqlite import contract_rows
from headend.store.sqlite.database import Database, open_database
from headend.trading.contracts import Decision, Taking, VerifiedContract, decided
from ledger_client.beckn.directory import Directory
from ledger_client.beckn.receiver import Receiver, Reply
from ledger_client.beckn.refusal import Code, Refusal, RefusedError, refused
from ledger_client.beckn.verification import Caller, Gate, GatePolicy
from ledger_client.contract_body import ContractTerms, read_contract
from ledger_client.signature import HttpSigner, SignatureHeader, public_key_text
from signing.interval import DAY_S

_LOG = logging.getLogger("sakshi.headend.contracts")

OF_ALL_PER_MINUTE = 3000
"""Messages of anybody, before a signature is looked at."""

OF_PLATFORM_PER_MINUTE = 600
"""Contracts of one platform: trades of an hour are agreed in bursts, and a signature lives for minutes."""

OF_PLATFORM_PER_DAY = 50_000
"""Contracts of one platform that are kept within any day: what a member of the network can fill of the disk."""

MOST_AHEAD_S = 366 * DAY_S
"""How far ahead a delivery may begin."""

_FORGOTTEN_AT_ONCE = 500
_AGAIN_S = "60"


class RepeatsAreKnown:
    """Lets every verified signature in: the contracts that are kept know their own, for ever, and a repeat has no effect."""

    def admit(self, header: SignatureHeader, *, now: int) -> bool:  # noqa: ARG002 - the seam's signature
        """Always; see `Replays.admit`."""
        return True


class ContractDoor:
    """Takes contracts. Safe to use from several threads."""

    def __init__(
        self,
        *,
        settings: BecknSettings,
        signer: HttpSigner,
        registry: Directory,
        database: Path,
        discom: str,
        look_back_days: int,
    ) -> None:
        """`registry` says who the subscribers are; `signer` is this discom's own key for HTTP, `discom` its short code."""
        self._database = database
        self._discom = discom
        self._look_back_s = look_back_days * DAY_S
        # Any member of the network may be a platform: which trades it is of, the contract and the ledger's row say.
        self._gate = Gate(directory=registry, replays=RepeatsAreKnown(), policy=GatePolicy(networks=settings.networks))
        self._receiver = Receiver(gate=self._gate, signer=signer, dialect=settings.dialect)
        self._everybody = Pace(OF_ALL_PER_MINUTE)
        self._platforms = Pace(OF_PLATFORM_PER_MINUTE)
        self._known = KnownKeys()
        self._strangers = Strangers(self._known)
        self._turn = threading.Lock()
        self._refused: Counter[str] = Counter()

    def refusals(self) -> dict[str, int]:
        """How many contracts were refused since the start, by code."""
        with self._turn:
            return dict(self._refused)

    def take(self, authorization: str | None, body: bytes, now_utc: int) -> Reply:
        """The reply to one POST of a contract. An ACK is given only once the contract is kept."""
        try:
            if not self._everybody.admits(self._known.crowd(authorization), now_utc):
                return self._hurried(authorization, body, now_utc)
            with self._strangers.admitted(named(authorization), now_utc) as may_come:
                if not may_come:
                    return self._hurried(authorization, body, now_utc)
                caller = self._gate.caller(authorization, body, now=now_utc)
            self._known.know(str(caller.header.key_id))
            if not self._platforms.admits(caller.subscriber_id, now_utc):
                return self._hurried(authorization, body, now_utc)
            terms = read_contract(body)
            self._require_ours(terms, caller, now_utc)
            self._keep(_verified(terms, caller, authorization, body, now_utc), now_utc)
        except RefusedError as error:
            return self._denied(authorization, body, error.refusal, now_utc)
        except HeadendError as error:
            # Nothing is kept, so nothing is ACKed: it is sent again.
            _LOG.warning("a contract could not be kept: %s", error)
            return self._receiver.internal(authorization, body, now=now_utc)
        return self._receiver.ack(authorization, now=now_utc)

    def too_long(self, authorization: str | None, most_bytes: int, now_utc: int) -> Reply:
        """The reply to a body that was not read to its end."""
        refusal = refused(Code.INVALID_FORMAT, f"expected at most {most_bytes} bytes").refusal
        return self._denied(authorization, b"", refusal, now_utc)

    def _require_ours(self, terms: ContractTerms, caller: Caller, now_utc: int) -> None:
        side = terms.role.value.capitalize()
        if terms.platform != caller.subscriber_id:
            raise refused(
                Code.UNAUTHORIZED_ACTION,
                f"expected the signer {caller.subscriber_id}, got {terms.platform!r:.120}",
                f"platformId{side}",
            )
        if self._discom not in {terms.discom_id_buyer, terms.discom_id_seller}:
            raise refused(Code.ENTITY_NOT_FOUND, f"expected a trade of {self._discom}", f"discomId{side}")
        if terms.window.end_utc <= now_utc - self._look_back_s:
            raise refused(
                Code.POLICY, f"expected a delivery that ended within {self._look_back_s} s", "deliveryEndTime"
            )
        if terms.window.start_utc > now_utc + MOST_AHEAD_S:
            raise refused(Code.POLICY, f"expected a delivery that begins within {MOST_AHEAD_S} s", "deliveryStartTime")

    def _keep(self, offered: VerifiedContract, now_utc: int) -> None:
        terms = offered.terms
        with self._turn, closing(open_database(self._database)) as database, database.transaction() as connection:
            decision = decided(contract_rows.of_platform(connection, terms), offered, now_utc)
            if decision.is_kept:
                today = contract_rows.received_since(connection, terms.platform, now_utc - DAY_S)
                if today >= OF_PLATFORM_PER_DAY:
                    raise refused(Code.POLICY, f"expected at most {OF_PLATFORM_PER_DAY} contracts in a day")
                late = decision.changes if decision.taking is Taking.LATE else None
                # The commit point of a contract: the ACK goes out after it. A late one is kept too, and refused all the same.
                contract_rows.put_contract(connection, offered, late)
        _LOG.info("contract of %s, %s: %s", terms.platform, terms.role.value, decision.taking.value)
        _require_taken(decision)

    def _hurried(self, authorization: str | None, body: bytes, now_utc: int) -> Reply:
        refusal = refused(Code.POLICY, "too many messages in a minute: send it later").refusal
        reply = self._denied(authorization, body, refusal, now_utc)
        return replace(reply, status=429, headers={**reply.headers, "Retry-After": _AGAIN_S})

    def _denied(self, authorization: str | None, body: bytes, refusal: Refusal, now_utc: int) -> Reply:
        with self._turn:
            self._refused[refusal.code.value] += 1
        # Codes and paths only: a message may quote what was sent.
        _LOG.info("refused %s%s", refusal.code.value, f" in {refusal.path}" if refusal.path else "")
        return self._receiver.nack(authorization, body, refusal, now=now_utc)


def forget_unknown(database: Database, ended_before_utc: int) -> int:
    """Deletes some contracts whose delivery ended before a time and of whose trade the ledger never told; how many.

    Raises:
        StoreUnavailableError: nothing was deleted.
    """
    # Found outside the transaction: looking may take a while, and intake waits for writers.
    numbers = contract_rows.unknown_ended(database.connection, ended_before_utc, most=_FORGOTTEN_AT_ONCE)
    if numbers:
        with database.transaction() as connection:
            contract_rows.delete(connection, numbers)
    return len(numbers)


def _verified(
    terms: ContractTerms, caller: Caller, authorization: str | None, body: bytes, now_utc: int
) -> VerifiedContract:
    assert authorization is not None
    return VerifiedContract(
        terms=terms,
        body=body,
        authorization=authorization,
        key_id=str(caller.header.key_id),
        public_key=public_key_text(caller.subscriber.key),
        signature=caller.header.signature,
        created_utc=caller.header.created,
        received_utc=now_utc,
    )


def _require_taken(decision: Decision) -> None:
    match decision.taking:
        case Taking.LATE:
            raise refused(
                Code.CONFLICT,
                f"the delivery has begun, and the first terms stay: {decision.changes}",
                "deliveryStartTime",
            )
        case Taking.TOO_MANY:
            raise refused(Code.POLICY, "this trade was changed too often", "orderItemId")
        case _:
            return


@contextmanager
def opened_contract_door(config: Config, now: Callable[[], int]) -> Iterator[ContractDoor | None]:
    """The door that a configuration opens, until the block ends; none where it opens none.

    Raises:
        FatalError, KeyFileError: the directory or the key cannot be used; with the remedy.
    """
    if config.beckn is None:
        yield None
        return
    with directory(config.beckn, now) as registry:
        yield ContractDoor(
            settings=config.beckn,
            signer=ledger_signer(config),
            registry=registry,
            database=config.database,
            discom=config.discom,
            look_back_days=config.ledger.look_back_days,
        )
