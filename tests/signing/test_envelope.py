"""COSE_Sign1: what is refused, check by check."""

import hashlib
from typing import Any

import cbor2
import pytest

from signing.backends.file import FileSigner
from signing.envelope import from_item, parse, sign, unseal
from signing.errors import DecodeError, VerificationError
from signing.keys import parse_cose_key
from signing.statements.answers import Refusal
from signing.statements.rule_set import RuleSet
from tests.vectors.world import RULES, EdKey, Key, content_type, dumps, signed, to_be_signed

PAYLOAD = ["tests", 1, RULES]
KEY, ED = Key(1), EdKey(1)
STATEMENT = signed(KEY, "rule-set", PAYLOAD)


def public(key: Key | EdKey) -> Any:
    return parse_cose_key(dumps(key.cose))


@pytest.mark.parametrize("key", [KEY, ED])
def test_what_another_implementation_signed_unseals(key: Key | EdKey) -> None:
    statement = signed(key, "rule-set", PAYLOAD)
    envelope = parse(dumps(statement.tag))
    unsealed = unseal(envelope, RuleSet, public(key))
    assert (unsealed.digest, unsealed.kid, unsealed.statement.name) == (statement.digest, key.kid, "tests")
    assert envelope.encoded() == dumps(statement.tag)


def test_what_is_signed_here_is_what_another_implementation_signs() -> None:
    private = KEY._key
    ours = sign(RuleSet.parse(dumps(PAYLOAD)), FileSigner(private))
    assert ours.envelope.encoded() == dumps(STATEMENT.tag)
    assert ours.digest == hashlib.sha256(to_be_signed(STATEMENT.protected, STATEMENT.payload)).digest()


def test_1_refuses_another_key() -> None:
    with pytest.raises(VerificationError, match=r"^\(1\) expected key"):
        unseal(parse(dumps(STATEMENT.tag)), RuleSet, public(Key(2)))


def test_2_p2_refuses_an_algorithm_that_is_not_the_keys() -> None:
    for key, algorithm in ((KEY, -8), (ED, -7)):
        statement = signed(key, "rule-set", PAYLOAD, algorithm)
        with pytest.raises(VerificationError, match=r"^\(2\) expected algorithm"):
            unseal(parse(dumps(statement.tag)), RuleSet, public(key))


def test_3_refuses_another_type_of_statement() -> None:
    with pytest.raises(VerificationError, match=r"^\(3\) expected application/vnd.sakshi.refusal"):
        unseal(parse(dumps(STATEMENT.tag)), Refusal, public(KEY))


def test_4_refuses_a_signature_over_other_bytes() -> None:
    other = signed(KEY, "rule-set", ["tests", 2, RULES])
    other.signature = STATEMENT.signature
    with pytest.raises(VerificationError, match=r"^\(4\) the signature is not that of key"):
        unseal(parse(dumps(other.tag)), RuleSet, public(KEY))


def test_a_signed_payload_that_is_no_statement_is_refused() -> None:
    wrong = signed(KEY, "rule-set", [1, 2, 3, 4])
    with pytest.raises(DecodeError, match="'rule-set'"):
        unseal(parse(dumps(wrong.tag)), RuleSet, public(KEY))


def test_p19_the_digest_does_not_cover_the_signature() -> None:
    again = parse(dumps(cbor2.CBORTag(18, [STATEMENT.protected, {}, STATEMENT.payload, bytes(64)])))
    assert again.digest == STATEMENT.digest


HEADERS = {1: -7, 3: content_type("rule-set"), 4: KEY.kid}


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, b"", "canonical CBOR"),
        (0, "text", "'sign1.protected'"),
        (0, bytes(257), "'sign1.protected'"),
        (0, dumps([]), "exactly alg, content type and kid"),
        (0, dumps({1: -7, 4: KEY.kid}), "exactly alg, content type and kid"),
        (0, dumps({**HEADERS, 2: [4]}), "exactly alg, content type and kid"),
        (0, dumps({3: HEADERS[3], 4: KEY.kid}), "exactly alg, content type and kid"),
        (0, dumps({**HEADERS, 1: -35}), "expected alg -7"),
        (0, dumps({**HEADERS, 1: "ES256"}), "'sign1.protected.alg'"),
        (0, dumps({**HEADERS, 3: 60}), "'sign1.protected.content_type'"),
        (0, dumps({**HEADERS, 4: b"short"}), "'sign1.protected.kid'"),
        (0, b"\xa3\x01\x26\x03\x18\x3c\x04\x40", "'sign1.protected"),
        (1, {1: -7}, "empty unprotected header"),
        (1, [], "empty unprotected header"),
        (2, None, "'sign1.payload'"),
        (2, "text", "'sign1.payload'"),
        (3, bytes(63), "'sign1.signature'"),
        (3, bytes(65), "'sign1.signature'"),
        (3, None, "'sign1.signature'"),
    ],
)
def test_p2_an_envelope_of_another_form_is_refused(place: int, value: Any, message: str) -> None:
    content = [STATEMENT.protected, {}, STATEMENT.payload, STATEMENT.signature]
    content[place] = value
    with pytest.raises(DecodeError, match=message):
        parse(dumps(cbor2.CBORTag(18, content)))


def test_a_tag_of_another_kind_is_refused() -> None:
    content = [STATEMENT.protected, {}, STATEMENT.payload, STATEMENT.signature]
    for item in (content, cbor2.CBORTag(98, content), cbor2.CBORTag(18, content[:3]), cbor2.CBORTag(18, {}), None):
        with pytest.raises(DecodeError, match="'sign1'"):
            parse(dumps(item))


def test_an_envelope_that_was_never_encoded_is_read_alike() -> None:
    assert from_item(STATEMENT.tag).digest == STATEMENT.digest
