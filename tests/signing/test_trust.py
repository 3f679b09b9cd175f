"""The trust file: every fault at once, and what is written reads back."""

from base64 import b64encode
from dataclasses import replace

import pytest

from signing.errors import DecodeError
from signing.keys import parse_cose_key
from signing.log.checkpoint import open_checkpoint
from signing.log.note import VerifierKey
from signing.log.witness import WitnessPolicy
from signing.trust import DiscomKey, TrustRoot, parse_trust, trust_text
from tests.vectors import scenes
from tests.vectors.world import ORIGIN, EdKey, Key, World, dumps

WORLD = scenes.good().world
LOG = VerifierKey.parse(WORLD.log.verifier(ORIGIN))
DISCOM = parse_cose_key(dumps(WORLD.discom.cose))
OTHER = parse_cose_key(dumps(EdKey(5).cose))
WITNESS = VerifierKey.parse(EdKey(7).verifier("witness.example", 4))
FULL = TrustRoot(
    logs=(LOG, VerifierKey.parse(EdKey(6).verifier('odd"\\name/1'))),
    discoms=(DiscomKey(key=DISCOM, until_index=4096), DiscomKey(key=OTHER, from_index=4096)),
    pin=open_checkpoint(WORLD.checkpoint(), LOG),
    witnesses=WitnessPolicy(required=1, witnesses=(WITNESS,)),
)


@pytest.mark.parametrize("root", [FULL, replace(FULL, pin=None, witnesses=None, logs=(LOG,))])
def test_what_is_written_reads_back(root: TrustRoot) -> None:
    assert parse_trust(trust_text(root)) == root


def test_a_key_that_was_replaced_signs_its_own_indices_only() -> None:
    for index, first, second in ((0, DISCOM, None), (4095, DISCOM, None), (4096, None, OTHER)):
        assert FULL.discom_key(DISCOM.kid, index) == first
        assert FULL.discom_key(OTHER.kid, index) == second
    assert FULL.log(ORIGIN) == LOG
    assert FULL.log("elsewhere") is None


def test_every_fault_is_told_at_once_with_its_key() -> None:
    text = """
version = 2
colour = "blue"
[[log]]
origin = "a/sakshi/0"
key = "nonsense"
[[discom]]
key = "!"
from_index = -1
[[discom]]
key = "AA=="
from_index = 0
shade = 1
[pin]
checkpoint = "no note"
[witness]
threshold = 0
keys = []
"""
    with pytest.raises(DecodeError) as caught:
        parse_trust(text, "trust.toml")
    lines = str(caught.value).splitlines()
    assert lines[0] == "trust.toml has 10 fault(s):"
    for key in ("version", "log[0].key", "discom[0].key", "discom[0].from_index", "discom[1].key", "discom[1].shade"):
        assert any(line.startswith(f"{key}:") for line in lines), key
    for key in ("pin.checkpoint", "witness.threshold", "witness.keys", "colour"):
        assert any(line.startswith(f"{key}:") for line in lines), key


def refused(text: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse_trust(text)


def test_a_log_key_bears_its_origin_and_is_a_logs() -> None:
    text = WORLD.trust()
    refused(text.replace(f'origin = "{ORIGIN}"', 'origin = "other"'), "log\\[0\\].origin: expected the key's name")
    refused(text.replace(f'origin = "{ORIGIN}"\n', ""), "log\\[0\\].origin: expected a text in quotes, got nothing")
    witness = str(VerifierKey.parse(WORLD.log.verifier(ORIGIN, 4)))
    refused(text.replace(str(LOG), witness), "log\\[0\\].key: expected the log's key, got a witness's")
    refused(text.replace("[[discom]]", f'[[log]]\norigin = "{ORIGIN}"\nkey = "{LOG}"\n[[discom]]'), "each origin once")


def test_a_discom_key_signs_a_range_that_is_not_empty() -> None:
    refused(WORLD.trust(until=0), "expected until_index above from_index 0, got 0")
    assert parse_trust(WORLD.trust(until=1)).discoms[0].until_index == 1
    refused(WORLD.trust(more='until_index = "x"'), "discom\\[0\\].until_index")


def test_a_pin_is_a_checkpoint_of_one_of_the_logs() -> None:
    other = World(origin="other.example/sakshi/0")
    refused(WORLD.trust(pin=other.checkpoint()), "pin.checkpoint: expected a checkpoint of one of the logs above")
    refused(WORLD.trust(pin=World(log=EdKey(8)).checkpoint()), "pin.checkpoint: .*not the log's")
    refused(WORLD.trust(more="[pin]"), "pin.checkpoint: expected a text")


def test_witness_keys_are_witnesses() -> None:
    refused(WORLD.trust(more=f'[witness]\nthreshold = 1\nkeys = ["{LOG}"]'), "witness.keys: expected witness keys")
    refused(WORLD.trust(more=f'[witness]\nthreshold = 2\nkeys = ["{WITNESS}"]'), "expected 0 to 1 witnesses, got 2")
    refused(WORLD.trust(more='[witness]\nthreshold = 1\nkeys = ["x"]'), "witness.keys: ")


def test_what_is_not_toml_or_empty_is_refused() -> None:
    refused("[[", "is not TOML")
    refused("version = 1", "log: expected at least 1 table")


def test_a_trust_root_takes_somebodys_word() -> None:
    with pytest.raises(DecodeError, match="at least one log"):
        TrustRoot(logs=(), discoms=(DiscomKey(key=DISCOM),))
    with pytest.raises(DecodeError, match="at least one log"):
        TrustRoot(logs=(LOG,), discoms=())
    with pytest.raises(DecodeError, match="each log origin once"):
        TrustRoot(logs=(LOG, LOG), discoms=(DiscomKey(key=DISCOM),))


def test_a_discom_key_on_the_wire_is_base64_of_a_cose_key() -> None:
    own = b64encode(dumps(WORLD.discom.cose)).decode()
    refused(WORLD.trust().replace(own, "%%%"), "expected the base64 of an encoded COSE_Key")
    refused(WORLD.trust().replace(own, b64encode(dumps({1: 2})).decode()), "P-256 or Ed25519")
    assert parse_trust(WORLD.trust().replace(own, b64encode(dumps(Key(4).cose)).decode())).logs == (LOG,)
