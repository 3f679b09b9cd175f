"""Signed WindowActuals for tests of what comes after attestation."""

from pathlib import Path

from signing.backends.file import FileSigner, create_key
from signing.envelope import Signed, sign
from signing.interval import Interval
from signing.keys import Algorithm, Signer
from signing.statements.window_actual import Basis, Cause, Status, Totals, WindowActual


def statement_key(directory: Path) -> FileSigner:
    """A fresh P-256 key."""
    return create_key(str(directory / "statements.pem"), Algorithm.ES256)


def actual(
    signer: Signer,
    window: Interval,
    *,
    posted_as: str,
    totals: Totals | None,
    status: Status = Status.FINAL,
    supersedes: Signed[WindowActual] | None = None,
) -> Signed[WindowActual]:
    """One signed actual without parts: what posting looks at."""
    statement = WindowActual(
        connection_point="cp-1",
        posted_as=posted_as,
        window=window,
        revision=0 if supersedes is None else supersedes.statement.revision + 1,
        supersedes=None if supersedes is None else supersedes.digest,
        cause=Cause.FIRST if supersedes is None else Cause.LATE_DATA,
        delta=None,
        status=status,
        reason="1 of 8 blocks missing" if totals is None else None,
        basis=Basis.NET,
        totals=totals,
        parts=(),
        rule_set=bytes(32),
        stated=(),
        evidence=bytes(32),
        salt=bytes(16),
    )
    return sign(statement, signer)
