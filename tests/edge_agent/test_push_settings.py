"""What the configuration may say of pushes, and every fault of it under its key."""

import re
from pathlib import Path

import pytest

from edge_agent.config import Config
from edge_agent.push_settings import PORT, Address, MeterPush, Plain, PushSettings
from signing.errors import DecodeError
from tests.edge_agent.discom import Discom
from tests.edge_agent.settings import config, text

KEYED = "dlms+tcp://127.0.0.1:4059?client=32&auth=lls&suite=0&keys=store:M1&title=53414b0000000001"
TITLE = "534b530000bc614e"


@pytest.fixture
def parsed(tmp_path: Path, discom: Discom) -> "Parsed":
    return Parsed(tmp_path, discom)


class Parsed:
    """Configurations with something added to the meter, and tables behind it."""

    def __init__(self, directory: Path, discom: Discom) -> None:
        self._directory = directory
        self._discom = discom

    def __call__(self, extra: str, **where: str) -> Config:
        return config(self._directory, text(self._discom, extra=extra, **where))  # type: ignore[arg-type]  # only url

    def faults(self, extra: str, **where: str) -> list[str]:
        with pytest.raises(DecodeError) as caught:
            self(extra, **where)
        return str(caught.value).splitlines()[1:]


def test_without_the_table_nothing_is_listened_on(parsed: Parsed) -> None:
    assert parsed("").push is None


def test_a_listener_has_defaults(parsed: Parsed) -> None:
    found = parsed('[push]\ntcp = "192.0.2.1:4059"\nudp = "[2001:db8::1]:4059"').push
    assert found == PushSettings(
        tcp=Address(host="192.0.2.1", port=4059),
        udp=Address(host="2001:db8::1", port=4059),
        authentic_s=60,
        hint_s=900,
    )
    assert [str(found.tcp), str(found.udp)] == ["192.0.2.1:4059", "[2001:db8::1]:4059"]


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("authentic_s = 60", "push.tcp"),
        ('tcp = "4059"', "push.tcp"),
        ('tcp = ":4059"', "push.tcp"),
        ('tcp = "127.0.0.1:0"', "push.tcp"),
        ('tcp = "127.0.0.1:65536"', "push.tcp"),
        ('udp = "127.0.0.1:x"', "push.udp"),
        ('tcp = "127.0.0.1:4059"\nauthentic_s = 0', "push.authentic_s"),
        ('tcp = "127.0.0.1:4059"\nhint_s = 59', "push.hint_s"),
        ('tcp = "127.0.0.1:4059"\nauthentic_s = 901', "push.hint_s"),
        ('tcp = "127.0.0.1:4059"\nport = 4059', "push.port"),
    ],
)
def test_a_fault_of_the_listener_is_told_under_its_key(parsed: Parsed, table: str, key: str) -> None:
    assert [line.split(": ")[0] for line in parsed.faults(f"[push]\n{table}")] == [key]


@pytest.mark.parametrize(
    "table", ['tcp = "127.0.0.1:65535"', 'tcp = "[::1]:1"\nauthentic_s = 900', 'udp = "a.b:1"\nhint_s = 60']
)
def test_the_bounds_are_good(parsed: Parsed, table: str) -> None:
    assert parsed(f"[push]\n{table}").push is not None


def test_a_meters_pushes_are_ciphered_under_the_keys_of_its_url(parsed: Parsed) -> None:
    (meter,) = parsed(f'push_title = "{TITLE}"', url=KEYED).meters
    assert meter.push == MeterPush(title=bytes.fromhex(TITLE), keys="store:M1", plain=Plain.REFUSE)


def test_other_keys_and_a_wish_for_hints_are_taken(parsed: Parsed) -> None:
    (meter,) = parsed('push_keys = "store:M1-push"\nplain_push = "hint"', url=KEYED).meters
    assert meter.push == MeterPush(title=None, keys="store:M1-push", plain=Plain.HINT)


def test_a_plain_push_of_a_meter_that_is_read_in_plain_is_a_hint(parsed: Parsed) -> None:
    assert parsed("").meters[0].push == MeterPush(plain=Plain.HINT)
    assert parsed('plain_push = "refuse"').meters[0].push.plain is Plain.REFUSE


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('push_title = "534b530000bc61"', "meter[0].push_title"),
        ('push_title = "meter"', "meter[0].push_title"),
        ('push_keys = "000102030405060708090a0b0c0d0e0f"', "meter[0].push_keys"),
        ('push_keys = "file:keys"', "meter[0].push_keys"),
        ('push_keys = "store:"', "meter[0].push_keys"),
        ('plain_push = "maybe"', "meter[0].plain_push"),
    ],
)
def test_a_fault_of_a_meters_pushes_is_told_under_its_key(parsed: Parsed, line: str, key: str) -> None:
    (fault,) = parsed.faults(line)
    assert fault.startswith(f"{key}: ")
    assert "0405" not in fault


def test_a_modbus_meter_pushes_nothing(parsed: Parsed) -> None:
    found = parsed.faults(f'push_title = "{TITLE}"\nplain_push = "hint"', url="modbus+tcp://127.0.0.1:502?map=sdm630")
    assert [line.split(": ")[0] for line in found] == ["meter[0].push_title", "meter[0].plain_push"]


def test_two_meters_have_two_system_titles(parsed: Parsed) -> None:
    second = f'[[meter]]\nid = "M2"\nserial = "S2"\nurl = "dlms+tcp://127.0.0.1:4060?client=16"\npush_title = "{TITLE}"'
    (fault,) = parsed.faults(f'push_title = "{TITLE}"\n{second}')
    assert fault.startswith("meter: expected a different push_title")


def test_what_the_page_shows_is_taken(parsed: Parsed) -> None:
    page = (Path(__file__).parents[2] / "docs" / "pushes.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    listener, of_meter = example.split("[[meter]]")
    made = parsed(f"{of_meter}\n{listener}", url=KEYED)
    assert made.push == PushSettings(tcp=Address(host="192.0.2.1", port=PORT), udp=Address(host="192.0.2.1", port=PORT))
    assert made.meters[0].push.title == bytes.fromhex("534b53000012d687")
