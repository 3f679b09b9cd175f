"""Signing keys on disk: unencrypted PKCS #8 PEM, readable by their owner only."""

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ledger_client.ledger import LedgerError
from ledger_client.signature import HttpSigner, KeyId


class KeyFileError(LedgerError):
    """A key file cannot be used: an operator must act. The message says how, and never holds key material."""


def create(path: Path, key_id: KeyId) -> HttpSigner:
    """A new Ed25519 key written to `path` with mode 0600, and its signer. An existing file is never overwritten."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists already: keep it, or name another file") from error
    except OSError as error:
        raise KeyFileError(f"cannot create {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return HttpSigner(key_id, key)


def load(path: Path, key_id: KeyId) -> HttpSigner:
    """The signer of the key in `path`.

    Raises:
        KeyFileError: it is missing, readable by others, or no Ed25519 key.
    """
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileError(f"{path} is open to others (mode {stat.S_IMODE(mode):04o}): run chmod 600 {path}")
        pem = path.read_bytes()
    except OSError as error:
        raise KeyFileError(
            f"cannot read the key {path}: {error.strerror}; create one with sakshi-ledger key init"
        ) from error
    try:
        return HttpSigner.from_pem(key_id, pem)
    except LedgerError as error:
        raise KeyFileError(f"{path}: {error}") from error
