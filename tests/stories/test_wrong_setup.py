"""Wrong configuration: every fault at once with its key, exit 2, nothing started, no trace. What is missing names its remedy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.processes import program, running
from tests.stories.stage import AGENT, BROKER, HEADEND, Said, Stage, said_by, until

pytestmark = [pytest.mark.story, pytest.mark.slow]

AGENT_TOML = """
gateway = "not a gateway"
shard = 70000
key = "hunter2"
state = "state"
colour = "red"
[broker]
port = 0
protocol = "4"
[discom]
log_key = "x"
statement_keys = []
[[meter]]
id = "M1"
serial = ""
url = "gopher://hunter2@x"
period_s = 7
[poll]
interval_s = 0
"""
AGENT_KEYS = (
    "gateway shard key colour broker.port broker.protocol discom.log_key discom.statement_keys meter[0].serial meter[0].url "
    "meter[0].period_s poll.interval_s"
)
HEADEND_TOML = """
discom = "no good"
domain = "pavvnl.example"
state = "state"
colour = "red"
[keys]
statements = "hunter2"
log = "file:a.pem"
beckn = "file:a.pem"
[broker]
port = 99999
[web]
host = "0.0.0.0"
port = -1
[ledger]
url = "gopher://hunter2@x"
subscriber = "s"
[windows]
pending_after_s = "soon"
[posting]
statuses = ["PENDING"]
"""
HEADEND_KEYS = (
    "discom colour keys keys.statements broker.port web.host web.port ledger.url ledger.key_id windows.pending_after_s "
    "posting.statuses"
)
PARTICIPANTS_TOML = """
[[participant]]
subscriber_id = ""
key_id = "k1"
public_key = "zz"
role = "king"
[[participant]]
colour = "red"
"""
PARTICIPANT_KEYS = (
    "participant[0].subscriber_id participant[0].public_key participant[0].role participant[1].colour "
    "participant[1].subscriber_id"
)
SIM_OPTIONS = "--listen nonsense --period 7 --days x --seed y --fault what --role boss --shape q"
SIM_KEYS = "--listen --period --days --seed --fault --role --shape"


@pytest.mark.parametrize(
    ("command", "text", "keys"),
    [
        ("sakshi-agent run --config FILE", AGENT_TOML, AGENT_KEYS),
        ("sakshi-agent init --config FILE", AGENT_TOML, AGENT_KEYS),
        ("sakshi-headend serve --config FILE", HEADEND_TOML, HEADEND_KEYS),
        ("sakshi-headend init --config FILE", HEADEND_TOML, HEADEND_KEYS),
        ("sakshi-ledger sandbox --state state --participants FILE", PARTICIPANTS_TOML, PARTICIPANT_KEYS),
        (f"sakshi-sim dlms {SIM_OPTIONS} --truth FILE", "", SIM_KEYS),
    ],
)
def test_every_fault_is_reported_at_once_and_nothing_starts(tmp_path: Path, command: str, text: str, keys: str) -> None:
    file = tmp_path / "given.toml"
    file.write_text(text)
    name, *rest = command.replace("FILE", str(file)).split()
    said = said_by([program(name), *rest], cwd=tmp_path)
    assert said.code == 2, said.err
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "hunter2" not in said.err
    named = {
        line.removeprefix("sakshi-ledger: ").removeprefix("sakshi-sim: ").split(": ")[0]
        for line in said.err.splitlines()
    }
    assert set(keys.split()) <= named
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == text


@pytest.mark.parametrize(
    "command",
    ["sakshi-agent run --config FILE", "sakshi-headend serve --config FILE", "sakshi-verify --trust FILE FILE",
     "sakshi-ledger sandbox --state state --participants FILE"],
)  # fmt: skip
def test_a_file_that_is_not_there_is_misuse(tmp_path: Path, command: str) -> None:
    name, *rest = command.replace("FILE", str(tmp_path / "absent")).split()
    said = said_by([program(name), *rest], cwd=tmp_path)
    assert said.code == 2
    assert "Traceback" not in said.err
    assert str(tmp_path / "absent") in said.err
    assert list(tmp_path.iterdir()) == []


def require_refused(said: Said, *words: str) -> None:
    assert said.code == 1, said
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        yield Stage(tmp_path, processes)


def test_a_key_that_cannot_be_used_is_refused_with_its_remedy(stage: Stage) -> None:
    stage.prepare()
    keys = {
        stage.headend_folder / "keys" / "statements.pem": stage.headend("serve"),
        stage.headend_folder / "keys" / "log.pem": stage.headend("serve"),
        stage.headend_folder / "keys" / "beckn.pem": stage.headend("serve"),
        stage.gateway_folder / "gateway.pem": stage.agent("run"),
    }
    for key, command in keys.items():
        content = key.read_bytes()
        key.chmod(0o644)
        require_refused(said_by(command), str(key), f"chmod 600 {key}")
        key.write_bytes(b"garbage")
        key.chmod(0o600)
        require_refused(said_by(command), str(key), "unencrypted PKCS #8 PEM")
        key.unlink()
        require_refused(said_by(command), str(key), "create")
        assert not key.exists()
        key.touch(mode=0o600)
        key.write_bytes(content)


def test_a_typo_in_a_path_starts_no_empty_history(stage: Stage) -> None:
    stage.prepare()
    for config, command in ((stage.headend_config, stage.headend("serve")), (stage.agent_config, stage.agent("run"))):
        text = config.read_text()
        config.write_text(text.replace('state = "state"', 'state = "sttae"'))
        require_refused(said_by(command), "sttae", "init")
        assert not (config.parent / "sttae").exists()
        config.write_text(text)
    said = said_by([program("sakshi-ledger"), "sandbox", "--state", str(stage.folder / "sttae"), "--participants",
                    str(stage.folder / "participants.toml")])  # fmt: skip
    assert said.code == 2
    assert "sandbox-init" in said.err
    assert not (stage.folder / "sttae").exists()
    # Neither does a second `init` begin another one.
    require_refused(said_by(stage.headend("init")), "exists already")
    assert said_by(stage.agent("init")).code == 1


def test_a_head_end_restored_from_an_old_backup_refuses_to_sign(stage: Stage) -> None:
    """P21: what was signed after the backup stands in the checkpoint file, outside the database."""
    stage.prepare()
    stage.start(BROKER)
    stage.start("exchange")
    stage.start(HEADEND)
    until("the broker is there", stage.works)
    old, checkpoint = stage.folder / "old.db", stage.headend_folder / "state" / "checkpoint-0"
    stage.copy_database(old)
    stage.start(AGENT)
    until("something is logged", lambda: stage.rows("SELECT count(*) FROM batches") > [(1,)])
    until("everything is answered", lambda: stage.backlog() == [])
    stage.processes.end(AGENT)
    assert stage.processes.end(HEADEND) == 0
    said = checkpoint.read_bytes()
    new = stage.folder / "new.db"
    stage.copy_database(new)
    stage.restore_database(old)
    refusing = ("serve",), ("key", "revoke", "--meter", "SKS1000001", "--kid", "00" * 32)
    for verb in refusing:
        require_refused(said_by(stage.headend(*verb)), "behind", str(checkpoint), "restore")
    assert checkpoint.read_bytes() == said
    # With the database that was signed it serves again.
    stage.restore_database(new)
    stage.start(HEADEND)
    until("it works", stage.works)


def test_a_head_end_that_lost_its_database_goes_on_from_a_backup(stage: Stage) -> None:
    """P21: the log comes back whole from beside the database, and the gateway refills the leaves that the backup lacks."""
    stage.prepare()
    stage.start(BROKER)
    stage.start("exchange")
    stage.start(HEADEND)
    until("the broker is there", stage.works)
    backup = stage.folder / "backup.db"
    assert said_by([*stage.headend("backup"), str(backup)]).code == 0
    stage.start(AGENT)
    until("something is logged", lambda: stage.rows("SELECT count(*) FROM batches") > [(1,)])
    until("everything is answered", lambda: stage.backlog() == [])
    stage.processes.end(AGENT)
    assert stage.processes.end(HEADEND) == 0
    logged = stage.rows("SELECT leaf, digest FROM batches ORDER BY leaf")
    for name in ("headend.db", "headend.db-wal", "headend.db-shm"):
        (stage.database.parent / name).unlink(missing_ok=True)
    require_refused(said_by(stage.headend("serve")), "headend.db")
    said = said_by([*stage.headend("restore"), str(backup)])
    assert said.code == 0, said.err
    assert f"{len(logged)} statement(s) are lost" in said.out
    assert "Posting stands down (hold 1)" in said.out
    stage.put()
    stage.start(HEADEND)
    stage.start(AGENT)
    until("nothing is lost", lambda: stage.rows("SELECT count(*) FROM lost_leaves") == [(0,)])
    assert stage.rows("SELECT leaf, digest FROM batches ORDER BY leaf")[: len(logged)] == logged
    # Nobody knows here what operators ordered since the backup: what is known goes to nobody until one of them has looked.
    until("the figure stands and is held", lambda: [one["state"] for one in stage.postings()][-1:] == ["HELD"])
    assert stage.effects() == []
    release = [
        *stage.headend("hold", "release"),
        "--number",
        "1",
        "--by",
        "asha",
        "--reason",
        "nothing was ordered since",
    ]
    said = said_by(release)
    assert "goes now: 1 posting(s), 1 HELD" in said.out
    assert stage.effects() == []
    assert said_by([*release, "--apply"]).code == 0
    until("it is posted", stage.is_confirmed)
    stage.processes.end(AGENT)
    assert stage.processes.end(HEADEND) == 0
    assert said_by(stage.headend("fsck")).out.startswith("ok")


def test_two_agents_never_share_one_state(stage: Stage) -> None:
    stage.prepare()
    stage.start(BROKER)
    stage.start(AGENT)
    until("the first runs", lambda: "broker connected" in stage.processes.log(AGENT).read_text())
    require_refused(said_by(stage.agent("run")), "another agent runs on")
    stage.processes.check()
