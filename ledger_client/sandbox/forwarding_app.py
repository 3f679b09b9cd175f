"""Contracts on their way to discoms over HTTP: sent when somebody says so, and shown."""

import asyncio
from collections.abc import Callable

import httpx
from fastapi import FastAPI, Response

from ledger_client.exact_json import dumps
from ledger_client.sandbox import dialects
from ledger_client.sandbox.desk import JSON
from ledger_client.sandbox.forwarding import Forwarding
from ledger_client.sandbox.store import Forward

TIMEOUT_S = 5.0
"""How long a discom may take: it answers before anything is computed."""


def add_forwarding(app: FastAPI, forwarding: Forwarding, now: Callable[[], int]) -> None:
    """Adds ``POST /sandbox/forward``, which sends what is due, and ``GET /sandbox/contracts``, which lists it."""

    @app.post("/sandbox/forward")
    async def forward() -> Response:
        silent: set[str] = set()
        due = forwarding.due(now())
        if due:
            async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
                for one, url in due:
                    # A discom that does not answer is not waited for again in this turn.
                    if one.discom_id not in silent:
                        status, note = await _sent(client, one, url)
                        forwarding.heard(one, status, note, now())
                        silent |= {one.discom_id} if status is None else set()
        return Response(dumps({"sent": len(due)}), media_type=JSON)

    @app.get("/sandbox/contracts")
    async def contracts() -> Response:
        return Response(dumps({"contracts": forwarding.listed()}), media_type=JSON)


async def _sent(client: httpx.AsyncClient, one: Forward, url: str) -> tuple[int | None, str]:
    """What a discom said: its HTTP status, and its code or why there was no answer."""
    headers = {"Content-Type": JSON, "Authorization": one.authorization}
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer = await client.post(url, content=one.body, headers=headers)
    except (httpx.HTTPError, TimeoutError) as error:
        return None, type(error).__name__
    word, code = dialects.found(answer.content)
    # A 200 that is no ACK comes from something that is no discom's door.
    return (answer.status_code if word == "ACK" or answer.status_code != 200 else 502), code or word
