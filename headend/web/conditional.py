"""Answers that a caller may already hold: entity tags, 304, and which representation is wanted.

Source: RFC 9110 §§8.8.3, 12.5.1, 13.1.2.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus

from fastapi import Request
from starlette.responses import Response

from headend.web.problems import ApiError, problem

_MAX_ACCEPT_LENGTH = 1024


def answer(request: Request, *, tag: str, vary: str | None, build: Callable[[], Response]) -> Response:
    """304 when the caller holds the representation `tag`, else what `build` gives, tagged.

    `build` is not called for a 304: holding the tag proves that an earlier answer was given.
    """
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if vary is not None:
        headers["Vary"] = vary
    if _holds(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    response = build()
    response.headers.update(headers)
    return response


def wanted(request: Request, offered: Sequence[str]) -> str:
    """The media type of `offered` that the Accept header wants most; the first one where it does not care.

    Raises:
        ApiError: 406, it wants none of them.
    """
    accept = request.headers.get("accept", "*/*")[:_MAX_ACCEPT_LENGTH]
    ranges = [_media_range(text) for text in accept.split(",") if text.strip()] or [("*/*", 1.0)]
    best, best_quality = "", 0.0
    for kind in offered:
        quality = _quality(kind, ranges)
        if quality > best_quality:
            best, best_quality = kind, quality
    if not best:
        raise ApiError(
            HTTPStatus.NOT_ACCEPTABLE,
            problem("not_acceptable", f"this answer exists as {' and '.join(offered)}", "send one of them as Accept"),
        )
    return best


def _holds(if_none_match: str, tag: str) -> bool:
    """RFC 9110 §13.1.2: "A recipient MUST use the weak comparison function"."""
    opaque = tag.removeprefix("W/")
    held = [text.strip().removeprefix("W/") for text in if_none_match.split(",")]
    return opaque in held or held == ["*"]


def _media_range(text: str) -> tuple[str, float]:
    kind, *parameters = [piece.strip().lower() for piece in text.split(";")]
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = min(max(float(value), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return kind, quality


def _quality(kind: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The most specific range that matches decides."""
    family = kind.partition("/")[0]
    for pattern in (kind, f"{family}/*", "*/*"):
        found = [quality for offered, quality in ranges if offered == pattern]
        if found:
            return max(found)
    return 0.0
