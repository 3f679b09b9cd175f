"""MeterDataCredential v0.6: meter data in a W3C Verifiable Credential, proved by a VC-JWT that the network's verifiers take. Pure.

Source: EXCHANGE §6 (VC 2.0, three contexts, credentialStatus of a DeDi registry, VC-JWT ES256 with `kid` and `iss` of the issuer).
"""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from headend.errors import RefusedError
from headend.ies.rendering import Json
from ledger_client.exact_json import dumps
from signing.interval import Interval, utc_text
from signing.keys import Algorithm, Signer

CONTEXTS = (
    "https://www.w3.org/ns/credentials/v2",
    "https://schema.nfh.global/EnergyCredential/v2.0/context.jsonld",
    "https://india-energy-stack.github.io/ies-accelerator/schemas/MeterDataCredential/v0.6/context.jsonld",
)
REGISTRY = "vc-revocation-registry"
KEY = "key-0"
"""What the discom's key is called in its did:web document, for verifiers of credentials."""


class CredentialRefusedError(RefusedError):
    """A credential that cannot be issued or revoked. The message carries the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The discom as its credentials name it."""

    domain: str
    name: str
    license_number: str
    """Of the regulator; a credential without it is none of the network's."""

    def __post_init__(self) -> None:
        if not self.license_number:
            raise CredentialRefusedError("expected the discom's licence number: give ies.license_number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A signed credential."""

    number: str
    """The UUID by which it is issued and revoked."""
    document: dict[str, Json]
    """The credential with its proof."""

    @property
    def content(self) -> bytes:
        """What is handed over."""
        return dumps(self.document)


def did(domain: str) -> str:
    """How the discom is called: ``did:web:pavvnl.example``."""
    return f"did:web:{domain}"


def registry_path(domain: str) -> str:
    """Where a credential's revocation is looked up on the discom's own host; the credential's number follows."""
    return f"/dedi/lookup/{domain}/{REGISTRY}"


def issue(
    meter_data: Sequence[Json], *, issuer: Issuer, subject: str, number: str, valid: Interval, signer: Signer
) -> Credential:
    """Signs a credential. `subject` is whose data it is, as a URI; `number` a UUID; `signer` the discom's statement key.

    Raises:
        CredentialRefusedError: the key is not on P-256.
        KeyUnavailableError: the key cannot be used now.
    """
    if signer.public_key.algorithm is not Algorithm.ES256:
        raise CredentialRefusedError("expected a statement key on P-256: the network's verifiers take ES256 alone")
    plain = _plain(meter_data, issuer, subject, number, valid)
    header: dict[str, Json] = {"alg": "ES256", "typ": "JWT", "kid": f"{did(issuer.domain)}#{KEY}"}
    claims: dict[str, Json] = {
        "iss": did(issuer.domain),
        "sub": subject,
        "jti": f"urn:uuid:{number}",
        "iat": valid.start_utc,
        "nbf": valid.start_utc,
        "exp": valid.end_utc,
        "vc": plain,
    }
    signing_input = f"{_base64url(dumps(header))}.{_base64url(dumps(claims))}"
    token = f"{signing_input}.{_base64url(signer.sign(signing_input.encode('ascii')))}"
    return Credential(number=number, document={**plain, "proof": {"type": "JwtProof2020", "jwt": token}})


def _plain(meter_data: Sequence[Json], issuer: Issuer, subject: str, number: str, valid: Interval) -> dict[str, Json]:
    host = f"https://{issuer.domain}"
    return {
        "@context": list(CONTEXTS),
        "id": f"urn:uuid:{number}",
        "type": ["VerifiableCredential", "MeterDataCredential"],
        "issuer": {"id": did(issuer.domain), "name": issuer.name, "licenseNumber": issuer.license_number},
        "validFrom": utc_text(valid.start_utc),
        "validUntil": utc_text(valid.end_utc),
        "credentialStatus": {
            "id": f"{host}{registry_path(issuer.domain)}/{number}",
            "type": "dedi",
            "statusPurpose": "revocation",
            "statusListCredential": f"{host}/dedi/query/{issuer.domain}/{REGISTRY}",
        },
        "credentialSubject": {"id": subject, "meterData": list(meter_data)},
    }


def _base64url(data: bytes) -> str:
    """RFC 7515 §2: "with all trailing '=' characters omitted"."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
