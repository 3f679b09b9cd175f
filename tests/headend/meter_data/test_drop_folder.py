"""The drop folder: complete files only, each once, with a receipt beside it; what is refused says why and leaves nothing."""

import json
import os
from pathlib import Path

import pytest

from headend.errors import StoreUnavailableError
from headend.meter_data import drop_folder
from headend.meter_data.drop_folder import DropFolder, DropFolderUnavailableError
from headend.meter_data.importing import Importing
from headend.settings.imports import ImportSettings, imports
from headend.store.sqlite import import_rows
from signing.errors import DecodeError
from signing.interval import DAY_S, Interval
from signing.statements.meter_record import Stamps
from signing.tables import parse_toml
from tests.headend.discom import LATER, METER, log_rules
from tests.headend.meter_data.test_importing import block, importing, table
from tests.headend.premises import DAY, Headend, gateway

GOOD = table(block(0), block(1))
SPAN = Interval(DAY, DAY + DAY_S)


@pytest.fixture
def folder(headend: Headend, tmp_path: Path) -> Path:
    log_rules(headend)
    headend.enrol(gateway())
    found = tmp_path / "drop"
    found.mkdir()
    return found


def drop(headend: Headend, folder: Path | None, *, partial: bool = False) -> DropFolder:
    settings = ImportSettings(folder=folder, source="HES", stamps=Stamps.END, partial=partial)
    return DropFolder(importing(headend), settings)


def kept(headend: Headend) -> int:
    return len(import_rows.blocks(headend.database.connection, METER, SPAN))


def receipt(place: Path) -> dict[str, object]:
    found = json.loads(place.read_text())
    assert isinstance(found, dict)
    return found


def test_a_complete_file_is_taken_and_moves_beside_its_receipt(headend: Headend, folder: Path) -> None:
    (folder / "a.csv").write_bytes(GOOD)
    (one,) = drop(headend, folder).step(LATER)
    assert (one.name, one.is_taken) == ("a.csv", True)
    assert kept(headend) == 2
    assert sorted(path.name for path in folder.iterdir()) == ["taken"]
    assert (folder / "taken" / "a.csv").read_bytes() == GOOD
    said = receipt(folder / "taken" / "a.csv.receipt.json")
    assert (said["verdict"], said["name"], said["blocks"]) == ("TAKEN", "a.csv", 2)
    assert said["origin"] == "vouched for by the discom; not signed at the premises"


@pytest.mark.parametrize("name", [".a.csv", "a.csv.part", "a.csv.tmp"])
def test_a_file_that_is_still_written_is_left_alone(headend: Headend, folder: Path, name: str) -> None:
    (folder / name).write_bytes(GOOD)
    assert drop(headend, folder).step(LATER) == ()
    (folder / name).rename(folder / "a.csv")
    assert len(drop(headend, folder).step(LATER)) == 1


def test_a_refused_file_says_why_row_by_row_and_leaves_nothing(headend: Headend, folder: Path) -> None:
    (folder / "a.csv").write_bytes(GOOD + block(2).replace("0.100", "-1").encode())
    (one,) = drop(headend, folder).step(LATER)
    assert not one.is_taken
    assert kept(headend) == 0
    said = receipt(folder / "refused" / "a.csv.receipt.json")
    assert said["verdict"] == "REFUSED"
    assert str(said["rejects"]).startswith("[{'line': 4, 'column': 'import_kwh', 'expected': 'kWh, at least 0")


def test_rejected_rows_are_left_out_where_the_discom_says_so(headend: Headend, folder: Path) -> None:
    (folder / "a.csv").write_bytes(GOOD + block(2).replace("0.100", "-1").encode())
    (one,) = drop(headend, folder, partial=True).step(LATER)
    assert one.is_taken
    assert kept(headend) == 2


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xml", b"<x/>", "a name that ends in .csv or .json"),
        ("a.json", b"{", "send MeterData"),
        ("a.csv", b"\xff", "not UTF-8"),
    ],
)
def test_what_is_no_file_of_readings_is_refused(
    headend: Headend, folder: Path, name: str, content: bytes, reason: str
) -> None:
    (folder / name).write_bytes(content)
    (one,) = drop(headend, folder).step(LATER)
    assert not one.is_taken
    assert reason in str(receipt(folder / "refused" / f"{name}.receipt.json")["reason"])


def test_a_file_whose_name_is_no_text_is_refused_and_stands_in_nobodys_way(headend: Headend, folder: Path) -> None:
    (folder / os.fsdecode(b"a\xff.csv")).write_bytes(GOOD)
    (folder / "b.csv").write_bytes(GOOD)
    assert [one.is_taken for one in drop(headend, folder).step(LATER)] == [False, True]
    (said,) = (folder / "refused").glob("*.receipt.json")
    assert "printable characters" in str(receipt(said)["reason"])
    assert drop(headend, folder).step(LATER) == ()


