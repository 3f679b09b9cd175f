"""One at a time, in order, the late ones last, and a cancelled one stops nobody."""

import asyncio

import pytest

from edge_agent.readers.modbus.turns import Turns


class Line:
    """Who had the line, in order; each holds it until told."""

    def __init__(self) -> None:
        self.turns = Turns(yield_s=0.01)
        self.had: list[str] = []
        self.holding = 0
        self.go_on = asyncio.Event()

    async def use(self, who: str) -> None:
        async with self.turns.turn(who):
            self.holding += 1
            assert self.holding == 1
            self.had.append(who)
            await self.go_on.wait()
            self.holding -= 1

    def begin(self, who: str) -> asyncio.Task[None]:
        return asyncio.create_task(self.use(who))


async def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_turns_come_in_order() -> None:
    line = Line()
    tasks = [line.begin(who) for who in "abc"]
    await settle()
    assert line.had == ["a"]
    line.go_on.set()
    await asyncio.gather(*tasks)
    assert line.had == ["a", "b", "c"]


async def test_one_that_was_late_comes_after_all_others_until_it_answers() -> None:
    line = Line()
    line.turns.was_late("gone")
    tasks = [line.begin(who) for who in ("a", "gone", "b", "c")]
    await asyncio.sleep(0.02)
    line.go_on.set()
    await asyncio.gather(*tasks)
    assert line.had == ["a", "b", "c", "gone"]
    line.turns.was_there("gone")
    line.go_on.clear()
    tasks = [line.begin(who) for who in ("a", "gone", "b")]
    await settle()
    line.go_on.set()
    await asyncio.gather(*tasks)
    assert line.had[4:] == ["a", "gone", "b"]


async def test_one_that_was_late_lets_those_go_first_that_come_a_moment_later() -> None:
    line = Line()
    line.turns.was_late("gone")
    tasks = [line.begin("gone"), line.begin("a")]
    await settle()
    assert line.had == ["a"]
    line.go_on.set()
    await asyncio.gather(*tasks)


async def test_a_cancelled_one_leaves_the_queue() -> None:
    line = Line()
    tasks = [line.begin(who) for who in "abc"]
    await settle()
    tasks[1].cancel()
    line.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    await asyncio.gather(tasks[0], tasks[2])
    assert line.had == ["a", "c"]


async def test_a_turn_that_comes_to_a_cancelled_one_goes_to_the_next() -> None:
    line = Line()
    line.go_on.set()
    async with line.turns.turn("a"):
        tasks = [line.begin(who) for who in "bc"]
        await settle()
    # The turn is `b`'s already, which is not awake yet.
    tasks[0].cancel()
    async with asyncio.timeout(1):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert line.had == ["c"]


async def test_a_line_that_everybody_left_is_free() -> None:
    line = Line()
    line.go_on.set()
    await line.use("a")
    await asyncio.wait_for(line.use("b"), 1)
