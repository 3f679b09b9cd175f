"""The section of who may ask."""

from pathlib import Path

import pytest

from headend.settings.beckn import Push, Revisions, Untraded
from headend.trading.parties import Party, Sees
from ledger_client.beckn.on_status import EvidenceColumn
from ledger_client.beckn.status import Shape
from ledger_client.dedi import DEFAULT_BASE
from signing.errors import DecodeError
from tests.headend.settling import configuration

CALLER = '[[beckn.caller]]\nsubscriber = "ledger.example.org"\n'


def section(addition: str = "", callers: str = CALLER) -> str:
    receiver = "" if "receiver" in addition else 'receiver = "https://d.example/bpp/receiver"\n'
    networks = "" if "networks" in addition else 'networks = ["n"]\n'
    return f"[beckn]\n{receiver}{networks}{addition}\n{callers}"


def test_without_the_section_nobody_asks(tmp_path: Path) -> None:
    assert configuration(tmp_path).beckn is None


def test_a_short_section_is_careful(tmp_path: Path) -> None:
    found = configuration(tmp_path, section()).beckn
    assert found is not None
    assert found.status_path == "/bpp/receiver/status"
    assert found.parties == (Party(subscriber="ledger.example.org", sees=Sees.LEDGER),)
    assert (found.untraded, found.revisions) == (Untraded.CONSENT, Revisions.PUSH)
    assert (found.shape, found.evidence, found.callback_hosts) == (None, EvidenceColumn.BY_SIDE, None)
    assert found.directory == DEFAULT_BASE
    assert found.party("another") is None


def test_every_choice_is_read(tmp_path: Path) -> None:
    text = section(
        'shape = "attributes"\nevidence = "beside"\nrevisions = "wait"\nuntraded = "answer"\ndirectory = "file:s.toml"\n'
        'callback_hosts = ["Ledger.Example.org"]',
        CALLER + '[[beckn.caller]]\nsubscriber = "b"\nsees = "discom"\ndiscom = "BRPL"\n',
    )
    found = configuration(tmp_path, text).beckn
    assert found is not None
    assert (found.shape, found.evidence) == (Shape.ATTRIBUTES, EvidenceColumn.BESIDE)
    assert (found.revisions, found.untraded) == (Revisions.WAIT, Untraded.ANSWER)
    assert found.directory == f"file:{tmp_path / 's.toml'}"
    assert found.callback_hosts == frozenset({"ledger.example.org"})
    assert found.parties[1] == Party(subscriber="b", sees=Sees.DISCOM, discom="BRPL")


PUSHED = CALLER + 'push = "https://ledger.example.org/bap/receiver"\n'


def test_a_ledger_may_be_told_without_asking(tmp_path: Path) -> None:
    uri = "https://ledger.example.org/bap/receiver"
    for addition, callers, network in (
        ("", PUSHED, "n"),
        ('networks = ["n", "m"]', PUSHED + 'network = "m"', "m"),
    ):
        found = configuration(tmp_path, section(addition, callers)).beckn
        assert found is not None
        assert found.pushes == (Push(subscriber="ledger.example.org", uri=uri, network=network),)
    silent = configuration(tmp_path, section()).beckn
    assert silent is not None
    assert silent.pushes == ()


@pytest.mark.parametrize(
    ("addition", "callers", "message"),
    [
        ('receiver = "http://d.example/bpp"', CALLER, "beckn.receiver: expected the registered address"),
        ('receiver = "https://d.example/"', CALLER, "beckn.receiver: expected the registered address"),
        ("networks = []", CALLER, "beckn.networks"),
        ('directory = "http://registry.example"', CALLER, "beckn.directory: expected https"),
        ('shape = "round"', CALLER, "beckn.shape: expected one of as-asked, dataset, attributes"),
        ('dialect = "c"', CALLER, "beckn.dialect: expected one of status"),
        ("per_minute = 0", CALLER, "beckn.per_minute"),
        ("", "", "beckn.caller"),
        ("", CALLER + CALLER, "beckn.caller: expected every subscriber once"),
        ("", CALLER + '[[beckn.caller]]\nsubscriber = "b"\n', 'caller: expected at most one with sees = "ledger"'),
        ("", CALLER + 'sees = "discom"', "discom: expected a short code exactly with"),
        ("", CALLER + 'discom = "X"', "discom: expected a short code exactly with"),
        ("", CALLER + 'push = "http://ledger.example.org/x"', "push: expected https"),
        ("", PUSHED + 'sees = "platform"', "push: expected https"),
        ('revisions = "wait"', PUSHED, 'push: expected revisions = "push" beside it'),
        ('networks = ["n", "m"]', PUSHED, "network: expected in which of the networks"),
        ("", PUSHED + 'network = "m"', "network: expected one of the networks"),
        ("", CALLER + 'network = "n"', "network: expected one of the networks, beside push"),
        ("surprise = 1", CALLER, "beckn.surprise: unknown key"),
    ],
)
def test_a_wrong_section_is_named_by_its_key(tmp_path: Path, addition: str, callers: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        configuration(tmp_path, section(addition, callers))
