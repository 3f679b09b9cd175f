"""Associations and services, byte for byte."""

import pytest

from firmware_sim.dlms.session import ServerSession
from firmware_sim.meter import Meter
from tests.firmware_sim.dlms.wire import (
    AARQ_PUBLIC,
    AARQ_READER,
    BLOCK_LOAD,
    CLOCK,
    DAILY_LOAD,
    PASSWORD,
    RLRQ,
    Wire,
    public,
    reader,
)
from tests.firmware_sim.meters import NOW, seller

ACCEPTED = "6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F040000521D04000007"
REFUSED = "6117A109060760857405080101A203020101A305A1030201"


def test_a_public_association_is_accepted_with_what_both_can() -> None:
    assert Wire(sap=16).ask(AARQ_PUBLIC).hex().upper() == ACCEPTED


def test_a_reader_with_the_password_is_accepted() -> None:
    assert Wire().ask(AARQ_READER).hex().upper() == ACCEPTED


@pytest.mark.parametrize(
    ("sap", "request_hex", "diagnostic"),
    [
        (32, AARQ_READER.hex().replace("3132333435363738", "3132333435363739"), "0D"),
        (32, AARQ_READER.hex().replace("ac0a80083132333435363738", "ac0a80083132333435363700"), "0D"),
        (32, AARQ_PUBLIC.hex(), "0E"),
        (16, AARQ_READER.hex(), "0B"),
        (32, AARQ_READER.hex().replace("60857405080201", "60857405080205"), "0B"),
        (16, AARQ_PUBLIC.hex().replace("60857405080101", "60857405080103"), "02"),
        (99, AARQ_PUBLIC.hex(), "01"),
    ],
    ids=[
        "wrong password",
        "cut password",
        "no password",
        "reader as public",
        "unknown mechanism",
        "ciphered",
        "stranger",
    ],
)
def test_an_association_is_refused_with_its_reason_and_does_not_stand(
    sap: int, request_hex: str, diagnostic: str
) -> None:
    wire = Wire(sap=sap)
    assert wire.ask(request_hex).hex().upper() == REFUSED + diagnostic
    assert wire.get(CLOCK + "02").hex() == "d80101"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("0000065f1f", "0000055f1f", "0e010601"),
        ("00007e1f04b0", "00007e0f04b0", "0e010602"),
        ("00007e1f04b0", "00007e1f000b", "0e010603"),
    ],
    ids=["version 5", "no GET", "PDU of 11 bytes"],
)
def test_an_initiate_that_cannot_be_met_is_refused(old: str, new: str, error: str) -> None:
    wire = Wire(sap=16)
    answer = wire.ask(AARQ_PUBLIC.hex().replace(old, new)).hex()
    assert answer == "611fa109060760857405080101a203020101a305a103020101be060404" + error
    assert wire.get(CLOCK + "02").hex() == "d80101"


@pytest.mark.parametrize(("size", "block"), [("000c", 12), ("0000", 1024), ("ffff", 1024), ("0064", 100)])
def test_no_answer_is_longer_than_what_the_client_takes(size: str, block: int) -> None:
    wire = Wire()
    wire.ask(AARQ_READER.hex().replace("7e1f04b0", "7e1f" + size))
    answer = wire.get(BLOCK_LOAD + "03")
    assert len(answer) <= block
    assert wire.read(BLOCK_LOAD + "03") == reader().read(BLOCK_LOAD + "03")
    assert len(wire.get(BLOCK_LOAD + "02")) <= block


def test_services_that_were_not_agreed_are_not_served() -> None:
    wire = Wire()
    wire.ask(AARQ_READER.hex().replace("00007e1f04b0", "00000010" + "04b0"))
    assert wire.get(CLOCK + "02").hex().startswith("c401c100090c")
    assert wire.get(BLOCK_LOAD + "02").hex() == "c401c1010e"
    entry = "01 02 0204 0600000001 0600000001 120001 120000"
    assert wire.get(BLOCK_LOAD + "02", entry).hex() == "c401c1010d"
    assert wire.ask(f"C003C101{CLOCK}0200").hex() == "d80202"
    assert wire.ask("C101C1 0008 0000010000FF 02 00 00").hex() == "d80202"


