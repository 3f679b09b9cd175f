"""Scenario files: given, when, then, in TOML. ``scenarios/<rule>-<inside|on|outside>.toml``.

Every file has ``given`` (a sentence), ``[[batch]]`` tables, and ``[then]`` with the status, the reason where there is one, and every finding
of the file's rule. What a batch does not say is an honest meter's: see `tests.headend.vee.world`. ``[fact]`` overrides what the record says,
``[declared]`` is what stated rules look at (`tests.headend.vee.declaring`), ``without`` leaves rules out of the rule set that would say more of the same blocks, and ``"96x100"`` in a list of energies is 96 blocks of 100 Wh.
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.vee.stated_rules import found_beyond
from headend.windows import validated
from signing.evidence import WindowCase, signed_registers
from signing.interval import Interval, ist_text
from signing.statements.reading import Provenance, Reading
from signing.statements.reading_batch import ClockSource, Origin
from tests.headend.vee import declaring, world

FOLDER = Path(__file__).parent / "scenarios"
EDGES = ("inside", "on", "outside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One file."""

    name: str
    rule: str
    given: str
    case: WindowCase
    """With what the stated rules find, where the file declares anything."""
    status: str
    reason: str | None
    findings: tuple[str, ...]


def scenarios() -> tuple[Scenario, ...]:
    """Every file of the folder, by name."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.toml")))


def finding_text(rule: str, code: str, block_utc: int | None, verdict: str) -> str:
    """A finding as the files write it: ``V16 NEG 10:15 REJECTED``; the whole context is ``*``."""
    where = "*" if block_utc is None else ist_text(block_utc)[11:16]
    return f"{rule} {code} {where} {verdict}"


def _read(path: Path) -> Scenario:
    stated = tomllib.loads(path.read_text())
    window = world.span(*stated.get("window", ("10:00", "12:00")))
    gateways: dict[int, world.Gateway] = {0: world.Gateway(0)}
    for table in stated["batch"]:
        number = table.pop("gateway", 0)
        if "clone_of" in table:
            gateways[number] = gateways[table.pop("clone_of")].copy()
        _state(gateways.setdefault(number, world.Gateway(number)), table)
    then = stated["then"]
    return Scenario(
        name=path.stem,
        rule=path.stem.rpartition("-")[0],
        given=stated["given"],
        case=_with_stated(_case(gateways, window, stated), stated.get("declared")),
        status=then["status"],
        reason=then.get("reason"),
        findings=tuple(then["findings"]),
    )


def _case(gateways: dict[int, world.Gateway], window: Interval, stated: dict[str, Any]) -> WindowCase:
    facts = [world.fact(period_s=stated.get("period_s", 900), **stated.get("fact", {}))]
    left = tuple(rule for rule in DEFAULT_RULE_SET.rules if rule.id not in stated.get("without", ()))
    rule_set = replace(DEFAULT_RULE_SET, rules=left)
    return world.premises(*gateways.values(), facts=facts).case(window, rule_set)


def _with_stated(case: WindowCase, declared: dict[str, Any] | None) -> WindowCase:
    if declared is None:
        return case
    (part,) = validated(case)
    registers = [register for found in signed_registers(part.case.batches).values() for register in found]
    found = found_beyond(case.rule_set, declaring.declared(declared), case.window, part.validation.intervals, registers)
    return replace(case, stated=declaring.stated_findings(found, case.window))


def _state(gateway: world.Gateway, table: dict[str, Any]) -> None:
    header = {name: world.at(table.pop(name)) for name in ("reach", "read_at") if name in table}
    fields: dict[str, Any] = {f"{name}_utc": value for name, value in header.items()}
    if "offset_ms" in table:
        fields["clock_offset_ms"] = table.pop("offset_ms")
    if "origin" in table:
        fields["origin"] = Origin[table.pop("origin")]
    if "clock_source" in table:
        fields["clock_source"] = ClockSource[table.pop("clock_source")]
    fields |= {name: table.pop(name) for name in ("period_s", "sequence") if name in table}
    registers = [world.register(*row) for row in table.pop("registers", [])]
    identity = table.pop("identity", world.SERIAL)
    start, rows = table.pop("start"), _rows(table)
    assert not table, f"unknown keys: {sorted(table)}"
    gateway.state(start, rows, registers=registers, identity=identity or None, **fields)


def _rows(table: dict[str, Any]) -> tuple[Reading, ...]:
    """``import_wh`` lists the blocks; ``"-"`` is a row that the meter did not give. ``flags`` are by place."""
    imports = list(_energies(table.pop("import_wh")))
    exports = list(_energies(table.pop("export_wh", [0] * len(imports))))
    flags = table.pop("flags", {})
    provenance = Provenance[table.pop("provenance", "LOAD_PROFILE")]
    return tuple(
        replace(world.reading(imported, exported, flags=flags.get(str(number), 0)), provenance=provenance)
        for number, (imported, exported) in enumerate(zip(imports, exports, strict=True))
    )


def _energies(stated: Sequence[int | str]) -> Iterator[int | None]:
    for entry in stated:
        if entry == "-":
            yield None
        elif isinstance(entry, str):
            times, _, wh = entry.partition("x")
            yield from [int(wh)] * int(times)
        else:
            yield entry
