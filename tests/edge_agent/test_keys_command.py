"""`sakshi-agent keys`, from the discom's desk to the vault; and no secret on the way."""

import json
import stat
from pathlib import Path

import pytest

from edge_agent.cli import main
from edge_agent.config import load
from edge_agent.meter_keys import open_wrapping_key, public_pem
from edge_agent.vault import GatewayVault
from tests.edge_agent.discom import Discom
from tests.edge_agent.settings import text

EK, AK = bytes(range(16)), bytes(range(16, 32))


@pytest.fixture
def file(tmp_path: Path, discom: Discom, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(text(discom, port=1))
    assert main(["init", "--config", str(path)]) == 0
    capsys.readouterr()
    return path


def secret(directory: Path, name: str, octets: bytes) -> str:
    path = directory / name
    path.touch(mode=0o600)
    path.write_bytes(octets)
    return str(path)


def wrap(file: Path, out: str, ek: bytes = EK, meter: str = "M1") -> int:
    directory = file.parent
    public = directory / "public.pem"
    public.write_text(public_key(file))
    return main(
        [
            *("keys", "wrap", "--for", str(public), "--meter", meter, "--out", str(directory / out)),
            *("--encryption", secret(directory, "ek", ek.hex().encode() + b"\n")),
            *("--authentication", secret(directory, "ak", AK)),
            *("--lls", secret(directory, "lls", b"hunter2-hunter2\n")),
        ]
    )


def public_key(file: Path) -> str:
    return public_pem(open_wrapping_key(load(file).wrapping_key))


def run(file: Path, *arguments: str) -> int:
    return main(["keys", *arguments, "--config", str(file)])


def test_keys_travel_from_the_desk_to_the_vault(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert wrap(file, "m1.sealed") == 0
    sealed = file.parent / "m1.sealed"
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    assert run(file, "import", str(sealed), "--who", "A. Rao") == 0
    assert run(file, "list", "--json") == 0
    shown = capsys.readouterr().out
    row = json.loads(shown.splitlines()[-1])
    assert (row["meter"], row["roles"]) == ("M1", "encryption authentication lls")
    settings = load(file)
    with GatewayVault(settings.database, wrapping=settings.wrapping_key, now_utc=lambda: 0) as vault:
        keys = vault.unlock("store:M1")
    assert keys.encryption is not None
    assert keys.lls is not None
    assert (keys.encryption.reveal(), keys.lls.reveal()) == (EK, b"hunter2-hunter2")
    for plain in (EK.hex(), "hunter2"):
        assert plain not in shown
        for path in [sealed, *settings.state.iterdir()]:
            assert not path.is_file() or plain.encode() not in path.read_bytes()


def test_public_prints_what_wrap_takes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file, "public") == 0
    shown = capsys.readouterr().out
    assert shown == public_key(file)
    assert run(file, "create") == 0
    assert capsys.readouterr().out == shown


def test_the_wrapping_key_of_an_older_state_is_made_on_purpose(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(load(file).wrapping_key.removeprefix("file:")).unlink()
    assert run(file, "public") == 1
    assert "run `sakshi-agent keys create`" in capsys.readouterr().err
    assert run(file, "create") == 0


def test_a_rotation_and_a_farewell_are_on_record(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert wrap(file, "one.sealed") == 0
    assert wrap(file, "two.sealed", ek=bytes([9] * 16)) == 0
    one, two = str(file.parent / "one.sealed"), str(file.parent / "two.sealed")
    assert run(file, "rotate", one, "--who", "A. Rao") == 1
    assert run(file, "import", one, "--who", "A. Rao") == 0
    assert run(file, "import", two, "--who", "A. Rao") == 1
    assert "keys rotate" in capsys.readouterr().err
    assert run(file, "rotate", two, "--who", "B. Sen") == 0
    assert run(file, "forget", "M1", "--who", "B. Sen") == 0
    assert run(file, "forget", "M1", "--who", "B. Sen") == 1
    capsys.readouterr()
    assert run(file, "list", "--history", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["what"], row["who"]) for row in rows] == [
        ("IMPORTED", "A. Rao"),
        ("ROTATED", "B. Sen"),
        ("FORGOTTEN", "B. Sen"),
    ]
    assert run(file, "list") == 0
    assert capsys.readouterr().out == ""


def test_a_counter_is_accepted_for_meters_that_have_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file, "accept-counter", "M1", "--who", "A. Rao") == 1
    assert wrap(file, "m1.sealed") == 0
    assert run(file, "import", str(file.parent / "m1.sealed"), "--who", "A. Rao") == 0
    settings = load(file)
    with GatewayVault(settings.database, wrapping=settings.wrapping_key, now_utc=lambda: 0) as vault:
        vault.learn("store:M1", b"SAK00001", 9)
    assert run(file, "accept-counter", "M1", "--who", "A. Rao") == 0
    assert "taken as it is" in capsys.readouterr().out


def test_a_sealed_file_is_never_overwritten(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert wrap(file, "m1.sealed") == 0
    assert wrap(file, "m1.sealed") == 1
    assert "must not exist yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("octets", "mode", "message"),
    [
        (b"hunter2hunter2hunter2hunter2hunt", 0o600, "expected 32 hexadecimal digits"),
        (b"hunter2", 0o600, "expected 16 octets in the key of role 'encryption'"),
        (EK, 0o640, "chmod 600"),
    ],
)
def test_a_wrong_secret_is_refused_and_not_quoted(
    file: Path, capsys: pytest.CaptureFixture[str], octets: bytes, mode: int, message: str
) -> None:
    (file.parent / "public.pem").write_text(public_key(file))
    path = Path(secret(file.parent, "ek", octets))
    path.chmod(mode)
    wrapped = [
        "keys",
        "wrap",
        "--for",
        str(file.parent / "public.pem"),
        "--meter",
        "M1",
        "--out",
        str(file.parent / "o"),
    ]
    assert main([*wrapped, "--encryption", str(path)]) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert "hunter2" not in shown


def test_what_wrap_cannot_read_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = file.parent
    (directory / "public.pem").write_text(public_key(file))
    out = str(directory / "o")
    for public, meter, message in (
        (directory / "typo.pem", "M1", "check the path"),
        (directory / "public.pem", "M/1", "--meter"),
        (file, "M1", "keys public"),
        (directory / "public.pem", "M1", "at least one"),
    ):
        assert main(["keys", "wrap", "--for", str(public), "--meter", meter, "--out", out]) == 1
        assert message in capsys.readouterr().err
    assert (
        main(["keys", "wrap", "--for", str(directory / "public.pem"), "--meter", "M1", "--out", out, "--hls", out]) == 1
    )
    assert "cannot read secret file" in capsys.readouterr().err


def test_keys_need_a_state(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in load(file).state.glob("agent.db*"):
        path.unlink()
    assert run(file, "list") == 1
    assert "sakshi-agent init" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["create", "public", "import", "rotate", "forget", "accept-counter", "list", "wrap"])
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["keys", verb, "--help"])
    assert caught.value.code == 0
    assert f"usage: sakshi-agent keys {verb}" in capsys.readouterr().out
