"""Who may use which route: the one table. A route that is not in it is refused, whoever asks.

Only what a stranger needs to verify evidence is public: a log whose checkpoints only the discom's friends see proves nothing.
"""

from dataclasses import dataclass
from typing import TypeAlias

from headend.tokens import Scope


@dataclass(frozen=True, slots=True)
class Public:
    """Open to everybody, for a stated reason."""

    because: str


@dataclass(frozen=True, slots=True)
class Needs:
    """Open to a token that holds one of these scopes."""

    scopes: frozenset[Scope]
    subscribers: bool = False
    """Whether it is open to a verified subscriber of the network too, for what that is a party to."""

    @property
    def words(self) -> str:
        """The scopes for people."""
        return " or ".join(sorted(scope.value for scope in self.scopes))


@dataclass(frozen=True, slots=True)
class Signed:
    """Open to what a subscriber of the network signed; the route's own verification room looks, at every byte."""

    because: str


Access: TypeAlias = Public | Needs | Signed

RECEIVER = "/bpp/receiver/status"
"""What the table calls the address of questions, wherever it is registered."""

DID = "/.well-known/did.json"
"""Where `did:web` looks for the document of a domain."""

REVOCATIONS = "/dedi/lookup/{namespace}/vc-revocation-registry/{credential}"
"""Where a credential's revocation is looked up, as at a DeDi registry."""

REVOKED = "/dedi/query/{namespace}/vc-revocation-registry"
"""Where all revocations are listed, as at a DeDi registry: a credential's `statusListCredential`."""

_VERIFYING = Public("order and growth of the log; digests only, no contents")
_METERS = Needs(frozenset({Scope.READ_METERS}))
_WINDOWS = Needs(frozenset({Scope.READ_WINDOWS}))
_ACTUALS = Needs(frozenset({Scope.READ_WINDOWS}), subscribers=True)
_EVIDENCE = Needs(frozenset({Scope.READ_EVIDENCE}))
_BUNDLES = Needs(frozenset({Scope.READ_EVIDENCE}), subscribers=True)
_EDITS = Needs(frozenset({Scope.WRITE_EDITS}))
_OPERATIONS = Needs(frozenset({Scope.READ_OPERATIONS}))
_REGISTRY = Needs(frozenset({Scope.READ_REGISTRY}))
_OUTCOMES = Needs(frozenset({Scope.READ_OUTCOMES}))
_BILLING = Needs(frozenset({Scope.READ_BILLING}))
_METER_DATA = Needs(frozenset({Scope.READ_METER_DATA}))
_CONSOLE = Needs(frozenset({Scope.CONSOLE}))
_DESCRIPTION = Needs(frozenset(Scope) - {Scope.CONSOLE})

