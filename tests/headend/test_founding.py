"""Founding a head-end."""

import base64
from pathlib import Path

import pytest

from headend.config import Config, parse
from headend.errors import FatalError
from headend.founding import LOG, found, open_keys
from headend.log.logbook import Logbook
from headend.store.sqlite.database import open_database
from signing.backends.file import create_key
from signing.envelope import parse as parse_envelope
from signing.envelope import unseal
from signing.errors import KeyUnavailableError
from signing.keys import Algorithm, parse_cose_key
from signing.log.checkpoint import open_checkpoint
from signing.statements.rule_set import RuleSet
from signing.trust import parse_trust
from tests.headend.test_config import GOOD


def configured(directory: Path) -> Config:
    return parse(GOOD, "headend.toml", directory)


def test_init_makes_keys_database_log_and_trust_file(tmp_path: Path) -> None:
    config = configured(tmp_path)
    founded = found(config, now_utc=1_777_200_000)
    trust = parse_trust(config.trust_file.read_text())
    assert str(trust.logs[0]) == founded.log_key
    assert trust.discoms[0].key.cose_key == base64.b64decode(founded.statement_key)
    assert len(base64.b64decode(founded.beckn_public_key)) == 32
    for name in ("statements", "log", "beckn"):
        assert (tmp_path / "keys" / f"{name}.pem").stat().st_mode & 0o077 == 0


def test_the_first_leaf_is_the_rule_set_signed_by_the_statement_key(tmp_path: Path) -> None:
    config = configured(tmp_path)
    founded = found(config, now_utc=1_777_200_000)
    database = open_database(config.database)
    tip = Logbook(database, {LOG: open_keys(config).log}, config.state).tip(LOG)
    (leaf, sign1) = database.connection.execute("SELECT leaf, sign1 FROM statements").fetchone()
    database.close()
    assert (leaf, tip.size) == (0, 1)
    trust = parse_trust(config.trust_file.read_text())
    assert open_checkpoint(tip.checkpoint, trust.logs[0]).checkpoint.size == 1
    key = parse_cose_key(base64.b64decode(founded.statement_key))
    assert unseal(parse_envelope(sign1), RuleSet, key).statement.version == 3


def test_init_never_starts_a_second_history(tmp_path: Path) -> None:
    config = configured(tmp_path)
    found(config, now_utc=1)
    with pytest.raises(FatalError, match="exists already"):
        found(config, now_utc=2)


def test_existing_keys_are_kept(tmp_path: Path) -> None:
    config = configured(tmp_path)
    (tmp_path / "keys").mkdir()
    kept = create_key(str(tmp_path / "keys" / "statements.pem"), Algorithm.ES256)
    founded = found(config, now_utc=1)
    assert base64.b64decode(founded.statement_key) == kept.public_key.cose_key


def test_a_log_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    create_key(str(tmp_path / "keys" / "log.pem"), Algorithm.ES256)
    with pytest.raises(KeyUnavailableError, match="expected an Ed25519 key"):
        found(configured(tmp_path), now_utc=1)
