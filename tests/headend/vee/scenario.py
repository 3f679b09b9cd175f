"""Scenario files: given, when, then, in TOML. ``scenarios/<rule>-<inside|on|outside>.toml``.

Every file has ``given`` (a sentence), ``[[batch]]`` tables, and ``[then]`` with the status, the reason where there is one, and every finding
of the file's rule. What a batch does not say is an honest meter's: see `tests.headend.vee.world`.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signing.evidence import WindowCase
from signing.interval import Interval, ist_text
from signing.statements.reading import Reading
from signing.statements.reading_batch import Origin
from tests.headend.vee import world

FOLDER = Path(__file__).parent / "scenarios"
EDGES = ("inside", "on", "outside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One file."""

    name: str
    rule: str
    given: str
    case: WindowCase
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
        case=_case(gateways, window, stated),
        status=then["status"],
        reason=then.get("reason"),
        findings=tuple(then["findings"]),
    )


def _case(gateways: dict[int, world.Gateway], window: Interval, stated: dict[str, Any]) -> WindowCase:
    facts = [world.fact(period_s=stated.get("period_s", 900))]
    return world.premises(*gateways.values(), facts=facts).case(window)


def _state(gateway: world.Gateway, table: dict[str, Any]) -> None:
    header = {name: world.at(table.pop(name)) for name in ("reach", "read_at") if name in table}
    fields: dict[str, Any] = {f"{name}_utc": value for name, value in header.items()}
    if "offset_ms" in table:
        fields["clock_offset_ms"] = table.pop("offset_ms")
    if "origin" in table:
        fields["origin"] = Origin[table.pop("origin")]
    fields |= {name: table.pop(name) for name in ("period_s", "sequence") if name in table}
    registers = [world.register(*row) for row in table.pop("registers", [])]
    identity = table.pop("identity", world.SERIAL)
    start, rows = table.pop("start"), _rows(table)
    assert not table, f"unknown keys: {sorted(table)}"
    gateway.state(start, rows, registers=registers, identity=identity or None, **fields)


def _rows(table: dict[str, Any]) -> tuple[Reading, ...]:
    """``import_wh`` lists the blocks; ``"-"`` is a row that the meter did not give. ``flags`` are by place."""
    imports = [None if wh == "-" else wh for wh in table.pop("import_wh")]
    exports = table.pop("export_wh", [0] * len(imports))
    flags = table.pop("flags", {})
    return tuple(
        world.reading(imported, exported, flags=flags.get(str(number), 0))
        for number, (imported, exported) in enumerate(zip(imports, exports, strict=True))
    )
