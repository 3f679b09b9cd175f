"""`sakshi-sign` as a person calls it, on a machine that has nothing but the paper and the key."""

import json
from pathlib import Path

import pytest

from headend.duties import papers
from headend.duties.papers import Paper
from headend.sign import main
from signing.backends.file import create_key
from signing.errors import VerificationError
from signing.keys import Algorithm
from signing.statements.persons import require_signed
from tests.headend.duties.test_papers import PROPOSAL, RAO

WORDS = """edit 0 of meter M-1, blocks of 900 s: seal broken
  1970-01-11 15:30:00 IST: import 0.001 kWh, export none
"""


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    path = tmp_path / "draft.json"
    path.write_text(json.dumps(papers.fields_of(Paper(proposal=PROPOSAL, person=None))), encoding="utf-8")
    return path


def test_a_paper_is_read_without_a_key(draft: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(draft)]) == 0
    assert capsys.readouterr().out == f"{WORDS}nothing was signed: give --as, --key and --out to do it\n"


@pytest.mark.parametrize("algorithm", [Algorithm.EDDSA, Algorithm.ES256])
def test_a_person_signs_with_their_own_key(
    draft: Path, tmp_path: Path, algorithm: Algorithm, capsys: pytest.CaptureFixture[str]
) -> None:
    key = create_key(str(tmp_path / "rao.pem"), algorithm)
    out = tmp_path / "signed.json"
    assert main([str(draft), "--as", "A. Rao", "--key", f"file:{tmp_path / 'rao.pem'}", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{WORDS}signed by A. Rao: give '{out}' to the head-end\n"
    paper = papers.read(out.read_bytes())
    assert paper.proposal == PROPOSAL
    assert paper.person is not None
    assert (paper.person.name, paper.person.key) == ("A. Rao", key.public_key)
    require_signed(PROPOSAL, paper.person)
    assert main([str(out)]) == 0
    assert "signed by A. Rao, key " in capsys.readouterr().out


def test_a_signature_that_is_not_theirs_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "forged.json"
    forged = papers.fields_of(Paper(proposal=PROPOSAL, person=RAO)) | {"signature": "00" * 64}
    path.write_text(json.dumps(forged), encoding="utf-8")
    assert main([str(path)]) == 1
    assert "'A. Rao' did not sign" in capsys.readouterr().err
    paper = papers.read(path.read_bytes())
    assert paper.person is not None
    with pytest.raises(VerificationError):
        require_signed(PROPOSAL, paper.person)


@pytest.mark.parametrize("options", [["--as", "A. Rao"], ["--key", "file:x.pem", "--out", "y"]])
def test_half_of_what_signing_needs_is_misuse(draft: Path, options: list[str]) -> None:
    assert main([str(draft), *options]) == 2


def test_what_cannot_be_used_is_named(draft: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err
    out = tmp_path / "signed.json"
    assert main([str(draft), "--as", "A. Rao", "--key", f"file:{tmp_path}/none.pem", "--out", str(out)]) == 1
    assert "none.pem" in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(SystemExit):
        main([str(draft), "--as", "", "--key", "file:x", "--out", str(out)])
