"""Contexts: who calls, where the answer goes, and which addresses may be called."""

import pytest

from ledger_client.beckn.context import Action, context_fields, host_of, is_callable, message_id_of, read_context
from ledger_client.beckn.fields import MAX_DURATION_S, MAX_TEXT, as_text, duration_s, duration_text, message
from ledger_client.beckn.refusal import RefusedError
from tests.ledger_client.beckn.messages import NOW, STATUS, changed


@pytest.mark.parametrize(
    "uri",
    [
        "https://a.example", "https://a.example:8443/bap/receiver/", "http://127.0.0.1:1/x", "http://[::1]/x",
        "http://localhost/x", "https://127.0.0.1",
    ],
)  # fmt: skip
def test_an_address_that_may_be_called(uri: str) -> None:
    assert is_callable(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "", "a.example", "http://a.example", "http://127.0.0.1.a.example", "ftp://a.example", "ftp://127.0.0.1", "https://", "https://u@a.example",
        "https://a.example?x", "https://a.example/#x", "https://a.example:99999", "https://a.example/ x", "https://[::1",
        "https://a.example/\u00fc", "HTTPS//a.example", "file:///x",
    ],
)  # fmt: skip
def test_an_address_that_may_not_be_called(uri: str) -> None:
    assert not is_callable(uri)


def test_the_caller_of_an_answer_is_who_answers() -> None:
    body = changed((("context", "action"), "on_status"))
    assert read_context(message(body), Action.ON_STATUS).caller_id == "discom.example.org"


def test_a_context_comes_back_as_it_was_written() -> None:
    context = read_context(STATUS, Action.STATUS)
    assert context_fields(context, NOW) == STATUS["context"]


def test_a_callback_has_one_slash() -> None:
    for uri in ("https://a.example/bap", "https://a.example/bap/"):
        context = read_context(message(changed((("context", "bapUri"), uri))), Action.STATUS)
        assert context.callback_url == "https://a.example/bap/on_status"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("m-1", "m-1"), ("x" * 128, "x" * 128), ("x" * 129, None), ("", None), ("a b", None), (7, None), (None, None)],
)
def test_an_id_is_repeated_in_a_nack_only_if_it_can_be_one(value: object, expected: str | None) -> None:
    assert message_id_of({"context": {"messageId": value}}) == expected
    assert message_id_of({"context": []}) is None
    assert message_id_of({}) is None


def test_hosts_are_compared_in_lower_case() -> None:
    assert host_of("https://A.Example:1/x") == "a.example"
    assert host_of("x") == ""


@pytest.mark.parametrize(
    ("length_s", "text"), [(3600, "PT1H"), (900, "PT15M"), (5400, "PT1H30M"), (10, "PT10S"), (86_400, "PT24H")]
)
def test_a_length_is_written_and_read(length_s: int, text: str) -> None:
    assert duration_text(length_s) == text
    assert duration_s(text, "x") == length_s


@pytest.mark.parametrize(("text", "length_s"), [("PT1S", 1), ("P31D", MAX_DURATION_S), ("P30DT24H", MAX_DURATION_S)])
def test_a_length_on_the_bound_is_taken(text: str, length_s: int) -> None:
    assert duration_s(text, "x") == length_s


@pytest.mark.parametrize(
    "text", ["PT0S", "P31DT1S", "P1DT", "P", "PT", "", "PT1H ", "-PT1H", "P1Y", "PT1.5H", "pt1h", "PT99999H"]
)
def test_a_length_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RefusedError) as caught:
        duration_s(text, "x")
    assert caught.value.refusal.path == "x"


def test_a_text_on_the_bound_is_taken() -> None:
    assert as_text("x" * MAX_TEXT, "x")
    for wrong in ("", "x" * (MAX_TEXT + 1), "\x7f", "a\u2028b", "\ud800", "\udfff"):
        with pytest.raises(RefusedError):
            as_text(wrong, "x")