def test_a_clock_is_read_byte_for_byte() -> None:
    wire = reader()
    # Thursday 2026-11-19 12:07:30 on the wall, deviation -330 minutes, status 0.
    assert wire.get(CLOCK + "02").hex() == "c401c100" + "090c" + "07ea0b13040c071e00feb600"
    assert wire.get(CLOCK + "03").hex() == "c401c100" + "10feb6"
    assert wire.get(CLOCK + "04").hex() == "c401c100" + "1100"
    assert wire.get(CLOCK + "01").hex() == "c401c100" + "0906" + "0000010000ff"


def test_identity_and_period_are_read() -> None:
    wire = public()
    assert wire.read("0001 0000600100FF 02") == b"\x0a\x0810000001"
    assert wire.read("0001 00002A0000FF 02") == b"\x09\x0bSKS10000001"
    assert wire.read("0001 00005E5B0BFF 02") == b"\x0a\x02D1"
    assert wire.read("0001 0100000200FF 02") == b"\x0a\x07SIM-1.0"
    assert wire.read("0011 0000290000FF 02") == b"\x01\x01\x02\x02\x12\x00\x01\x09\x0bSKS10000001"
    assert reader().read("0001 0100000804FF 02") == bytes.fromhex("120384")


def test_registers_are_read_with_their_unit() -> None:
    wire, truth = reader(), seller().registers(NOW)
    assert wire.read("0003 0100010800FF 02") == b"\x06" + truth.imported_wh.to_bytes(4, "big")
    assert wire.read("0003 0100020800FF 02") == b"\x06" + (truth.exported_wh or 0).to_bytes(4, "big")
    assert wire.read("0003 0100010800FF 03").hex() == "02020f00161e"
    assert wire.read("0003 0100090800FF 03").hex() == "02020f00161f"
    assert wire.read("0003 01000C1B00FF 03").hex() == "02020fff1623"


def test_instantaneous_values_are_read_with_their_unit() -> None:
    wire, meter = reader(), seller()
    assert wire.read("0003 01000C0700FF 02") == b"\x12" + meter.voltage_dv(NOW).to_bytes(2, "big")
    assert wire.read("0003 01000C0700FF 03").hex() == "02020fff1623"
    assert wire.read("0003 01000E0700FF 02") == b"\x12" + (4998).to_bytes(2, "big")
    assert wire.read("0003 01000E0700FF 03").hex() == "02020ffe162c"
    assert wire.read("0003 0100010700FF 02") == b"\x05" + meter.power_w(NOW).to_bytes(4, "big", signed=True)
    assert wire.read("0003 0100010700FF 03").hex() == "02020f00161b"


def test_block_registers_hold_the_last_completed_block() -> None:
    wire, meter = reader(), seller()
    block = meter.block(meter.boundary(NOW) - 900, 900).energies
    assert wire.read("0003 0100011D00FF 02") == b"\x06" + block.imported_wh.to_bytes(4, "big")
    assert wire.read("0003 0100021D00FF 02") == b"\x06" + (block.exported_wh or 0).to_bytes(4, "big")


def test_the_clock_says_that_there_is_no_daylight_saving() -> None:
    wire = reader()
    never = "090c" + "ffffffffffffffffff8000ff"
    told = {number: wire.read(CLOCK + f"{number:02x}").hex() for number in range(5, 10)}
    assert told == {5: never, 6: never, 7: "0f00", 8: "0300", 9: "1601"}


def test_the_public_client_sees_identity_and_is_denied_the_rest() -> None:
    wire = public()
    assert wire.get(CLOCK + "02").hex().startswith("c401c100")
    assert wire.get("0001 00002B0103FF 02").hex() == "c401c100" + "0600000000"
    for hidden in (BLOCK_LOAD + "02", BLOCK_LOAD + "03", DAILY_LOAD + "02", "0003 0100010800FF 02", BLOCK_LOAD + "01"):
        assert wire.get(hidden).hex() == "c401c10103"
    listed = wire.read("000F 0000280000FF 02")
    assert bytes.fromhex("0000010000FF") in listed
    assert bytes.fromhex("0100630100FF") not in listed
    assert bytes.fromhex("0100630100FF") in reader().read("000F 0000280000FF 02")


