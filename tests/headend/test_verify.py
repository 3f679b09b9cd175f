"""`sakshi-verify` as its users call it: files in, words and an exit code out."""

import json
from pathlib import Path
from typing import Any

import pytest

from headend.verify import main
from tests.vectors import generate

VECTORS = generate.HERE
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
