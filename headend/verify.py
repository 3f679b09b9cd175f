"""`sakshi-verify`: a stranger checks what was posted, offline, with nothing but a trust file and a bundle.

The checks are those of `signing.verify`; the rules are the head-end's own, pure ones. Needs no database, no network and no
package besides cryptography and cbor2.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from enum import IntEnum
from fractions import Fraction as Factor
from pathlib import Path

from headend.vee.rule import RuleSetError
from headend.vee.rules import RULES
from headend.vee.ruleset import defaults_of
from headend.windows import judge
from signing.energy import kwh_text
from signing.errors import DecodeError, VerificationError
from signing.evidence import Judgement, WindowCase
from signing.interval import ist_text
from signing.statements.edit import Edit
from signing.statements.meter_record import MeterRecord
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import Basis, Totals, WindowActual
from signing.statements.window_part import Part
from signing.trust import TrustRoot, parse_trust
from signing.verify import Verdict, verify
from signing.verify_lone import BatchOutcome, BatchVerdict, confront, verify_batch

Report = dict[str, object]


class Exit(IntEnum):
    """Exit codes. Source: docs/wire-format.md §9."""

    VALID = 0
    INVALID = 1
    MISUSE = 2
    UNANCHORED = 3
    ATTESTED = 4
    ERASED = 5


_BATCH_EXIT = {
    BatchOutcome.AUTHENTIC: Exit.VALID,
    BatchOutcome.NOT_LOGGED: Exit.UNANCHORED,
    BatchOutcome.UNANCHORED: Exit.UNANCHORED,
}


class MisuseError(Exception):
    """The command was given something that it cannot work with; the message says what."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `sakshi-verify` and gives its exit code."""
    options = _parser().parse_args(argv)
    try:
        code, report = _run(options)
    except MisuseError as error:
        print(f"sakshi-verify: {error}", file=sys.stderr)
        return Exit.MISUSE
    except VerificationError as error:
        code, report = Exit.INVALID, {"result": "INVALID", "check": error.check, "message": str(error)}
    try:
        print(json.dumps(report, indent=2, ensure_ascii=False) if options.json else "\n".join(_lines(report)))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read along, as `head` does, has seen enough; the verdict stands. The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sakshi-verify",
        description="Verifies, offline, that an attested figure follows from readings signed at the premises.",
        epilog="Exit: 0 VALID, 1 INVALID, 2 misuse, 3 UNANCHORED, 4 ATTESTED (not recomputed), 5 ERASED.",
    )
    parser.add_argument("bundle", nargs="?", type=Path, metavar="BUNDLE", help="the evidence bundle of one window")
    parser.add_argument(
        "--trust", type=Path, metavar="FILE", help="the discom's trust file (TOML), from outside the bundle"
    )
    parser.add_argument(
        "--digest", metavar="HEX", help="the evidence digest that was posted: the bundle must be its own"
    )
    parser.add_argument(
        "--receipt",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a receipt that the gateway got; may be given again; named if the bundle contradicts it",
    )
    parser.add_argument(
        "--batch",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="without BUNDLE: one batch to be verified; with BUNDLE: a batch that a receipt speaks of",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return parser


def _run(options: argparse.Namespace) -> tuple[Exit, Report]:
    trust = None if options.trust is None else _trust(options.trust)
    if options.bundle is None:
        if len(options.batch) != 1 or options.receipt or options.digest:
            raise MisuseError("give a BUNDLE, or one --batch FILE to verify alone")
        verdict = verify_batch(_read(options.batch[0]), trust)
        return _BATCH_EXIT[verdict.outcome], _batch_report(verdict)
    data = _read(options.bundle)
    found = verify(data, trust, _judged)
    _require_digest(found, options.digest)
    report = _report(found)
    if options.receipt and trust is None:
        raise MisuseError("--receipt needs --trust: a receipt is as good as the log key that signed it")
    if trust is not None and options.receipt:
        report["receipts"] = _confronted(data, trust, options)
    return Exit[found.outcome.name], report


def _judged(case: WindowCase) -> Judgement:
    """The head-end's judgement; rules that this program does not know cannot be recomputed, so they refuse the bundle."""
    try:
        return judge(case)
    except RuleSetError as error:
        raise VerificationError(8, str(error)) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MisuseError(f"cannot read '{path}': {error.strerror}") from error


def _trust(path: Path) -> TrustRoot:
    try:
        return parse_trust(_read(path).decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise MisuseError(f"trust file '{path}' is not UTF-8 text") from error
    except DecodeError as error:
        raise MisuseError(str(error)) from error


def _require_digest(found: Verdict, text: str | None) -> None:
    if text is None:
        return
    try:
        digest = bytes.fromhex(text)
    except ValueError as error:
        raise MisuseError(f"expected --digest in hexadecimal, got {text!r:.80}") from error
    if digest != found.digest:
        raise VerificationError(6, f"the bundle is of {found.digest.hex()}, not of the posted {digest.hex()}")


def _confronted(data: bytes, trust: TrustRoot, options: argparse.Namespace) -> list[str]:
    receipts = [_read(path) for path in options.receipt]
    try:
        return list(confront(data, trust, receipts, [_read(path) for path in options.batch]))
    except DecodeError as error:
        raise MisuseError(f"--receipt or --batch: {error}") from error


def _report(found: Verdict) -> Report:
    actual = found.actual
    report: Report = {"result": found.outcome.value}
    if found.reason is not None:
        report["reason"] = found.reason
    report |= {
        "connection_point": actual.connection_point,
        "posted_as": actual.posted_as,
        "from": ist_text(actual.window.start_utc),
        "to": ist_text(actual.window.end_utc),
        "status": actual.status.name,
        **({} if actual.reason is None else {"status_reason": actual.reason}),
        **_figures(actual.totals, actual.basis),
        "blocks": _coverage(actual),
        "manual": _manual(actual),
        "edits": [_edit(edit) for edit in found.edits],
        "meters": [_measured(part, found.records.get(part.meter)) for part in actual.parts],
        **_rules(found.rule_set),
        "revision": actual.revision,
        "evidence_digest": found.digest.hex(),
        "log": found.origin,
        "tree_size": found.tree_size,
        "sequences_never_admitted": found.never_admitted,
    }
    estimates = [text for part in actual.parts for text in _estimates(part)]
    if estimates:
        report["estimated_and_not_counted"] = estimates
    if actual.stated:
        report["stated_not_recomputed"] = [
            f"{entry.rule} version {entry.version}: {entry.verdict.name} at {ist_text(entry.block_utc)}"
            for entry in actual.stated
        ]
    return report


def _figures(totals: Totals | None, basis: Basis) -> Report:
    if totals is None:
        return {"import_kwh": None, "export_kwh": None, "net_kwh": None, "basis": basis.name}
    return {
        "import_kwh": kwh_text(totals.import_wh),
        "export_kwh": None if totals.export_wh is None else kwh_text(totals.export_wh),
        "net_kwh": kwh_text(totals.net_wh),
        "basis": basis.name,
    }


def _coverage(actual: WindowActual) -> dict[str, int]:
    names = ("expected", "valid", "estimated", "manual", "suspect", "missing")
    return {name: sum(getattr(part.counts, name) for part in actual.parts) for name in names}


def _manual(actual: WindowActual) -> list[str]:
    """What edits state, which no meter measured; it is in the totals."""
    return [
        f"{part.meter}: import {part.manual_import_wh} Wh, export {part.manual_export_wh} Wh, before factors"
        for part in actual.parts
        if part.manual_import_wh is not None
    ]


def _edit(edit: Edit) -> str:
    """An edit with its two persons; that the keys are theirs is the discom's word."""
    proposal = edit.proposal
    return (
        f"edit {proposal.number} of meter {proposal.meter}: {proposal.reason}; {len(proposal.blocks)} blocks from "
        f"{ist_text(proposal.span.start_utc)}, by {edit.author.name}, approved by {edit.approver.name}"
    )


def _measured(part: Part, record: MeterRecord | None) -> str:
    """Who measured a part, and what the discom's record makes of it: the figure is as good as these."""
    words = [part.meter, f"{ist_text(part.span.start_utc)} to {ist_text(part.span.end_utc)}"]
    words.append("no origin" if part.origin is None else f"origin {part.origin.name}")
    fact = None if record is None else record.fact(part.span.start_utc)
    if fact is not None:
        factor = Factor(1)
        for ratio in (fact.ct, fact.pt, fact.factor):
            factor *= Factor(ratio.numerator, ratio.denominator)
        words += [f"serial number {fact.identity}", f"factor {factor}", f"record {part.record.sequence}"]
    return ", ".join(words)


def _estimates(part: Part) -> list[str]:
    """What was estimated of a part, before factors and in no total."""
    if part.estimated is None:
        return []
    channels = (("import", part.estimated.imported), ("export", part.estimated.exported))
    return [
        f"{part.meter}, {name} of {part.counts.estimated} blocks by {part.estimated.method}: {kwh_text(bounds.value_wh)} kWh, "
        f"between {kwh_text(bounds.low_wh)} and {kwh_text(bounds.high_wh)}"
        for name, bounds in channels
        if bounds is not None
    ]


def _rules(rule_set: RuleSet | None) -> Report:
    """By which rules it was judged, and where they are not those that this program would start with."""
    if rule_set is None:
        return {}
    report: Report = {"rules": f"{rule_set.name}, version {rule_set.version}"}
    stated = {rule.id: rule for rule in rule_set.rules}
    plain = {name: dict(defaults_of(rule)) for name, rule in stated.items()}
    report["rules_left_out"] = ", ".join(sorted(RULES.keys() - stated.keys())) or None
    report["rules_changed"] = [
        f"{name} {dict(rule.parameters)} for {plain[name]}"
        for name, rule in stated.items()
        if dict(rule.parameters) != plain[name]
    ]
    return report


def _batch_report(found: BatchVerdict) -> Report:
    header = found.batch.header
    return {
        "result": found.outcome.value,
        **({} if found.reason is None else {"reason": found.reason}),
        "meter": header.meter,
        "sequence": header.sequence,
        "from": ist_text(header.start_utc),
        "to": ist_text(header.end_utc),
        "origin": header.origin.name,
        "digest": found.batch.digest.hex(),
        "index": found.index,
        "tree_size": found.tree_size,
    }


def _lines(report: Report) -> list[str]:
    """The report for people: the result first, then one fact a line."""
    lines = [str(report["result"])]
    for name, value in report.items():
        if name in {"result", "sequences_never_admitted"} or value is None or value == []:
            continue
        shown = "; ".join(f"{count} {key}" for key, count in value.items()) if isinstance(value, dict) else value
        entries = shown if isinstance(shown, list) else [shown]
        lines += [f"  {name.replace('_', ' ')}: {entry}" for entry in entries]
    if "sequences_never_admitted" in report:
        lines.append(f"  {report['sequences_never_admitted']} sequences never admitted")
    return lines
