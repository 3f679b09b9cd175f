"""Figures and the table of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured ratio."""

    name: str
    ratio: float
    unit: str
    """What the ratio is a ratio of."""
    goal: float | None
    """The ratio that GOALS asks for; none where it asks for none."""
    context: str
    """How it came about; absolute times stand only here."""
    is_limit: bool = False
    """Whether the goal is the most that the ratio may be, and not the least."""

    @property
    def verdict(self) -> str:
        """Whether the goal is reached."""
        if self.goal is None:
            return "-"
        is_reached = self.ratio <= self.goal if self.is_limit else self.ratio >= self.goal
        return "reached" if is_reached else "NOT reached"

    @property
    def shown(self) -> tuple[str, str]:
        """Ratio and goal for people: a limit is a matter of per cent."""
        goal = "-" if self.goal is None else f"{'<=' if self.is_limit else '>='} {self.goal:g}"
        return f"{self.ratio:.{3 if self.is_limit else 2}f}", goal


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What was not measured in this run."""

    name: str
    why: str


def table(figures: Sequence[Figure], left: Sequence[Left], machine: Mapping[str, str]) -> str:
    """The run for people."""
    rows = [("figure", "ratio", "goal", "", "of what")]
    rows += [(one.name, *one.shown, one.verdict, one.unit) for one in figures]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += ["", "how (absolute times are of this machine in this hour and claim nothing):"]
    lines += [f"  {one.name}: {one.context}" for one in figures]
    if left:
        lines += ["", "not measured:"] + [f"  {one.name}: {one.why}" for one in left]
    lines += ["", "machine: " + "; ".join(f"{name} {value}" for name, value in machine.items())]
    return "\n".join(lines)


def as_json(figures: Sequence[Figure], left: Sequence[Left], machine: Mapping[str, str]) -> dict[str, object]:
    """The run for scripts."""
    return {
        "figures": [{**asdict(one), "verdict": one.verdict} for one in figures],
        "not_measured": [asdict(one) for one in left],
        "machine": dict(machine),
    }
