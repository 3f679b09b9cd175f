"""What `docs/gateway.md` says of the configuration is what the configuration is."""

import base64
import re
from dataclasses import fields
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest

from edge_agent.config import Config, PollSettings
from edge_agent.errors import ReaderUrlError
from edge_agent.readers.open import READERS, open_reader
from edge_agent.registers import Origin
from edge_agent.steps import Delays
from tests.edge_agent.discom import Discom
from tests.edge_agent.settings import config, text

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "gateway.md").read_text(encoding="utf-8")


@pytest.fixture
def shown(discom: Discom, tmp_path: Path) -> Config:
    """The configuration of the page, with a discom's keys in it."""
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    key = base64.b64encode(discom.signer.public_key.cose_key).decode()
    return config(tmp_path, example.replace("STATEMENT_KEY", key).replace("LOG_KEY", str(discom.log.public)))


def test_the_configuration_of_the_page_is_taken_and_its_meters_are_opened(shown: Config) -> None:
    assert [open_reader(meter.url).origin for meter in shown.meters] == [Origin.LLS, Origin.GMAC, Origin.MODBUS]


def test_the_page_names_every_scheme_and_every_key_of_the_tables(shown: Config) -> None:
    assert {scheme for scheme in READERS if f"`{scheme}" not in PAGE} == set()
    keys = {field.name for settings in (PollSettings, Delays) for field in fields(settings)}
    assert {key for key in keys if not re.search(rf"\b{key}\b", PAGE)} == set()
    assert shown.capacity == 20_000


def test_the_defaults_on_the_page_are_those_of_the_configuration(discom: Discom, tmp_path: Path) -> None:
    known = config(tmp_path, text(discom))
    values = {
        **{field.name: getattr(known.poll, field.name) for field in fields(PollSettings)},
        **{field.name: getattr(known.delays, field.name) for field in fields(Delays)},
        "capacity": known.capacity,
        "backfill_days": known.meters[0].backfill_days,
    }
    told: dict[str, int] = {}
    for names, defaults in re.findall(r"^\| `\[+\w+\]+ ([^|]+)\| ([\d, ]+) \|", PAGE, re.MULTILINE):
        found = [int(each) for each in defaults.split(", ")]
        told |= dict(zip(re.findall(r"\w+", names), found, strict=True))
    assert told == values


def test_the_keys_on_the_page_are_those_that_a_url_takes(tmp_path: Path) -> None:
    table = PAGE.partition("| key of a `dlms` URL |")[2].partition("\n\n")[0]
    named = {
        key for line in table.splitlines() for key in re.findall(r"`(\w+)`", line.split("|")[1] if "|" in line else "")
    }
    password = tmp_path / "meter.lls"
    password.write_text("secret")
    query = (
        f"client=32&server=1&auth=lls&password=file:{password}&keys=store:M&suite=0&title=53414b0000000001&timeout=5"
    )
    query += "&protect=authenticated&dedicated=yes&general=yes&counter=0.0.43.1.2.255&stamp=start"
    values = dict(parse_qsl(f"{query}&physical=17&address=4&frame=256&window=2&pdu=1024"))
    assert named == set(values)
    open_reader(f"dlms+hdlc+tcp://m?{urlencode(values)}")
    for key in values:
        with pytest.raises(ReaderUrlError, match=key):
            open_reader(f"dlms+hdlc+tcp://m?{urlencode(values | {key: 'x y'})}")
