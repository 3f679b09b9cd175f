from pathlib import Path

import pytest

from edge_agent.config import Protocol, load, secret
from signing.errors import DecodeError, KeyUnavailableError
from tests.edge_agent.discom import Discom
from tests.edge_agent.settings import config, text


def faults(directory: Path, content: str) -> list[str]:
    with pytest.raises(DecodeError) as caught:
        config(directory, content)
    return str(caught.value).splitlines()[1:]


def test_the_smallest_configuration_has_defaults_and_paths_beside_its_file(tmp_path: Path, discom: Discom) -> None:
    (tmp_path / "agent.toml").write_text(text(discom))
    settings = load(tmp_path / "agent.toml")
    assert settings.key == f"file:{tmp_path}/gateway.key"
    assert settings.database == tmp_path / "state" / "agent.db"
    assert settings.address.up == "sakshi/1/0/gw1/up"
    assert (settings.broker.protocol, settings.broker.ca_file) == (Protocol.MQTT_3_1_1, None)
    assert settings.discom.statement_keys[0].kid == discom.signer.public_key.kid
    assert settings.meters[0].backfill_days == 35


@pytest.mark.parametrize(("line_bps", "hold_s"), [(300, 1), (10**9, 600)])
def test_a_line_and_how_long_it_may_be_held_are_configured(
    tmp_path: Path, discom: Discom, line_bps: int, hold_s: int
) -> None:
    settings = config(tmp_path, text(discom, extra=f"line_bps = {line_bps}\n[poll]\nhold_s = {hold_s}"))
    assert (settings.meters[0].line_bps, settings.poll.hold_s) == (line_bps, hold_s)


@pytest.mark.parametrize(("line_bps", "hold_s"), [(299, 0), (10**9 + 1, 601)])
def test_a_line_that_cannot_be_is_refused_by_key(tmp_path: Path, discom: Discom, line_bps: int, hold_s: int) -> None:
    found = faults(tmp_path, text(discom, extra=f"line_bps = {line_bps}\n[poll]\nhold_s = {hold_s}"))
    assert [next(key for key in ("line_bps", "hold_s") if key in fault) for fault in found] == ["line_bps", "hold_s"]


@pytest.mark.parametrize("days", [1, 100])
def test_as_many_days_are_read_first_as_the_agent_remembers(tmp_path: Path, discom: Discom, days: int) -> None:
    assert config(tmp_path, text(discom, extra=f"backfill_days = {days}")).meters[0].backfill_days == days


@pytest.mark.parametrize("days", [0, 101])
def test_no_day_and_more_days_than_the_agent_remembers_are_refused(tmp_path: Path, discom: Discom, days: int) -> None:
    (fault,) = faults(tmp_path, text(discom, extra=f"backfill_days = {days}"))
    assert fault == f"meter[0].backfill_days: expected a whole number from 1 to 100, got {days}"


def test_every_fault_is_reported_at_once_with_its_key(tmp_path: Path, discom: Discom) -> None:
    content = (
        text(discom, extra='period_s = 600\nbackfill_days = 101\nspeed = 9600\nstamp = "middle"')
        .replace('gateway = "gw1"', 'gateway = "gw/1"')
        .replace("shard = 0", "shard = 65536")
        .replace("file:gateway.key", "hunter2")
        .replace("port = 1883", 'port = 0\nprotocol = "4"\npassword = "hunter2"\ncertificate = "c.pem"')
        .replace("+", "-", 1)
        .replace('statement_keys = ["', 'statement_keys = ["*')
    )
    found = faults(tmp_path, content + "\n[poll]\ninterval_s = 0\n[uplink]\nfirst_s = 100\nlongest_s = 10\n")
    keys = [line.split(": ")[0] for line in found]
    for key in (
        "gateway",
        "shard",
        "key",
        "broker.port",
        "broker.protocol",
        "broker.password",
        "broker.username",
        "broker.certificate",
        "broker.ca_file",
        "discom.log_key",
        "discom.statement_keys[0]",
        "meter[0].stamp",
        "meter[0].period_s",
        "meter[0].backfill_days",
        "meter[0].speed",
        "poll.interval_s",
        "uplink.longest_s",
    ):
        assert key in keys, key
    assert "hunter2" not in "\n".join(found)


def test_every_fault_of_a_url_is_reported_under_its_key(tmp_path: Path, discom: Discom) -> None:
    found = faults(tmp_path, text(discom, url="dlms+tcp://127.0.0.1:4059?client=32&servr=1"))
    assert len(found) == 2
    assert all(line.startswith("meter[0].url: ") for line in found)


