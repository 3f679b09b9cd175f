"""A directory in a file: read whole, every fault at once."""

from pathlib import Path

import pytest

from ledger_client.file_directory import DirectoryFileError, FileDirectory
from ledger_client.signature import KeyId
from tests.ledger_client.rehearsal import signer

KEY = signer("ledger.example.org").public_key_text
ENTRY = f"""
[[subscriber]]
subscriber_id = "ledger.example.org"
key_id = "k1"
public_key = "{KEY}"
networks = ["a/b", "c/d"]
"""


def test_a_subscriber_is_found_by_its_key(tmp_path: Path) -> None:
    file = tmp_path / "directory.toml"
    file.write_text(ENTRY + 'url = "https://ledger.example.org"\nrevoked = true\n')
    directory = FileDirectory.read(file)
    found = directory.subscriber(signer("ledger.example.org").key_id)
    assert found is not None
    assert (found.networks, found.is_revoked, found.url) == (
        frozenset({"a/b", "c/d"}),
        True,
        "https://ledger.example.org",
    )
    assert directory.subscriber(KeyId(subscriber_id="ledger.example.org", unique_key_id="k2")) is None


def test_what_is_optional_may_be_left_out() -> None:
    found = FileDirectory.parsed(ENTRY).subscriber(signer("ledger.example.org").key_id)
    assert found is not None
    assert (found.is_revoked, found.url) == (False, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "expected TOML"),
        ("", "expected at least one"),
        ("subscriber = 7", "expected at least one"),
        ("subscriber = []", "expected at least one"),
        ("subscriber = [7]", "expected a table"),
        (ENTRY.replace("ledger.example.org", ""), "subscriber_id: expected a text"),
        (ENTRY.replace('"k1"', "7"), "key_id: expected a text"),
        (ENTRY.replace('"k1"', '"k|1"'), "expected a name without"),
        (ENTRY.replace(KEY, "AAAA"), "public_key: expected standard base64"),
        (ENTRY.replace('["a/b", "c/d"]', "[]"), "networks: expected"),
        (ENTRY.replace('["a/b", "c/d"]', '["a", ""]'), "networks: expected"),
        (ENTRY.replace('["a/b", "c/d"]', '"a"'), "networks: expected"),
        (ENTRY.replace('["a/b", "c/d"]', "[7]"), "networks: expected"),
        (ENTRY + 'url = "http://ledger.example.org"', "url: expected"),
        (ENTRY + "url = 7", "url: expected"),
        (ENTRY + 'revoked = "no"', "revoked: expected true or false"),
        (ENTRY + "more = 1", "more: unknown key"),
        (f"more = 1\n{ENTRY}", "more: unknown key"),
        (ENTRY * 2, "registered twice"),
    ],
)
def test_a_fault_is_named_with_its_entry(text: str, said: str) -> None:
    with pytest.raises(DirectoryFileError, match=said):
        FileDirectory.parsed(text)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(DirectoryFileError) as caught:
        FileDirectory.parsed(ENTRY.replace("networks", "network") + ENTRY.replace(KEY, "x"))
    assert len(str(caught.value).splitlines()) == 3


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DirectoryFileError, match="cannot read"):
        FileDirectory.read(tmp_path / "missing.toml")
