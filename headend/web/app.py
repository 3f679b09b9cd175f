"""The application: routes, door and error shapes around one desk. No global state; several may live in one process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI

from headend.duties.component import Component
from headend.tokens import Tokens
from headend.views.duty import DutyReads
from headend.views.evidence import Reads
from headend.views.exchange import Market
from headend.web import (
    api,
    api_data,
    api_duty,
    api_edits,
    api_exchange,
    api_log,
    api_operations,
    api_registry,
    api_settling,
    beckn,
    console,
    console_days,
    console_duty,
    console_edits,
    console_settling,
    console_trades,
    contracts,
    did,
    problems,
    revocations,
)
from headend.web.access import ACCESS, RECEIVER, Access, Needs, Signed
from headend.web.desk import ContractDesk, DataDesk, Desk, Door, EditDesk, NoticeDesk, RegistryDesk
from headend.web.guard import Guard
from signing.keys import Signer

_BEARER = "bearer"
_SIGNATURE = "signature"

_PARTS = (
    api,
    api_data,
    api_duty,
    api_edits,
    api_exchange,
    api_log,
    api_operations,
    api_registry,
    api_settling,
    did,
    console,
    console_days,
    console_duty,
    console_edits,
    console_settling,
    console_trades,
    contracts,
    revocations,
)
"""Where the routes come from."""


class HeadendApp(FastAPI):
    """FastAPI whose description says who may use which route, from the table that decides it."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            described = super().openapi()
            schemes = described.setdefault("components", {}).setdefault("securitySchemes", {})
            schemes[_BEARER] = {"type": "http", "scheme": "bearer", "description": "a token of `sakshi-headend token`"}
            schemes[_SIGNATURE] = {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "`Signature …`: a Beckn HTTP signature over the raw body, by a subscriber that is served",
            }
            receiver = self.state.receiver
            for path, operations in described["paths"].items():
                for method, operation in operations.items():
                    _describe(operation, _template_access(method, RECEIVER if path == receiver else path))
        return cast("dict[str, Any]", self.openapi_schema)


def create_app(
    *,
    discom: str,
    reads: Reads,
    tokens: Tokens,
    signer: Signer,
    trust_file: Path,
    now: Callable[[], int],
    components: Callable[[], tuple[Component, ...]] = tuple,
    registry: RegistryDesk | None = None,
    door: Door | None = None,
    market: Market | None = None,
    domain: str = "localhost",
    duty: DutyReads | None = None,
    notices: NoticeDesk | None = None,
    edits: EditDesk | None = None,
    data: DataDesk | None = None,
    contract_desk: ContractDesk | None = None,
) -> FastAPI:
    """The API and the console of one head-end.

    `signer` is the statement key, `domain` the discom's own. `now` gives UTC seconds. `components` is asked at every health check and scrape, from any
    thread. Without `registry` no sheets are taken, without `door` and `contract_desk` nobody of the exchange is served, without `market` no trades are
    shown, without `duty` nothing of gates, holds, outcomes and days; without `notices`, `edits` and `data` none of these is taken or given.
    """
    app = HeadendApp(
        title=f"Sakshi head-end of {discom}",
        version="1",
        description="Attested actuals, their evidence and the transparency log. Every route but the log's needs a token.",
        # The interactive pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    tally = problems.Tally()
    app.state.desk = Desk(
        discom=discom,
        reads=reads,
        tokens=tokens,
        signer=signer,
        trust_file=trust_file,
        now=now,
        components=components,
        registry=registry,
        door=door,
        market=market,
        domain=domain,
        duty=duty,
        notices=notices,
        edits=edits,
        data=data,
        contracts=contract_desk,
        refusals=tally.counts,
    )
    app.state.receiver = receiver = RECEIVER if door is None else door.status_path
    beckn.add_routes(app, receiver)
    for part in _PARTS:
        part.add_routes(app)
    denial = tally.counted(console.denied)
    problems.add_handlers(app, denial)
    app.add_middleware(
        Guard, routes=app.routes, tokens=tokens, now=now, denial=denial, door=door, renamed={receiver: RECEIVER}
    )
    return app


def _template_access(method: str, path: str) -> Access | None:
    """What the table says of a path as OpenAPI writes it: without converters."""
    return next(
        (
            access
            for (verb, known), access in ACCESS.items()
            if (verb, known.replace(":path}", "}")) == (method.upper(), path)
        ),
        None,
    )


def _describe(operation: dict[str, Any], access: Access | None) -> None:
    if isinstance(access, Needs):
        signed: list[dict[str, list[str]]] = [{_SIGNATURE: []}] if access.subscribers else []
        operation["security"] = [{_BEARER: []}, *signed]
        operation["description"] = f"{operation.get('description', '')}\n\nScope: {access.words}."
    else:
        operation["security"] = [{_SIGNATURE: []}] if isinstance(access, Signed) else []
