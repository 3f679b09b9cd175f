"""The door: one middleware before every route, driven by the one table of `access`.

1. a public route is open, and so is one that verifies by itself what a subscriber signed
2. without a token or session that holds now: 401, whatever the path
3. a route that the table does not declare: 403, whoever asks
4. a token without one of the declared scopes: 403

A path that no route has is 404 only for those who got past 2.
"""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headend.errors import HeadendError
from headend.tokens import Token, Tokens, admitted, resumed
from headend.web import problems
from headend.web.access import Needs, Public, Signed, declared
from headend.web.desk import Door
from headend.web.problems import Denial, Problem
from ledger_client.beckn.refusal import Code, RefusedError

SESSION_COOKIE = "sakshi_session"
CONSOLE = "/console/"
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
)
_NO_STORE = ((b"cache-control", b"no-store"),)


class Guard:
    """ASGI middleware that lets through what the table opens to the caller."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[BaseRoute],
        tokens: Tokens,
        now: Callable[[], int],
        denial: Denial,
        door: Door | None = None,
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        """`door` verifies subscribers. `renamed`: what the table calls paths that the configuration chooses."""
        self._app = app
        self._routes = routes
        self._tokens = tokens
        self._now = now
        self._denial = denial
        self._door = door
        self._renamed = renamed or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses, or hands on with the caller's token in `state`."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # There are no web sockets; closing before accepting answers 403.
            await send({"type": "websocket.close", "code": 1008})
            return
        guarded = _with_security_headers(send)
        refusal = await self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, guarded)
        else:
            await refusal(scope, receive, guarded)

    async def _refusal(self, scope: Scope) -> Response | None:
        path = self._matched(scope)
        access = None if path is None else declared(scope["method"], path)
        if isinstance(access, Public | Signed):
            return None
        connection = HTTPConnection(scope)
        if isinstance(access, Needs) and access.subscribers and self._door is not None and _is_signed(connection):
            return await self._subscriber_refusal(self._door, connection)
        try:
            token = await run_in_threadpool(self._token, connection)
        except HeadendError as error:
            status, what = problems.unavailable(error)
            return self._denial(connection, status, what)
        if token is None:
            return self._denial(connection, HTTPStatus.UNAUTHORIZED, _UNKNOWN)
        scope.setdefault("state", {})["token"] = token
        forbidden = None if path is None else _forbidden(access, token)
        return None if forbidden is None else self._denial(connection, HTTPStatus.FORBIDDEN, forbidden)

    async def _subscriber_refusal(self, door: Door, connection: HTTPConnection) -> Response | None:
        """Lets a verified subscriber in, known by name; what it may see, the route decides."""
        try:
            subscriber = await run_in_threadpool(door.caller, connection.headers["authorization"], self._now())
        except RefusedError as error:
            status, what = _refusal_of(error)
            return self._denial(connection, status, what)
        connection.scope.setdefault("state", {})["subscriber"] = subscriber
        return None

    def _matched(self, scope: Scope) -> str | None:
        """The template of the route that will answer; empty, and so undeclared, for one that has none."""
        for route in self._routes:
            match, _ = route.matches(scope)
            if match is Match.FULL:
                path = getattr(route, "path", None) or ""
                return self._renamed.get(path, path)
        return None

    def _token(self, connection: HTTPConnection) -> Token | None:
        """The caller's token: from the Authorization header, or under the console from its session."""
        scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and secret:
            return admitted(self._tokens, secret.strip(), self._now())
        cookie = connection.cookies.get(SESSION_COOKIE)
        # A browser sends the cookie along on its own, so it opens pages only and never the API. The path is the one that is
        # routed; `url` is pieced together with the caller's Host header.
        if cookie and connection.scope["path"].startswith(CONSOLE):
            session = resumed(self._tokens, cookie, self._now())
            return None if session is None else session.token
        return None


def _is_signed(connection: HTTPConnection) -> bool:
    return connection.headers.get("authorization", "").partition(" ")[0].lower() == "signature"


def _refusal_of(error: RefusedError) -> tuple[HTTPStatus, Problem]:
    """How a subscriber is told no. One that is nobody here learns no more than that there is nothing for it."""
    refusal = error.refusal
    if refusal.code is Code.UNAUTHORIZED_ACTION:
        return HTTPStatus.NOT_FOUND, problems.problem(
            "not_found", "there is nothing here for this subscriber", "ask the discom's operator to be served"
        )
    if refusal.code is Code.POLICY:
        return HTTPStatus.TOO_MANY_REQUESTS, problems.problem("too_many_requests", refusal.message, "come later")
    return HTTPStatus(refusal.http_status), problems.problem(
        refusal.code.value, refusal.message, "sign the digest of the empty body anew, with a registered key"
    )


def _with_security_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = message["headers"]
            # Most answers are about somebody's home: what does not say otherwise is kept by nobody.
            kept = () if any(name.lower() == b"cache-control" for name, _ in given) else _NO_STORE
            message = {**message, "headers": [*given, *kept, *_SECURITY_HEADERS]}
        await send(message)

    return sending


def denied_json(_: HTTPConnection, status: HTTPStatus, what: Problem) -> Response:
    """A refusal for programs."""
    headers = {"WWW-Authenticate": 'Bearer realm="sakshi"'} if status is HTTPStatus.UNAUTHORIZED else {}
    return problems.answered(status, what, headers)


_UNKNOWN = problems.problem(
    "unauthenticated",
    "expected a bearer token that holds now, got none, or one that is unknown, expired or revoked",
    "send `Authorization: Bearer …`; the operator makes tokens with `sakshi-headend token create`",
)
_UNDECLARED = problems.problem(
    "undeclared_route",
    "nobody may use this route: headend/web/access.py does not declare it",
    "report this as a defect; every route is declared before it opens",
)


def _forbidden(access: Needs | None, token: Token) -> Problem | None:
    """Why a route stays closed to a token that holds, or none."""
    if access is None:
        return _UNDECLARED
    if not access.scopes.isdisjoint(token.scopes):
        return None
    return problems.problem(
        "forbidden",
        f"expected a token with scope {access.words}",
        "ask the operator for a token with that scope: `sakshi-headend token create --scope …`",
    )
