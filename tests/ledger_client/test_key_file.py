"""Key files: made once, for their owner only, and never shown."""

from pathlib import Path

import pytest

from ledger_client import key_file
from ledger_client.key_file import KeyFileError
from ledger_client.signature import KeyId

KEY_ID = KeyId(subscriber_id="discom.example.org", unique_key_id="k1")


def test_a_new_key_is_its_owners_and_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = key_file.create(path, KEY_ID)
    assert path.stat().st_mode & 0o777 == 0o600
    assert key_file.load(path, KEY_ID).public_key_text == made.public_key_text


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("kept")
    with pytest.raises(KeyFileError, match="exists already"):
        key_file.create(path, KEY_ID)
    assert path.read_text() == "kept"


def test_a_directory_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot create"):
        key_file.create(tmp_path / "no" / "key.pem", KEY_ID)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602])
def test_a_key_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    key_file.create(path, KEY_ID)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        key_file.load(path, KEY_ID)


def test_a_missing_key_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="sakshi-ledger key init"):
        key_file.load(tmp_path / "key.pem", KEY_ID)


def test_a_file_that_is_no_key_is_refused_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("secret-text")
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="PKCS #8") as caught:
        key_file.load(path, KEY_ID)
    assert "secret-text" not in str(caught.value)