@pytest.mark.parametrize(
    ("attribute", "result"),
    [
        ("0003 01000D0800FF 02", "04"),
        ("0001 0100010800FF 02", "09"),
        ("0003 0100010800FF 09", "04"),
        ("0003 0100010800FF 00", "04"),
    ],
    ids=["no such object", "another class", "no such attribute", "attribute 0"],
)
def test_what_is_not_there_is_refused_with_its_result(attribute: str, result: str) -> None:
    assert reader().get(attribute).hex() == "c401c101" + result


def test_selective_access_to_a_plain_attribute_is_refused() -> None:
    assert reader().get(CLOCK + "02", "01 02 0204 0600000001 0600000001 120001 120000").hex() == "c401c1010d"


def test_the_association_describes_itself() -> None:
    wire = reader()
    assert wire.read("000F 0000280000FF 03").hex() == "02020f20120001"
    assert wire.read("000F 0000280000FF 04").hex() == "090760857405080101"
    assert (
        wire.read("000F 0000280000FF 05").hex()
        == "0206" + "041800521d" + "120400" + "120400" + "1106" + "0f00" + "0900"
    )
    assert wire.read("000F 0000280000FF 06").hex() == "090760857405080201"
    assert wire.read("000F 0000280000FF 08").hex() == "1602"


def test_a_list_of_attributes_is_answered_in_order_with_errors_in_place() -> None:
    wire = reader()
    answer = wire.ask(f"C003C1 03 {CLOCK}0300 0003 01000D0800FF 0200 {CLOCK}0400")
    assert answer.hex() == "c403c103" + "0010feb6" + "0104" + "001100"


def test_a_long_list_is_sent_in_blocks() -> None:
    wire = reader()
    answer = wire.ask(f"C003C1 02 {BLOCK_LOAD}0200 {CLOCK}0400")
    assert answer[:9].hex() == "c402c1000000000100"
    data = b""
    number = 0
    while True:
        number += 1
        start = 12 if answer[9] == 0x82 else 11 if answer[9] == 0x81 else 10
        data += answer[start:]
        if answer[3]:
            break
        answer = wire.ask("C002C1" + number.to_bytes(4, "big").hex())
    whole = reader().read(BLOCK_LOAD + "02")
    assert data == b"\x02\x00" + whole + b"\x00\x11\x00"


def test_a_list_that_claims_more_than_it_holds_is_not_understood() -> None:
    assert reader().ask(f"C003C1 7F {CLOCK}0200").hex() == "d80103"
    assert reader().ask(f"C003C1 01 {CLOCK}0200 00").hex() == "d80103"


def test_a_wrong_block_number_ends_the_transfer() -> None:
    wire = reader()
    assert wire.get(BLOCK_LOAD + "02")[:9].hex() == "c402c1000000000100"
    assert wire.ask("C002C100000002").hex() == "c402c101000000020113"
    assert wire.ask("C002C100000001").hex() == "c402c101000000010110"


def test_a_next_without_a_transfer_or_of_another_request_is_refused() -> None:
    wire = reader()
    assert wire.ask("C002C100000001").hex() == "c402c101000000010110"
    wire.get(BLOCK_LOAD + "02")
    assert wire.ask("C002C200000001").hex() == "c402c201000000010110"


def test_a_new_request_ends_a_transfer() -> None:
    wire = reader()
    wire.get(BLOCK_LOAD + "02")
    wire.get(CLOCK + "04")
    assert wire.ask("C002C100000001").hex() == "c402c101000000010110"


