"""What operators and their monitoring read: postings, intake, refusals, health, metrics."""

from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Query
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry
from starlette.responses import JSONResponse, PlainTextResponse, Response

from headend.trading.posting import PostingState
from headend.web import answers
from headend.web.desk import AtDesk
from headend.web.metrics import StoreCollector
from headend.web.parameters import DEFAULT_LIMIT, AfterRow, Limit
from signing.interval import utc_text

REFUSAL_CHECKS = frozenset({3, 5, 6, 7})
"""Checks that are answered by a Refusal; the others are NOISE. Source: docs/wire-format.md §5."""

_SHOWN_SAMPLES = 50


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    app.add_api_route("/v1/postings", postings, methods=["GET"])
    app.add_api_route("/v1/recordings", recordings, methods=["GET"])
    app.add_api_route("/v1/intake", intake, methods=["GET"])
    app.add_api_route("/v1/refusals", refusals, methods=["GET"])
    app.add_api_route("/v1/health", health, methods=["GET"], response_model=answers.Health)
    app.add_api_route("/metrics", metrics, methods=["GET"], response_class=PlainTextResponse)


def postings(
    desk: AtDesk,
    state: Annotated[list[PostingState] | None, Query(max_length=len(PostingState))] = None,
    after: AfterRow = None,
    limit: Limit = DEFAULT_LIMIT,
) -> answers.Page[answers.Posting]:
    """Postings to ledgers, latest first; where this discom allocates by itself, see `/v1/recordings`."""
    states = None if state is None else frozenset(state)
    found = [answers.posting(view) for view in desk.reads.postings(states=states, after=after, limit=limit + 1)]
    return answers.page(found, limit, str(found[:limit][-1].posting) if found else None)


def recordings(
    desk: AtDesk,
    state: Annotated[list[PostingState] | None, Query(max_length=len(PostingState))] = None,
    after: AfterRow = None,
    limit: Limit = DEFAULT_LIMIT,
) -> answers.Page[answers.Recording]:
    """What this discom said of its side of each trade, round by round, where it allocates by itself; latest first."""
    states = None if state is None else frozenset(state)
    found = [answers.recording(view) for view in desk.reads.recordings(states=states, after=after, limit=limit + 1)]
    return answers.page(found, limit, str(found[:limit][-1].recording) if found else None)


def intake(desk: AtDesk) -> answers.Intake:
    """What was not admitted, counted by check, with the latest samples; gaps and forks of the chains."""
    counts = desk.reads.counts()
    samples = desk.reads.turned_away(numbers=None, after=None, limit=_SHOWN_SAMPLES)
    return answers.Intake(
        turned_away=dict(counts.turned_away),
        open_gaps=counts.open_gaps,
        forks=counts.forks,
        samples=[answers.sample(view) for view in samples],
    )


def refusals(desk: AtDesk, after: AfterRow = None, limit: Limit = DEFAULT_LIMIT) -> answers.Page[answers.Sample]:
    """Samples of the batches that were refused with an answer, latest first."""
    views = desk.reads.turned_away(numbers=REFUSAL_CHECKS, after=after, limit=limit + 1)
    found = [answers.sample(view) for view in views]
    return answers.page(found, limit, str(found[:limit][-1].sample) if found else None)


def health(desk: AtDesk) -> Response:
    """200 while everything works, 503 with the parts that don't."""
    tree = desk.reads.tree()
    components = desk.components()
    works = all(component.works for component in components)
    body = answers.Health(
        discom=desk.discom,
        works=works,
        now=utc_text(desk.now()),
        origin=None if tree is None else tree.checkpoint.origin,
        tree_size=0 if tree is None else tree.checkpoint.size,
        components=[
            answers.ComponentHealth(name=component.name, works=component.works, note=component.note)
            for component in components
        ],
    )
    status = HTTPStatus.OK if works else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(body.model_dump(mode="json"), status_code=status, headers={"Cache-Control": "no-store"})


def metrics(desk: AtDesk) -> Response:
    """Prometheus text, read from the store at each scrape: it survives a restart."""
    registry = CollectorRegistry()
    registry.register(StoreCollector(desk))
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
