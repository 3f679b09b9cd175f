"""What an import of a registry sheet came to, in words and as JSON: the same for the command line and the API."""

from dataclasses import dataclass

from headend.registry.plan import Plan
from headend.registry.supply import Exchange, RegisterPair, StatedChange
from signing.energy import kwh_text
from signing.interval import ist_text, utc_text

_SHOWN_WINDOWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedWindow:
    """A window that was attested and that a change of facts reaches back to."""

    posted_as: str
    start_utc: int
    end_utc: int

    @property
    def words(self) -> str:
        """The window for people."""
        return f"{self.posted_as} {ist_text(self.start_utc)} to {ist_text(self.end_utc)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a sheet came to."""

    plan: Plan
    is_applied: bool
    """Whether it was written; a dry run and a refused sheet are not."""
    records: int
    """MeterRecords that it makes, or made."""
    reached: tuple[AttestedWindow, ...]
    """Attested windows that are decided anew, and get a revision where the change matters."""

    @property
    def is_refused(self) -> bool:
        """Whether any row was rejected."""
        return bool(self.plan.faults)


def lines(outcome: Outcome) -> list[str]:
    """The outcome for people: faults first, then what changes, then what to look at."""
    plan = outcome.plan
    told = [f"REJECTED {fault.words}" for fault in plan.faults]
    told += [change.words for change in plan.changes]
    told += [f"WARNING {warning}" for warning in plan.warnings]
    told += [f"WARNING may get a revision: {window.words}" for window in outcome.reached[:_SHOWN_WINDOWS]]
    if len(outcome.reached) > _SHOWN_WINDOWS:
        told.append(f"WARNING and {len(outcome.reached) - _SHOWN_WINDOWS} more windows may get a revision")
    told.append(summary(outcome))
    return told


def summary(outcome: Outcome) -> str:
    """One line: how much, and whether it happened."""
    plan = outcome.plan
    counts = (
        f"{plan.total} row(s), {len(plan.changes)} change(s), {outcome.records} meter record(s), "
        f"{len(plan.faults)} fault(s)"
    )
    if outcome.is_applied:
        return f"{counts}: {'applied, without the meters of the rejected rows' if plan.faults else 'applied'}"
    return f"{counts}: nothing was changed"


def document(outcome: Outcome) -> dict[str, object]:
    """The outcome as JSON."""
    plan = outcome.plan
    return {
        "applied": outcome.is_applied,
        "rows": plan.total,
        "records": outcome.records,
        "faults": [
            {
                "line": fault.line,
                "column": fault.column,
                "expected": fault.expected,
                "got": fault.got,
                "remedy": fault.remedy,
            }
            for fault in plan.faults
        ],
        "changes": [
            {
                "line": change.line,
                "meter": change.meter,
                "from": utc_text(change.from_utc),
                "column": change.field,
                "before": change.before,
                "after": change.after,
            }
            for change in plan.changes
        ],
        "warnings": list(plan.warnings),
        "windows": [window.words for window in outcome.reached],
    }


def exchange_document(exchange: Exchange) -> dict[str, object]:
    """An exchange of devices as JSON; its registers as the devices show them, in kWh."""
    return {
        "connection_point": exchange.connection_point,
        "at": utc_text(exchange.at_utc),
        "old_meter": exchange.old_meter,
        "new_meter": exchange.new_meter,
        "closing": _registers(exchange.closing),
        "opening": _registers(exchange.opening),
        "stated_by": exchange.stated_by,
        "stated_at": utc_text(exchange.stated_utc),
    }


def change_document(change: StatedChange) -> dict[str, object]:
    """An entry of the journal as JSON."""
    return {
        "from": utc_text(change.from_utc),
        "column": change.field,
        "before": change.before,
        "after": change.after,
        "stated_by": change.stated_by,
        "stated_at": utc_text(change.stated_utc),
    }


def _registers(pair: RegisterPair) -> dict[str, str | None]:
    return {
        "import_kwh": kwh_text(pair.import_wh),
        "export_kwh": None if pair.export_wh is None else kwh_text(pair.export_wh),
    }
