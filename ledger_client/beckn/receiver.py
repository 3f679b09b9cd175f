"""A discom's receiver of ``status``: bytes and a header in; a signed reply, and what was asked, out. It answers nothing itself.

The reply MUST go out at once and the work be done later: an asker waits 30 s at most. What is ACKed MUST be stored before the reply
goes out, because it is not asked again that day.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger_client.beckn.ack import Dialect, ack_body, nack_body
from ledger_client.beckn.context import Identifiers, message_id_of
from ledger_client.beckn.fields import message
from ledger_client.beckn.refusal import Code, Refusal, RefusedError
from ledger_client.beckn.status import StatusRequest, read_status
from ledger_client.beckn.verification import Caller, Gate
from ledger_client.signature import DEFAULT_LIFETIME_S, HttpSigner, SignatureError, parse_header

JSON = "application/json"
CHALLENGE = "(created) (expires) digest"

MOST_UNVERIFIED = 64 * 1024
"""Longest body of somebody unknown that is read for the id to name in its NACK: as JSON a body may take thirty times its length of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A synchronous HTTP answer, signed."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What became of one request: exactly one of `request` and `refusal` is there."""

    reply: Reply
    request: StatusRequest | None = None
    caller: Caller | None = None
    """Who signed it, where that was verified, refused or not."""
    refusal: Refusal | None = None


class Receiver:
    """One discom's receiving end. Safe to use from several threads when its `Gate` is."""

    def __init__(
        self,
        *,
        gate: Gate,
        signer: HttpSigner,
        dialect: Dialect = Dialect.MESSAGE_STATUS,
        identifiers: Identifiers = Identifiers.ANY,
    ) -> None:
        self._gate = gate
        self._signer = signer
        self._dialect = dialect
        self._identifiers = identifiers

    @property
    def own_id(self) -> str:
        """This node's subscriber id."""
        return self._signer.key_id.subscriber_id

    def status(self, authorization: str | None, body: bytes, *, now: int) -> Received:
        """Takes one POST to ``/bpp/receiver/status``, received at `now`, UTC seconds. Raises nothing of what a caller can cause."""
        caller: Caller | None = None
        try:
            caller = self._gate.caller(authorization, body, now=now)
            request = read_status(body, self._identifiers)
            self._gate.require(caller, request.context, own_id=self.own_id)
        except RefusedError as error:
            reply = self.nack(authorization, body, error.refusal, now=now, is_verified=caller is not None)
            return Received(reply=reply, caller=caller, refusal=error.refusal)
        content = ack_body(request.context.message_id, self._dialect)
        return Received(reply=self._signed(200, content, authorization, now), request=request, caller=caller)

    def ack(self, authorization: str | None, *, now: int) -> Reply:
        """The reply that takes a message without a Beckn envelope, signed over the request's signature."""
        return self._signed(200, ack_body(None, self._dialect), authorization, now)

    def nack(
        self, authorization: str | None, body: bytes, refusal: Refusal, *, now: int, is_verified: bool = False
    ) -> Reply:
        """The reply that refuses a request, for refusals that the receiver's owner comes to, such as a body that is too long.

        It names the message's id where the body is short, or `is_verified` to be by whom it says.
        """
        is_read = is_verified or len(body) <= MOST_UNVERIFIED
        content = nack_body(_message_id(body) if is_read else None, refusal, self._dialect)
        reply = self._signed(refusal.http_status, content, authorization, now)
        if reply.status != 401:
            return reply
        # Source: beckn-onix: every 401 says what to sign.
        challenge = f'Signature realm="{self.own_id}",headers="{CHALLENGE}"'
        return Reply(status=401, body=content, headers={**reply.headers, "WWW-Authenticate": challenge})

    def internal(self, authorization: str | None, body: bytes, *, now: int) -> Reply:
        """The reply to a verified caller where this node failed: nothing of it is told, and the same may be sent again, signed anew."""
        refusal = Refusal(code=Code.INTERNAL_ERROR, message="this node failed")
        return self.nack(authorization, body, refusal, now=now, is_verified=True)

    def _signed(self, status: int, content: bytes, authorization: str | None, now: int) -> Reply:
        """`content` with its ``Signature`` header, over the request's signature where there is one to name."""
        try:
            named = parse_header(authorization).signature_text if authorization else None
        except SignatureError:
            named = None
        signature = self._signer.sign(content, created=now, expires=now + DEFAULT_LIFETIME_S, request_signature=named)
        return Reply(status=status, body=content, headers={"Content-Type": JSON, "Signature": signature})


def _message_id(body: bytes) -> str | None:
    """The id to name in a NACK, as far as the body can be read."""
    try:
        return message_id_of(message(body))
    except RefusedError:
        return None