def test_two_meters_share_neither_id_nor_serial_nor_url(tmp_path: Path, discom: Discom) -> None:
    url = "dlms+tcp://127.0.0.1:4059?client=16"
    again = f'[[meter]]\nid = "M1"\nserial = "SERIAL1"\nurl = "{url}"'
    assert len(faults(tmp_path, text(discom, extra=again))) == 3


def test_two_protocols_do_not_share_a_serial_port_and_every_command_says_so(tmp_path: Path, discom: Discom) -> None:
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyUSB0")
    again = f'[[meter]]\nid = "M2"\nserial = "SERIAL2"\nurl = "modbus+rtu:{tmp_path}/by-id?map=adl400"'
    (fault,) = faults(tmp_path, text(discom, url=f"dlms+serial:{tmp_path}/ttyUSB0?client=16", extra=again))
    assert fault.startswith(f"meter: expected one protocol for every meter on {tmp_path}/ttyUSB0, got")
    assert fault.endswith("give each protocol a port of its own")


def test_a_configuration_without_meters_is_refused(tmp_path: Path, discom: Discom) -> None:
    content = text(discom)
    (fault,) = faults(tmp_path, content[: content.index("[[meter]]")])
    assert fault.startswith("meter: expected at least 1")


def test_the_stamp_setting_reaches_the_reader(tmp_path: Path, discom: Discom) -> None:
    settings = config(tmp_path, text(discom, extra='stamp = "start"'))
    assert settings.meters[0].url.endswith("?client=16&stamp=start")


def test_a_missing_file_says_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="check the path after --config"):
        load(tmp_path / "typo.toml")


def test_a_password_file_must_be_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    path.chmod(0o600)
    assert secret(f"file:{path}") == "hunter2"
    path.chmod(0o640)
    with pytest.raises(KeyUnavailableError, match="chmod 600") as caught:
        secret(f"file:{path}")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(KeyUnavailableError, match="check the path"):
        secret(f"file:{path}.typo")


def test_a_password_that_is_no_text_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b"hunter2\xff")
    path.chmod(0o600)
    with pytest.raises(KeyUnavailableError, match="not UTF-8") as caught:
        secret(f"file:{path}")
    assert caught.value.__cause__ is None
    assert "hunter2" not in repr(caught.value)


def test_a_configuration_shows_no_url_and_no_secret(tmp_path: Path, discom: Discom) -> None:
    shown = repr(config(tmp_path, text(discom)))
    assert "dlms+tcp" not in shown


KEYED = "dlms+tcp://127.0.0.1:4059?client={}&auth=hls5&keys=store:M1&title=53414b0000000001"


@pytest.mark.parametrize("client", [48, 80])
def test_credentials_that_could_change_a_meter_need_a_reason(tmp_path: Path, discom: Discom, client: int) -> None:
    url = KEYED.format(client)
    (fault,) = faults(tmp_path, text(discom, url=url))
    assert f"meter[0].url: expected credentials that only read, got client={client}" in fault
    assert "utility_setting_because" in fault
    settings = config(
        tmp_path, text(discom, url=url, extra='utility_setting_because = "gives its profile to no other"')
    )
    assert settings.meters[0].utility_setting_because == "gives its profile to no other"


def test_how_long_a_meter_holds_on_is_configured(tmp_path: Path, discom: Discom) -> None:
    assert config(tmp_path, text(discom)).meters[0].inactivity_s is None
    for good in (1, 3600):
        assert config(tmp_path, text(discom, extra=f"inactivity_s = {good}")).meters[0].inactivity_s == good
    for bad in (0, 3601):
        (fault,) = faults(tmp_path, text(discom, extra=f"inactivity_s = {bad}"))
        assert fault.startswith("meter[0].inactivity_s")


@pytest.mark.parametrize("client", [47, 49, 79, 81])
def test_other_credentials_need_no_reason(tmp_path: Path, discom: Discom, client: int) -> None:
    assert config(tmp_path, text(discom, url=KEYED.format(client))).meters[0].utility_setting_because is None


def test_a_reason_is_one(tmp_path: Path, discom: Discom) -> None:
    (fault,) = faults(tmp_path, text(discom, url=KEYED.format(48), extra='utility_setting_because = ""'))
    assert "utility_setting_because" in fault


def test_the_wrapping_key_stands_beside_the_signing_key(tmp_path: Path, discom: Discom) -> None:
    assert config(tmp_path, text(discom)).wrapping_key == f"file:{tmp_path}/gateway.key.wrapping"
    named = text(discom).replace("[broker]", 'wrapping_key = "file:w.key"\n[broker]', 1)
    assert config(tmp_path, named).wrapping_key == f"file:{tmp_path}/w.key"