def test_a_file_with_the_longest_name_is_taken_under_a_shorter_one(headend: Headend, folder: Path) -> None:
    name = "a" * 251 + ".csv"
    (folder / name).write_bytes(GOOD)
    (one,) = drop(headend, folder).step(LATER)
    assert (one.is_taken, one.name) == (True, name)
    (said,) = (folder / "taken").glob("*.csv.receipt.json")
    assert receipt(said)["name"] == name
    assert (folder / "taken" / said.name.removesuffix(".receipt.json")).read_bytes() == GOOD
    assert sorted(path.name for path in folder.iterdir()) == ["taken"]


def test_a_file_that_cannot_be_read_stands_before_no_other_and_is_told_once_it_is_alone(
    headend: Headend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def denied(path: Path) -> bytes:
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    for name in ("a.csv", "b.csv"):
        (folder / name).write_bytes(GOOD)
    monkeypatch.setattr(Path, "read_bytes", denied)
    assert [one.name for one in drop(headend, folder).step(LATER)] == ["b.csv"]
    with pytest.raises(DropFolderUnavailableError, match=r"a\.csv' \(Permission denied\)"):
        drop(headend, folder).step(LATER)
    monkeypatch.undo()
    assert [one.name for one in drop(headend, folder).step(LATER)] == ["a.csv"]


def test_a_file_beyond_the_bound_is_refused_unread(
    headend: Headend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drop_folder, "MAX_BYTES", len(GOOD) - 1)
    (folder / "a.csv").write_bytes(GOOD)
    (one,) = drop(headend, folder).step(LATER)
    assert (one.is_taken, one.words) == (False, f"expected at most {len(GOOD) - 1} bytes: split the file")


def test_a_link_to_elsewhere_is_left_alone(headend: Headend, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_bytes(GOOD)
    (folder / "a.csv").symlink_to(tmp_path / "secret.csv")
    assert drop(headend, folder).step(LATER) == ()


def test_the_same_file_under_another_name_changes_nothing(headend: Headend, folder: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (folder / name).write_bytes(GOOD)
    drop(headend, folder).step(LATER)
    assert receipt(folder / "taken" / "b.csv.receipt.json")["verdict"] == "KNOWN"
    assert headend.database.connection.execute("SELECT count(*) FROM imported_files").fetchone() == (1,)


def test_the_same_name_every_day_keeps_every_file(headend: Headend, folder: Path) -> None:
    for place in range(3):
        (folder / "daily.csv").write_bytes(table(block(place)))
        drop(headend, folder).step(LATER)
    names = sorted(path.name for path in (folder / "taken").iterdir())
    assert names == [
        f"daily{number}.csv{end}" for number in (".2", ".3", "") for end in ("", ".receipt.json")
    ]  # fmt: skip


def test_a_crash_before_the_file_moved_repeats_without_effect(
    headend: Headend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    (folder / "a.csv").write_bytes(GOOD)
    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(KeyboardInterrupt):
        drop(headend, folder).step(LATER)
    monkeypatch.undo()
    assert (folder / "a.csv").exists()
    (one,) = drop(headend, folder).step(LATER)
    assert one.is_taken
    assert headend.database.connection.execute("SELECT count(*) FROM imported_files").fetchone() == (1,)


def test_a_store_that_fails_keeps_the_file(headend: Headend, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the disk is full")

    (folder / "a.csv").write_bytes(GOOD)
    monkeypatch.setattr(Importing, "take", full)
    with pytest.raises(StoreUnavailableError):
        drop(headend, folder).step(LATER)
    assert (folder / "a.csv").exists()


def test_a_folder_that_is_not_there_is_trouble_and_none_is_none(headend: Headend, folder: Path) -> None:
    with pytest.raises(DropFolderUnavailableError, match=r"correct imports\.folder"):
        drop(headend, folder / "typo").step(LATER)
    assert drop(headend, None).step(LATER) == ()


def settings(text: str) -> ImportSettings:
    root = parse_toml(text, "x.toml")
    section = root.table("imports")
    found = imports(section, Path("/base"))
    section.close()
    root.faults.check()
    return found


def test_the_section_has_defaults_and_names_its_faults() -> None:
    assert settings("") == ImportSettings(folder=None, source="HES", stamps=Stamps.END, partial=False)
    stated = settings('[imports]\nfolder = "drop"\nsource = "MDM"\ndaily_registers = "START"\npartial = true\n')
    assert stated == ImportSettings(folder=Path("/base/drop"), source="MDM", stamps=Stamps.START, partial=True)
    with pytest.raises(DecodeError, match=r"imports\.daily_registers: expected one of END, START"):
        settings('[imports]\ndaily_registers = "NOON"\n')
    with pytest.raises(DecodeError, match="unknown key"):
        settings("[imports]\nfoldr = 1\n")
