import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.backfill import Wire
from edge_agent.errors import MeterUnavailableError
from edge_agent.lines import Line, line_of, wire_of


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("dlms+hdlc+tcp://192.0.2.7:4059?physical=17", "192.0.2.7:4059"),
        ("dlms+hdlc+tcp://192.0.2.7?physical=18", "192.0.2.7:4059"),
        ("dlms+tcp://192.0.2.7:4059", None),
        ("dlms-cosem+tcp://192.0.2.7:4059", None),
        ("modbus+tcp://192.0.2.8:502", None),
        ("dlms+tcp://192.0.2.7:notaport", None),
    ],
)
def test_meters_behind_one_converter_share_a_line(url: str, line: str | None) -> None:
    assert line_of(url) == line


def test_a_serial_device_is_one_line_under_all_its_paths(tmp_path: Path) -> None:
    device, alias = tmp_path / "ttyUSB0", tmp_path / "meters"
    device.touch()
    alias.symlink_to(device)
    assert line_of(f"dlms+serial:{alias}?baud=9600") == line_of(f"dlms+serial:{device}") == str(device)


@pytest.mark.parametrize(
    ("url", "line_bps", "wire"),
    [
        ("dlms+serial:/dev/ttyUSB0", None, Wire(bps=9600, frame_octets=128)),
        (
            "dlms+serial:/dev/ttyUSB0?baud=1200&frame=512&pdu=256",
            None,
            Wire(bps=1200, frame_octets=512, pdu_octets=256),
        ),
        ("dlms+hdlc+tcp://192.0.2.7", None, Wire(frame_octets=128)),
        ("dlms+hdlc+tcp://192.0.2.7", 2400, Wire(bps=2400, frame_octets=128)),
        ("dlms+tcp://192.0.2.7", None, Wire()),
        ("dlms+tcp://192.0.2.7?pdu=0", None, Wire()),
        ("dlms+tcp://192.0.2.7:notaport", 9600, Wire(bps=9600)),
    ],
)
def test_what_carries_the_answers_stands_in_the_url(url: str, line_bps: int | None, wire: Wire) -> None:
    assert wire_of(url, line_bps) == wire


class Queue:
    """Who comes to a line, and who had it."""

    def __init__(self) -> None:
        self.line = Line()
        self.served: list[str] = []

    async def comes(self, name: str, is_urgent: Callable[[], bool], within_s: float = 60) -> None:
        async with self.line.turn(is_urgent, within_s=within_s):
            self.served.append(name)


def yes() -> bool:
    return True


def no() -> bool:
    return False


async def test_who_has_something_due_goes_first_and_among_equals_who_came_first() -> None:
    queue = Queue()
    async with queue.line.turn(yes, within_s=1):
        waiting = [
            asyncio.create_task(queue.comes(name, urgent))
            for name, urgent in (("past 1", no), ("due 1", yes), ("past 2", no), ("due 2", yes))
        ]
        await asyncio.sleep(0)
        assert queue.served == []
    await asyncio.gather(*waiting)
    assert queue.served == ["due 1", "due 2", "past 1", "past 2"]


async def test_what_comes_due_while_it_waits_goes_first_then() -> None:
    queue, due = Queue(), False
    async with queue.line.turn(yes, within_s=1):
        waiting = [
            asyncio.create_task(queue.comes(name, urgent)) for name, urgent in (("past", no), ("late", lambda: due))
        ]
        await asyncio.sleep(0)
        assert not queue.line.is_wanted()
        due = True
        assert queue.line.is_wanted()
    await asyncio.gather(*waiting)
    assert queue.served == ["late", "past"]


async def test_a_line_is_passed_on_whatever_became_of_its_owner() -> None:
    queue = Queue()
    with pytest.raises(ZeroDivisionError):
        async with queue.line.turn(no, within_s=1):
            raise ZeroDivisionError
    await queue.comes("next", no)
    assert queue.served == ["next"]


async def test_who_waits_too_long_gives_up_with_a_reason_and_holds_nothing() -> None:
    queue = Queue()
    async with queue.line.turn(no, within_s=1):
        with pytest.raises(MeterUnavailableError, match=r"other meters held the line for 0\.01 s"):
            await queue.comes("impatient", yes, within_s=0.01)
        assert not queue.line.is_wanted()
    await queue.comes("next", no)
    assert queue.served == ["next"]


async def test_who_is_cancelled_in_the_moment_of_being_served_passes_the_line_on() -> None:
    queue = Queue()
    async with queue.line.turn(no, within_s=1):
        first, second = (asyncio.create_task(queue.comes(name, no)) for name in ("first", "second"))
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert queue.served == ["second"]
