"""Every route of the application, walked: closed without a token, closed to the wrong scope, refused when undeclared."""

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import Route

from headend.errors import StoreUnavailableError
from headend.tokens import Scope
from headend.web.access import ACCESS, REVOCATIONS, REVOKED, Needs, Public
from headend.web.guard import SESSION_COOKIE
from tests.headend.discom import METER
from tests.headend.web.world import BASE, Served, Story

MAY_BE_PUBLIC = {
    ("GET", "/v1/log/checkpoint"),
    ("GET", "/v1/log/tile/{path:path}"),
    ("GET", "/v1/trust"),
    ("GET", "/.well-known/did.json"),
    ("GET", REVOCATIONS),
    ("GET", REVOKED),
    ("GET", "/console/login"),
    ("POST", "/console/login"),
    ("GET", "/console/console.css"),
}
CLOSED = [(method, path, needs.scopes) for (method, path), needs in ACCESS.items() if isinstance(needs, Needs)]


def address(path: str, digest: str = "0" * 64, index: int = 1) -> str:
    """A path that the template matches."""
    filled = path.replace("{path:path}", "0/000.p/1").replace("{digest}", digest)
    return filled.replace("{index}", str(index)).replace("{meter}", METER)


def routes(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of everything that the application answers."""
    found = set()
    for route in app.routes:
        assert isinstance(route, Route), f"{route} hides routes: the table cannot name them"
        found |= {(method, route.path) for method in route.methods or () if method != "HEAD"}
    return found


def test_the_table_declares_exactly_the_routes_of_the_application(served: Served) -> None:
    assert routes(served.app()) == set(ACCESS)


def test_only_what_verifies_evidence_and_the_form_itself_is_public() -> None:
    public = {route for route, access in ACCESS.items() if isinstance(access, Public)}
    assert public == MAY_BE_PUBLIC
    assert all(access.because for access in ACCESS.values() if isinstance(access, Public))


async def test_every_closed_route_is_401_without_a_token_and_403_with_every_other_scope(served: Served) -> None:
    app = served.app()
    strange = [{}, {"Authorization": "Bearer sakshi_wrong"}, {"Authorization": "Basic c2FrOnNoaQ=="}]
    secrets = {scope: served.token(scope) for scope in Scope}
    async with served.client(app=app) as client:

        async def status(method: str, path: str, headers: dict[str, str]) -> int:
            return (await client.request(method, address(path), headers=headers)).status_code

        for method, path, scopes in CLOSED:
            assert {await status(method, path, headers) for headers in strange} == {401}, path
            for scope, secret in secrets.items():
                got = await status(method, path, {"Authorization": f"Bearer {secret}"})
                if scope in scopes:
                    assert got not in {401, 403, 500}, f"{path} with {scope}"
                else:
                    assert got == 403, f"{path} with {scope}"
    assert len(CLOSED) > 25


async def test_a_public_route_needs_no_token(served: Served) -> None:
    served.found()
    async with served.client() as stranger:
        for method, path in sorted(MAY_BE_PUBLIC):
            # A look-up of what is not revoked is 404, for everybody alike.
            if method == "GET" and path not in {REVOCATIONS, REVOKED}:
                assert (await stranger.get(address(path))).status_code == 200, path
        answer = await stranger.post("/console/login", data={"token": "x"})
    assert "No such token" in answer.text


async def test_a_path_without_a_route_is_401_to_strangers_and_404_to_others(served: Served) -> None:
    app = served.app()
    async with served.client(app=app) as stranger, served.client(served.token(*Scope), app) as known:
        for path in ("/", "/nothing", "/v1/", "/v1/meters/", "/docs", "/redoc", "/console", "/v1/log/tile"):
            assert (await stranger.get(path)).status_code == 401, path
            answer = await known.get(path)
            assert answer.status_code == 404, path
            assert answer.headers["content-type"] == "application/json"


async def test_a_route_that_nobody_declared_is_refused_whoever_asks(served: Served) -> None:
    app = served.app()
    router = APIRouter()
    reached = []

    def handler() -> str:
        reached.append(1)
        return "secret"

    app.add_api_route("/v1/new", handler, methods=["GET"])
    app.add_api_route("/v1/meters", handler, methods=["DELETE"])
    router.add_api_route("/v1/routed", handler, methods=["GET"])
    app.include_router(router)
    app.mount("/v1/mounted", FastAPI())
    with pytest.raises(AssertionError):
        assert routes(app) == set(ACCESS)
    async with served.client(served.token(*Scope), app) as client:
        answers = [
            await client.get("/v1/new"),
            await client.delete("/v1/meters"),
            await client.get("/v1/routed"),
            await client.get("/v1/mounted/openapi.json"),
        ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert {answer.json()["code"] for answer in answers} == {"undeclared_route"}
    async with served.client(app=app) as stranger:
        assert (await stranger.get("/v1/new")).status_code == 401
    assert not reached


async def test_a_token_that_expired_or_was_revoked_opens_nothing(served: Served) -> None:
    secret = served.token(Scope.READ_METERS, life_s=60)
    async with served.client(secret) as client:
        assert (await client.get("/v1/meters")).status_code == 200
        served.clock.at += 60
        expired = await client.get("/v1/meters")
    assert expired.status_code == 401
    assert expired.json()["code"] == "unauthenticated"
    assert expired.headers["www-authenticate"].startswith("Bearer")


async def test_a_session_cookie_opens_the_console_and_never_the_api(served: Served) -> None:
    app = served.app()
    secret = served.token(*Scope)
    async with served.client(app=app) as browser:
        answer = await browser.post("/console/login", data={"token": secret})
        assert answer.status_code == 303
        assert (await browser.get("/console/")).status_code == 200
        cookie = browser.cookies[SESSION_COOKIE]
        for host in ("127.0.0.1:8080", "x/console/", "x/console/?"):
            headers = {"Cookie": f"{SESSION_COOKIE}={cookie}", "Host": host}
            answer = await browser.get("/v1/meters", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/json"


async def test_a_web_socket_is_closed_before_it_opens(served: Served) -> None:
    sent = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/meters", "headers": [], "query_string": b"", "subprotocols": []}
    await served.app()(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_every_answer_forbids_sniffing_framing_and_foreign_content(story: Story) -> None:
    async with story.served.client(story.served.token(*Scope)) as client:
        for path in ("/v1/meters", "/console/", "/v1/log/checkpoint", "/nothing"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy


async def test_a_store_that_cannot_be_read_is_503_and_names_no_file(served: Served) -> None:
    secret = served.token(*Scope)

    class Broken:
        def token(self, fingerprint: bytes) -> None:
            raise StoreUnavailableError(f"cannot read '{served.headend.folder}'")

        session = token
        open_session = close_session = None

    served.tokens = Broken()  # type: ignore[assignment]  # a store whose disk is gone
    app = served.app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
        answer = await client.get("/v1/meters", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 503
    assert answer.json()["code"] == "store_unavailable"
    assert str(served.headend.folder) not in answer.text
