"""`sakshi-headend registry`: dry first, who answers for it, exit codes, and what an operator reads."""

from pathlib import Path

import pytest

from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import gateway
from tests.headend.sheets import row, sheet

METER = "SKS00000001"
BY = ("--apply", "--by", "asha")


@pytest.fixture
def file(founded: Installation) -> Path:
    path = founded.folder / "meters.csv"
    path.write_bytes(sheet(row(1, feeder="F1", posted_as="TEST_1"), row(2, feeder="F1")))
    return path


def test_an_import_is_dry_until_it_is_applied(command: Command, file: Path) -> None:
    code, out, _ = command("registry", "import", file)
    assert code == 0
    assert "feeder: (nothing) -> F1" in out
    assert out.rstrip().endswith("2 meter record(s), 0 fault(s): nothing was changed")
    assert command("registry", "show", METER)[0] == 1
    code, out, _ = command("registry", "import", file, *BY)
    assert code == 0
    assert out.rstrip().endswith("0 fault(s): applied")
    code, out, _ = command("registry", "import", file, *BY)
    assert (code, out) == (0, "2 row(s), 0 change(s), 0 meter record(s), 0 fault(s): applied\n")


def test_a_rejected_row_refuses_the_sheet_unless_it_is_left_out(command: Command, file: Path) -> None:
    file.write_bytes(sheet(row(1), row(2, ct="x")))
    code, out, _ = command("registry", "import", file, *BY)
    assert code == 1
    assert "REJECTED line 3, ct: expected a ratio such as 100/5 or 2, got 'x': correct the cell" in out
    assert command("registry", "show", METER)[0] == 1
    code, out, _ = command("registry", "import", file, "--partial", *BY)
    assert code == 1
    assert "applied, without the meters of the rejected rows" in out
    assert command("registry", "show", METER)[0] == 0
    assert command("registry", "show", "SKS00000002")[0] == 1


@pytest.mark.parametrize(
    "words",
    [
        ["import", "FILE", "--apply"],
        ["set", METER, "feeder=F", "--from", "2026-04-01", "--apply"],
        ["set", METER, "feeder", "--from", "2026-04-01"],
        ["set", METER, "feeder=A", "feeder=B", "--from", "2026-04-01"],
        ["set", METER, "feeder=A", "--from", "yesterday"],
        ["import"],
        ["find", "village", "X"],
        [],
    ],
)
def test_what_is_asked_for_wrongly_is_misuse(command: Command, file: Path, words: list[str]) -> None:
    code, out, err = command("registry", *[str(file) if word == "FILE" else word for word in words])
    assert (code, out) == (2, "")
    assert err


def test_what_is_no_sheet_is_refused_with_the_remedy(command: Command, file: Path) -> None:
    file.write_bytes(b"meter;from\n")
    code, _, err = command("registry", "import", file)
    assert code == 1
    assert "unknown column(s) 'meter;from': remove or correct them" in err
    code, _, err = command("registry", "import", file.with_name("absent.csv"))
    assert (code, "check the path" in err) == (1, True)


def test_one_fact_is_set_from_a_time_on(command: Command, file: Path) -> None:
    command("registry", "import", file, *BY)
    words = ("registry", "set", METER, "feeder=F7", "sanctioned_kw=7.5", "--from", "2026-04-01")
    code, out, _ = command(*words)
    assert code == 0
    assert "feeder: F1 -> F7" in out
    assert command("registry", "find", "feeder", "F7")[0] == 1
    assert command(*words, *BY)[0] == 0
    assert command("registry", "find", "feeder", "F7", "--at", "2026-04-01")[1] == f"CP-1: {METER}\n"
    assert command("registry", "find", "feeder", "F1", "--at", "2026-03-31")[1].splitlines() == [
        f"CP-1: {METER}",
        "CP-2: SKS00000002",
    ]
    code, out, _ = command("registry", "show", METER)
    assert "record 1" in out
    assert "asha: from 2026-04-01 00:00:00 IST feeder: F1 -> F7" in out


def test_a_set_that_cannot_be_is_refused(command: Command, founded: Installation) -> None:
    code, out, _ = command("registry", "set", "SKS9", "feeder=F7", "--from", "2026-04-01", *BY)
    assert code == 1
    assert "REJECTED line 1, identity" in out
    code, _, err = command("registry", "set", METER, "colour=F7", "--from", "2026-04-01")
    assert (code, "unknown column" in err) == (1, True)


