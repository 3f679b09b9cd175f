"""Who may call the exchange: subscribers, their keys, and the role and discom each stands for. One TOML.

::

    [[participant]]
    subscriber_id = "discom.example.org"   # as in keyId
    key_id = "k1"
    public_key = "<standard base64 of 32 bytes>"
    role = "discom"                        # or "platform"
    discom_id = "PaVVNL"                   # the short code; discoms only
    receiver_url = "https://discom.example.org/bpp/receiver"   # optional; where the ledger provider asks a discom
    contracts_url = "https://discom.example.org/v1/contracts"    # optional; where a discom takes platforms' contracts
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger_client.beckn.context import is_callable
from ledger_client.ledger import LedgerError
from ledger_client.signature import KeyId, SignatureError, public_key


class ParticipantsError(LedgerError):
    """The participants file cannot be used; one line per fault, each naming its entry and key."""


class Role(Enum):
    """What a caller is to the exchange."""

    PLATFORM = "platform"
    DISCOM = "discom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One registered key of one subscriber."""

    key_id: KeyId
    key: Ed25519PublicKey
    role: Role
    discom_id: str | None = None
    """The discom's short code, case-sensitive; None for a platform."""
    receiver_url: str | None = None
    """Where a discom is asked for actuals, without ``/status``; None is never asked."""
    contracts_url: str | None = None
    """Where a discom is sent platforms' contracts; None is sent none."""

    @property
    def subscriber_id(self) -> str:
        """The caller's id, as in records' platform ids."""
        return self.key_id.subscriber_id


_KEYS = ("subscriber_id", "key_id", "public_key", "role", "discom_id", "receiver_url", "contracts_url")


class Participants:
    """The registry of callers, fixed while the exchange runs."""

    def __init__(self, participants: Iterable[Participant]) -> None:
        self._by_key = {participant.key_id: participant for participant in participants}

    def key(self, key_id: KeyId) -> Ed25519PublicKey | None:
        """The registered key, or None."""
        found = self._by_key.get(key_id)
        return None if found is None else found.key

    def discoms(self) -> tuple[Participant, ...]:
        """The discoms that can be asked, each once."""
        asked = {one.subscriber_id: one for one in self._by_key.values() if one.receiver_url is not None}
        return tuple(asked.values())

    def contract_urls(self) -> dict[str, str]:
        """Where each discom, by its short code, takes contracts; those that take none are left out."""
        found = {one.discom_id: one.contracts_url for one in self._by_key.values()}
        return {discom: url for discom, url in found.items() if discom is not None and url is not None}

    def caller(self, key_id: KeyId) -> Participant:
        """The participant that `key_id` names; it must be registered."""
        return self._by_key[key_id]

    @classmethod
    def parsed(cls, text: str) -> Self:
        """The registry in TOML `text`.

        Raises:
            ParticipantsError: naming every fault at once.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ParticipantsError(f"expected TOML: {error}") from error
        faults = [f"{name}: unknown key; expected [[participant]]" for name in document if name != "participant"]
        entries = document.get("participant")
        if not isinstance(entries, list) or not entries:
            raise ParticipantsError("\n".join([*faults, "participant: expected at least one [[participant]]"]))
        found: list[Participant] = []
        for place, entry in enumerate(entries):
            wrong = _faults(entry)
            faults += [f"participant[{place}].{line}" for line in wrong]
            if not wrong:
                found.append(_participant(entry))
        faults += _contradictions(found)
        if faults:
            raise ParticipantsError("\n".join(faults))
        return cls(found)


def _contradictions(found: Iterable[Participant]) -> list[str]:
    """Keys registered twice, and subscribers that are two things."""
    faults: list[str] = []
    seen: dict[KeyId, Participant] = {}
    stands: dict[str, tuple[Role, str | None]] = {}
    for participant in found:
        if participant.key_id in seen:
            faults.append(f"{participant.key_id}: registered twice")
        seen[participant.key_id] = participant
        is_now = (participant.role, participant.discom_id)
        if stands.setdefault(participant.subscriber_id, is_now) != is_now:
            faults.append(f"{participant.subscriber_id}: expected one role and discom for all its keys")
    return faults


def _faults(entry: object) -> list[str]:
    """What is wrong with one entry, each line starting with the key."""
    if not isinstance(entry, dict):
        return [" expected a table"]
    faults = [f"{name}: unknown key; expected {', '.join(_KEYS)}" for name in entry if name not in _KEYS]
    absent = [name for name in _KEYS[:4] if not isinstance(entry.get(name), str) or not entry[name]]
    faults += [f"{name}: expected a text that is not empty, got {entry.get(name)!r}" for name in absent]
    if "public_key" not in absent:
        faults += _refused("public_key", lambda: public_key(entry["public_key"]))
    if not {"subscriber_id", "key_id"} & set(absent):
        faults += _refused("id", lambda: KeyId(subscriber_id=entry["subscriber_id"], unique_key_id=entry["key_id"]))
    if "role" in absent:
        return faults
    if entry["role"] not in (role.value for role in Role):
        faults.append(f"role: expected platform or discom, got {entry['role']!r}")
    elif (entry["role"] == Role.DISCOM.value) != bool(entry.get("discom_id")):
        faults.append("discom_id: expected for role discom, and only for it")
    for name in ("receiver_url", "contracts_url"):
        url = entry.get(name)
        if url is not None and not (isinstance(url, str) and is_callable(url) and entry["role"] == Role.DISCOM.value):
            faults.append(f"{name}: expected https://host[:port][/path] of a discom, or http to this machine")
    return faults


def _refused(name: str, make: Callable[[], object]) -> list[str]:
    """The fault that keeps a value from being made, if there is one."""
    try:
        make()
    except SignatureError as error:
        return [f"{name}: {error.message}"]
    return []


def _participant(entry: Mapping[str, str]) -> Participant:
    """The participant of an entry without faults."""
    return Participant(
        key_id=KeyId(subscriber_id=entry["subscriber_id"], unique_key_id=entry["key_id"]),
        key=public_key(entry["public_key"]),
        role=Role(entry["role"]),
        discom_id=entry.get("discom_id"),
        receiver_url=entry.get("receiver_url"),
        contracts_url=entry.get("contracts_url"),
    )
