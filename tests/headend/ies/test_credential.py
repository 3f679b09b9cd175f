"""Credentials, verified as a stranger verifies them: by the did:web document and `cryptography` alone."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from headend.ies.credential import CredentialRefusedError, Issuer, issue
from headend.ies.rendering import Form, document
from headend.web.did import did_document
from signing.backends.file import FileSigner
from signing.interval import DAY_S, Interval
from tests.headend.ies.test_rendering import row, run
from tests.headend.premises import DAY, p256

ISSUER = Issuer(domain="pavvnl.example", name="PaVVNL", license_number="UPERC-1")
NUMBER = "c1d2e3f4-0002-4000-8000-aabbccddeeff"
SUBJECT = "did:web:pavvnl.example:connections:CP-1"
VALID = Interval(DAY, DAY + 365 * DAY_S)
DATA = document([run(row(0, 812, 5))], Form.COMPACT, "pavvnl.example")


def issued(signer: FileSigner) -> Any:
    found = issue(DATA, issuer=ISSUER, subject=SUBJECT, number=NUMBER, valid=VALID, signer=signer)
    return json.loads(found.content)


def decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verified(token: str, did: Any) -> Any:
    """What the token claims, once its signature verifies with the key that its header names; written without Sakshi."""
    header, claims, signature = token.split(".")
    kid = json.loads(decoded(header))["kid"]
    (method,) = [one for one in did["verificationMethod"] if one["id"] == kid]
    assert method["id"] in did["assertionMethod"]
    assert method["type"] == "JsonWebKey2020"
    x, y = (int.from_bytes(decoded(method["publicKeyJwk"][name])) for name in ("x", "y"))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    raw = decoded(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    key.verify(der, f"{header}.{claims}".encode(), ec.ECDSA(SHA256()))
    return json.loads(decoded(claims))


def test_a_stranger_verifies_a_credential_by_the_did_document() -> None:
    signer = p256(7)
    credential = issued(signer)
    did = json.loads(json.dumps(did_document("pavvnl.example", signer.public_key)))
    claims = verified(credential["proof"]["jwt"], did)
    assert claims["iss"] == did["id"] == credential["issuer"]["id"] == "did:web:pavvnl.example"
    assert (claims["sub"], claims["jti"], claims["nbf"], claims["exp"]) == (
        SUBJECT,
        f"urn:uuid:{NUMBER}",
        DAY,
        DAY + 365 * DAY_S,
    )
    assert claims["vc"] == {key: value for key, value in credential.items() if key != "proof"}
    header = json.loads(decoded(credential["proof"]["jwt"].partition(".")[0]))
    assert header == {"alg": "ES256", "typ": "JWT", "kid": "did:web:pavvnl.example#key-0"}


def test_another_key_verifies_nothing() -> None:
    did = json.loads(json.dumps(did_document("pavvnl.example", p256(8).public_key)))
    with pytest.raises(InvalidSignature):
        verified(issued(p256(7))["proof"]["jwt"], did)


def test_a_credential_is_what_the_network_reads() -> None:
    credential = issued(p256(7))
    assert credential["type"] == ["VerifiableCredential", "MeterDataCredential"]
    assert credential["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert len(credential["@context"]) == 3
    assert credential["issuer"]["licenseNumber"] == "UPERC-1"
    assert credential["credentialStatus"] == {
        "id": f"https://pavvnl.example/dedi/lookup/pavvnl.example/vc-revocation-registry/{NUMBER}",
        "type": "dedi",
        "statusPurpose": "revocation",
        "statusListCredential": "https://pavvnl.example/dedi/query/pavvnl.example/vc-revocation-registry",
    }
    assert credential["credentialSubject"]["meterData"][1]["intervals"][0]["payloads"] == [0.812, 0.005]
    assert (credential["validFrom"], credential["validUntil"]) == ("2026-04-25T18:30:00Z", "2027-04-25T18:30:00Z")


def test_another_kind_of_key_and_a_missing_licence_are_refused() -> None:
    other = FileSigner(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
    with pytest.raises(CredentialRefusedError, match="a statement key on P-256"):
        issued(other)
    with pytest.raises(CredentialRefusedError, match=r"give ies\.license_number"):
        Issuer(domain="x", name="y", license_number="")