def test_an_export_goes_to_a_file_or_to_standard_output_and_back(command: Command, file: Path) -> None:
    command("registry", "import", file, *BY)
    copy = file.with_name("copy.csv")
    assert command("registry", "export", copy) == (0, "", "")
    assert command("registry", "export")[1] == copy.read_text()
    assert command("registry", "import", copy)[1].startswith("2 row(s), 0 change(s)")


EXCHANGE = ("--point", "CP-1", "--old", METER, "--at", "2026-04-26T11:07:00+05:30")
REGISTERS = ("--closing-import", "1234.5", "--closing-export", "7", "--opening-import", "0.01")


def test_an_exchange_under_a_new_id_takes_over_what_is_not_said(command: Command, file: Path) -> None:
    command("registry", "import", file, *BY)
    command("registry", "set", METER, "ct=100/5", "period_s=1800", "--from", "2026-02-01", *BY)
    words = ("registry", "exchange", *EXCHANGE, "--new", "SKS-NEW", "--identity", "SN-NEW", *REGISTERS)
    code, out, _ = command(*words, "--set", "factor=2")
    assert code == 0
    assert "WARNING 2026-04-26 11:07:00 IST cuts a block of 1800 s" in out
    assert command("registry", "show", "SKS-NEW")[0] == 1
    assert command(*words, "--set", "factor=2", *BY)[0] == 0
    _, out, _ = command("registry", "show", "SKS-NEW")
    assert "identity=SN-NEW" in out
    assert "ct=20" not in out
    assert "ct=100/5" in out
    assert "factor=2" in out
    assert "period_s=1800" in out
    assert (
        f"exchange of {METER} for SKS-NEW at CP-1, 2026-04-26 11:07:00 IST: closing import 1234.500 kWh, export 7.000 kWh; "
        "opening import 0.010 kWh; stated by asha"
    ) in out


def test_an_exchange_under_the_same_id_is_its_next_record(command: Command, file: Path) -> None:
    command("registry", "import", file, *BY)
    words = ("registry", "exchange", *EXCHANGE, "--new", METER, *REGISTERS)
    assert command(*words, "--identity", "SN-NEW", *BY)[0] == 0
    assert command(*words, "--identity", "SN-NEW", *BY)[1].splitlines()[-1].startswith("1 row(s), 0 change(s)")
    _, out, _ = command("registry", "show", METER)
    assert "record 1" in out
    assert "identity=SN-NEW" in out


def test_an_exchange_for_a_device_that_is_recorded_keeps_what_is_known_of_it(command: Command, file: Path) -> None:
    file.write_bytes(sheet(row(1, ct="100/5"), row(2, ct="200/5", identity="SN-NEW", connection_point="STORE")))
    command("registry", "import", file, *BY)
    assert command("registry", "exchange", *EXCHANGE, "--new", "SKS00000002", *REGISTERS, *BY)[0] == 0
    _, out, _ = command("registry", "show", "SKS00000002")
    assert "connection_point=CP-1" in out
    assert "ct=100/5" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--point", "CP-2", "--identity", "N"], r"(1) expected REVENUE meter"),
        (["--old", "SKS9", "--identity", "N"], "got nothing: correct --old"),
        (["--at", "2025-01-01", "--identity", "N"], "(1)"),
        ([], "(2) expected the serial number of the new device, got none"),
        (["--new", METER], "(2)"),
        (["--new", METER, "--identity", "SN000001"], "(2)"),
        (["--identity", "N", "--set", "colour=x"], "unknown column"),
    ],
)
def test_an_exchange_that_contradicts_the_registry_is_refused(
    command: Command,
    file: Path,
    words: list[str],
    message: str,
) -> None:
    command("registry", "import", file, *BY)
    code, out, err = command("registry", "exchange", *EXCHANGE, "--new", "SKS-NEW", *REGISTERS, *words, *BY)
    assert (code, out) == (1, "")
    assert message in err


def test_show_names_the_keys_of_a_meter(command: Command, founded: Installation) -> None:
    one = gateway()
    founded.enrol(one)
    _, out, _ = command("registry", "show", METER)
    assert f"key {one.kid.hex()[:16]} of gateway gw-1: ACTIVE" in out
