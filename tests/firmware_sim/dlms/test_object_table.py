"""Every object that IS 15959-2 gives a D1 and a D2 meter, held against a table that was written without the simulator."""

import pytest

from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.axdr import Reader, Value
from firmware_sim.dlms.catalogue import Model
from firmware_sim.dlms.clients import Access, Ciphering, Client
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.gcm import AUTHENTICATED, ENCRYPTED, Keys
from firmware_sim.dlms.security_setup import policy
from firmware_sim.dlms.server import Framing, session_of
from firmware_sim.instants import day_start, parse_instant
from firmware_sim.meter import ORIGIN_DAY, Category, Meter, MeterSpec, Tap, base_registers
from firmware_sim.world import Home
from tests.firmware_sim.dlms.wire import AARQ_READER, PASSWORD, Wire
from tests.firmware_sim.meters import NOW, import_only, now, seller

PROFILE = (2, 3, 4, 5, 6, 7, 8)
REGISTER, DEMAND, DATA = (2, 3), (2, 3, 5), (2,)

BOTH: dict[str, tuple[int, tuple[int, ...]]] = {
    "0.0.1.0.0": (8, (2, 3, 4)),
    **{
        f"0.0.{e}": (1, DATA)
        for e in (
            "96.1.0",
            "96.1.1",
            "96.1.2",
            "94.91.9",
            "94.91.11",
            "94.91.12",
            "96.1.4",
            "42.0.0",
            "96.10.1",
            "94.91.18",
            "94.91.26",
        )
    },
    **{f"1.0.0.{e}": (1, DATA) for e in ("2.0", "8.0", "8.4")},
    **{f"1.0.{e}": (7, PROFILE) for e in ("99.1.0", "99.2.0", "98.1.0", "94.91.0")},
    **{f"1.0.94.91.{n}": (7, PROFILE) for n in (3, 4, 5, 6, 7)},
    "0.0.94.91.10": (7, PROFILE),
    **{f"0.0.99.98.{n}": (7, PROFILE) for n in range(7)},
    **{f"0.0.96.{c}.{n}": (1, DATA) for c in (11, 15) for n in range(7)},
    **{f"1.0.{c}.{d}.0": (3, REGISTER) for c in (1, 9) for d in (8, 29)},
    **{f"1.0.{c}.8.{zone}": (3, REGISTER) for c in (1, 9) for zone in range(1, 9)},
    **{f"1.0.{c}.6.0": (4, DEMAND) for c in (1, 9)},
    **{f"1.0.{c}.7.0": (3, REGISTER) for c in (1, 9, 14)},
    **{f"0.0.94.91.{n}": (3, REGISTER) for n in (8, 14)},
    **{f"0.0.43.1.{n}": (1, DATA) for n in range(1, 7)},
    **{f"0.0.43.0.{n}": (64, (2, 3, 4, 5)) for n in range(2, 6)},
    **{f"0.0.40.0.{n}": (15, (2, 3, 4, 6, 8)) for n in (0, 1, 2, 3, 4, 5, 6)},
    **{f"0.{b}.25.9.0": (40, (2, 3)) for b in (0, 4)},
    "0.0.17.0.0": (71, (2, 3, 4)),
    "0.0.96.3.10": (70, (2, 3, 4)),
}
"""Class and attributes, by OBIS code without its 255."""
OF_MODEL = {
    Model.D1: {f"1.0.{c}.{d}.0": (3, REGISTER) for c in (11, 12) for d in (7, 27)},
    Model.D2: {f"1.0.{c}.{d}.0": (3, REGISTER) for c in (31, 51, 71, 32, 52, 72) for d in (7, 27)},
}
OF_NET = {f"1.0.{c}.{d}.0": (3, REGISTER) for c in (2, 10) for d in (8, 29)}
SCALED = {"1.0.94.91.0": 3, "1.0.99.1.0": 4, "1.0.99.2.0": 5, "1.0.98.1.0": 6, "0.0.99.98.0": 7}
"""Scaler profiles 1.0.94.91.n by the profile whose registers they scale."""


