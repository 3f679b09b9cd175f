"""``[beckn]``: who of the exchange may ask, and how it is answered. Without the section nobody is.

::

    [beckn]
    receiver = "https://discom.example.org/bpp/receiver"    # as registered; questions come to its path + /status
    networks = ["indiaenergystack.in/ies-p2p-trading-network"]
    directory = "https://fabric.nfh.global/registry/dedi/lookup"    # or "file:subscribers.toml" in a closed network
    callback_hosts = []                    # where answers may go; empty: the caller's registered host only
    dialect = "message-status"             # of ACKs; or "status", "message-ack"
    shape = "as-asked"                     # of answers; or "dataset", "attributes"
    evidence = "by-side"                   # column of the evidence digest; or "beside", "none"
    identifiers = "any"                    # or "uuid"
    revisions = "push"                     # or "wait": until the same is asked again
    untraded = "consent"                   # a window that no trade names: with the consumer's consent; or "answer"
    purpose = "p2p-settlement"             # of that consent
    patience_s = 300                       # how long a first answer waits for windows that are being decided
    per_minute = 60                        # messages of one caller
    most_windows = 50000                   # of one question

    [[beckn.caller]]
    subscriber = "ledger.example.org"
    sees = "ledger"                        # or "platform"; or "discom", with its short code
    push = "https://ledger.example.org/bap/receiver"    # of a ledger: it is told each figure without asking; not told unless given
    network = "indiaenergystack.in/ies-p2p-trading-network"    # in which it is told; needed where there are several
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from headend.trading.parties import Party, Sees
from ledger_client.beckn.ack import Dialect
from ledger_client.beckn.context import Identifiers, host_of, is_callable
from ledger_client.beckn.on_status import EvidenceColumn
from ledger_client.beckn.status import Shape
from ledger_client.dedi import DEFAULT_BASE
from signing.tables import Table

E = TypeVar("E", bound=Enum)
_AS_ASKED = "as-asked"


class Revisions(Enum):
    """What happens when a figure that was told changes."""

    PUSH = "push"
    WAIT = "wait"


class Untraded(Enum):
    """What happens to a window that no known trade names."""

    CONSENT = "consent"
    """It is interval data, and leaves only with the consumer's consent."""
    ANSWER = "answer"
    """The ledger provider's question is taken for the word that there is a trade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A ledger that is told each figure without asking."""

    subscriber: str
    uri: str
    """Where it is told, without the action."""
    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BecknSettings:
    """Who may ask, and how it is answered."""

    receiver: str
    networks: frozenset[str]
    directory: str
    """HTTPS base of a DeDi registry, or ``file:PATH``."""
    callback_hosts: frozenset[str] | None
    """None: the caller's registered host only."""
    dialect: Dialect
    shape: Shape | None
    """None: that of the question."""
    evidence: EvidenceColumn
    identifiers: Identifiers
    revisions: Revisions
    untraded: Untraded
    purpose: str
    patience_s: int
    per_minute: int
    most_windows: int
    parties: tuple[Party, ...]
    pushes: tuple[Push, ...] = ()

    @property
    def status_path(self) -> str:
        """Where questions are taken."""
        return f"{urlsplit(self.receiver).path.rstrip('/')}/status"

    @property
    def subscribers(self) -> frozenset[str]:
        """Everybody who is served."""
        return frozenset(party.subscriber for party in self.parties)

    def party(self, subscriber: str) -> Party | None:
        """What is said of a subscriber, or none."""
        return next((party for party in self.parties if party.subscriber == subscriber), None)


