"""Pages for people: templates, and how an energy, a time, a digest and an absence look.

Energies are kWh with three decimals, times IST with their zone. What is absent is a dash with its reason, never 0.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from http import HTTPStatus

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from headend.tokens import Token
from headend.web.desk import Desk, of
from signing.energy import kwh_text
from signing.interval import IST, Interval, ist_text
from signing.statements.reading import Absence, Flag

ABSENT = "—"

_TONES = {
    **dict.fromkeys(("FINAL", "TRUE_UP", "CONFIRMED", "VALID", "ACTIVE", "READY", "SIGNED"), "good"),
    **dict.fromkeys(
        (
            "REFUSED",
            "DIFFERS",
            "EXPIRED",
            "FORK",
            "REJECTED",
            "REVOKED",
            "DOWN",
            "CONTRADICTS",
            "LATE",
            "AT_RISK",
            "IMPOSSIBLE",
            "OPEN",
        ),
        "bad",
    ),
    **dict.fromkeys(
        (
            "PENDING",
            "UNSIGNED",
            "NO ACTUAL",
            "NOT_MEASURABLE",
            "PROVISIONAL",
            "SUSPECT",
            "MISSING",
            "GAP",
            "WAITING",
            "WITHDRAWN",
            "ESTIMATED",
            "MANUAL",
            "HELD",
            "HOLD",
            "DISPUTE",
            "STAND_DOWN",
        ),
        "warn",
    ),
}
_ABSENCES = {
    Absence.NONE: "",
    Absence.NO_EXPORT_REGISTER: "the meter has no export register",
    Absence.NO_ROW: "the meter gave no row",
    Absence.NULL_DATA: "the row held no value",
    Absence.NOT_WITNESSED: "the boundary was not witnessed",
    Absence.REGISTER_FELL: "the register fell",
    Absence.IMPLAUSIBLE: "implausible",
    Absence.METER_ERROR: "the meter answered with an error",
}


@cache
def environment() -> Environment:
    """The templates with their filters; everything is escaped."""
    made = Environment(
        loader=PackageLoader("headend.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        kwh=kwh,
        signed_kwh=signed_kwh,
        ist=ist,
        ist_span=ist_span,
        ist_date=ist_date,
        hex=as_hex,
        short=short,
        tone=tone,
        absence=absence,
        flags=flags,
    )
    made.globals["ABSENT"] = ABSENT
    return made


def shown(
    request: Request, template: str, context: Mapping[str, object], status: HTTPStatus = HTTPStatus.OK
) -> Response:
    """A page of the console, with what every page has: the discom, the tree size, who is logged in, the time."""
    desk = of(request)
    tree = desk.reads.tree()
    return _html(
        template,
        {
            "discom": desk.discom,
            "tree_size": 0 if tree is None else tree.checkpoint.size,
            "origin": None if tree is None else tree.checkpoint.origin,
            "now": desk.now(),
            "holder": _holder(request),
            **context,
        },
        status,
    )


def shown_without_store(desk: Desk, template: str, context: Mapping[str, object], status: HTTPStatus) -> Response:
    """A page for somebody who is not let in, or while the store cannot be read: it says nothing about the log."""
    plain = {"discom": desk.discom, "tree_size": None, "origin": None, "now": desk.now(), "holder": None}
    return _html(template, {**plain, **context}, status)


def _html(template: str, context: Mapping[str, object], status: HTTPStatus) -> Response:
    text = environment().get_template(template).render(context)
    return HTMLResponse(text, status_code=status, headers={"Cache-Control": "no-store"})


def _holder(request: Request) -> str | None:
    token = getattr(request.state, "token", None)
    return token.name if isinstance(token, Token) else None


def kwh(wh: int | None) -> str:
    """An energy in kWh with three decimals, or a dash."""
    return ABSENT if wh is None else kwh_text(wh)


def signed_kwh(wh: int | None) -> str:
    """A difference in kWh with its sign, or a dash."""
    return ABSENT if wh is None else f"{'+' if wh > 0 else ''}{kwh_text(wh)}"


def ist(at_utc: int | None) -> str:
    """A time with its zone, or a dash."""
    return ABSENT if at_utc is None else ist_text(at_utc)


def ist_span(interval: Interval) -> str:
    """A span with its zone, as short as it stays exact: ``2026-04-26 10:00 - 10:15 IST``."""
    start, end = (datetime.fromtimestamp(at, IST) for at in (interval.start_utc, interval.end_utc))
    clock = "%H:%M:%S" if start.second or end.second else "%H:%M"
    day = "" if start.date() == end.date() else f"{end:%Y-%m-%d} "
    return f"{start:%Y-%m-%d} {start.strftime(clock)} - {day}{end.strftime(clock)} IST"


def ist_date(at_utc: int) -> str:
    """The day of Indian time that an instant lies in: ``2026-04-26``."""
    return datetime.fromtimestamp(at_utc, IST).strftime("%Y-%m-%d")


def as_hex(value: bytes | None) -> str:
    """Bytes in hexadecimal, or a dash."""
    return ABSENT if value is None else value.hex()


def short(value: bytes | None) -> str:
    """The first eight bytes in hexadecimal: for recognising, not for comparing."""
    return ABSENT if value is None else f"{value.hex()[:16]}…"


def tone(word: str) -> str:
    """The class that colours a status word: good, warn, bad or plain."""
    return _TONES.get(word, "plain")


def absence(why: Absence) -> str:
    """Why a reading has no energy, in words."""
    return _ABSENCES[why]


def flags(bits: int) -> str:
    """What the meter said about a block, by the names of the flags; unknown bits by their number."""
    names = [flag.name or "" for flag in Flag if bits & flag]
    unknown = bits & ~sum(Flag)
    return ", ".join([*names, *([f"bits {unknown}"] if unknown else [])]) or ABSENT
