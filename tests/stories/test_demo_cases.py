"""The cases of `make demo` in which somebody acts, or a device is changed: what is shown is what happened."""

import re
from pathlib import Path

import pytest

from tests.stories.play import Played, once
from tests.stories.test_demo import KEYS, METERS, SIGNED, kwh, postings, require_truth, simulated, verify_again

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(240)]


def played(folder: Path, case: str) -> Played:
    """The case, which settled and came out as it should."""
    found = once(folder, "--broker", "embedded", "--case", case)
    assert found.code == 0, found.said + found.complained
    assert set(found.values) == {*KEYS, "case"}
    assert found.values["contracts"] == SIGNED
    assert found.values["verified"] is True
    assert found.values["case"]["as_it_should"] is True
    return found


def said_before(found: Played, first: str, second: str) -> bool:
    """Whether one line was said before another one."""
    return found.said.index(first) < found.said.index(second)


def test_a_block_that_the_meter_gave_late_is_asked_for_and_settles(tmp_path: Path) -> None:
    found = played(tmp_path / "state", "gap")
    assert found.values["case"]["rereads"] == 1
    require_truth(found, "seller")
    asked = "PaVVNL lacks that block, and asked gw-meerut-1 for it by a signed command"
    assert said_before(found, asked, "the exchange allocated 6.000 kWh to the seller's side")
    assert re.search(r"asked for again, seller +the block of \S+ 10:15:00 IST: 1 signed command", found.said)
    assert found.values["settled_kwh"] == "6.000"


def test_a_window_across_an_exchange_of_meters_has_two_parts_each_proven_by_its_own_device(tmp_path: Path) -> None:
    found = played(tmp_path / "state", "exchange")
    parts = found.values["case"]["parts"]
    assert [part["meter"] for part in parts] == ["SKS1000001", "SKS1000002"]
    assert [(part["counts"]["valid"], part["counts"]["expected"]) for part in parts] == [(4, 4), (4, 4)]
    # Both devices hung at one home: together they measured what either of them did.
    _, exported = found.truth(METERS["seller"])
    assert found.values["metered"]["seller"]["export_kwh"] == kwh(exported)
    assert sum(part["measured"]["export_wh"] for part in parts) == exported
    said = verify_again(found, "seller")
    assert "serial number SKS1000001" in said
    assert "serial number SKS1000002" in said
    # No register that a meter signed stands at the exchange, so no balance confirms the parts.
    assert found.values["case"]["status"] == "PROVISIONAL"
    assert "  status: PROVISIONAL\n" in said
    assert found.values["settled_kwh"] == "6.000"


def test_a_held_figure_is_told_to_nobody_until_it_is_released(tmp_path: Path) -> None:
    found = played(tmp_path / "state", "hold")
    assert found.values["case"]["pushed_kwh_while_held"] is None
    assert said_before(found, "posts nothing of it: HELD", "asha released hold 1")
    assert said_before(found, "asha released hold 1", "the exchange allocated 6.000 kWh to the seller's side")
    assert found.said.count("by asha: ") == 4
    assert postings(found, "PaVVNL") == ["CONFIRMED"]
    require_truth(found, "seller")


def test_an_outage_shows_in_the_blocks_and_settles_what_was_delivered(tmp_path: Path) -> None:
    found = played(tmp_path / "state", "outage")
    require_truth(found, "seller")
    values = found.values
    starts = [found.window.start_utc + 1800 + place * 900 for place in range(4)]
    assert len(values["case"]["unsupplied"]) == len(starts)
    assert re.search(r"no power, seller +4 blocks from \S+ 10:30:00 IST", found.said)
    # Half a window is less than was traded: that much settles.
    assert values["settled_kwh"] == values["pushed_kwh"] == values["metered"]["seller"]["export_kwh"]
    assert 0 < float(values["settled_kwh"]) < 6
    # What is short is no default: the exchange has it in the discom's word.
    assert values["case"]["status"] == "CURTAILED_OUTAGE"
    assert re.search(r"said of it, seller +CURTAILED_OUTAGE", found.said)


def test_a_block_that_two_persons_state_is_told_apart_from_what_was_measured(tmp_path: Path) -> None:
    found = played(tmp_path / "state", "edit")
    case = found.values["case"]
    assert case["status"] == "PROVISIONAL"
    assert {name: case["counts"][name] for name in ("expected", "valid", "manual", "missing")} == {
        "expected": 8, "valid": 7, "manual": 1, "missing": 0,
    }  # fmt: skip
    # What the meter gave stands apart from what was stated; the figure is both.
    _, exported = found.truth(METERS["seller"])
    stated = case["manual"]["export_wh"]
    assert case["measured"]["export_wh"] == exported
    # The same home with a meter that lacks nothing.
    assert exported + stated == simulated(tmp_path / "whole", 1, found.window)["seller"][1]
    assert found.values["metered"]["seller"]["export_kwh"] == kwh(exported + stated)
    said = verify_again(found, "seller")
    assert "  status: PROVISIONAL\n" in said
    assert "by A. Rao, approved by B. Sen" in said
    assert said_before(found, "A. Rao proposes", "B. Sen approves")
    assert said_before(found, "B. Sen approves", "the exchange allocated 6.000 kWh to the seller's side")
    assert postings(found, "PaVVNL") == ["CONFIRMED"]


def test_a_contested_window_is_held_until_two_persons_refuse_the_dispute(tmp_path: Path) -> None:
    found = played(tmp_path / "state", "dispute")
    case = found.values["case"]
    # Nothing was told before, and nothing between the two signatures.
    assert case["pushed_kwh_while_contested"] == [None, None]
    assert case["signed"] == ["A. Rao", "B. Sen"]
    assert "TPDDL, letter 17" in case["dispute"]
    assert case["dispute"].endswith(" by A. Rao and B. Sen: refused: the blocks that its meter gave stand")
    assert said_before(found, "posts nothing of it: HELD", "A. Rao refuses dispute 1; another person has to sign it")
    refused = "dispute 1 is refused by A. Rao and B. Sen"
    assert said_before(found, "A. Rao refuses dispute 1", refused)
    assert said_before(found, refused, "the exchange allocated 6.000 kWh to the seller's side")
    assert postings(found, "PaVVNL") == ["CONFIRMED"]
    require_truth(found, "seller")


def test_registers_that_another_system_read_differently_leave_the_window_undecided_and_unposted(tmp_path: Path) -> None:
    found = played(tmp_path / "state", "origin")
    case = found.values["case"]
    assert case["status"] == "PENDING"
    assert "V32 ORIGIN is stated" in case["reason"]
    assert found.values["pushed_kwh"] is found.values["settled_kwh"] is None
    assert found.values["metered"]["seller"] == {"import_kwh": None, "export_kwh": None}
    assert (postings(found, "PaVVNL"), postings(found, "TPDDL")) == ([], ["CONFIRMED"])
    # The other side of the trade is untouched.
    assert found.values["pulled_kwh"] == "6.000"
    require_truth(found, "buyer")
    said = verify_again(found, "seller")
    assert "  status: PENDING\n" in said
    assert "V32 version 1: SUSPECT at " in said
