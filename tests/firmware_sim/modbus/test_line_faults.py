"""Faults of a line by name: what is told of an answer, and when."""

import pytest

from firmware_sim.errors import SetupError
from firmware_sim.modbus.line_faults import LINE_FAULTS, Late, Noisy, Sent, Silent, Slow, on_line, parse_line_fault

ANSWER = b"\x01\x03\x02\x12\x34\xb5\x33"


def test_a_slow_line_is_slow_every_time() -> None:
    assert on_line(ANSWER, (Slow(seconds=0.5), Slow(seconds=0.25))) == Sent(octets=ANSWER, after_s=0.75)


def test_a_late_line_is_late_every_second_time() -> None:
    late = Late(2.0)
    assert [on_line(ANSWER, (late,)).after_s for _ in range(4)] == [2.0, 0.0, 2.0, 0.0]


def test_a_noisy_line_breaks_every_second_answer_and_leaves_the_others() -> None:
    noisy = Noisy()
    heard = [on_line(ANSWER, (noisy,)).octets for _ in range(6)]
    assert heard[1::2] == [ANSWER] * 3
    assert all(not broken.startswith(ANSWER) and len(broken) == len(ANSWER) + 3 for broken in heard[::2])


def test_a_silent_line_says_nothing_and_noise_on_nothing_is_nothing() -> None:
    assert on_line(ANSWER, (Silent(),)).octets == b""
    assert on_line(ANSWER, (Silent(), Noisy())).octets == b""


def test_every_fault_has_a_name() -> None:
    texts = {"slow": "slow=1", "late": "late=2.5", "noisy": "noisy", "silent": "silent"}
    assert set(texts) == set(LINE_FAULTS)
    for text in texts.values():
        assert parse_line_fault(text).on(Sent(octets=ANSWER)).after_s >= 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loud", "expected one of late, noisy, silent, slow, got 'loud'"),
        ("slow", "expected slow=SECONDS"),
        ("late=0", "more than 0"),
        ("late=60.5", "at most 60"),
        ("slow=nan", "more than 0"),
        ("slow=soon", "got 'soon'"),
        ("silent=1", "expected nothing after 'silent'"),
        ("noisy=1", "expected nothing after 'noisy'"),
    ],
)
def test_a_wrong_fault_is_named(text: str, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        parse_line_fault(text)


def test_a_minute_is_the_longest() -> None:
    assert parse_line_fault("late=60").on(Sent(octets=ANSWER)).after_s == 60
