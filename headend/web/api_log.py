"""The log for verifiers, as C2SP tlog-tiles lays it out, and the trust file.

Tiles never change once they are full or named with their width, so they may be cached for ever; the checkpoint may not.
"""

from http import HTTPStatus

from fastapi import FastAPI
from starlette.responses import Response

from headend.web.desk import AtDesk
from headend.web.problems import ApiError, Problem, not_found, problem
from signing.errors import DecodeError
from signing.log.tiles import parse_path

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_MAX_PATH_LENGTH = 64


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    for path, handler, kind in (
        ("/v1/log/checkpoint", checkpoint, "text/plain"),
        ("/v1/log/tile/{path:path}", tile, "application/octet-stream"),
        ("/v1/trust", trust, "application/toml"),
    ):
        described: dict[int | str, dict[str, object]] = {200: {"content": {kind: {}}}, 404: {"model": Problem}}
        app.add_api_route(path, handler, methods=["GET"], responses=described, response_class=Response)


def checkpoint(desk: AtDesk) -> Response:
    """The newest signed checkpoint."""
    tree = desk.reads.tree()
    if tree is None:
        raise not_found("the log has no leaf yet", "try again after the first enrolment")
    return Response(tree.note, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})


def tile(desk: AtDesk, path: str) -> Response:
    """A hash tile (`0/x001/234`, `1/000.p/4`) or an entry bundle (`entries/x001/234`)."""
    if len(path) > _MAX_PATH_LENGTH:
        raise not_found("expected a tile path", "see C2SP tlog-tiles")
    try:
        name = parse_path(f"tile/{path}")
    except DecodeError:
        # What was asked for is not repeated: it is a stranger's text.
        raise not_found("expected a tile path such as 0/x001/234 or entries/000.p/17", "see C2SP tlog-tiles") from None
    content = desk.reads.tile(name)
    if content is None:
        raise not_found(f"the published log does not reach as far as {name.path()}", "read the checkpoint first")
    return Response(content, media_type="application/octet-stream", headers=_FOR_EVER)


def trust(desk: AtDesk) -> Response:
    """The trust file: log and statement keys. It proves nothing by itself; a verifier gets it on another way too."""
    try:
        content = desk.trust_file.read_bytes()
    except OSError as error:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            problem("trust_unavailable", "the trust file cannot be read", "the operator restores trust.toml of `init`"),
        ) from error
    return Response(content, media_type="application/toml", headers={"Cache-Control": "no-cache"})
