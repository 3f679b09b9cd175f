"""Faults of the registers by name: what the words say, while the truth goes on."""

import pytest

from firmware_sim.errors import SetupError
from firmware_sim.meter import Energies
from firmware_sim.modbus.command import faulty
from firmware_sim.modbus.personalities import MAPS
from firmware_sim.modbus.shown import REGISTER_FAULTS, bent, parse_register_fault
from firmware_sim.modbus.table import HOLDING
from tests.firmware_sim.meters import NOW, import_only, seller

AT = "2026-11-19T12:07:30+05:30"


def shown(at: int, *texts: str, end_wh: int = 10**10) -> Energies:
    return bent(seller(), [parse_register_fault(text) for text in texts], end_wh).registers(at)


def test_a_reset_begins_again_at_zero() -> None:
    assert shown(NOW - 1, f"reset={AT}") == seller().registers(NOW - 1)
    assert shown(NOW, f"reset={AT}") == Energies(imported_wh=0, exported_wh=0)
    gained = seller().registers(NOW + 900).imported_wh - seller().registers(NOW).imported_wh
    assert shown(NOW + 900, f"reset={AT}").imported_wh == gained


def test_a_full_counter_goes_on_at_its_beginning() -> None:
    before = shown(NOW - 9000, f"roll-over={AT}")
    gained = (seller().registers(NOW).exported_wh or 0) - (seller().registers(NOW - 9000).exported_wh or 0)
    assert gained > 0
    assert before.exported_wh == 10**10 - gained
    assert shown(NOW, f"roll-over={AT}").exported_wh == 0


def test_swapped_transformers_change_import_for_export() -> None:
    truth = seller().registers(NOW)
    assert shown(NOW, "swapped-ct") == Energies(imported_wh=truth.exported_wh or 0, exported_wh=truth.imported_wh)
    assert bent(seller(), [parse_register_fault("swapped-ct")], 1).power_w(NOW) == -seller().power_w(NOW)
    assert shown(NOW, "swapped-ct", "swapped-ct") == truth


def test_a_meter_without_export_has_none_after_a_reset() -> None:
    fault = parse_register_fault(f"reset={AT}")
    assert bent(import_only(), [fault], 1).registers(NOW + 900).exported_wh is None


def test_the_plate_and_the_voltage_stay() -> None:
    other = bent(seller(), [parse_register_fault(f"reset={AT}")], 1)
    assert other.spec == seller().spec
    assert other.voltage_dv(NOW) == seller().voltage_dv(NOW)
    assert other.power_w(NOW) == seller().power_w(NOW)


def test_another_word_order_turns_every_pair() -> None:
    turned = faulty("pm2xxx", seller(), 1, (parse_register_fault("word-order"),))
    right = MAPS["pm2xxx"](seller(), 1)
    assert turned.max_words == right.max_words
    a, b, c, d = (right.read(HOLDING, 3203, 4, lambda: NOW)[at : at + 2] for at in (0, 2, 4, 6))
    assert turned.read(HOLDING, 3203, 4, lambda: NOW) == b + a + d + c
    assert turned.read(HOLDING, 3099, 1, lambda: NOW) == right.read(HOLDING, 3099, 1, lambda: NOW)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("melted", "expected one of reset, roll-over, swapped-ct, word-order, got 'melted'"),
        ("reset", "expected"),
        ("roll-over=noon", "expected"),
        ("swapped-ct=1", "expected nothing after 'swapped-ct'"),
        ("word-order=ABCD", "expected nothing after 'word-order'"),
    ],
)
def test_a_wrong_fault_is_named(text: str, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        parse_register_fault(text)


def test_every_fault_can_be_asked_for() -> None:
    for name, argument in REGISTER_FAULTS.items():
        assert parse_register_fault(f"{name}={AT}" if argument else name).name == name
