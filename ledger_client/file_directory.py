"""A directory in a file, for a closed network and for machines that reach no registry. One TOML, read whole.

::

    [[subscriber]]
    subscriber_id = "ledger.example.org"       # as in keyId
    key_id = "k1"
    public_key = "<standard base64 of 32 bytes>"
    networks = ["indiaenergystack.in/test-ies-p2p-trading-network"]
    url = "https://ledger.example.org"         # optional: where its answers go
    revoked = false                            # optional
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from ledger_client.beckn.context import is_callable
from ledger_client.beckn.directory import Subscriber
from ledger_client.ledger import LedgerError
from ledger_client.signature import KeyId, SignatureError, public_key

_KEYS = ("subscriber_id", "key_id", "public_key", "networks", "url", "revoked")


class DirectoryFileError(LedgerError):
    """The directory file cannot be used; one line per fault, each naming its entry and key."""


class FileDirectory:
    """The subscribers of one file, fixed until it is read again."""

    def __init__(self, subscribers: Iterable[Subscriber]) -> None:
        self._by_key = {subscriber.key_id: subscriber for subscriber in subscribers}

    def subscriber(self, key_id: KeyId) -> Subscriber | None:
        """The registered key; see `Directory.subscriber`."""
        return self._by_key.get(key_id)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The directory in `path`.

        Raises:
            DirectoryFileError: it cannot be read, or naming every fault at once.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DirectoryFileError(f"cannot read {path}: {error}") from error
        return cls.parsed(text)

    @classmethod
    def parsed(cls, text: str) -> Self:
        """The directory in TOML `text`. Raises as `read` does."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise DirectoryFileError(f"expected TOML: {error}") from error
        faults = [f"{name}: unknown key; expected [[subscriber]]" for name in document if name != "subscriber"]
        entries = document.get("subscriber")
        if not isinstance(entries, list) or not entries:
            raise DirectoryFileError("\n".join([*faults, "subscriber: expected at least one [[subscriber]]"]))
        found: dict[KeyId, Subscriber] = {}
        for place, entry in enumerate(entries):
            wrong = _faults(entry)
            faults += [f"subscriber[{place}].{line}" for line in wrong]
            if not wrong:
                subscriber = _subscriber(entry)
                if subscriber.key_id in found:
                    faults.append(f"subscriber[{place}]: {subscriber.key_id} is registered twice")
                found[subscriber.key_id] = subscriber
        if faults:
            raise DirectoryFileError("\n".join(faults))
        return cls(found.values())


def _faults(entry: object) -> list[str]:
    """What is wrong with one entry, each line starting with the key."""
    if not isinstance(entry, dict):
        return [" expected a table"]
    faults = [f"{name}: unknown key; expected {', '.join(_KEYS)}" for name in entry if name not in _KEYS]
    absent = [name for name in _KEYS[:3] if not isinstance(entry.get(name), str) or not entry[name]]
    faults += [f"{name}: expected a text that is not empty, got {entry.get(name)!r}" for name in absent]
    networks = entry.get("networks")
    if not isinstance(networks, list) or not networks or not all(isinstance(one, str) and one for one in networks):
        faults.append("networks: expected an array of at least one network")
    if "url" in entry and not (isinstance(entry["url"], str) and is_callable(entry["url"])):
        faults.append("url: expected https://host[:port][/path]")
    if not isinstance(entry.get("revoked", False), bool):
        faults.append("revoked: expected true or false")
    if not absent:
        try:
            _key(entry)
        except SignatureError as error:
            faults.append(f"public_key: {error.message}")
    return faults


def _key(entry: Mapping[str, object]) -> tuple[KeyId, object]:
    key_id = KeyId(subscriber_id=str(entry["subscriber_id"]), unique_key_id=str(entry["key_id"]))
    return key_id, public_key(str(entry["public_key"]))


def _subscriber(entry: Mapping[str, object]) -> Subscriber:
    """The subscriber of an entry without faults."""
    networks, url = entry["networks"], entry.get("url")
    assert isinstance(networks, list)
    return Subscriber(
        key_id=KeyId(subscriber_id=str(entry["subscriber_id"]), unique_key_id=str(entry["key_id"])),
        key=public_key(str(entry["public_key"])),
        networks=frozenset(networks),
        is_revoked=entry.get("revoked") is True,
        url=None if url is None else str(url),
    )
