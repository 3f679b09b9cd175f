"""The claims of a WindowActual as JSON, and the same claims as a compact JWS for readers that have no CBOR.

Derived from the statement alone: what is signed twice says the same thing twice. A JWS signing input is ASCII and a COSE
Sig_structure starts with 0x84, so neither signature can pass for the other. Source: RFC 7515 §§3.1, 5.1; RFC 7518 §3.4; RFC 8037 §3.1.
"""

import json
from base64 import urlsafe_b64encode
from typing import TypeAlias

from headend.views.evidence import ActualView
from signing.energy import kwh_text
from signing.envelope import parse, unseal
from signing.interval import Interval, utc_text
from signing.keys import Algorithm, Signer
from signing.statements.window_actual import EditHead, WindowActual, actual_kind
from signing.statements.window_part import Bounds, ChainState, Estimated, Part

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool | None"

JWS_TYPE = "window-actual+jws"
ALGORITHMS = {Algorithm.ES256: "ES256", Algorithm.EDDSA: "EdDSA"}


def claims(digest: bytes, actual: WindowActual) -> dict[str, Json]:
    """Everything that the statement says. Energies are whole Wh and exact kWh text; what is absent is null, never 0."""
    totals = actual.totals
    return {
        "evidence_digest": digest.hex(),
        "subject": {"connection_point": actual.connection_point, "posted_as": actual.posted_as},
        "window": _interval(actual.window),
        "revision": actual.revision,
        "supersedes": None if actual.supersedes is None else actual.supersedes.hex(),
        "cause": actual.cause.name,
        "delta": None if actual.delta is None else _energies(*actual.delta),
        "status": actual.status.name,
        "reason": actual.reason,
        "basis": actual.basis.name.lower(),
        "totals": None if totals is None else {**_energies(totals.import_wh, totals.export_wh), **_net(totals.net_wh)},
        "parts": [_part(part) for part in actual.parts],
        "rule_set": actual.rule_set.hex(),
        "stated": [
            {"rule": row.rule, "version": row.version, "block": utc_text(row.block_utc), "verdict": row.verdict.name}
            for row in actual.stated
        ],
        "evidence": actual.evidence.hex(),
        "salt": actual.salt.hex(),
        **({"edits": [_edit(head) for head in actual.edits]} if actual.edits else {}),
    }


def signed_claims(view: ActualView, signer: Signer) -> tuple[dict[str, Json], str]:
    """The claims of a logged actual, and their compact JWS by the statement key.

    The stored statement is verified first: a row that somebody changed is not signed a second time.

    Raises:
        VerificationError: the stored statement is not by `signer`'s key.
        DecodeError: the stored bytes are no actual.
        KeyUnavailableError: the key cannot be used now.
    """
    envelope = parse(view.sign1)
    signed = unseal(envelope, actual_kind(envelope.content_type), signer.public_key)
    stated = claims(signed.digest, signed.statement)
    return stated, jws(stated, signer)


def jws(stated: dict[str, Json], signer: Signer, kind: str = JWS_TYPE) -> str:
    """`stated` as a compact JWS: ES256 or EdDSA by the kind of key, `kid` its thumbprint in hexadecimal, `typ` the `kind`.

    Raises:
        KeyUnavailableError: the key cannot be used now.
    """
    key = signer.public_key
    header: dict[str, Json] = {"alg": ALGORITHMS[key.algorithm], "kid": key.kid.hex(), "typ": kind}
    signing_input = f"{_base64url(_compact(header))}.{_base64url(_compact(stated))}"
    return f"{signing_input}.{_base64url(signer.sign(signing_input.encode('ascii')))}"


def _compact(value: dict[str, Json]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8")


def _base64url(data: bytes) -> str:
    """RFC 7515 §2: "with all trailing '=' characters omitted"."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _interval(span: Interval) -> dict[str, Json]:
    return {"start": utc_text(span.start_utc), "end": utc_text(span.end_utc)}


def _energies(import_wh: int | None, export_wh: int | None) -> dict[str, Json]:
    return {
        "import_wh": import_wh,
        "import_kwh": _kwh(import_wh),
        "export_wh": export_wh,
        "export_kwh": _kwh(export_wh),
    }


def _net(net_wh: int) -> dict[str, Json]:
    return {"net_wh": net_wh, "net_kwh": kwh_text(net_wh)}


def _kwh(wh: int | None) -> str | None:
    return None if wh is None else kwh_text(wh)


def _part(part: Part) -> dict[str, Json]:
    counts = part.counts
    return {
        "meter": part.meter,
        "span": _interval(part.span),
        "record": {"number": part.record.sequence, "digest": part.record.digest.hex()},
        "chains": [_chain(chain) for chain in part.chains],
        "counts": {
            "expected": counts.expected,
            "valid": counts.valid,
            "estimated": counts.estimated,
            "manual": counts.manual,
            "suspect": counts.suspect,
            "missing": counts.missing,
        },
        "measured": _energies(part.measured_import_wh, part.measured_export_wh),
        "estimated": None if part.estimated is None else _estimated(part.estimated),
        "origin": None if part.origin is None else part.origin.name,
        **(
            {} if part.manual_import_wh is None else {"manual": _energies(part.manual_import_wh, part.manual_export_wh)}
        ),
    }


def _edit(head: EditHead) -> dict[str, Json]:
    return {"meter": head.meter, "number": head.number, "digest": head.digest.hex()}


def _chain(chain: ChainState) -> dict[str, Json]:
    head = chain.head
    return {
        "kid": chain.kid.hex(),
        "head": None if head is None else {"sequence": head.sequence, "digest": head.digest.hex()},
        "gaps": [[first, last] for first, last in chain.gaps],
    }


def _estimated(estimated: Estimated) -> dict[str, Json]:
    return {
        "import": _bounds(estimated.imported),
        "export": _bounds(estimated.exported),
        "method": estimated.method,
    }


def _bounds(bounds: Bounds | None) -> Json:
    if bounds is None:
        return None
    return {"low_wh": bounds.low_wh, "value_wh": bounds.value_wh, "high_wh": bounds.high_wh}
