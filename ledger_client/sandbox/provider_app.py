"""The ledger provider over HTTP: it sends questions when it is told to, takes answers, and plays the registry."""

import asyncio
from collections.abc import Callable

import httpx
from fastapi import FastAPI, Request, Response

from ledger_client.exact_json import dumps
from ledger_client.sandbox import dialects
from ledger_client.sandbox.desk import JSON, Desk, is_lost
from ledger_client.sandbox.faults import Fault, Faults
from ledger_client.sandbox.participants import Participant, Participants
from ledger_client.sandbox.provider import Provider, Question
from ledger_client.sandbox.question import Spoiled
from ledger_client.sandbox.refusal import RequestRefusedError
from ledger_client.signature import KeyId, SignatureError, public_key_text, verify

TIMEOUT_S = 30.0
"""How long a discom may take for its ACK. Source: beckn-onix."""

LIFETIME_S = 300
SKEW_S = 60
"""How far ahead the clock is under `Fault.SKEWED_CLOCK`."""

WRONG_NETWORK = "example.org/another-network"
_BECKN_CODES = {
    "SCH_MISSING_REQUIRED": "SCH_REQUIRED_FIELD_MISSING",
    "AUT_NOT_AUTHORIZED": "AUT_UNAUTHORIZED_ACTION",
    "PRC_CONFLICT": "POL_GENERIC_ERROR",
    "SCH_BODY_TOO_LARGE": "SCH_INVALID_FORMAT",
}


def add_provider(
    app: FastAPI,
    *,
    provider: Provider,
    participants: Participants,
    desk: Desk,
    now: Callable[[], int],
    faults: Faults,
) -> None:
    """Adds the ledger provider's addresses to `app`."""
    front = _Front(provider, participants, desk, now, faults)
    app.post("/bap/receiver/on_status")(front.on_status)
    app.post("/sandbox/pull")(front.pull)
    app.get("/registry/dedi/lookup/{subscriber_id}/subscribers.beckn.one/{key_id}")(front.lookup)


class _Front:
    """What the ledger provider does at each of its addresses."""

    def __init__(
        self, provider: Provider, participants: Participants, desk: Desk, now: Callable[[], int], faults: Faults
    ) -> None:
        self._provider = provider
        self._settings = provider.settings
        self._participants = participants
        self._desk = desk
        self._now = now
        self._faults = faults

    async def on_status(self, request: Request) -> Response:
        """Takes one answer."""

        def work(caller: Participant, body: bytes, at: int) -> bytes:
            message_id, wrote = self._provider.on_status(caller, body, at)
            return dialects.ack(message_id, self._settings.dialect, wrote)

        response = await self._desk.serve(request, work, self._refused, self._provider.request_signature)
        if is_lost(response):
            return response
        created = self._now()
        quoted = _signature_of(request.headers.get("Authorization"))
        response.headers["Signature"] = self._settings.signer.sign(
            bytes(response.body), created=created, expires=created + LIFETIME_S, request_signature=quoted
        )
        return response

    def _refused(self, error: RequestRefusedError | SignatureError, status: int) -> Response:
        code = _BECKN_CODES.get(error.code, error.code)
        body = dialects.nack(code, error.message, self._settings.dialect)
        return Response(body, status_code=status, media_type=JSON)

    async def pull(self, everything: str = "no") -> Response:
        """Sends every question that is due, and says what came back."""
        take = self._faults.take
        spoiled = Spoiled(
            network_id=WRONG_NETWORK if take(Fault.WRONG_NETWORK) else None,
            is_without_offset=take(Fault.WRONG_WINDOW),
            is_cut_short=take(Fault.CUT_SHORT),
        )
        ahead_s = SKEW_S if take(Fault.SKEWED_CLOCK) else 0
        times = 2 if take(Fault.REPLAYED_STATUS) else 1
        sender = Sender(self._participants, self._now)
        report = []
        for question in self._provider.questions(self._now(), spoiled, everything=everything == "yes"):
            header = self._provider.signed(question, self._now() + ahead_s, LIFETIME_S)
            # In a thread: the discom may call back before it has answered.
            report += [await asyncio.to_thread(sender.sent, question, header) for _ in range(times)]
        return Response(dumps({"questions": report}), media_type=JSON)

    async def lookup(self, subscriber_id: str, key_id: str) -> Response:
        """Plays the registry."""

        def others(key: KeyId) -> str | None:
            found = self._participants.key(key)
            return None if found is None else public_key_text(found)

        try:
            key = KeyId(subscriber_id=subscriber_id, unique_key_id=key_id)
        except SignatureError:
            body = b""
        else:
            is_own = key == self._settings.signer.key_id
            is_revoked = is_own and self._faults.take(Fault.REVOKED_KEY)
            body = self._provider.looked_up(key, others, is_revoked=is_revoked)
        return Response(body or dumps({"message": "not found"}), status_code=200 if body else 404, media_type=JSON)


def _signature_of(authorization: str | None) -> str | None:
    """The base64 signature of a request, as the fourth line of its answer names it."""
    marker = ',signature="'
    if authorization is None or marker not in authorization:
        return None
    return authorization.split(marker, 1)[1].split('"', 1)[0]


class Sender:
    """Sends questions, and says what came back."""

    def __init__(self, participants: Participants, now: Callable[[], int]) -> None:
        self._participants = participants
        self._now = now

    def sent(self, question: Question, authorization: str) -> dict[str, object]:
        """What a discom said to a question."""
        report: dict[str, object] = {
            "discomId": question.discom.discom_id,
            "messageId": question.message_id,
            "meters": question.meters,
        }
        try:
            answer = httpx.post(
                f"{question.discom.receiver_url}/status",
                content=question.body,
                headers={"Content-Type": JSON, "Authorization": authorization},
                timeout=TIMEOUT_S,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            return report | {"httpStatus": None, "ack": "", "code": type(error).__name__, "warnings": []}
        word, code = dialects.found(answer.content)
        warnings = self._warnings(answer, authorization)
        return report | {"httpStatus": answer.status_code, "ack": word, "code": code, "warnings": warnings}

    def _warnings(self, answer: httpx.Response, authorization: str) -> list[str]:
        """What is wrong with the signature of an answer. Source: beckn-onix: it is said, and the answer is taken all the same."""
        try:
            verify(
                answer.headers.get("Signature"),
                answer.content,
                now=self._now(),
                keys=self._participants.key,
                request_signature=_signature_of(authorization),
            )
        except SignatureError as error:
            return [str(error)]
        return []