def wire(meter: Meter, model: Model, access: Access | None = None) -> Wire:
    """A meter reader, whose utility has an association too."""
    asked = Wire()
    device = Device(meter, now=now, model=model, access=access or Access(password=PASSWORD, hls=Mechanism.HLS))
    asked.session = session_of(device, Framing.WRAPPER)  # type: ignore[assignment]
    assert asked.ask(AARQ_READER)[:1] == b"\x61"
    return asked


def read(asked: Wire, class_id: int, obis: str, attribute: int) -> Value:
    code = bytes([*map(int, obis.split(".")), 255]).hex()
    cursor = Reader(asked.read(f"{class_id:04x} {code} {attribute:02x}"))
    value = cursor.data()
    cursor.end()
    return value


def columns(asked: Wire, obis: str) -> list[tuple[object, str, object]]:
    value = read(asked, 7, obis, 3)
    assert isinstance(value, list)
    found: list[tuple[object, str, object]] = []
    for each in value:
        assert isinstance(each, list)
        assert isinstance(each[1], bytes)
        found.append((each[0], ".".join(map(str, each[1][:5])), each[2]))
    return found


METERS = {Category.NET: seller, Category.IMPORT_ONLY: import_only}
KINDS = pytest.mark.parametrize(
    ("model", "category"), [(model, category) for model in Model for category in Category], ids=str
)


@KINDS
def test_a_meter_has_every_object_of_its_model_with_the_attributes_that_are_read(
    model: Model, category: Category
) -> None:
    asked = wire(METERS[category](), model)
    expected = BOTH | OF_MODEL[model] | (OF_NET if category is Category.NET else {})
    for obis, (class_id, attributes) in expected.items():
        for attribute in attributes:
            read(asked, class_id, obis, attribute)


@KINDS
def test_a_meter_has_nothing_of_the_other_model_and_an_import_only_one_no_export(
    model: Model, category: Category
) -> None:
    listed = read(wire(METERS[category](), model), 15, "0.0.40.0.0", 2)
    assert isinstance(listed, list)
    names = {
        ".".join(map(str, each[2][:5])) for each in listed if isinstance(each, list) and isinstance(each[2], bytes)
    }
    foreign = OF_MODEL[Model.D2 if model is Model.D1 else Model.D1]
    assert not names & set(foreign)
    assert bool(names & set(OF_NET)) == (category is Category.NET)
    assert not names - set(BOTH) - set(OF_MODEL[model]) - set(OF_NET) - {
        "0.0.41.0.0",
        *(f"1.0.{c}.7.0" for c in (13, 33, 53, 73)), "1.0.13.27.0", "1.0.13.0.0",
    }  # fmt: skip


@KINDS
def test_a_scaler_profile_captures_attribute_three_of_the_registers_in_order_without_the_clock(
    model: Model, category: Category
) -> None:
    asked = wire(METERS[category](), model)
    for main, number in SCALED.items():
        registers = [(c, name, 3) for c, name, attribute in columns(asked, main) if c in (3, 4) and attribute == 2]
        assert columns(asked, f"1.0.94.91.{number}") == registers
        (row,) = read(asked, 7, f"1.0.94.91.{number}", 2)  # type: ignore[misc]
        assert isinstance(row, list)
        assert row == [read(asked, class_id, name, 3) for class_id, name, _ in registers]


@KINDS
def test_every_profile_but_the_name_plate_and_the_scalers_begins_with_the_clock(
    model: Model, category: Category
) -> None:
    asked = wire(METERS[category](), model)
    for obis in (*SCALED, *(f"0.0.99.98.{n}" for n in range(1, 7))):
        assert columns(asked, obis)[0] == (8, "0.0.1.0.0", 2)
    assert {class_id for class_id, _, _ in columns(asked, "0.0.94.91.10")} == {1}


