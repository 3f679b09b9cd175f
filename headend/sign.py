"""`sakshi-sign`: a person reads what a paper says and signs it with their own key, on their own machine.

It needs no head-end, no network and no configuration: what it writes goes back to the head-end, and the key stays.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from headend.duties.papers import Paper, fields_of, read
from signing import fields
from signing.energy import kwh_text
from signing.errors import DecodeError, SigningError
from signing.interval import ist_text
from signing.signer import open_signer
from signing.statements.edit import EditProposal
from signing.statements.persons import require_signed, signed_as

_DONE, _REFUSED, _MISUSE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `sakshi-sign`; 0 done, 1 refused, 2 misuse."""
    options = _parser().parse_args(argv)
    given = [options.name is not None, options.key is not None, options.out is not None]
    if any(given) and not all(given):
        print("expected --as, --key and --out together, or none of them to read only", file=sys.stderr)
        return _MISUSE
    try:
        return _signed(options)
    except SigningError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"cannot use '{error.filename}' ({error.strerror}): check the path and who may use it", file=sys.stderr)
    return _REFUSED


def _signed(options: argparse.Namespace) -> int:
    paper = read(options.paper.read_bytes())
    for line in _words(paper.proposal):
        print(line)
    if paper.person is not None:
        require_signed(paper.proposal, paper.person)
        print(f"signed by {paper.person.name}, key {paper.person.key.kid.hex()[:16]}: their signature is good")
    if options.name is None:
        print("nothing was signed: give --as, --key and --out to do it")
        return _DONE
    person = signed_as(paper.proposal, open_signer(options.key), options.name)
    signed = fields_of(Paper(proposal=paper.proposal, person=person))
    # Read back: what the head-end could not read is not worth sending.
    read(json.dumps(signed).encode())
    options.out.write_text(json.dumps(signed, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"signed by {options.name}: give '{options.out}' to the head-end")
    return _DONE


def _words(proposal: EditProposal) -> list[str]:
    """Everything that a signature is for, in words."""
    title = f"edit {proposal.number} of meter {proposal.meter}, blocks of {proposal.period_s} s: {proposal.reason}"
    return [title, *(f"  {ist_text(one.start_utc)}: {_worth(one.import_wh, one.export_wh)}" for one in proposal.blocks)]


def _worth(imported: int | None, exported: int | None) -> str:
    if imported is None:
        return "its value is taken away"
    return f"import {kwh_text(imported)} kWh, export {'none' if exported is None else kwh_text(exported) + ' kWh'}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sakshi-sign", description=__doc__)
    parser.add_argument("paper", type=Path, metavar="FILE", help="what the head-end wrote, or answered, as JSON")
    parser.add_argument("--as", dest="name", type=_name, metavar="NAME", help="who signs, as the discom knows them")
    parser.add_argument("--key", metavar="URI", help="their own private key, such as file:rao.pem")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the signed paper is written")
    return parser


def _name(text: str) -> str:
    try:
        return fields.label(text, "name")
    except DecodeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
