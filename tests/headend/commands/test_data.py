"""imports and ies on the command line: dry first, receipts, disclosures that are noted, credentials that are revoked."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headend.consent import Consent
from headend.registry.dated import Dated
from headend.registry.supply import Supply
from headend.store.sqlite import supply_rows
from headend.store.sqlite.database import open_database
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.ies.schemas import EXAMPLES, faults
from tests.headend.meter_data.test_importing import block, table
from tests.headend.premises import DAY, Gateway
from tests.headend.web.test_api_data import GRANTEE, PURPOSE, asking

CONSENT = Consent(
    connection_point="CP-1", consumer="K1", purpose=PURPOSE, grantee=GRANTEE, from_utc=DAY, until_utc=None
)


@pytest.fixture
def file(tmp_path: Path, enrolled: Gateway) -> Path:
    assert enrolled.meters
    found = tmp_path / "day.csv"
    found.write_bytes(table(block(0), block(1)))
    return found


@pytest.fixture
def consented(founded: Installation, enrolled: Gateway, tmp_path: Path) -> Path:
    """A request by a grantee whom the consumer consented to."""
    assert enrolled.meters
    with closing(open_database(founded.config.database)) as database, database.transaction() as connection:
        supply_rows.put_supplies(connection, "CP-1", (Dated(0, Supply(consumer="K1")),))
        supply_rows.put_consent(connection, CONSENT)
    found = tmp_path / "request.json"
    found.write_text(json.dumps(asking()))
    return found


def test_a_file_is_looked_at_first_and_taken_with_a_name(command: Command, file: Path) -> None:
    code, out, _ = command("imports", file)
    assert (code, out.splitlines()[-1]) == (0, "nothing was done: give --apply to take it")
    assert command("imports", file, "--apply")[0] == 1
    code, out, _ = command("imports", file, "--apply", "--by", "asha", "--json")
    assert (code, json.loads(out)["verdict"]) == (0, "TAKEN")
    code, out, _ = command("imports", file, "--apply", "--by", "asha")
    assert (code, out.split()[0]) == (0, "KNOWN")


def test_rejected_rows_are_named_and_can_be_left_out(command: Command, file: Path) -> None:
    file.write_bytes(table(block(0), block(1).replace("0.100", "-1")))
    code, out, _ = command("imports", file, "--apply", "--by", "asha")
    assert code == 1
    assert out.startswith("line 3, import_kwh: expected kWh, at least 0")
    assert command("imports", file, "--apply", "--by", "asha", "--partial")[0] == 0
    assert command("imports", file.rename(file.with_suffix(".xml")))[0] == 2


def test_meter_data_are_given_by_consent_and_noted(command: Command, consented: Path, tmp_path: Path) -> None:
    code, out, _ = command("ies", "meter-data", consented, "--by", "asha")
    assert code == 0
    assert faults("MeterData", out.encode()) == []
    place = tmp_path / "out.json"
    assert command("ies", "meter-data", consented, "--by", "asha", "--out", place, "--form", "elaborated")[0] == 0
    assert json.loads(place.read_text())[0]["profileType"] == "DESCRIPTOR"
    code, out, _ = command("ies", "list")
    assert (code, len(out.splitlines())) == (0, 2)
    assert f"MeterData INTERVAL  to {GRANTEE} for {PURPOSE}, by asha: 0 records of SKS00000001" in out


def test_without_consent_or_a_grantee_nothing_is_given(command: Command, consented: Path) -> None:
    code, _, err = command("ies", "meter-data", consented, "--by", "asha", "--purpose", "advertising")
    assert code == 1
    assert "no consent to" in err
    document: dict[str, Any] = asking()
    del document["authorisation"]
    consented.write_text(json.dumps(document))
    assert command("ies", "meter-data", consented, "--by", "asha")[0] == 2
    assert command("ies", "credential", consented, "--by", "asha")[0] == 2
    assert command("ies", "meter-data")[0] == 2
    assert command("ies", "list")[1] == ""


def test_a_credential_is_issued_by_a_licensed_discom_and_revoked_once(
    command: Command, consented: Path, founded: Installation, tmp_path: Path
) -> None:
    code, _, err = command("ies", "credential", consented, "--by", "asha")
    assert code == 1
    assert "give ies.license_number" in err
    founded.file.write_text(founded.file.read_text() + '[ies]\nlicense_number = "UPERC-1"\n')
    place = tmp_path / "credential.json"
    assert command("ies", "credential", consented, "--by", "asha", "--out", place)[0] == 0
    number = json.loads(place.read_text())["id"].removeprefix("urn:uuid:")
    words = ("ies", "revoke", "--number", number, "--by", "asha", "--reason", "moved out", "--apply")
    assert command(*words)[0] == 0
    code, _, err = command(*words)
    assert code == 1
    assert "it is revoked already" in err


def test_a_document_is_checked_by_our_stricter_rules(command: Command) -> None:
    code, out, _ = command("ies", "check", EXAMPLES / "IntervalProfile.json")
    assert (code, out) == (0, "1 profiles read, 0 of other kinds passed over, 0 faults\n")
    code, out, _ = command("ies", "check", EXAMPLES / "Request_Example.json")
    assert code == 1
    assert "expected a text, got nothing in '$[0].profileType'" in out
