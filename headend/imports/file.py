"""One file of another system's readings as values, and every row that is no reading with what is wrong with it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from headend.errors import RefusedError
from headend.ies.document import MeterRef
from headend.ies.nodes import EXACT
from headend.registry.sheet import Fault
from signing.energy import MAX_WH
from signing.statements.meter_record import Stamps

MAX_BYTES = 16 * 1024 * 1024
MAX_ROWS = 200_000
"""More are imported in several files: one file is one transaction, and intake waits for it."""


class ImportRefusedError(RefusedError):
    """A file that cannot be read at all, or an import that cannot be. The message carries the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledBlock:
    """One block of one meter as the file states it, in Wh."""

    line: int
    meter: tuple[MeterRef, ...]
    start_utc: int
    period_s: int
    import_wh: int
    export_wh: int | None
    is_measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledRegister:
    """The registers of one meter at one instant, in Wh."""

    line: int
    meter: tuple[MeterRef, ...]
    stamp_utc: int
    import_wh: int | None
    export_wh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """A file as it was read."""

    rows: int
    """Every row, also those that are faulty or left out."""
    blocks: tuple[FiledBlock, ...]
    registers: tuple[FiledRegister, ...]
    faults: tuple[Fault, ...]


Parser = Callable[[bytes, Stamps], ImportedFile]
"""Reads the bytes of a file; the stamps say at which end of its day a register of a day was read. Raises `ImportRefusedError` when it is no such file."""


def whole_wh(kwh: Decimal) -> int | None:
    """An energy in kWh as whole Wh; none where it is finer, negative or beyond any meter."""
    wh = EXACT.multiply(kwh, Decimal(1000))
    return int(wh) if 0 <= wh <= MAX_WH and wh == wh.to_integral_value() else None


def require_size(content: bytes) -> None:
    """Refuses a file that is too long. Raises `ImportRefusedError`."""
    if len(content) > MAX_BYTES:
        raise ImportRefusedError(f"expected at most {MAX_BYTES} bytes, got {len(content)}: split the file")