def test_a_transfer_shows_the_meter_as_it_was_when_asked() -> None:
    whole = reader().read(BLOCK_LOAD + "02")
    times = iter([NOW])
    # From the second request on, a block more is complete.
    wire = Wire()
    wire.session = ServerSession(seller(), now=lambda: next(times, NOW + 900), password=PASSWORD)
    wire.ask(AARQ_READER)
    assert wire.read(BLOCK_LOAD + "02") == whole
    assert wire.read(BLOCK_LOAD + "02") != whole


def test_set_and_action_are_refused() -> None:
    wire = reader()
    assert wire.ask("C101C1 0008 0000010000FF 02 00 090c07ea0b13040c071e00feb600").hex() == "c501c103"
    assert wire.ask("C301C1 000F 0000280000FF 01 00").hex() == "c701c10300"
    assert wire.ask("C302C1 00000001").hex() == "d80202"
    assert wire.get(CLOCK + "02").hex().startswith("c401c100")


@pytest.mark.parametrize("apdu", ["C001C1" + CLOCK + "0200", "C101C1", "C301C1", "DB00", "0F00", "FF", "6203800100"])
def test_before_an_association_nothing_is_served(apdu: str) -> None:
    assert Wire().ask(apdu).hex() == "d80101"


def test_an_unknown_service_in_an_association_is_named_so() -> None:
    for apdu in ("DB00", "0F00", "FF", "C005C1", "C4"):
        assert reader().ask(apdu).hex() == "d80202"


def test_release_ends_the_association() -> None:
    wire = reader()
    assert wire.ask(RLRQ).hex() == "6303800100"
    assert wire.get(CLOCK + "02").hex() == "d80101"
    assert wire.ask(AARQ_READER).hex().upper() == ACCEPTED


def test_an_association_belongs_to_its_client() -> None:
    wire = reader()
    wire.sap = 16
    assert wire.get(CLOCK + "02").hex() == "d80101"
    wire.ask(AARQ_PUBLIC)
    assert wire.get(BLOCK_LOAD + "03").hex() == "c401c10103"
    wire.sap = 32
    assert wire.get(BLOCK_LOAD + "03").hex().startswith("c401c100")


def test_a_failed_attempt_ends_the_association_that_stood() -> None:
    wire = reader()
    wire.ask(AARQ_READER.hex().replace("3132333435363738", "3132333435363739"))
    assert wire.get(CLOCK + "02").hex() == "d80101"


def test_an_apdu_longer_than_the_meter_takes_is_refused() -> None:
    wire = reader()
    assert wire.ask(b"\xc0" * 1025).hex() == "d80104"
    assert wire.ask(b"\xc0" * 1024).hex() == "d80202"


@pytest.mark.parametrize("size", range(1, 13))
def test_a_truncated_get_is_not_understood(size: int) -> None:
    assert reader().ask(bytes.fromhex(f"C001C1{CLOCK}0200")[:size]).hex() == "d80103"


def test_a_get_with_trailing_bytes_is_not_understood() -> None:
    assert reader().ask(f"C001C1{CLOCK}020000").hex() == "d80103"
    wire = reader()
    wire.get(BLOCK_LOAD + "02")
    assert wire.ask("C002C10000000100").hex() == "d80103"


@pytest.mark.parametrize("size", range(1, 56))
def test_a_truncated_association_request_is_refused(size: int) -> None:
    wire = Wire()
    wire.ask(AARQ_READER[:size])
    assert wire.get(CLOCK + "02").hex() == "d80101"


def test_no_secret_is_in_a_representation() -> None:
    from firmware_sim.dlms.acse import parse_aarq

    assert "12345678" not in repr(parse_aarq(AARQ_READER))
    assert b"12345678".hex() not in repr(parse_aarq(AARQ_READER))


def meter_of_an_hour() -> Meter:
    return seller(period_s=3600)


def test_the_capture_period_is_the_meters_own() -> None:
    wire = reader(meter_of_an_hour())
    assert wire.read(BLOCK_LOAD + "04") == b"\x06" + (3600).to_bytes(4, "big")
    assert wire.read("0001 0100000804FF 02") == bytes.fromhex("120e10")
