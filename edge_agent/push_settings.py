"""What the configuration says of pushes: where they are listened for, and which meter's are believed how far.

``[push] tcp = "192.0.2.1:4059"`` and, in a meter, ``push_title = "534b531122334455"``.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from edge_agent.readers.dlms.security import TITLE_OCTETS
from edge_agent.registers import Origin
from signing.tables import Table

PORT: Final = 4059
"""What IANA gives DLMS/COSEM."""
AUTHENTIC_S: Final = 60
HINT_S: Final = 900
_MOST_PAUSE_S: Final = 86_400
_NAMES: Final = ("tcp", "udp", "authentic_s", "hint_s")


class Plain(Enum):
    """What becomes of a push that nobody can verify."""

    REFUSE = "refuse"
    HINT = "hint"
    """It brings the next poll forward, seldom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSettings:
    """The listener for pushes. None of it is there unless it is configured."""

    tcp: Address | None = None
    udp: Address | None = None
    authentic_s: int = AUTHENTIC_S
    """Least time between two polls that verified pushes of one meter bring forward; alerts are counted apart from values."""
    hint_s: int = HINT_S
    """Least time between two polls that plain pushes of one meter bring forward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterPush:
    """How one meter's pushes are known and believed."""

    title: bytes | None = None
    """The meter's system title, 8 octets; without it no ciphered push is this meter's."""
    keys: str | None = None
    """URI of the keys that they are ciphered under; without them none can be verified."""
    plain: Plain = Plain.REFUSE


NOT_KNOWN: Final = MeterPush()
"""Of whom nothing is configured, nothing is believed."""


def parse_push(table: Table) -> PushSettings | None:
    """The table `push`; None where there is none. Faults are kept in `table`."""
    if not any(table.has(name) for name in _NAMES):
        return None
    if not (table.has("tcp") or table.has("udp")):
        table.faults.add(table.key("tcp"), f"expected somewhere to listen in 'tcp' or 'udp', e.g. 192.0.2.1:{PORT}")
    tcp, udp = _address(table, "tcp"), _address(table, "udp")
    settings = PushSettings(
        tcp=tcp,
        udp=udp,
        authentic_s=table.integer("authentic_s", least=1, most=_MOST_PAUSE_S, default=AUTHENTIC_S),
        hint_s=table.integer("hint_s", least=60, most=_MOST_PAUSE_S, default=HINT_S),
    )
    if settings.hint_s < settings.authentic_s:
        table.faults.add(
            table.key("hint_s"), f"expected at least authentic_s, {settings.authentic_s}, got {settings.hint_s}"
        )
    return settings


def parse_meter_push(table: Table, *, keys: str | None, origin: Origin | None, is_dlms: bool) -> MeterPush:
    """The keys ``push_title``, ``push_keys`` (default: `keys`, those of the meter's URL) and ``plain_push`` of a meter that is read
    with `origin`. A meter whose readings are ciphered is not poked by anybody who knows its serial number. Faults are kept in `table`.
    """
    if not is_dlms:
        for name in ("push_title", "push_keys", "plain_push"):
            if table.optional_text(name) is not None:
                table.faults.add(table.key(name), "expected it of a DLMS meter only: no other pushes")
        return MeterPush()
    default = Plain.REFUSE if origin in {Origin.GMAC, None} else Plain.HINT
    return MeterPush(title=_title(table), keys=_keys(table) or keys, plain=_plain(table, default))


def _address(table: Table, name: str) -> Address | None:
    text = table.optional_text(name)
    if text is None:
        return None
    host, colon, port = text.rpartition(":")
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else 0
    if not colon or not host or not 0 < number <= 0xFFFF:
        table.faults.add(table.key(name), f"expected ADDRESS:PORT, e.g. 192.0.2.1:{PORT}, got {text!r:.60}")
        return None
    return Address(host=host.removeprefix("[").removesuffix("]"), port=number)


def _title(table: Table) -> bytes | None:
    text = table.optional_text("push_title")
    if text is None:
        return None
    try:
        title = bytes.fromhex(text)
    except ValueError:
        title = b""
    if len(title) != TITLE_OCTETS:
        table.faults.add(
            table.key("push_title"), f"expected the meter's own system title, 16 hexadecimal digits, got {text!r:.40}"
        )
        return None
    return title


def _keys(table: Table) -> str | None:
    uri = table.optional_text("push_keys")
    if uri is None:
        return None
    scheme, _, rest = uri.partition(":")
    # What else stands there is not shown: it may be a key.
    if not rest or scheme not in {"store", "file"} or (scheme == "file" and not rest.startswith("/")):
        table.faults.add(table.key("push_keys"), "expected store:METER or file:/path, never a key itself")
        return None
    return uri


def _plain(table: Table, default: Plain) -> Plain:
    text = table.text("plain_push", default=default.value)
    known = {each.value: each for each in Plain}
    if text not in known:
        table.faults.add(table.key("plain_push"), f"expected one of {', '.join(known)}, got {text!r:.40}")
    return known.get(text, default)
