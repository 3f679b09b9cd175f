"""Claims of every field of a WindowActual, and JWS by both kinds of key."""

import json
from base64 import urlsafe_b64decode
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from headend.views.evidence import ActualView
from headend.web.claims import claims, jws, signed_claims
from signing.backends.file import FileSigner
from signing.envelope import sign
from signing.errors import VerificationError
from signing.interval import Interval
from signing.statements.meter_record import Place
from signing.statements.reading_batch import Origin
from signing.statements.window_actual import (
    Basis,
    Cause,
    EditedActual,
    EditHead,
    StatedFinding,
    Status,
    Totals,
    Verdict,
    WindowActual,
)
from signing.statements.window_part import Bounds, ChainState, Counts, Estimated, Part
from tests.headend.premises import DAY, p256

FULL = WindowActual(
    connection_point="CP-1",
    posted_as="TEST_1",
    window=Interval(DAY, DAY + 3600),
    revision=2,
    supersedes=b"\x01" * 32,
    cause=Cause.BALANCE,
    delta=(-5, None),
    status=Status.TRUE_UP,
    reason=None,
    basis=Basis.GROSS,
    totals=Totals(import_wh=1500, export_wh=None),
    parts=(
        Part(
            meter="M-1",
            span=Interval(DAY, DAY + 3600),
            record=Place(sequence=3, digest=b"\x02" * 32),
            chains=(
                ChainState(kid=b"\x03" * 32, head=None, gaps=()),
                ChainState(kid=b"\x04" * 32, head=Place(sequence=9, digest=b"\x05" * 32), gaps=((1, 2), (5, 5))),
            ),
            counts=Counts(expected=4, valid=3, estimated=1, manual=0, suspect=0, missing=0),
            measured_import_wh=1400,
            measured_export_wh=None,
            estimated=Estimated(
                imported=Bounds(low_wh=90, value_wh=100, high_wh=110), exported=None, method="neighbours"
            ),
            origin=Origin.GMAC,
        ),
    ),
    rule_set=b"\x06" * 32,
    stated=(StatedFinding(rule="V30", version=1, block_utc=DAY, verdict=Verdict.SUSPECT),),
    evidence=b"\x07" * 32,
    salt=b"\x08" * 16,
)


def test_every_field_of_the_statement_is_claimed() -> None:
    assert claims(b"\x09" * 32, FULL) == {
        "evidence_digest": "09" * 32,
        "subject": {"connection_point": "CP-1", "posted_as": "TEST_1"},
        "window": {"start": "2026-04-25T18:30:00Z", "end": "2026-04-25T19:30:00Z"},
        "revision": 2,
        "supersedes": "01" * 32,
        "cause": "BALANCE",
        "delta": {"import_wh": -5, "import_kwh": "-0.005", "export_wh": None, "export_kwh": None},
        "status": "TRUE_UP",
        "reason": None,
        "basis": "gross",
        "totals": {
            "import_wh": 1500,
            "import_kwh": "1.500",
            "export_wh": None,
            "export_kwh": None,
            "net_wh": 1500,
            "net_kwh": "1.500",
        },
        "parts": [
            {
                "meter": "M-1",
                "span": {"start": "2026-04-25T18:30:00Z", "end": "2026-04-25T19:30:00Z"},
                "record": {"number": 3, "digest": "02" * 32},
                "chains": [
                    {"kid": "03" * 32, "head": None, "gaps": []},
                    {"kid": "04" * 32, "head": {"sequence": 9, "digest": "05" * 32}, "gaps": [[1, 2], [5, 5]]},
                ],
                "counts": {"expected": 4, "valid": 3, "estimated": 1, "manual": 0, "suspect": 0, "missing": 0},
                "measured": {"import_wh": 1400, "import_kwh": "1.400", "export_wh": None, "export_kwh": None},
                "estimated": {
                    "import": {"low_wh": 90, "value_wh": 100, "high_wh": 110},
                    "export": None,
                    "method": "neighbours",
                },
                "origin": "GMAC",
            }
        ],
        "rule_set": "06" * 32,
        "stated": [{"rule": "V30", "version": 1, "block": "2026-04-25T18:30:00Z", "verdict": "SUSPECT"}],
        "evidence": "07" * 32,
        "salt": "08" * 16,
    }


