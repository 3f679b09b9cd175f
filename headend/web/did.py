"""The discom's `did:web` document: the public key of its statements, for whoever verifies a JWS by its `kid`.

Source: did:web method, "Read (Resolve)"; W3C DID Core §5.2; RFC 7517; RFC 8037 §2.
"""

from base64 import urlsafe_b64encode
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from headend.ies.credential import KEY
from headend.web.access import DID
from headend.web.claims import ALGORITHMS
from headend.web.desk import AtDesk
from signing.keys import Algorithm, PublicKey, key_item

_CONTEXTS = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"]
_CURVES = {Algorithm.ES256: ("EC", "P-256"), Algorithm.EDDSA: ("OKP", "Ed25519")}


def add_routes(app: FastAPI) -> None:
    """The route of this module."""
    app.add_api_route(DID, document, methods=["GET"], response_class=JSONResponse)


def document(desk: AtDesk) -> Response:
    """The DID document; a `kid` of this head-end's JWS is the fragment of a verification method."""
    return JSONResponse(
        did_document(desk.domain, desk.signer.public_key),
        media_type="application/did+json",
        headers={"Cache-Control": "no-cache"},
    )


def did_document(domain: str, key: PublicKey) -> dict[str, Any]:
    """The document of `did:web:<domain>` with the one key that asserts, under the name of its `kid` and under that of credentials."""
    did = f"did:web:{domain}"
    kid = key.kid.hex()
    names = [f"{did}#{kid}", f"{did}#{KEY}"]
    kind, curve = _CURVES[key.algorithm]
    jwk = {
        "kty": kind,
        "crv": curve,
        **_coordinates(key),
        "alg": ALGORITHMS[key.algorithm],
        "kid": kid,
        "use": "sig",
    }
    return {
        "@context": _CONTEXTS,
        "id": did,
        "verificationMethod": [
            {"id": name, "type": "JsonWebKey2020", "controller": did, "publicKeyJwk": jwk} for name in names
        ],
        "assertionMethod": names,
    }


def _coordinates(key: PublicKey) -> dict[str, str]:
    """`x`, and `y` where the curve has one. Source: RFC 9053 §7.1: labels -2 and -3 of a COSE_Key."""
    item = key_item(key)
    assert isinstance(item, dict)
    labelled = {"x": item.get(-2), "y": item.get(-3)}
    return {name: _base64url(value) for name, value in labelled.items() if isinstance(value, bytes)}


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
