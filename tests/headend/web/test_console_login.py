"""Logging in and out: what the cookie is, when it ends, and which forms are refused."""

import pytest

from headend.tokens import SESSION_S, Scope
from headend.web.guard import SESSION_COOKIE
from tests.headend.web.world import Served

FORM = {"content-type": "application/x-www-form-urlencoded"}


async def test_a_token_becomes_a_cookie_that_script_and_other_sites_cannot_use(served: Served) -> None:
    secret = served.token(Scope.CONSOLE)
    async with served.client() as browser:
        answer = await browser.post("/console/login", data={"token": f"  {secret}\n"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/")
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/console"} <= {part.strip() for part in cookie.split(";")}
        assert "Secure" not in cookie
        assert secret not in cookie
        page = await browser.get("/console/")
        assert page.status_code == 200
        assert "Log out" in page.text


async def test_over_tls_the_cookie_is_secure(served: Served) -> None:
    secret = served.token(Scope.CONSOLE)
    async with served.client() as browser:
        answer = await browser.post("https://127.0.0.1:8080/console/login", data={"token": secret})
    assert "Secure" in answer.headers["set-cookie"]


async def test_a_session_ends_after_a_shift(served: Served) -> None:
    secret = served.token(Scope.CONSOLE, life_s=10 * SESSION_S)
    async with served.client() as browser:
        await browser.post("/console/login", data={"token": secret})
        cookie = {"Cookie": f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}"}
        served.clock.at += SESSION_S - 1
        assert (await browser.get("/console/", headers=cookie)).status_code == 200
        served.clock.at += 1
        assert (await browser.get("/console/", headers=cookie)).status_code == 401


async def test_a_session_ends_with_its_token(served: Served) -> None:
    secret = served.token(Scope.CONSOLE, life_s=60)
    async with served.client() as browser:
        answer = await browser.post("/console/login", data={"token": secret})
        assert "Max-Age=60" in answer.headers["set-cookie"]
        cookie = {"Cookie": f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}"}
        served.clock.at += 60
        assert (await browser.get("/console/", headers=cookie)).status_code == 401


async def test_logging_out_ends_the_session_on_the_server_too(served: Served) -> None:
    secret = served.token(Scope.CONSOLE)
    async with served.client() as browser:
        await browser.post("/console/login", data={"token": secret})
        cookie = {"Cookie": f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}"}
        answer = await browser.post("/console/logout", headers=cookie)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
        assert (await browser.get("/console/", headers=cookie)).status_code == 401


async def test_without_a_session_the_console_is_the_form(served: Served) -> None:
    async with served.client() as browser:
        for path in ("/console/", "/console/windows", "/console/nothing"):
            answer = await browser.get(path)
            assert answer.status_code == 401
            assert '<form method="post" action="/console/login"' in answer.text
            assert "tree size" not in answer.text


async def test_an_unknown_token_gets_the_form_again_and_is_not_repeated(served: Served) -> None:
    async with served.client() as browser:
        answer = await browser.post("/console/login", data={"token": "sakshi_nope<script>"})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "nope" not in answer.text


async def test_a_token_without_the_console_scope_does_not_log_in(served: Served) -> None:
    secret = served.token(Scope.READ_WINDOWS, Scope.READ_METERS)
    async with served.client() as browser:
        answer = await browser.post("/console/login", data={"token": secret})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert "scope console" in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_form_from_another_site_is_refused(served: Served, site: str) -> None:
    secret = served.token(Scope.CONSOLE)
    async with served.client(secret) as browser:
        for path in ("/console/login", "/console/logout"):
            answer = await browser.post(path, data={"token": secret}, headers={"Sec-Fetch-Site": site})
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_a_form_of_the_console_itself_is_taken(served: Served, site: str) -> None:
    secret = served.token(Scope.CONSOLE)
    async with served.client() as browser:
        answer = await browser.post("/console/login", data={"token": secret}, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 303


POSTED: list[tuple[bytes, dict[str, str], int]] = [
    (b"", FORM, 401),
    (b"token", FORM, 401),
    (b"other=1", FORM, 401),
    (b"token=%FF%FE", FORM, 401),
    (b"\xff\xfe", FORM, 401),
    (b"a=1&b=2&c=3&d=4&e=5", FORM, 401),
    (b"token=" + b"x" * 1018, FORM, 401),
    (b"token=" + b"x" * 1019, FORM, 413),
    (b'{"token": "x"}', {"content-type": "application/json"}, 415),
    (b"token=x", {}, 415),
]


async def test_whatever_is_posted_to_the_form_opens_nothing(served: Served) -> None:
    async with served.client() as browser:
        for content, headers, status in POSTED:
            answer = await browser.post("/console/login", content=content, headers=headers)
            assert answer.status_code == status, content
            assert "set-cookie" not in answer.headers


async def test_the_style_sheet_loads_nothing_from_elsewhere(served: Served) -> None:
    async with served.client() as browser:
        answer = await browser.get("/console/console.css")
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "url(" not in answer.text
    assert "@import" not in answer.text
