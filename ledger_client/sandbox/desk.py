"""The front of the exchange: a request is read within bounds, its signature verified, its faults taken, then its work done."""

import asyncio
from collections.abc import Callable

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from ledger_client.exact_json import dumps
from ledger_client.sandbox.faults import Fault, Faults
from ledger_client.sandbox.participants import Participant, Participants
from ledger_client.sandbox.refusal import STATUS, RequestRefusedError
from ledger_client.signature import ReplayCache, SignatureError, digest_header, verify

MAX_BODY_BYTES = 1024 * 1024
"""Largest request of the ledger API that is read."""

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Largest answer of a discom that is read."""

JSON = "application/json"


class _LostAnswer(Response):
    """An answer that never arrives: the work is done, the connection drops before the first byte of the body."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
        # Returning without the announced body makes the server drop the connection.


def is_lost(response: Response) -> bool:
    """Whether `response` never arrives."""
    return isinstance(response, _LostAnswer)


Refused = Callable[[RequestRefusedError | SignatureError, int], Response]
"""Gives the response of a refusal and its HTTP status."""


def error_object(error: RequestRefusedError | SignatureError, status: int) -> Response:
    """The error object of a refusal, as the ledger API has it."""
    return Response(dumps({"code": error.code, "message": error.message}), status_code=status, media_type=JSON)


async def _body(request: Request, most_bytes: int) -> bytes:
    """The raw body, bounded while it is read."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most_bytes:
            raise RequestRefusedError("SCH_BODY_TOO_LARGE", f"expected a body of at most {most_bytes} bytes")
    return bytes(content)


async def _hung_up(request: Request, within_s: float) -> bool:
    """Whether the caller hangs up within so many seconds."""

    async def until_disconnect() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(until_disconnect(), within_s)
    except TimeoutError:
        return False
    return True


Work = Callable[[Participant, bytes, int], bytes]

Answered = Callable[[bytes], str | None]
"""Gives the base64 signature of the request that a body answers, or None."""


class Desk:
    """Takes one request through signature, faults and work."""

    def __init__(self, participants: Participants, now: Callable[[], int], faults: Faults, slow_s: float) -> None:
        self._participants = participants
        self._now = now
        self._faults = faults
        self._slow_s = slow_s
        self._replays = ReplayCache()

    async def serve(
        self, request: Request, work: Work, refused: Refused = error_object, answered: Answered | None = None
    ) -> Response:
        """The answer to one request; what is refused is answered by `refused`.

        Answers to questions are longer than requests: `answered` gives the signature of the request that a body answers, where it may be signed over that.
        """
        try:
            return await self._served(request, work, answered)
        except (RequestRefusedError, SignatureError) as error:
            response = refused(error, STATUS[error.code])
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = 'Signature realm="sandbox",headers="(created) (expires) digest"'
        return response

    async def _served(self, request: Request, work: Work, answered: Answered | None) -> Response:
        body = await _body(request, MAX_BODY_BYTES if answered is None else MAX_ANSWER_BYTES)
        now = self._now()
        if self._faults.take(Fault.DOWN):
            raise RequestRefusedError("NET_DOWNSTREAM_UNAVAILABLE", "fault: down")
        caller = self._caller(request, body, now, None if answered is None else answered(body))
        if self._faults.take(Fault.SLOW) and await _hung_up(request, self._slow_s):
            return _LostAnswer()
        if self._faults.take(Fault.REFUSE):
            raise RequestRefusedError("AUT_NOT_AUTHORIZED", "fault: refuse")
        answer = work(caller, body, now)
        if self._faults.take(Fault.LOST_ANSWER):
            return _LostAnswer()
        return Response(answer, media_type=JSON)

    def _caller(self, request: Request, body: bytes, now: int, request_signature: str | None) -> Participant:
        """Who signed this request."""
        signed = verify(
            request.headers.get("Authorization"),
            body,
            now=now,
            keys=self._participants.key,
            replays=self._replays,
            request_signature=request_signature,
        )
        stated = request.headers.get("Digest")
        if stated is not None and stated != digest_header(body):
            raise RequestRefusedError("AUT_SIGNATURE_INVALID", "the Digest header is not this body's")
        return self._participants.caller(signed.key_id)
