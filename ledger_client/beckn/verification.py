"""Whether a message may be believed: signature, time, replay, revocation, network membership, and that the signer is the caller.

Source: beckn-onix signvalidator and DeDi registry; the replay cache and the check of revocation are this node's own.
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger_client.beckn.context import Context, host_of
from ledger_client.beckn.directory import Directory, DirectoryUnavailableError, Subscriber
from ledger_client.beckn.refusal import Code, RefusedError, refused
from ledger_client.signature import SKEW_S, KeyId, Replays, SignatureError, SignatureHeader, parse_header, verify

MAX_LIFETIME_S = 3600
"""Longest life of a signature that is taken, seconds: a cache has to remember it as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """Who may come in."""

    networks: frozenset[str]
    """The networks that this node takes part in."""
    callers: frozenset[str] | None = None
    """The subscribers that it talks to at all; None is every member. A discom talks to its own ledger provider only."""
    callback_hosts: frozenset[str] | None = None
    """Hosts that an answer may go to; None is the host that the directory registers for the caller, any where it names none."""
    max_lifetime_s: int = MAX_LIFETIME_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who signed a message, verified."""

    subscriber: Subscriber
    header: SignatureHeader

    @property
    def subscriber_id(self) -> str:
        """The caller's registered id."""
        return self.subscriber.key_id.subscriber_id


class Gate:
    """Lets in what may be believed. Looks keys up, so a call may take as long as the directory does."""

    def __init__(self, *, directory: Directory, replays: Replays, policy: GatePolicy) -> None:
        self._directory = directory
        self._replays = replays
        self._policy = policy

    def caller(self, authorization: str | None, body: bytes, *, now: int) -> Caller:
        """Who signed `body` (empty for a GET), received at `now`, UTC seconds. A second time the same signature is refused.

        Raises:
            RefusedError: with an ``AUT_`` code, or 503 where the directory does not answer.
        """
        found: dict[KeyId, Subscriber] = {}

        def key(key_id: KeyId) -> Ed25519PublicKey:
            found[key_id] = self._member(key_id)
            return found[key_id].key

        try:
            self._check_life(authorization)
            header = verify(authorization, body, now=now, keys=key, replays=self._replays)
        except SignatureError as error:
            raise refused(Code(error.code), error.message) from error
        return Caller(subscriber=found[header.key_id], header=header)

    def early(self, authorization: str | None, body: bytes, *, now: int) -> SignatureHeader | None:
        """The header of a message that is refused as coming before its time, where a caller that may come in signed it indeed; else none.

        It lets nothing in and remembers nothing: it tells a clock that is apart from a message that anybody made up.
        """
        found: SignatureHeader | None = None
        try:
            header = parse_header(authorization or "")
            if header.created > now + SKEW_S:
                self._check_life(authorization)
                found = verify(authorization, body, now=header.created, keys=lambda key_id: self._member(key_id).key)
        except (SignatureError, RefusedError):
            return None
        return found

    def _check_life(self, authorization: str | None) -> None:
        """Refuses a signature that would have to be remembered too long."""
        if not authorization:
            return
        header = parse_header(authorization)
        if not 0 < header.expires - header.created <= self._policy.max_lifetime_s:
            raise refused(
                Code.SIGNATURE_INVALID,
                f"expected a signature that lives 1 to {self._policy.max_lifetime_s} s, got {header.expires - header.created}",
            )

    def _member(self, key_id: KeyId) -> Subscriber:
        """The subscriber behind a key that is not revoked, a member of a network of this node's."""
        allowed = self._policy.callers
        if allowed is not None and key_id.subscriber_id not in allowed:
            raise refused(Code.UNAUTHORIZED_ACTION, f"{key_id.subscriber_id} is no caller that this node serves")
        try:
            subscriber = self._directory.subscriber(key_id)
        except DirectoryUnavailableError as error:
            raise refused(
                Code.DOWNSTREAM_UNAVAILABLE, "the registry gave no answer: send it again, signed anew"
            ) from error
        if subscriber is None:
            raise refused(Code.KEY_NOT_FOUND, f"no registered key {key_id}")
        if subscriber.is_revoked:
            raise refused(Code.KEY_EXPIRED_OR_REVOKED, f"the key {key_id} was revoked")
        if not subscriber.networks & self._policy.networks:
            raise refused(Code.UNAUTHORIZED_ACTION, f"{key_id.subscriber_id} is a member of no network of this node's")
        return subscriber

    def require(self, caller: Caller, context: Context, *, own_id: str) -> None:
        """Refuses a context that is not its signer's, of another network, or for somebody else.

        Raises:
            RefusedError: with the field's path.
        """
        if context.caller_id != caller.subscriber_id:
            name = "bapId" if context.caller_id == context.bap_id else "bppId"
            raise refused(
                Code.UNAUTHORIZED_ACTION, f"expected the signer {caller.subscriber_id}, got {context.caller_id!r:.120}",
                f"context.{name}",
            )  # fmt: skip
        if context.network_id not in self._policy.networks & caller.subscriber.networks:
            raise refused(
                Code.UNAUTHORIZED_ACTION, f"expected a network of both sides, got {context.network_id!r:.120}",
                "context.networkId",
            )  # fmt: skip
        others, name = (context.bpp_id, "bppId") if context.caller_id == context.bap_id else (context.bap_id, "bapId")
        if others != own_id:
            raise refused(Code.ENTITY_NOT_FOUND, f"expected {own_id}, got {others!r:.120}", f"context.{name}")
        self._require_callback(caller, context)

    def _require_callback(self, caller: Caller, context: Context) -> None:
        """Refuses a callback to a host that is not the caller's: what meters measured goes nowhere else."""
        registered = caller.subscriber.url
        hosts = self._policy.callback_hosts
        if hosts is None and registered is not None:
            hosts = frozenset({host_of(registered)})
        if hosts is not None and host_of(context.bap_uri) not in hosts:
            raise refused(Code.UNAUTHORIZED_ACTION, "expected the caller's registered host", "context.bapUri")
