"""Edits for programs: what two persons said that blocks are worth; drafts to be signed elsewhere, and what comes back signed.

No private key comes here: a token opens the door, and only an operator's own signature goes through it.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Path, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from headend.duties import papers
from headend.duties.operators import Pending
from headend.errors import RefusedError
from headend.registry.sheet_columns import kilo
from headend.views.duty import EditView
from headend.web import answers
from headend.web.answers import Answer, Page, Span
from headend.web.desk import AtDesk, Desk, EditDesk, disclosed
from headend.web.parameters import DEFAULT_LIMIT, AfterRow, AtDuty, Limit, body_of
from headend.web.problems import ApiError, Problem, invalid, not_found, problem, unreadable
from signing.energy import kwh_text
from signing.errors import DecodeError
from signing.interval import parse_instant, utc_text
from signing.statements.edit import MAX_BLOCKS, EditedBlock, EditProposal
from signing.statements.persons import Person

T = TypeVar("T")

ProposalPath = Annotated[int, Path(ge=0, le=2**63 - 1, description="number of a proposal")]
Kwh = Annotated[str | None, Field(max_length=32, description="kWh before factors; null: none")]


class EditRow(Answer):
    """A proposal, and what became of it."""

    proposal_number: int
    meter: str
    span: Span
    edit: int
    """Which edit of the meter it is, from 0."""
    reason: str
    author: str
    proposed_at: str
    closed_at: str | None
    """Null while it waits for another person."""
    outcome: str | None


class EditBlock(Answer):
    """What one block is worth: all null takes its value away."""

    start: str
    import_wh: int | None
    import_kwh: str | None
    export_wh: int | None
    export_kwh: str | None


class Signatory(Answer):
    """Who signed."""

    name: str
    key: str
    """COSE_Key."""
    signature: str


class EditAnswer(EditRow):
    """A proposal with its blocks and signatures."""

    period_s: int
    blocks: list[EditBlock]
    proposal: str
    """The bytes that its persons sign, hex: `sakshi-sign` takes this whole answer."""
    signed_by: list[Signatory]
    """The author, and who approved it once the log is published with it."""
    evidence_digest: str | None
    index: int | None
    """Log index of the edit."""


class Draft(Answer):
    """What is to be signed."""

    proposal: str
    blocks: list[EditBlock]
    edit: int


class Kept(Answer):
    """A proposal that waits for another person."""

    proposal_number: int


class Logged(Answer):
    """An edit that two persons and the discom signed."""

    meter: str
    edit: int
    evidence_digest: str


class DraftBlock(BaseModel):
    """What one block is to be worth."""

    model_config = ConfigDict(extra="forbid", strict=True)

    start: Annotated[str, Field(max_length=40)]
    import_kwh: Kwh = None
    export_kwh: Kwh = None


class DraftBody(BaseModel):
    """What one person wants blocks of a meter to be worth."""

    model_config = ConfigDict(extra="forbid", strict=True)

    meter: Annotated[str, Field(min_length=1, max_length=128)]
    reason: Annotated[str, Field(min_length=1, max_length=128)]
    blocks: Annotated[list[DraftBlock], Field(min_length=1, max_length=MAX_BLOCKS)]


class PaperBody(BaseModel):
    """A signed paper, for the description."""

    proposal: str
    name: str
    key: str
    signature: str


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    refusals: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (401, 403, 409, 413, 422, 503)}
    app.add_api_route("/v1/edits", edits, methods=["GET"])
    app.add_api_route("/v1/edits/{proposal}", edit, methods=["GET"], responses={404: {"model": Problem}})
    for path, handler, body, model, status in (
        ("/v1/edits/draft", draft, DraftBody, Draft, HTTPStatus.OK),
        ("/v1/edits", propose, PaperBody, Kept, HTTPStatus.CREATED),
        ("/v1/edits/{proposal}/approval", approve, PaperBody, Logged, HTTPStatus.CREATED),
    ):
        schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        if body is DraftBody:
            schema["properties"]["blocks"]["items"] = DraftBlock.model_json_schema()
        app.add_api_route(
            path,
            handler,
            methods=["POST"],
            response_model=model,
            status_code=status,
            responses=refusals,
            openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}},
        )


def edits(duty: AtDuty, after: AfterRow = None, limit: Limit = DEFAULT_LIMIT) -> Page[EditRow]:
    """Proposals and what became of them, latest first; without what blocks are worth."""
    found = [EditRow(**_row(pending)) for pending in duty.proposals(after=after, limit=limit + 1)]
    return answers.page(found, limit, str(found[:limit][-1].proposal_number) if found else None)


def edit(request: Request, duty: AtDuty, proposal: ProposalPath) -> EditAnswer:
    """One proposal with its blocks and its signatures; another person signs its `proposal` to approve it."""
    view = duty.edit(proposal)
    if view is None:
        raise not_found(f"there is no proposal {proposal}", "list them at /v1/edits")
    disclosed(request, f"blocks of proposal {proposal}")
    return _answer(view)


async def draft(request: Request, desk: AtDesk) -> Response:
    """The next edit of a meter as it would be signed now: nothing is kept. An operator signs it on their own machine (`sakshi-sign`)."""
    content = await _content(request)

    def drafted() -> Response:
        meter, blocks, reason = _wish(content)
        found = _refusable(lambda: _edits(desk).draft(meter, blocks, reason, now_utc=desk.now()))
        return _said(Draft(proposal=found.payload().hex(), blocks=_blocks(found), edit=found.number), HTTPStatus.OK)

    return await run_in_threadpool(drafted)


async def propose(request: Request, desk: AtDesk) -> Response:
    """Keeps a draft that its author signed until another person approves it; the same again is the same proposal."""
    paper = _paper(await _content(request))

    def kept() -> Response:
        pending = _refusable(lambda: _edits(desk).propose(paper, now_utc=desk.now()))
        return _said(Kept(proposal_number=pending.number), HTTPStatus.CREATED)

    return await run_in_threadpool(kept)


async def approve(request: Request, desk: AtDesk, proposal: ProposalPath) -> Response:
    """Makes an edit of a proposal: another person signed the same bytes, the discom signs both and logs it."""
    paper = _paper(await _content(request))

    def logged() -> Response:
        signed = _refusable(lambda: _edits(desk).approve(proposal, paper, now_utc=desk.now()))
        about = signed.statement.proposal
        said = Logged(meter=about.meter, edit=about.number, evidence_digest=signed.digest.hex())
        return _said(said, HTTPStatus.CREATED)

    return await run_in_threadpool(logged)


def _said(answer: Answer, status: HTTPStatus) -> Response:
    return JSONResponse(answer.model_dump(mode="json"), status_code=status)


def _refusable(work: Callable[[], T]) -> T:
    try:
        return work()
    except RefusedError as error:
        raise ApiError(
            HTTPStatus.CONFLICT,
            problem("refused", str(error), "docs/operating.md says who may sign what"),
        ) from error


def _row(pending: Pending) -> dict[str, Any]:
    proposal = pending.proposal
    return {
        "proposal_number": pending.number,
        "meter": proposal.meter,
        "span": answers.span(proposal.span),
        "edit": proposal.number,
        "reason": proposal.reason,
        "author": pending.author.name,
        "proposed_at": utc_text(pending.proposed_utc),
        "closed_at": None if pending.closed_utc is None else utc_text(pending.closed_utc),
        "outcome": pending.outcome,
    }


def _answer(view: EditView) -> EditAnswer:
    proposal = view.pending.proposal
    persons = [view.pending.author] if view.edit is None else [view.edit.author, view.edit.approver]
    return EditAnswer(
        **_row(view.pending),
        period_s=proposal.period_s,
        blocks=_blocks(proposal),
        proposal=proposal.payload().hex(),
        signed_by=[_signatory(person) for person in persons],
        evidence_digest=None if view.digest is None else view.digest.hex(),
        index=view.index,
    )


def _signatory(person: Person) -> Signatory:
    return Signatory(name=person.name, key=person.key.cose_key.hex(), signature=person.signature.hex())


def _blocks(proposal: EditProposal) -> list[EditBlock]:
    return [
        EditBlock(
            start=utc_text(block.start_utc),
            import_wh=block.import_wh,
            import_kwh=None if block.import_wh is None else kwh_text(block.import_wh),
            export_wh=block.export_wh,
            export_kwh=None if block.export_wh is None else kwh_text(block.export_wh),
        )
        for block in proposal.blocks
    ]


def _wish(content: bytes) -> tuple[str, tuple[EditedBlock, ...], str]:
    try:
        body = DraftBody.model_validate_json(content)
        blocks = [_block(one, f"blocks[{place}]") for place, one in enumerate(body.blocks)]
    except ValidationError as error:
        raise unreadable(error) from error
    except DecodeError as error:
        raise invalid(str(error), "correct the named field; /openapi.json describes it") from error
    return body.meter, tuple(sorted(blocks, key=lambda block: block.start_utc)), body.reason


def _block(one: DraftBlock, path: str) -> EditedBlock:
    try:
        return EditedBlock(
            start_utc=parse_instant(one.start, "start"),
            import_wh=None if one.import_kwh is None else kilo(one.import_kwh),
            export_wh=None if one.export_kwh is None else kilo(one.export_kwh),
        )
    except DecodeError as error:
        raise DecodeError(f"{path}: {error}") from error


def _paper(content: bytes) -> papers.Paper:
    try:
        return papers.read(content)
    except DecodeError as error:
        raise invalid(str(error), "send what `sakshi-sign` wrote") from error


def _edits(desk: Desk) -> EditDesk:
    if desk.edits is None:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            problem("not_ready", "this head-end takes no edits here", "use `sakshi-headend edit`"),
        )
    return desk.edits


async def _content(request: Request) -> bytes:
    return await body_of(request, papers.MAX_BYTES, "an edit is of one day")
