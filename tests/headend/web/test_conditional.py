"""Accept and If-None-Match, at their edges."""

import pytest
from starlette.requests import Request
from starlette.responses import Response

from headend.web import conditional
from headend.web.problems import ApiError

OFFERED = ("application/json", "application/cose")


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw})


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        (",,", "application/json"),
        ("application/*", "application/json"),
        ("application/cose", "application/cose"),
        ("APPLICATION/COSE", "application/cose"),
        ('application/cose; cose-type="cose-sign1"', "application/cose"),
        ("application/json;q=0.1, application/cose", "application/cose"),
        ("application/json;q=0, */*", "application/cose"),
        ("application/cose;q=0.5, */*;q=0.6", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/cose;q=7, application/json", "application/json"),
    ],
)
def test_the_form_that_is_wanted_most_is_given(accept: str, kind: str) -> None:
    assert conditional.wanted(request(accept=accept), OFFERED) == kind


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0, application/cose;q=0", "*/*;q=x", "x" * 5000])
def test_a_form_that_does_not_exist_is_refused(accept: str) -> None:
    with pytest.raises(ApiError, match="application/json and application/cose") as caught:
        conditional.wanted(request(accept=accept), OFFERED)
    assert caught.value.status == 406


def test_no_accept_header_is_the_first_form() -> None:
    assert conditional.wanted(request(), OFFERED) == "application/json"


@pytest.mark.parametrize(
    ("tag", "held", "status"),
    [
        ('"a"', '"a"', 304),
        ('"a"', 'W/"a"', 304),
        ('W/"a"', '"a"', 304),
        ('W/"a"', '"b", W/"a"', 304),
        ('"a"', "*", 304),
        ('"a"', '"b"', 200),
        ('"a"', "a", 200),
        ('"a"', "", 200),
    ],
)
def test_tags_are_compared_weakly(tag: str, held: str, status: int) -> None:
    answer = conditional.answer(request(if_none_match=held), tag=tag, vary=None, build=lambda: Response(b"body"))
    assert answer.status_code == status
    assert answer.headers["etag"] == tag
    assert "vary" not in answer.headers
    assert (answer.body == b"") is (status == 304)