ACCESS: dict[tuple[str, str], Access] = {
    ("GET", "/v1/log/checkpoint"): _VERIFYING,
    ("GET", "/v1/log/tile/{path:path}"): _VERIFYING,
    ("GET", "/v1/trust"): Public("public keys; a verifier compares them with what it was given elsewhere"),
    ("GET", DID): Public("the public key of the discom's statements, under its did:web"),
    ("GET", REVOCATIONS): Public("whether a credential is revoked, for whoever was shown it; its number tells nothing"),
    ("GET", REVOKED): Public("the same for whoever would not tell which credential it was shown; numbers tell nothing"),
    ("GET", "/openapi.json"): _DESCRIPTION,
    ("POST", "/v1/imports"): Needs(frozenset({Scope.WRITE_IMPORTS})),
    ("POST", "/v1/ies/meter-data"): _METER_DATA,
    ("POST", "/v1/ies/credentials"): _METER_DATA,
    ("GET", "/v1/meters"): _METERS,
    ("GET", "/v1/meters/{meter}"): _METERS,
    ("GET", "/v1/registry"): _REGISTRY,
    ("POST", "/v1/registry"): Needs(frozenset({Scope.WRITE_REGISTRY})),
    ("GET", "/v1/registry/{meter}"): _REGISTRY,
    ("GET", "/v1/connection-points"): _REGISTRY,
    ("GET", "/v1/windows"): _WINDOWS,
    ("GET", "/v1/actuals"): _ACTUALS,
    ("GET", "/v1/actuals/{digest}"): _ACTUALS,
    ("GET", "/v1/changes"): _ACTUALS,
    ("GET", "/v1/trades"): _OPERATIONS,
    ("GET", "/v1/contracts"): _OPERATIONS,
    ("POST", "/v1/contracts"): Signed("contracts of trading platforms, each verified before it is read"),
    ("GET", "/v1/evidence/{digest}"): _BUNDLES,
    ("GET", "/v1/batches/{index}"): _EVIDENCE,
    ("POST", RECEIVER): Signed("questions of the exchange, each verified before it is read"),
    ("GET", "/v1/days/{meter}"): _EVIDENCE,
    ("GET", "/v1/outcomes"): _OUTCOMES,
    ("GET", "/v1/notices"): _OPERATIONS,
    ("POST", "/v1/notices"): Needs(frozenset({Scope.WRITE_NOTICES})),
    ("GET", "/v1/p2p"): _BILLING,
    ("GET", "/v1/billing/{month}"): _BILLING,
    ("GET", "/v1/forecast"): _OPERATIONS,
    ("GET", "/v1/alerts"): _OPERATIONS,
    ("GET", "/v1/holds"): _OPERATIONS,
    ("GET", "/v1/acts"): _OPERATIONS,
    ("GET", "/v1/edits"): _EVIDENCE,
    ("GET", "/v1/edits/{proposal}"): _EVIDENCE,
    ("POST", "/v1/edits/draft"): _EDITS,
    ("POST", "/v1/edits"): _EDITS,
    ("POST", "/v1/edits/{proposal}/approval"): _EDITS,
    ("GET", "/v1/postings"): _OPERATIONS,
    ("GET", "/v1/recordings"): _OPERATIONS,
    ("GET", "/v1/intake"): _OPERATIONS,
    ("GET", "/v1/refusals"): _OPERATIONS,
    ("GET", "/v1/health"): _OPERATIONS,
    ("GET", "/metrics"): _OPERATIONS,
    ("GET", "/console/login"): Public("the form that asks for the token"),
    ("POST", "/console/login"): Public("takes the token"),
    ("GET", "/console/console.css"): Public("the form's looks"),
    ("POST", "/console/logout"): _CONSOLE,
    ("GET", "/console/"): _CONSOLE,
    ("GET", "/console/meters"): _CONSOLE,
    ("GET", "/console/meters/{meter}"): _CONSOLE,
    ("GET", "/console/registry"): _CONSOLE,
    ("GET", "/console/windows"): _CONSOLE,
    ("GET", "/console/windows/{digest}"): _CONSOLE,
    ("GET", "/console/windows/{digest}/blocks"): _CONSOLE,
    ("GET", "/console/windows/{digest}/statement"): _CONSOLE,
    ("GET", "/console/windows/{digest}/bundle"): _CONSOLE,
    ("GET", "/console/batches/{index}"): _CONSOLE,
    ("GET", "/console/batches/{index}/envelope"): _CONSOLE,
    ("GET", "/console/batches/{index}/opening"): _CONSOLE,
    ("GET", "/console/trades"): _CONSOLE,
    ("GET", "/console/gates"): _CONSOLE,
    ("GET", "/console/alerts"): _CONSOLE,
    ("GET", "/console/holds"): _CONSOLE,
    ("GET", "/console/holds/{hold}"): _CONSOLE,
    ("GET", "/console/edits"): _CONSOLE,
    ("GET", "/console/edits/{proposal}"): _CONSOLE,
    ("GET", "/console/meters/{meter}/days"): _CONSOLE,
    ("GET", "/console/meters/{meter}/days/{day}"): _CONSOLE,
    ("GET", "/console/outcomes"): _CONSOLE,
    ("GET", "/console/outcomes/{index}/statement"): _CONSOLE,
    ("GET", "/console/notices"): _CONSOLE,
    ("GET", "/console/p2p"): _CONSOLE,
    ("GET", "/console/postings"): _CONSOLE,
    ("GET", "/console/intake"): _CONSOLE,
}
"""Method and path template of every route, and who may use it. HEAD is as GET."""


def declared(method: str, path: str) -> Access | None:
    """What the table says of a route, or none."""
    return ACCESS.get(("GET" if method == "HEAD" else method, path))
