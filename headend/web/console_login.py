"""Logging in to the console: a token through a form becomes a session cookie that script cannot read.

The console only reads, so a forged request changes nothing; the cookie is SameSite=Strict all the same, and a form sent from
another site is refused so that nobody is logged in as somebody else.
"""

from http import HTTPStatus
from importlib import resources
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from headend.tokens import SESSION_S, Scope, Session, admitted, fingerprint, new_secret
from headend.web.desk import AtDesk, Desk
from headend.web.guard import CONSOLE, SESSION_COOKIE
from headend.web.problems import ApiError, problem
from headend.web.rendering import shown_without_store

_MAX_FORM_BYTES = 1024
_COOKIE_PATH = "/console"
_FORM = "application/x-www-form-urlencoded"


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    app.add_api_route("/console/login", ask, methods=["GET"], include_in_schema=False)
    app.add_api_route("/console/login", log_in, methods=["POST"], include_in_schema=False)
    app.add_api_route("/console/logout", log_out, methods=["POST"], include_in_schema=False)
    app.add_api_route("/console/console.css", style, methods=["GET"], include_in_schema=False)


def form(desk: Desk, fault: str | None, status: HTTPStatus) -> Response:
    """The page that asks for a token."""
    return shown_without_store(desk, "login.html", {"fault": fault}, status)


def ask(desk: AtDesk) -> Response:
    """The form."""
    return form(desk, None, HTTPStatus.OK)


async def log_in(request: Request, desk: AtDesk) -> Response:
    """Opens a session for a token with the console scope; the secret is neither stored nor shown again."""
    _require_own_site(request)
    secret = await _posted_token(request)
    return await run_in_threadpool(_logged_in, desk, secret, request.scope["scheme"])


async def log_out(request: Request, desk: AtDesk) -> Response:
    """Ends the session here and in the browser."""
    _require_own_site(request)
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie:
        await run_in_threadpool(desk.tokens.close_session, fingerprint(cookie))
    response = RedirectResponse("/console/login", status_code=HTTPStatus.SEE_OTHER)
    response.delete_cookie(SESSION_COOKIE, path=_COOKIE_PATH)
    return response


def style() -> Response:
    """The one style sheet."""
    content = (resources.files("headend.web") / "static" / "console.css").read_bytes()
    return Response(content, media_type="text/css; charset=utf-8", headers={"Cache-Control": "max-age=3600"})


def _logged_in(desk: Desk, secret: str, scheme: str) -> Response:
    now = desk.now()
    token = admitted(desk.tokens, secret, now)
    if token is None:
        return form(desk, "No such token, or it is expired or revoked.", HTTPStatus.UNAUTHORIZED)
    if Scope.CONSOLE not in token.scopes:
        return form(desk, "This token does not open the console: ask for one with scope console.", HTTPStatus.FORBIDDEN)
    cookie = new_secret()
    expires = min(now + SESSION_S, token.expires_utc)
    desk.tokens.open_session(Session(fingerprint=fingerprint(cookie), token=token, expires_utc=expires), now)
    response = RedirectResponse(CONSOLE, status_code=HTTPStatus.SEE_OTHER)
    response.set_cookie(
        SESSION_COOKIE,
        cookie,
        max_age=expires - now,
        path=_COOKIE_PATH,
        # Without TLS the program binds loopback only, where a Secure cookie would not be sent.
        secure=scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


def _require_own_site(request: Request) -> None:
    """Browsers say where a form comes from; a program that says nothing is no victim of another site."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise ApiError(
            HTTPStatus.FORBIDDEN,
            problem(
                "other_site", "expected a form of this console, got one from another site", "open the console itself"
            ),
        )


async def _posted_token(request: Request) -> str:
    """The `token` field of the form, read up to a bound."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            problem("unsupported_media_type", f"expected {_FORM}", "log in through the form at /console/login"),
        )
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _MAX_FORM_BYTES:
            raise ApiError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                problem("too_large", f"expected a form of at most {_MAX_FORM_BYTES} bytes", "paste the token alone"),
            )
    try:
        fields = parse_qs(content.decode("ascii"), max_num_fields=4)
    except ValueError:
        return ""
    return fields.get("token", [""])[0].strip()
