"""Refusals of requests, in one shape: a code for programs, a message for people, and what to do about it.

Nothing of a stack, a payload or a secret gets into one: unexpected errors say only that there was one.
"""

from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from headend.errors import HeadendError, StoreUnavailableError

_RETRY_S = 10
_REMEDIES = {
    HTTPStatus.NOT_FOUND: "check the address against /openapi.json",
    HTTPStatus.METHOD_NOT_ALLOWED: "use the method that /openapi.json names; reading is GET",
}


class Problem(BaseModel):
    """Why a request was not answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    """Stable; for programs."""
    message: str
    """Expected and got, naming the field."""
    remedy: str
    """What the caller or the operator does next."""


class ApiError(Exception):
    """A refusal with its HTTP status."""

    def __init__(self, status: HTTPStatus, problem: Problem) -> None:
        super().__init__(problem.message)
        self.status = status
        self.problem = problem


def problem(code: str, message: str, remedy: str) -> Problem:
    """The problem with these words."""
    return Problem(code=code, message=message, remedy=remedy)


def not_found(what: str, remedy: str) -> ApiError:
    """The refusal of something that is not there."""
    return ApiError(HTTPStatus.NOT_FOUND, problem("not_found", what, remedy))


def invalid(message: str, remedy: str) -> ApiError:
    """The refusal of a parameter that is not what it should be."""
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, problem("invalid_request", message, remedy))


def unreadable(error: ValidationError) -> ApiError:
    """The refusal of a body that is not what it should be: names up to five fields, and repeats nothing of what was sent."""
    return invalid(_faults(error, "body"), "correct the named fields; /openapi.json describes them")


def _faults(error: ValidationError | RequestValidationError, *within: str) -> str:
    found = error.errors()[:5]
    return "; ".join(f"{'.'.join((*within, *map(str, fault['loc'])))}: {fault['msg']}" for fault in found)


def answered(status: HTTPStatus, what: Problem, headers: dict[str, str] | None = None) -> Response:
    """The JSON answer that carries a problem."""
    return JSONResponse(what.model_dump(), status_code=status, headers={"Cache-Control": "no-store", **(headers or {})})


def unavailable(error: HeadendError) -> tuple[HTTPStatus, Problem]:
    """What is said while the store cannot be used. Its message may name files, so it goes to the operator's log only."""
    known = isinstance(error, StoreUnavailableError)
    return HTTPStatus.SERVICE_UNAVAILABLE, problem(
        "store_unavailable" if known else "not_ready",
        "the head-end cannot read its store now",
        "try again later; the operator runs `sakshi-headend fsck` and looks at the disk",
    )


Denial = Callable[[HTTPConnection, HTTPStatus, Problem], Response]
"""How a refusal looks: JSON for programs, a page under the console."""


class Tally:
    """How often requests were refused since the start, by code. Safe between threads: each count is one step."""

    _USUAL = (
        "unauthenticated",
        "forbidden",
        "not_found",
        "invalid_request",
        "unsupported_media_type",
        "too_large",
        "conflict",
    )

    def __init__(self) -> None:
        self._lock = Lock()
        # A series must not appear with its first event.
        self._counts = Counter(dict.fromkeys(self._USUAL, 0))

    def counted(self, denial: Denial) -> Denial:
        """`denial`, each refusal of which is counted."""

        def counting(connection: HTTPConnection, status: HTTPStatus, what: Problem) -> Response:
            with self._lock:
                self._counts[what.code] += 1
            return denial(connection, status, what)

        return counting

    def counts(self) -> dict[str, int]:
        """By code, as of now."""
        with self._lock:
            return dict(self._counts)


def add_handlers(app: FastAPI, denial: Denial) -> None:
    """Makes `app` answer every refusal in this shape."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return denial(request, error.status, error.problem)

    async def not_valid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return denial(request, HTTPStatus.UNPROCESSABLE_ENTITY, _first_fault(error))

    async def by_status(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        what = problem(status.name.lower(), status.phrase, _REMEDIES.get(status, "check the request"))
        response = denial(request, status, what)
        response.headers.update(error.headers or {})
        return response

    async def not_readable(request: Request, error: Exception) -> Response:
        assert isinstance(error, HeadendError)
        status, what = unavailable(error)
        response = denial(request, status, what)
        response.headers["Retry-After"] = str(_RETRY_S)
        return response

    async def unexpected(request: Request, _: Exception) -> Response:
        return denial(request, HTTPStatus.INTERNAL_SERVER_ERROR, _UNEXPECTED)

    app.add_exception_handler(ApiError, refused)
    app.add_exception_handler(RequestValidationError, not_valid)
    app.add_exception_handler(HTTPException, by_status)
    app.add_exception_handler(HeadendError, not_readable)
    app.add_exception_handler(Exception, unexpected)


def _first_fault(error: RequestValidationError) -> Problem:
    """Names the fields and what was expected; what was sent is not repeated."""
    return problem("invalid_request", _faults(error), "correct the named parameters; /openapi.json describes them")


_UNEXPECTED = problem(
    "internal", "the head-end failed on this request", "tell the operator the time; the program's log has the cause"
)
