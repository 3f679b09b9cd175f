"""Registry sheets made by hand, and a registry to put them into."""

from collections.abc import Mapping

from headend.onboarding.sheet_import import RegistryImport
from headend.registry.report import Outcome
from headend.registry.sheet import parse_csv
from tests.headend.premises import NOW, Headend

FULL = (
    "meter,from,consumer,identity,connection_point,posted_as,role,feeder,dt,sanctioned_kw,installed_kw,storage_kwh,ct,pt,factor,"
    "period_s,stamps,gateway,consent_purpose,consent_grantee,consent_from,consent_until"
)


def sheet(*rows: Mapping[str, str]) -> bytes:
    """The CSV of rows, with the columns that any of them names."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(columns), *(",".join(row.get(name, "") for name in columns) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def row(number: int = 1, *, since: str = "2026-01-01", **cells: str) -> dict[str, str]:
    """The row of a new REVENUE meter; `cells` override."""
    return {
        "meter": f"SKS{number:08d}",
        "from": since,
        "identity": f"SN{number:06d}",
        "connection_point": f"CP-{number}",
    } | cells


def importer(headend: Headend) -> RegistryImport:
    """What imports into a head-end."""
    return RegistryImport(
        database=headend.database, book=headend.book, registry=headend.registry, signer=headend.statement_signer
    )


def applied(headend: Headend, *rows: Mapping[str, str]) -> Outcome:
    """The outcome of rows that are good."""
    outcome = importer(headend).apply(parse_csv(sheet(*rows)), by="asha", at_utc=NOW)
    assert outcome.plan.faults == ()
    assert outcome.is_applied
    return outcome
