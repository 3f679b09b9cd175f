"""The console's edits: what two persons said that blocks are worth, and what waits for the second of them."""

from typing import Annotated

from fastapi import FastAPI, Path, Request
from starlette.responses import Response

from headend.web.desk import disclosed
from headend.web.parameters import AfterRow, AtDuty
from headend.web.problems import not_found
from headend.web.rendering import shown

_PAGE = 50

ProposalPath = Annotated[int, Path(ge=0, le=2**63 - 1, description="number of a proposal")]


def add_routes(app: FastAPI) -> None:
    """The routes of this module; they are for people and not in the API's description."""
    for path, handler in (("/console/edits", edits), ("/console/edits/{proposal}", edit)):
        app.add_api_route(path, handler, methods=["GET"], include_in_schema=False, response_class=Response)


def edits(request: Request, duty: AtDuty, after: AfterRow = None) -> Response:
    """Proposals and what became of them, latest first."""
    found = duty.proposals(after=after, limit=_PAGE + 1)
    context = {"proposals": found[:_PAGE], "next": found[_PAGE - 1].number if len(found) > _PAGE else None}
    return shown(request, "edits.html", context)


def edit(request: Request, duty: AtDuty, proposal: ProposalPath) -> Response:
    """One proposal with its blocks, and the edit that it became."""
    view = duty.edit(proposal)
    if view is None:
        raise not_found(f"there is no proposal {proposal}", "see the list of edits")
    disclosed(request, f"blocks of proposal {proposal}")
    return shown(request, "edit.html", {"view": view, "proposal": view.pending.proposal})
