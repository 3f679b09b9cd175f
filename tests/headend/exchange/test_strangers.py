"""Keys that were never verified are looked up seldom and few at once; those that were, always."""

from contextlib import ExitStack

from headend.exchange.strangers import Strangers

NOW = 1_777_200_000


def test_strangers_share_a_pace_and_known_keys_do_not() -> None:
    strangers = Strangers(per_minute=2)
    strangers.know("known")

    def comes(key: str, at: int) -> bool:
        with strangers.admitted(key, at) as may_come:
            return may_come

    assert [comes(name, NOW) for name in ("a", "b", "c")] == [True, True, False]
    assert comes("known", NOW)
    assert comes("c", NOW + 60)


def test_only_so_many_strangers_are_looked_up_at_once() -> None:
    strangers = Strangers(at_once=2)
    strangers.know("known")
    with ExitStack() as stack:
        assert stack.enter_context(strangers.admitted("a", NOW))
        assert stack.enter_context(strangers.admitted("b", NOW))
        assert not stack.enter_context(strangers.admitted("c", NOW))
        assert stack.enter_context(strangers.admitted("known", NOW))
    with strangers.admitted("c", NOW) as may_come:
        assert may_come