def test_the_claims_hold_no_float() -> None:
    def floats(value: object) -> bool:
        if isinstance(value, dict):
            return any(map(floats, value.values()))
        return any(map(floats, value)) if isinstance(value, list) else isinstance(value, float)

    assert not floats(claims(bytes(32), FULL))


def test_an_ed25519_key_signs_eddsa() -> None:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x11" * 32)
    header, payload, signature = jws({"a": "é"}, FileSigner(private)).split(".")
    assert json.loads(urlsafe_b64decode(header + "=="))["alg"] == "EdDSA"
    private.public_key().verify(urlsafe_b64decode(signature + "=="), f"{header}.{payload}".encode())
    assert json.loads(urlsafe_b64decode(payload + "==")) == {"a": "é"}


def test_a_statement_by_another_key_is_not_signed_again() -> None:
    signed = sign(FULL, p256(5))
    view = ActualView(
        digest=signed.digest,
        index=0,
        logged_utc=DAY,
        sign1=signed.envelope.encoded(),
        statement=FULL,
        newest=True,
    )
    stated, _ = signed_claims(view, p256(5))
    assert stated == claims(signed.digest, FULL)
    with pytest.raises(VerificationError, match=r"\(1\)"):
        signed_claims(view, p256(6))
    torn = replace(view, sign1=replace(signed.envelope, signature=bytes(64)).encoded())
    with pytest.raises(VerificationError, match=r"\(4\)"):
        signed_claims(torn, p256(5))


def test_the_claims_come_from_the_signed_bytes_and_not_from_the_row_beside_them() -> None:
    signed = sign(FULL, p256(5))
    view = ActualView(
        digest=bytes(32),
        index=0,
        logged_utc=DAY,
        sign1=signed.envelope.encoded(),
        statement=replace(FULL, totals=Totals(import_wh=1, export_wh=None)),
        newest=True,
    )
    stated, _ = signed_claims(view, p256(5))
    assert stated == claims(signed.digest, FULL)


def test_what_edits_state_is_claimed_apart_and_with_the_edits() -> None:
    (part,) = FULL.parts
    fields = {name: getattr(FULL, name) for name in FULL.__slots__}
    edited = EditedActual(
        **fields
        | {
            "parts": (replace(part, manual_import_wh=9, manual_export_wh=None),),
            "edits": (EditHead(meter="M-1", number=4, digest=b"\x0a" * 32),),
        }
    )
    found = claims(bytes(32), edited)
    assert found["edits"] == [{"meter": "M-1", "number": 4, "digest": "0a" * 32}]
    parts = found["parts"]
    assert isinstance(parts, list)
    (claimed,) = parts
    assert isinstance(claimed, dict)
    assert claimed["manual"] == {"import_wh": 9, "import_kwh": "0.009", "export_wh": None, "export_kwh": None}
    plain = claims(bytes(32), FULL)
    assert found.keys() - plain.keys() == {"edits"}


def test_version_2_is_signed_for_readers_of_json_too() -> None:
    fields = {name: getattr(FULL, name) for name in FULL.__slots__}
    edited = EditedActual(**fields | {"edits": (EditHead(meter="M-1", number=0, digest=bytes(32)),)})
    signed = sign(edited, p256(5))
    view = ActualView(
        digest=signed.digest,
        index=0,
        logged_utc=DAY,
        sign1=signed.envelope.encoded(),
        statement=edited,
        newest=True,
    )
    stated, _ = signed_claims(view, p256(5))
    assert stated == claims(signed.digest, edited)
