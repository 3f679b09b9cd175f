"""Progress on standard error: soon at a terminal, seldom elsewhere, and nothing of what is short."""

import io

from headend.commands.progress import Progress, Telling, along


class Terminal(io.StringIO):
    """A stream that somebody watches."""

    def isatty(self) -> bool:
        return True


def told(stream: io.StringIO, *seconds: float, first_s: float | None = None) -> list[str]:
    """What is said when one more of as many as there are times is done at each of them."""
    now = [0.0]
    tell = Progress("windows", stream=stream, clock=lambda: now[0], first_s=first_s)
    for done, at_s in enumerate(seconds, start=1):
        now[0] = at_s
        tell(done, len(seconds))
    return stream.getvalue().splitlines()


def test_short_work_goes_without_a_word() -> None:
    assert told(io.StringIO(), 1, 5, 9.9) == []
    assert told(Terminal(), 1, 1.9) == []


def test_long_work_is_told_now_and_then_and_its_end_is_told() -> None:
    assert told(io.StringIO(), 9.9, 10, 19.9, 20, 21) == [f"{done} of 5 windows" for done in (2, 4, 5)]
    assert told(Terminal(), 1.9, 2, 3.9, 4, 4.1) == [f"{done} of 5 windows" for done in (2, 4, 5)]


def test_work_that_is_long_by_its_nature_is_told_at_once() -> None:
    assert told(io.StringIO(), 0.1, 0.2, 0.3, first_s=0) == ["1 of 3 windows", "3 of 3 windows"]


def test_what_is_gone_along_is_whole() -> None:
    assert list(along(("a", "b"), "letters")) == ["a", "b"]


def test_the_parts_of_one_work_count_their_time_from_its_beginning() -> None:
    now, stream = [0.0], io.StringIO()
    tell = Telling(stream=stream, clock=lambda: now[0])
    tell("rows read", 1, 1)
    now[0] = 11.0
    tell("meters recorded", 1, 3)
    tell("meters recorded", 2, 3)
    tell("meters recorded", 3, 3)
    assert stream.getvalue().splitlines() == ["1 of 3 meters recorded", "3 of 3 meters recorded"]
