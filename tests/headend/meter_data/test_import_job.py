"""The job that takes files of the drop folder and compares, as the service runs it."""

import logging
import threading
from pathlib import Path

import pytest

from headend.config import parse
from headend.founding import HeadendKeys
from headend.jobs import JOBS, Office
from headend.meter_data.drop_folder import DropFolderUnavailableError
from headend.store.sqlite import doubt_rows
from tests.headend.days.test_validating import FULL, REGISTERS
from tests.headend.discom import LATER, METER, log_rules, stated
from tests.headend.meter_data.test_importing import block, register, table
from tests.headend.premises import Headend, gateway
from tests.headend.test_config import GOOD


def office(headend: Headend) -> Office:
    """An office in which nobody waits."""
    text = GOOD.replace('state = "state"', 'state = "."') + '[imports]\nfolder = "drop"\nsource = "HES"\n'
    stop = threading.Event()
    stop.set()
    return Office(
        config=parse(text, "headend.toml", headend.folder),
        keys=HeadendKeys(statements=headend.statement_signer, log=headend.key),
        now=lambda: LATER,
        stop=stop,
        components=tuple,
    )


@pytest.fixture
def drop(headend: Headend) -> Path:
    log_rules(headend)
    one = gateway()
    headend.enrol(one)
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    found = headend.folder / "drop"
    found.mkdir()
    return found


def test_a_dropped_file_is_taken_compared_and_told_of(
    headend: Headend, drop: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registers = [row.replace(",0,\n", ",,\n") for row in (register(0, 1000), register(1, 18_300))]
    (drop / "a.csv").write_bytes(table(block(0), *registers))
    (drop / "b.csv").write_bytes(b"\xff")
    caplog.set_level(logging.INFO, logger="sakshi.headend")
    with JOBS["imports"](office(headend)) as step:
        assert step() is None
        assert step() is None
    assert (drop / "taken" / "a.csv").exists()
    assert (drop / "refused" / "b.csv").exists()
    (doubt,) = doubt_rows.of(headend.database.connection, METER)
    assert doubt.because.startswith("signed and imported registers differ by 7700 Wh")
    lines = [(record.levelname, record.message.split(":")[0]) for record in caplog.records]
    assert lines == [
        ("INFO", "import of a.csv"),
        ("WARNING", "import of b.csv"),
        ("WARNING", f"origin of {METER}"),
    ]


def test_a_folder_that_is_gone_is_trouble_that_the_service_shows(headend: Headend, drop: Path) -> None:
    drop.rmdir()
    with JOBS["imports"](office(headend)) as step, pytest.raises(DropFolderUnavailableError):
        step()
