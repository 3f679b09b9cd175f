"""What people are told of without looking: each trouble once when it begins, and once when it ends. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from signing.interval import ist_text


class AlertKind(Enum):
    """What an alert is about."""

    WINDOW_AT_RISK = "WINDOW_AT_RISK"
    """A window has no figure and its gate is near."""
    SILENT_GATEWAY = "SILENT_GATEWAY"
    """A gateway that speaks for meters has sent no block for long."""
    LEDGER_DIFFERENCE = "LEDGER_DIFFERENCE"
    """A posting was refused, expired, or the ledger's rows contradict it."""
    ORIGIN_DIFFERENCE = "ORIGIN_DIFFERENCE"
    """A meter's registers at the premises are not those that the AMISP's own system read (V32)."""
    DISK = "DISK"
    """The disk of the state directory is nearly full."""
    CERTIFICATE = "CERTIFICATE"
    """The web's certificate ends soon."""
    COMPONENT = "COMPONENT"
    """A part of the program does not work."""
    LATE_TERMS = "LATE_TERMS"
    """The terms of a trade changed, or a platform signed others, after its delivery began."""
    LOST = "LOST"
    """Statements are lost since a restore."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that somebody must look at now. The same kind and about is the same trouble, whatever its text."""

    kind: AlertKind
    about: str
    text: str
    """The cause and the remedy; meter ids, no names of consumers."""

    @property
    def key(self) -> tuple[AlertKind, str]:
        """What makes it the same trouble."""
        return self.kind, self.about


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A trouble as it is kept."""

    number: int
    trouble: Trouble
    opened_utc: int
    closed_utc: int | None

    @property
    def line(self) -> str:
        """What a message says of it."""
        trouble = self.trouble
        if self.closed_utc is None:
            return f"{trouble.kind.value} {trouble.about}: {trouble.text} (since {ist_text(self.opened_utc)})"
        return f"{trouble.kind.value} {trouble.about}: over since {ist_text(self.closed_utc)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What began and what is over."""

    begun: tuple[Trouble, ...]
    ended: tuple[int, ...]
    """Numbers of the alerts."""


def changes(open_alerts: Iterable[Alert], found: Iterable[Trouble]) -> Changes:
    """The difference between what is open and what was found now."""
    known: Mapping[tuple[AlertKind, str], Alert] = {alert.trouble.key: alert for alert in open_alerts}
    now = {trouble.key: trouble for trouble in sorted(found, key=_place)}
    return Changes(
        begun=tuple(trouble for key, trouble in now.items() if key not in known),
        ended=tuple(sorted(alert.number for key, alert in known.items() if key not in now)),
    )


def _place(trouble: Trouble) -> tuple[str, str, str]:
    return trouble.kind.value, trouble.about, trouble.text


def message(discom: str, alerts: Iterable[Alert]) -> tuple[str, str]:
    """Subject and body of what is sent about `alerts`, those that began first; one message for all of them."""
    rows = sorted(alerts, key=lambda alert: (alert.closed_utc is not None, alert.number))
    begun = sum(alert.closed_utc is None for alert in rows)
    subject = f"Sakshi {discom}: {begun} new, {len(rows) - begun} over"
    return subject, "\n".join(_one_line(alert.line) for alert in rows) + "\n"


def _one_line(text: str) -> str:
    """Without what would look like another alert: ids of meters and trades are spelled by strangers."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
