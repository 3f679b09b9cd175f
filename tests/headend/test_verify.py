"""`sakshi-verify` as its users call it: files in, words and an exit code out."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headend import verify as verify_command
from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.verify import main
from signing.statements.rule_set import Rule
from tests.vectors import generate, scenes
from tests.vectors.world import HOUR, TEN, dumps

VECTORS = generate.HERE
TWO_HOURS = "2026-04-26 10:00:00 IST to 2026-04-26 12:00:00 IST"
RUNS = [
    pytest.param(path, run, id=f"{path.stem}-{place}")
    for path in sorted(VECTORS.glob("*.json"))
    for place, run in enumerate(json.loads(path.read_text())["runs"])
]


@pytest.mark.parametrize(("path", "run"), RUNS)
def test_every_vector_gets_its_exit_code_and_its_message(
    path: Path, run: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    vector = json.loads(path.read_text())
    arguments = ["--trust", str(VECTORS / run["trust"])] if "trust" in run else []
    file = str(path.with_suffix(".cbor"))
    arguments += ["--batch", file] if vector["option"] == "batch" else [file]
    code = main(arguments)
    out = capsys.readouterr().out
    assert (code, run["message"] in out) == (run["exit"], True), out
    if "check" in run:
        assert f"({run['check']})" in out


RESTRICTED = """
import sys
sys.path[:0] = {paths!r}
allowed = set(sys.stdlib_module_names) | {{"cbor2", "_cbor2", "cryptography", "_cffi_backend", "cffi", "headend", "signing"}}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ImportError("not on a fresh machine: " + name)
sys.meta_path.insert(0, Refuse())
from headend.verify import main
code = main({arguments!r})
loaded = {{name.partition(".")[0] for name in sys.modules}} & {{"sqlite3", "asyncio", "ssl", "fastapi", "paho", "httpx", "logging"}}
assert not loaded, loaded
sys.exit(code)
"""


def test_p13_verifies_on_a_fresh_machine_with_two_packages_and_no_database(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    package = Path(sys.modules["cryptography"].__file__ or "").parents[1]
    arguments = ["--trust", str(VECTORS / "trust.toml"), str(VECTORS / "good-window.cbor")]
    program = RESTRICTED.format(paths=[str(root), str(package)], arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith("VALID\n")


def test_a_reader_that_has_seen_enough_changes_no_verdict_and_draws_no_traceback() -> None:
    """`sakshi-verify … | head`: the pipe is closed before the verdict is written."""
    vector = json.loads((path := min(VECTORS.glob("*.json"))).read_text())
    run = vector["runs"][0]
    named = ["--trust", str(VECTORS / run["trust"])] if "trust" in run else []
    file = str(path.with_suffix(".cbor"))
    words = [*named, "--batch", file] if vector["option"] == "batch" else [*named, file]
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        program = [sys.executable, "-c", "import sys; from headend.verify import main; sys.exit(main())", *words]
        done = subprocess.run(program, stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=60)
    finally:
        os.close(theirs)
    assert (done.returncode, done.stderr) == (run["exit"], b"")


def test_prints_ist_times_and_energies_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--trust", str(VECTORS / "trust.toml"), str(VECTORS / "open-gap.cbor")])
    assert capsys.readouterr().out.splitlines() == [
        "VALID",
        "  connection point: CP-MEERUT-1",
        "  posted as: 98765432-IN",
        "  from: 2026-04-26 10:00:00 IST",
        "  to: 2026-04-26 12:00:00 IST",
        "  status: FINAL",
        "  import kwh: 0.106",
        "  export kwh: 6.768",
        "  net kwh: -6.662",
        "  basis: NET",
        "  blocks: 8 expected; 8 valid; 0 estimated; 0 manual; 0 suspect; 0 missing",
        f"  meters: SKS00000001, {TWO_HOURS}, origin LLS, serial number SN-0001, factor 1, record 0",
        "  rules: tests, version 1",
        "  rules left out: V04, V07, V08, V09, V10, V11, V12, V13, V14, V16, V17, V18, V19, V20, V21, V22, V24, V27",
        "  revision: 0",
        f"  evidence digest: {_json('open-gap', capsys)['evidence_digest']}",
        "  log: pavvnl.example/sakshi/0",
        "  tree size: 6",
        "  1 sequences never admitted",
    ]


def _json(name: str, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    main(["--json", "--trust", str(VECTORS / "trust.toml"), str(VECTORS / f"{name}.cbor"), *more])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_rules_that_a_discom_bent_are_said() -> None:
    plain = DEFAULT_RULE_SET
    assert verify_command._rules(plain) == {
        "rules": "sakshi-vee, version 3",
        "rules_left_out": None,
        "rules_changed": [],
    }
    bent = replace(plain, rules=tuple(_bent(rule) for rule in plain.rules))
    assert verify_command._rules(bent)["rules_changed"] == [
        "V23 {'digit_wh': 10, 'tolerance_permille': 900} for {'digit_wh': 10, 'tolerance_permille': 5}"
    ]
    assert verify_command._rules(None) == {}


def _bent(rule: Rule) -> Rule:
    return replace(rule, parameters={**rule.parameters, "tolerance_permille": 900}) if rule.id == "V23" else rule


def test_the_meter_its_factor_and_how_it_authenticated_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    (one,) = _json("good-window", capsys)["meters"]
    assert one.endswith("origin LLS, serial number SN-0001, factor 1, record 0")
    found = _json("meter-exchange", capsys)["meters"]
    assert len(found) == 2
    assert "factor" in found[1]
    attested = _json("only-the-actual", capsys)["meters"]
    assert all("origin" in line and "factor" not in line for line in attested)


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    found = _json("open-gap", capsys)
    assert (found["result"], found["net_kwh"], found["sequences_never_admitted"]) == ("VALID", "-6.662", 1)
    refused = _json("trailing-byte", capsys)
    assert (refused["result"], refused["check"]) == ("INVALID", 1)


def test_the_posted_digest_must_be_the_bundles_own(capsys: pytest.CaptureFixture[str]) -> None:
    own = _json("good-window", capsys)["evidence_digest"]
    arguments = ["--trust", str(VECTORS / "trust.toml"), str(VECTORS / "good-window.cbor"), "--digest"]
    assert main([*arguments, own]) == 0
    assert main([*arguments, "00" * 32]) == 1
    assert "not of the posted" in capsys.readouterr().out
    assert main([*arguments, "xyz"]) == 2
    assert "hexadecimal" in capsys.readouterr().err


def test_a_held_back_figure_says_why_and_prints_no_energy(capsys: pytest.CaptureFixture[str]) -> None:
    found = _json("fork-after-final", capsys)
    assert (found["status"], found["status_reason"], found["import_kwh"], found["revision"]) == (
        "PENDING",
        "FORK",
        None,
        1,
    )


def test_misuse_is_told_with_its_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, trust = str(VECTORS / "good-window.cbor"), str(VECTORS / "trust.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("version = 2\n")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff")
    for arguments, message in (
        ([], "give a BUNDLE"),
        (["--batch", good, "--digest", "00"], "give a BUNDLE"),
        ([str(tmp_path / "none")], "cannot read"),
        (["--trust", str(broken), good], "discom: expected at least 1"),
        (["--trust", str(binary), good], "not UTF-8"),
        ([good, "--receipt", good], "--receipt needs --trust"),
        (["--trust", trust, good, "--receipt", good], "--receipt or --batch"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err


def test_rules_that_this_program_does_not_know_are_not_passed_for_recomputed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene, _ = scenes.start(rules=[["V99", 1, {}]])
    scene = scenes.hours(scene)
    file = tmp_path / "bundle.cbor"
    file.write_bytes(dumps(scenes.finish(scene, [], scene.batches[-1]).bundle()))
    assert main(["--trust", str(VECTORS / "trust.toml"), str(file)]) == 1
    assert "(8) rule set 'tests' leaves out" in capsys.readouterr().out


@pytest.fixture
def left_out(tmp_path: Path) -> dict[str, Path]:
    """A bundle that leaves a logged batch out, and what its gateway holds: the batch and the receipt."""
    scene = scenes.hours(scenes.start()[0])
    world = scene.world
    late = world.batch(TEN, value=lambda at: (9, 9))
    elsewhere = world.batch(TEN + 20 * HOUR)
    scenes.finish(scene, [], scene.batches[-1])
    files = {
        "trust": world.trust().encode(),
        "bundle": dumps(scene.bundle()),
        "receipt": dumps(world.receipt(late)),
        "batch": dumps([1, late.tag, late.opening, 0]),
        "receipt_elsewhere": dumps(world.receipt(elsewhere)),
        "elsewhere": dumps([1, elsewhere.tag, elsewhere.opening, 0]),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in files}


def test_a_receipt_names_the_batch_that_a_bundle_leaves_out(
    left_out: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["--trust", str(left_out["trust"]), str(left_out["bundle"])]
    assert main(base) == 0
    capsys.readouterr()
    assert main([*base, "--receipt", str(left_out["receipt"])]) == 0
    assert "Give its batch with --batch" in capsys.readouterr().out
    assert main([*base, "--receipt", str(left_out["receipt"]), "--batch", str(left_out["batch"])]) == 1
    assert "(5) the bundle leaves out sequence 3 of meter SKS00000001" in capsys.readouterr().out


def test_a_batch_without_bearing_on_the_window_speaks_against_nothing(
    left_out: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--trust", str(left_out["trust"]), str(left_out["bundle"])]
    arguments += ["--receipt", str(left_out["receipt_elsewhere"]), "--batch", str(left_out["elsewhere"])]
    assert main(arguments) == 0
    assert "receipt" not in capsys.readouterr().out
