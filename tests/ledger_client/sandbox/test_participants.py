"""The registry of callers: every fault is found at once, with its entry and key."""

import pytest

from ledger_client.sandbox.participants import Participants, ParticipantsError, Role
from ledger_client.signature import KeyId
from tests.ledger_client.rehearsal import participants_toml, signer

KEY = signer("a.example").public_key_text
DISCOM = f'[[participant]]\nsubscriber_id="a.example"\nkey_id="k1"\npublic_key="{KEY}"\nrole="discom"\ndiscom_id="A"\n'


def test_a_registered_key_is_found_with_its_role() -> None:
    participants = Participants.parsed(participants_toml())
    key_id = KeyId(subscriber_id="discom-s.example.org", unique_key_id="k1")
    caller = participants.caller(key_id)
    assert (caller.role, caller.discom_id, caller.subscriber_id) == (
        Role.DISCOM,
        "TEST_DISCOM_SELLER",
        "discom-s.example.org",
    )
    assert participants.key(key_id) is caller.key
    assert participants.key(KeyId(subscriber_id="discom-s.example.org", unique_key_id="k2")) is None


def test_one_subscriber_may_have_two_keys() -> None:
    second = DISCOM.replace('key_id="k1"', 'key_id="k2"')
    participants = Participants.parsed(DISCOM + second)
    assert participants.key(KeyId(subscriber_id="a.example", unique_key_id="k2"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at least one"),
        ("[[participant", "expected TOML"),
        ("participant = 5", "at least one"),
        ("participant = [5]", "expected a table"),
        ("colour = 1\n" + DISCOM, "colour: unknown key"),
        (DISCOM + 'colour = "x"\n', r"participant\[0\].colour: unknown key"),
        (DISCOM.replace('key_id="k1"', ""), r"participant\[0\].key_id: expected a text"),
        (DISCOM.replace('key_id="k1"', "key_id=1"), r"participant\[0\].key_id: expected a text"),
        (DISCOM.replace('"k1"', '"k|1"'), "unique_key_id"),
        (DISCOM.replace(KEY, KEY[:-4]), "32-byte"),
        (DISCOM.replace('"discom"', '"utility"'), "role: expected platform or discom"),
        (DISCOM.replace('discom_id="A"', ""), "discom_id: expected for role discom"),
        (DISCOM.replace('role="discom"', 'role="platform"'), "discom_id: expected for role discom"),
        (DISCOM + DISCOM, "registered twice"),
        (DISCOM + DISCOM.replace('"k1"', '"k2"').replace('"A"', '"B"'), "one role and discom"),
    ],
)
def test_a_fault_is_named_with_its_key(text: str, said: str) -> None:
    with pytest.raises(ParticipantsError, match=said):
        Participants.parsed(text)


def test_every_fault_is_reported_at_once() -> None:
    text = DISCOM.replace('"discom"', '"x"') + DISCOM.replace('key_id="k1"', "")
    with pytest.raises(ParticipantsError) as caught:
        Participants.parsed(text)
    assert len(str(caught.value).splitlines()) == 2


def test_every_fault_of_one_entry_is_reported_at_once() -> None:
    text = DISCOM.replace('key_id="k1"', "").replace(KEY, "zz").replace('"discom"', '"x"')
    with pytest.raises(ParticipantsError) as caught:
        Participants.parsed(text)
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        "participant[0].key_id",
        "participant[0].public_key",
        "participant[0].role",
    ]


def test_a_discom_with_an_address_can_be_asked() -> None:
    text = participants_toml().replace(
        'role = "discom"', 'receiver_url = "http://127.0.0.1:1/bpp/receiver"\nrole = "discom"'
    )
    found = Participants.parsed(text).discoms()
    assert {one.receiver_url for one in found} == {"http://127.0.0.1:1/bpp/receiver"}
    assert len(found) == 3
    assert Participants.parsed(participants_toml()).discoms() == ()


@pytest.mark.parametrize(
    ("role", "url"),
    [("discom", "http://example.org/x"), ("discom", "ftp://127.0.0.1"), ("platform", "https://a.example")],
)
def test_an_address_that_may_not_be_called_is_refused(role: str, url: str) -> None:
    text = participants_toml().replace(f'role = "{role}"', f'receiver_url = "{url}"\nrole = "{role}"')
    with pytest.raises(ParticipantsError, match="receiver_url: expected https"):
        Participants.parsed(text)