@pytest.mark.parametrize(
    "meter",
    [
        seller(),
        import_only(),
        Meter(MeterSpec(serial="1", tap=Tap.SOLAR, base=base_registers(1, 4, Tap.SOLAR)), Home(seed=1, array_w=5000)),
    ],
)
def test_the_zones_sum_to_the_total_at_every_bill_and_now(meter: Meter) -> None:
    asked = wire(meter, Model.D1)
    names = [name if attribute == 2 else f"{name}/{attribute}" for _, name, attribute in columns(asked, "1.0.98.1.0")]
    bills = read(asked, 7, "1.0.98.1.0", 2)
    assert isinstance(bills, list)
    assert len(bills) == 12
    earlier = [0] * 8
    for bill in bills:
        assert isinstance(bill, list)
        told = dict(zip(names, bill, strict=True))
        zones = [told[f"1.0.1.8.{zone}"] for zone in range(1, 9)]
        assert sum(zones) == told["1.0.1.8.0"]  # type: ignore[arg-type]
        assert all(after >= before for before, after in zip(earlier, zones, strict=True))  # type: ignore[operator]
        earlier = zones  # type: ignore[assignment]
    now_told = [read(asked, 3, f"1.0.1.8.{zone}", 2) for zone in range(1, 9)]
    assert sum(now_told) == meter.registers(NOW).imported_wh  # type: ignore[arg-type]


def test_a_zone_gains_in_its_three_hours_and_in_no_other() -> None:
    meter, told = seller(), {}
    midnight = parse_instant("2026-11-18T00:00:00+05:30")
    for at in (midnight, midnight + 4 * 3600):
        asked = Wire()
        device = Device(meter, now=lambda at=at: at, access=Access(password=PASSWORD))  # type: ignore[misc]
        asked.session = session_of(device, Framing.WRAPPER)  # type: ignore[assignment]
        asked.ask(AARQ_READER)
        told[at] = [read(asked, 3, f"1.0.1.8.{zone}", 2) for zone in range(1, 9)]
    gains = [after - before for before, after in zip(*told.values(), strict=True)]
    at_three, at_four = (meter.registers(midnight + hours * 3600).imported_wh for hours in (3, 4))
    before = meter.registers(midnight).imported_wh
    assert gains == [at_three - before, at_four - at_three, 0, 0, 0, 0, 0, 0]


def test_before_the_zones_were_counted_they_share_the_total() -> None:
    asked = Wire()
    meter, long_ago = seller(), day_start(ORIGIN_DAY) - 1
    asked.session = session_of(  # type: ignore[assignment]
        Device(meter, now=lambda: long_ago, access=Access(password=PASSWORD)), Framing.WRAPPER
    )
    asked.ask(AARQ_READER)
    zones = [read(asked, 3, f"1.0.1.8.{zone}", 2) for zone in range(1, 9)]
    assert sum(zones) == meter.registers(long_ago).imported_wh  # type: ignore[arg-type]
    assert max(zones) - min(zones) <= 1  # type: ignore[operator,type-var]


def test_a_meter_without_ciphering_says_so_and_names_itself() -> None:
    asked = wire(seller(), Model.D1)
    for number in range(2, 6):
        assert read(asked, 64, f"0.0.43.0.{number}", 2) == 0
        assert read(asked, 64, f"0.0.43.0.{number}", 3) == 0
        title = read(asked, 64, f"0.0.43.0.{number}", 5)
        assert isinstance(title, bytes)
        assert (title[:3], len(title)) == (b"SKS", 8)
    assert read(asked, 15, "0.0.40.0.0", 9) == bytes([0, 0, 43, 0, 2, 255])


def test_what_an_association_asks_for_stands_in_its_security_setup() -> None:
    access = Access(
        password=PASSWORD, keys=Keys(encryption=bytes(16), authentication=bytes(16)), ciphering=Ciphering.OPTIONAL,
        hls=Mechanism.GMAC,
    )  # fmt: skip
    asked = wire(seller(), Model.D1, access)
    # An association that may be ciphered asks for nothing; the utility's must be.
    assert [read(asked, 64, f"0.0.43.0.{number}", 2) for number in (2, 3, 4, 5)] == [0, 3, 0, 0]


@pytest.mark.parametrize(("bits", "told"), [(AUTHENTICATED, 1), (ENCRYPTED, 2), (AUTHENTICATED | ENCRYPTED, 3)])
def test_a_policy_is_numbered_as_the_class_numbers_it(bits: int, told: int) -> None:
    keys = Keys(encryption=bytes(16), authentication=bytes(16))
    client = Client(sap=32, mechanism=Mechanism.LLS, keys=keys, ciphering=Ciphering.REQUIRED, policy=bits)
    assert policy(client) == told
