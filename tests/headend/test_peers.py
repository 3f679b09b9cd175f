"""What the configuration names outside the program."""

from pathlib import Path

import pytest

from headend.config import parse
from headend.errors import FatalError
from headend.peers import ledger_signer, mqtt_settings
from tests.headend.test_config import GOOD


def test_the_broker_is_reached_as_configured(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    broker = '[broker]\nhost = "b.example"\nport = 8883\nusername = "u"\npassword = "file:password"\nshards = [3, 4]\n'
    settings = mqtt_settings(parse(GOOD + broker, "headend.toml", tmp_path))
    assert (settings.host, settings.port, settings.username, settings.password) == ("b.example", 8883, "u", "hunter2")
    assert (settings.shards, settings.tls) == ((3, 4), None)
    assert settings.client_id == "sakshi-headend-pavvnl.example"
    assert "hunter2" not in repr(settings)


def test_a_password_is_text(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff\xfe")
    with pytest.raises(FatalError, match="is not UTF-8 text: write it again"):
        mqtt_settings(parse(GOOD + '[broker]\npassword = "file:password"\n', "headend.toml", tmp_path))


def test_the_ledger_key_is_a_file(tmp_path: Path) -> None:
    text = GOOD.replace("file:keys/beckn.pem", "pkcs11:token=x")
    with pytest.raises(FatalError, match="give file:PATH"):
        ledger_signer(parse(text, "headend.toml", tmp_path))
