"""Founding a head-end: its three keys, its database, its log with the first rule set, and the trust file for verifiers.

Done once, by an explicit command. Source: EVIDENCE §§1, 2, 5.
"""

import base64
from dataclasses import dataclass
from pathlib import Path

from headend.config import Config, Keys
from headend.errors import FatalError
from headend.log.logbook import Logbook, LogKey
from headend.store.sqlite import log_rows, registry_rows
from headend.store.sqlite.database import create_database, open_database
from headend.vee.ruleset import DEFAULT_RULE_SET
from signing.backends.file import create_key
from signing.envelope import sign
from signing.errors import KeyUnavailableError
from signing.keys import Algorithm, PublicKey, Signer, ed25519_bytes
from signing.log.note import SignatureKind, VerifierKey
from signing.signer import open_signer
from signing.statements.rule_set import RuleSet
from signing.trust import DiscomKey, TrustRoot, trust_text

LOG = 0


@dataclass(frozen=True, slots=True)
class HeadendKeys:
    """The opened keys for statements and the log. The Beckn key is opened by the ledger client, which alone uses it."""

    statements: Signer
    log: LogKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """What others must be told after `init`."""

    log_key: str
    """C2SP verifier key: gateways pin it."""
    statement_key: str
    """Base64 of the encoded COSE_Key: gateways pin it."""
    beckn_public_key: str
    """Base64 of the 32 raw bytes: the network's registry holds it."""
    trust_file: Path


def open_keys(config: Config) -> HeadendKeys:
    """The keys for statements and the log.

    Raises:
        KeyUnavailableError: one cannot be opened, with the remedy.
        FatalError: the log key is not Ed25519.
    """
    log = open_signer(config.keys.log)
    verifier = _verifier(config.log_origin, log.public_key)
    return HeadendKeys(open_signer(config.keys.statements), LogKey(verifier=verifier, signer=log))


def found(config: Config, *, now_utc: int) -> Founded:
    """Makes everything that `config` names and that must not exist yet; keys that exist are kept.

    Raises:
        FatalError: the database exists, or a place cannot be written; with the remedy.
        KeyUnavailableError: an existing key cannot be used.
    """
    _make_folder(config.state)
    beckn = _make_keys(config.keys)
    keys = open_keys(config)
    create_database(config.database)
    _log_rule_set(config, keys, DEFAULT_RULE_SET, now_utc)
    root = TrustRoot(logs=(keys.log.verifier,), discoms=(DiscomKey(key=keys.statements.public_key),))
    config.trust_file.write_text(trust_text(root), encoding="utf-8")
    return Founded(
        log_key=str(keys.log.verifier),
        statement_key=base64.b64encode(keys.statements.public_key.cose_key).decode(),
        beckn_public_key=base64.b64encode(ed25519_bytes(beckn)).decode(),
        trust_file=config.trust_file,
    )


def _log_rule_set(config: Config, keys: HeadendKeys, rule_set: RuleSet, now_utc: int) -> None:
    """The rule set is the first leaf: nothing can be judged by rules that were not logged before it."""
    database = open_database(config.database)
    try:
        with database.transaction() as connection:
            log_rows.add_log(connection, LOG, str(keys.log.verifier))
        book = Logbook(database, {LOG: keys.log}, config.state)
        signed = sign(rule_set, keys.statements)
        with book.transaction() as transaction:
            leaf = transaction.append(LOG, [signed.digest])
            registry_rows.put_statement(transaction.connection, leaf, signed.envelope, at_utc=now_utc)
    finally:
        database.close()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise FatalError(f"cannot create '{folder}' ({error.strerror}): choose another 'state'") from error


def _make_keys(keys: Keys) -> PublicKey:
    """Creates what is missing and gives the public half of the Beckn key."""
    kinds = ((keys.statements, Algorithm.ES256), (keys.log, Algorithm.EDDSA), (keys.beckn, Algorithm.EDDSA))
    opened = [_made_or_opened(uri, algorithm) for uri, algorithm in kinds]
    return opened[-1].public_key


def _made_or_opened(uri: str, algorithm: Algorithm) -> Signer:
    scheme, _, place = uri.partition(":")
    if scheme != "file" or Path(place).exists():
        signer = open_signer(uri)
    else:
        _make_folder(Path(place).parent)
        signer = create_key(place, algorithm)
    if algorithm is Algorithm.EDDSA and signer.public_key.algorithm is not Algorithm.EDDSA:
        raise KeyUnavailableError(f"expected an Ed25519 key at '{uri}': use another file for it")
    return signer


def _verifier(origin: str, key: PublicKey) -> VerifierKey:
    if key.algorithm is not Algorithm.EDDSA:
        raise FatalError("expected an Ed25519 key for the log: C2SP checkpoints are signed with Ed25519")
    return VerifierKey(name=origin, kind=SignatureKind.ED25519, public=ed25519_bytes(key))