def beckn(table: Table, base: Path) -> BecknSettings:
    """The section; relative paths are under `base`."""
    receiver = _receiver(table)
    networks = table.texts("networks", least=1)
    revisions = _member(table, "revisions", Revisions.PUSH)
    parties, pushes = list[Party](), list[Push]()
    for one in table.tables("caller", least=1):
        parties.append(_party(one))
        pushes += _push(one, parties[-1], networks, revisions)
        one.close()
    if sum(party.sees is Sees.LEDGER for party in parties) > 1:
        table.faults.add(table.key("caller"), 'expected at most one with sees = "ledger": it sees every trade')
    if len({party.subscriber for party in parties}) != len(parties):
        table.faults.add(table.key("caller"), "expected every subscriber once")
    hosts = table.texts("callback_hosts", default=())
    shape = table.text("shape", default=_AS_ASKED)
    return BecknSettings(
        receiver=receiver,
        networks=frozenset(networks),
        directory=_directory(table, base),
        callback_hosts=frozenset(host.lower() for host in hosts) or None,
        dialect=_member(table, "dialect", Dialect.MESSAGE_STATUS),
        shape=None if shape == _AS_ASKED else _named(table, "shape", shape, Shape.DATASET, also=(_AS_ASKED,)),
        evidence=_member(table, "evidence", EvidenceColumn.BY_SIDE),
        identifiers=_member(table, "identifiers", Identifiers.ANY),
        revisions=revisions,
        untraded=_member(table, "untraded", Untraded.CONSENT),
        purpose=table.text("purpose", default="p2p-settlement"),
        patience_s=table.integer("patience_s", least=0, most=86_400, default=300),
        per_minute=table.integer("per_minute", least=1, most=10_000, default=60),
        most_windows=table.integer("most_windows", least=1, most=500_000, default=50_000),
        parties=tuple(parties),
        pushes=tuple(pushes),
    )


def _receiver(table: Table) -> str:
    receiver = table.text("receiver")
    parts = urlsplit(receiver if is_callable(receiver) else "https://wrong/wrong")
    if receiver and (not is_callable(receiver) or not host_of(receiver) or parts.path in {"", "/"}):
        table.faults.add(table.key("receiver"), "expected the registered address, https://host[:port]/path")
    return receiver


def _directory(table: Table, base: Path) -> str:
    text = table.text("directory", default=DEFAULT_BASE)
    scheme, _, rest = text.partition(":")
    if scheme == "file":
        return f"file:{base / rest}"
    if not is_callable(text):
        table.faults.add(table.key("directory"), "expected https://host/path of a registry, or file:PATH")
    return text


def _party(table: Table) -> Party:
    subscriber = table.text("subscriber")
    sees = _member(table, "sees", Sees.LEDGER)
    discom = table.optional_text("discom")
    if (sees is Sees.DISCOM) != (discom is not None):
        table.faults.add(table.key("discom"), 'expected a short code exactly with sees = "discom"')
        sees, discom = Sees.LEDGER, None
    return Party(subscriber=subscriber, sees=sees, discom=discom)


def _push(table: Table, party: Party, networks: Sequence[str], revisions: Revisions) -> tuple[Push, ...]:
    """Where a caller is told without asking, if anywhere."""
    uri, network = table.optional_text("push"), table.optional_text("network")
    if network is not None and (uri is None or network not in networks):
        table.faults.add(table.key("network"), "expected one of the networks, beside push")
    if uri is None:
        return ()
    if not is_callable(uri) or party.sees is not Sees.LEDGER:
        table.faults.add(table.key("push"), 'expected https://host[:port]/path, of a caller with sees = "ledger"')
    if revisions is not Revisions.PUSH:
        table.faults.add(
            table.key("push"), 'expected revisions = "push" beside it: what is told unasked is revised unasked'
        )
    if network is None and len(networks) > 1:
        table.faults.add(table.key("network"), "expected in which of the networks it is told")
    return (Push(subscriber=party.subscriber, uri=uri, network=network or next(iter(networks), "")),)


def _member(table: Table, name: str, default: E) -> E:
    return _named(table, name, table.text(name, default=str(default.value)), default)


def _named(table: Table, name: str, word: str, default: E, *, also: tuple[str, ...] = ()) -> E:
    kinds: dict[str, E] = {str(kind.value): kind for kind in type(default)}
    if word not in kinds:
        table.faults.add(table.key(name), f"expected one of {', '.join((*also, *kinds))}, got {word!r:.40}")
    return kinds.get(word, default)
