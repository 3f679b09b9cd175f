"""Day one of a discom: a thousand consumers on-boarded from one sheet, and one of them metered, settled and proved."""

import time
from contextlib import closing

import pytest

from headend import founding
from headend.attest import Subject
from headend.meter_data.disclosing import Grantee, is_consented
from headend.onboarding.desk import StoredRegistryDesk
from headend.onboarding.enrol import Application, MeterFacts
from headend.registry.plan import Rejected
from headend.registry.sheet import parse_csv
from headend.store.sqlite.database import open_database
from headend.upkeep.fsck import fsck
from headend.windows import judge
from signing.interval import Interval
from signing.statements.window_actual import Status
from signing.verify import Outcome as Verified
from signing.verify import verify
from tests.headend.commands.conftest import Command
from tests.headend.discom import LATER, METER, attestor, exported, log_rules, stated, trust
from tests.headend.founded import Installation
from tests.headend.premises import DAY, NOW, Headend, gateway
from tests.headend.sheets import row, sheet

CONSUMERS = 1000


def consumers(count: int = CONSUMERS) -> bytes:
    """A sheet as a discom's billing system writes it."""
    return sheet(
        *(
            row(
                number,
                since="2026-04-01",
                consumer=f"5510{number:06d}",
                identity=METER if number == 1 else f"SN{number:06d}",
                posted_as=f"TEST_{number}|did:web:discom.example:meters:{number}",
                feeder=f"F-{number % 25}",
                dt=f"DT-{number % 200}",
                sanctioned_kw="5",
                installed_kw="3.3" if number % 2 else "",
                gateway=f"gw-{number}",
                consent_purpose="p2p-settlement",
                consent_grantee="ledger.example",
            )
            for number in range(1, count + 1)
        )
    )


def test_a_thousand_consumers_are_on_boarded_within_a_minute(founded: Installation, command: Command) -> None:
    file = founded.folder / "consumers.csv"
    file.write_bytes(consumers())
    began = time.monotonic()
    code, out, _ = command("registry", "import", file)
    assert code == 0
    assert out.rstrip().endswith("1000 meter record(s), 0 fault(s): nothing was changed")
    code, out, _ = command("registry", "import", file, "--apply", "--by", "asha")
    assert (code, out.rstrip().endswith("1000 meter record(s), 0 fault(s): applied")) == (0, True)
    assert time.monotonic() - began < 60
    assert command("registry", "import", file, "--apply", "--by", "asha")[1].startswith(
        "1000 row(s), 0 change(s), 0 meter"
    )
    back = founded.folder / "back.csv"
    assert command("registry", "export", back)[0] == 0
    assert command("registry", "import", back)[1].startswith("1000 row(s), 0 change(s)")
    assert len(command("registry", "find", "feeder", "F-7")[1].splitlines()) == 40
    keys = founding.open_keys(founded.config)
    with closing(open_database(founded.config.database)) as database:
        assert list(fsck(database, keys.statements.public_key)) == []


def test_a_meter_on_boarded_before_its_gateway_is_settled_and_proved(headend: Headend) -> None:
    log_rules(headend)
    desk = StoredRegistryDesk(
        database=headend.folder / "headend.db",
        folder=headend.folder,
        key=headend.key,
        signer=headend.statement_signer,
    )
    outcome = desk.apply(parse_csv(consumers(3)), Rejected.REFUSES_ALL, by="mdm", at_utc=NOW)
    assert (outcome.is_applied, outcome.records) == (True, 3)
    subject = Subject(connection_point="CP-1", posted_as="TEST_1", window=Interval(DAY + 10 * 3600, DAY + 12 * 3600))
    attesting = attestor(headend)
    headend.registry.refresh()
    (silent,) = attesting.attest([subject], at_utc=LATER)
    assert (silent.statement.status, silent.statement.reason) == (Status.PENDING, "8 of 8 blocks missing")
    assert verify(exported(headend, silent.digest), trust(headend), judge).outcome is Verified.VALID

    one = gateway(1, [METER])
    keeping = {METER: MeterFacts(facts=(), blocks_from_utc=DAY)}
    headend.registrar.enrol(Application(file=one.file(), meters=keeping, shard=0), at_utc=NOW)
    headend.take_in(stated(one, 10, (100,) * 8, registers=((10, 7000), (12, 7800))))
    (signed,) = attesting.attest([subject], at_utc=LATER)
    actual = signed.statement
    assert (actual.status, actual.revision) == (Status.FINAL, 1)
    assert actual.totals is not None
    assert actual.totals.import_wh == 800
    assert verify(exported(headend, signed.digest), trust(headend), judge).outcome is Verified.VALID
    settling = Grantee(name="ledger.example", purpose="p2p-settlement", holder="ledger")
    assert is_consented(headend.database.connection, headend.record(METER), subject.window, settling, LATER)


def test_intake_admits_by_a_record_that_another_program_logged(headend: Headend) -> None:
    one = gateway(1, [METER])
    headend.enrol(one)
    assert headend.take_in(one.next()).admitted == 1
    desk = StoredRegistryDesk(
        database=headend.folder / "headend.db",
        folder=headend.folder,
        key=headend.key,
        signer=headend.statement_signer,
    )
    content = sheet({"meter": METER, "from": "2026-04-20", "sanctioned_kw": "7"})
    assert desk.apply(parse_csv(content), Rejected.REFUSES_ALL, by="mdm", at_utc=NOW).is_applied
    assert headend.take_in(one.next()).admitted == 1
    assert headend.record(METER).number == 1
    assert headend.record(METER).facts[-1].sanctioned_w == 7000


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_sheet_changes_nothing(headend: Headend, rows: int) -> None:
    desk = StoredRegistryDesk(
        database=headend.folder / "headend.db",
        folder=headend.folder,
        key=headend.key,
        signer=headend.statement_signer,
    )
    content = b"meter,from\n" + b",\n" * rows
    outcome = desk.apply(parse_csv(content), Rejected.REFUSES_ALL, by="mdm", at_utc=NOW)
    assert (outcome.is_applied, outcome.records, outcome.plan.total) == (True, 0, 0)
    assert headend.book.size(0) == 0
