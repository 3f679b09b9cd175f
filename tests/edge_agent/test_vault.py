"""The vault: what is imported, rotated and forgotten, who said so, and counters that outlive all of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.counters import BLOCK
from edge_agent.errors import CounterBackError, MeterKeyError
from edge_agent.meter_keys import Role, Sealed, create_wrapping_key, parse, seal
from edge_agent.outbox.errors import DiskFullError
from edge_agent.readers.dlms.security import Secret
from edge_agent.vault import GatewayVault, read_sealed

EK, AK = bytes(range(16)), bytes(range(16, 32))
TITLE = b"SAK00001"


class Desk:
    """A state with its wrapping key, and a discom that wraps for it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "agent.db"
        self.path.touch()
        self.wrapping = create_wrapping_key(directory / "wrapping.key")

    def vault(self) -> GatewayVault:
        return GatewayVault(self.path, wrapping=f"file:{self.directory}/wrapping.key", now_utc=lambda: 77)

    def sealed(self, meter: str = "M1", ek: bytes = EK) -> Sealed:
        secrets = {Role.ENCRYPTION: Secret(ek), Role.AUTHENTICATION: Secret(AK)}
        return parse(seal(meter, secrets, self.wrapping.public), "file")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def vault(desk: Desk) -> Iterator[GatewayVault]:
    with desk.vault() as opened:
        yield opened


def test_imported_keys_are_unlocked_and_on_record(desk: Desk, vault: GatewayVault) -> None:
    sealed = desk.sealed()
    vault.take_in(sealed, who="A. Rao")
    keys = vault.unlock("store:M1")
    assert keys.encryption is not None
    assert keys.encryption.reveal() == EK
    (stored,) = vault.stored()
    assert (stored.meter, stored.roles, stored.since_utc) == ("M1", (Role.ENCRYPTION, Role.AUTHENTICATION), 77)
    (event,) = vault.events()
    assert (event.kind, event.who, event.fingerprint, event.at_utc) == ("IMPORTED", "A. Rao", sealed.fingerprint, 77)


def test_no_key_is_plain_in_the_state(desk: Desk) -> None:
    with desk.vault() as vault:
        vault.take_in(desk.sealed(), who="A. Rao")
        vault.lease("store:M1", TITLE).take()
    for path in desk.directory.glob("agent.db*"):
        content = path.read_bytes()
        assert EK not in content
        assert EK.hex().encode() not in content


def test_keys_are_imported_once_and_then_rotated(desk: Desk, vault: GatewayVault) -> None:
    first = desk.sealed()
    with pytest.raises(MeterKeyError, match="keys import"):
        vault.rotate(first, who="A. Rao")
    vault.take_in(first, who="A. Rao")
    with pytest.raises(MeterKeyError, match="keys rotate"):
        vault.take_in(desk.sealed(), who="A. Rao")
    with pytest.raises(MeterKeyError, match="nothing was changed"):
        vault.rotate(first, who="A. Rao")
    vault.rotate(desk.sealed(ek=bytes([9] * 16)), who="B. Sen")
    assert [(event.kind, event.who) for event in vault.events()] == [("IMPORTED", "A. Rao"), ("ROTATED", "B. Sen")]
    keys = vault.unlock("store:M1")
    assert keys.encryption is not None
    assert keys.encryption.reveal() == bytes([9] * 16)


def test_keys_for_another_gateway_are_not_taken_in(desk: Desk, vault: GatewayVault, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Desk(tmp_path / "other")
    with pytest.raises(MeterKeyError, match="wrapped for"):
        vault.take_in(other.sealed(), who="A. Rao")
    assert vault.stored() == []
    assert vault.events() == []


def test_forgotten_keys_are_gone_and_their_counters_are_not(desk: Desk, vault: GatewayVault) -> None:
    vault.take_in(desk.sealed(), who="A. Rao")
    lease = vault.lease("store:M1", TITLE)
    assert lease.take() == 0
    lease.settle()
    vault.forget("M1", who="A. Rao")
    with pytest.raises(MeterKeyError, match="run `sakshi-agent keys import`"):
        vault.unlock("store:M1")
    with pytest.raises(MeterKeyError, match="no keys"):
        vault.forget("M1", who="A. Rao")
    vault.take_in(desk.sealed(), who="A. Rao")
    assert vault.lease("store:M1", TITLE).take() == 1
    assert [event.kind for event in vault.events()] == ["IMPORTED", "FORGOTTEN", "IMPORTED"]


def test_a_vault_that_closes_gives_back_what_it_did_not_use_and_notes_what_was_proven(desk: Desk) -> None:
    with desk.vault() as vault:
        vault.take_in(desk.sealed(), who="A. Rao")
        lease = vault.lease("store:M1", TITLE)
        for _ in range(3):
            lease.confirm(own=lease.take(), heard=40)
    with desk.vault() as vault:
        again = vault.lease("store:M1", TITLE)
        assert (again.take(), again.heard) == (3, 40)
        with pytest.raises(CounterBackError):
            vault.learn("store:M1", TITLE, 1)


def test_a_vault_closes_on_a_full_disk(desk: Desk) -> None:
    with desk.vault() as vault:
        vault.take_in(desk.sealed(), who="A. Rao")
        vault.lease("store:M1", TITLE).take()

        def full(step: str) -> None:
            if step == "counter-close:begun":
                raise DiskFullError("no room")

        vault._database._hook = full
    with desk.vault() as vault:
        assert vault.lease("store:M1", TITLE).take() == BLOCK


def test_new_keys_and_new_titles_have_counters_of_their_own(desk: Desk, vault: GatewayVault) -> None:
    vault.take_in(desk.sealed(), who="A. Rao")
    assert vault.take_look("store:M1", TITLE)
    assert vault.learn("store:M1", TITLE, 41)
    assert not vault.take_look("store:M1", TITLE)
    assert vault.take_look("store:M1", b"SAK00002")
    assert vault.lease("store:M1", TITLE).take() == 42
    assert vault.hear("store:M1", b"SKS00001", 3)
    assert not vault.hear("store:M1", b"SKS00001", 3)
    assert vault.hear("store:M1", b"SKS00002", 3)
    vault.rotate(desk.sealed(ek=bytes([9] * 16)), who="A. Rao")
    assert vault.take_look("store:M1", TITLE)
    assert vault.hear("store:M1", b"SKS00001", 3)


def test_a_sealed_file_is_used_where_it_lies(desk: Desk, vault: GatewayVault, tmp_path: Path) -> None:
    path = tmp_path / "m1.sealed"
    path.write_bytes(desk.sealed().octets)
    keys = vault.unlock(f"file:{path}")
    assert keys.encryption is not None
    assert vault.lease(f"file:{path}", TITLE).take() == 0
    assert read_sealed(path).meter == "M1"
    with pytest.raises(MeterKeyError, match="check the path"):
        vault.unlock(f"file:{path}.typo")


def test_counters_need_an_encryption_key(desk: Desk, vault: GatewayVault) -> None:
    sealed = parse(seal("M1", {Role.LLS: Secret(b"password")}, desk.wrapping.public), "file")
    vault.take_in(sealed, who="A. Rao")
    with pytest.raises(MeterKeyError, match="role 'encryption'"):
        vault.take_look("store:M1", TITLE)
