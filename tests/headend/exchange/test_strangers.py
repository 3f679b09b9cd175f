"""Keys that were never verified are looked up seldom and few at once; those that were, always."""

from contextlib import ExitStack

import pytest

from headend.exchange import strangers as strangers_module
from headend.exchange.strangers import KnownKeys, Strangers, named
from tests.ledger_client.rehearsal import SELLER_PLATFORM, signer

NOW = 1_777_200_000


def known(*keys: str) -> KnownKeys:
    found = KnownKeys()
    for key in keys:
        found.know(key)
    return found


def test_who_is_known_is_counted_by_its_key_and_everybody_else_together() -> None:
    authorization = signer(SELLER_PLATFORM).sign(b"", created=NOW, expires=NOW + 60)
    key = named(authorization)
    assert key == f"{SELLER_PLATFORM}|k1|ed25519"
    assert known(key).crowd(authorization) == key
    assert {known("another").crowd(said) for said in (authorization, None, "", "Signature x")} == {""}


def test_keys_that_come_seldom_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers_module, "_MOST_KNOWN", 2)
    keys = known("a", "b", "a", "c")
    assert [keys.knows(name) for name in "abc"] == [True, False, True]


def test_strangers_share_a_pace_and_known_keys_do_not() -> None:
    strangers = Strangers(known("known"), per_minute=2)

    def comes(key: str, at: int) -> bool:
        with strangers.admitted(key, at) as may_come:
            return may_come

    assert [comes(name, NOW) for name in ("a", "b", "c")] == [True, True, False]
    assert comes("known", NOW)
    assert comes("c", NOW + 60)


def test_only_so_many_strangers_are_looked_up_at_once() -> None:
    strangers = Strangers(known("known"), at_once=2)
    with ExitStack() as stack:
        assert stack.enter_context(strangers.admitted("a", NOW))
        assert stack.enter_context(strangers.admitted("b", NOW))
        assert not stack.enter_context(strangers.admitted("c", NOW))
        assert stack.enter_context(strangers.admitted("known", NOW))
    with strangers.admitted("c", NOW) as may_come:
        assert may_come
