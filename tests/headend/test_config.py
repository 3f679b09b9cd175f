"""The head-end's configuration."""

from pathlib import Path

import pytest

from headend.config import Config, parse
from headend.trading.contracts import Policy
from signing.errors import DecodeError
from signing.statements.window_actual import Status

GOOD = """
discom = "PaVVNL"
domain = "pavvnl.example"
state = "state"
[keys]
statements = "file:keys/statements.pem"
log = "file:keys/log.pem"
beckn = "file:keys/beckn.pem"
[ledger]
url = "deg+http://127.0.0.1:9000"
subscriber = "pavvnl.example"
key_id = "k1"
"""


def parsed(text: str) -> Config:
    return parse(text, "headend.toml", Path("base"))


def test_a_short_file_is_enough() -> None:
    config = parsed(GOOD)
    assert config.keys.log == "file:base/keys/log.pem"
    assert config.log_origin == "pavvnl.example/sakshi/0"
    assert config.posting.statuses == frozenset({Status.FINAL, Status.TRUE_UP})
    assert config.broker.shards == (0,)
    assert config.database.parent == config.trust_file.parent == Path("base/state")


def test_the_file_of_the_operators_page_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text(encoding="utf-8")
    config = parsed(page.split("```toml\n")[1].split("```")[0])
    assert config.discom == "PaVVNL"
    assert config.broker.ca_file is not None
    assert config.web.port == 8420


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ('[web]\nhost = "0.0.0.0"', "web.host: without TLS only loopback"),
        ('[web]\ncertificate = "c.pem"', "web.certificate: expected both"),
        ('[posting]\nstatuses = ["PENDING"]', "posting.statuses: expected some of PROVISIONAL, FINAL, TRUE_UP"),
        ("[broker]\nshards = [-1]", "broker.shards: expected a list of whole numbers"),
        ('[broker]\npassword = "hunter2"', "broker.password: expected a URI"),
        ("[brokr]", "brokr: unknown key"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(addition: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parsed(GOOD + addition)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gopher://127.0.0.1:9000", "ledger.url: expected a ledger URL with one of"),
        ("deg+http://ledger.example", "ledger.url: plain HTTP reaches this machine only"),
        ("deg+https://user:hunter2@ledger.example", "ledger.url: expected deg.https://host.* and nothing else"),
    ],
)
def test_a_ledger_that_cannot_be_reached_by_its_url_is_found_before_anything_starts(url: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message) as caught:
        parsed(GOOD.replace("deg+http://127.0.0.1:9000", url))
    assert "hunter2" not in str(caught.value)


def test_the_three_keys_must_differ() -> None:
    with pytest.raises(DecodeError, match="three different keys"):
        parsed(GOOD.replace("log.pem", "beckn.pem"))


def test_every_fault_is_reported_at_once() -> None:
    with pytest.raises(DecodeError) as caught:
        parsed("state = 1\n[web]\nport = 99999\n")
    text = str(caught.value)
    for key in ("discom", "domain", "state", "keys.statements", "web.port", "ledger.url"):
        assert f"\n{key}: " in text


def test_a_certificate_permits_other_addresses() -> None:
    config = parsed(GOOD + '[web]\nhost = "0.0.0.0"\ncertificate = "c.pem"\ncertificate_key = "k.pem"\n')
    assert config.web.certificate == "base/c.pem"


def test_contracts_are_shown_unless_they_are_required_and_that_needs_somebody_whose_keys_count() -> None:
    assert parsed(GOOD).ledger.contracts is Policy.SHOWN
    required = GOOD + 'contracts = "required"\n'
    with pytest.raises(DecodeError, match=r"ledger.contracts: expected a section \[beckn\]"):
        parsed(required)
    with pytest.raises(DecodeError, match=r"ledger.contracts: expected one of shown, required, got 'signed'"):
        parsed(GOOD + 'contracts = "signed"\n')
    beckn = '[beckn]\nreceiver = "https://d.example/bpp/receiver"\nnetworks = ["n"]\n'
    caller = '[[beckn.caller]]\nsubscriber = "l.example"\nsees = "ledger"\n'
    assert parsed(required + beckn + caller).ledger.contracts is Policy.REQUIRED
