"""A platform's contract as foreign bytes: whole, strict, bounded, and never anything but a refusal with the network's code."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.beckn.fields import MAX_DURATION_S
from ledger_client.beckn.refusal import RefusedError
from ledger_client.contract_body import MAX_CONTRACT_BYTES, read_contract
from ledger_client.deg import put_request
from ledger_client.ledger import Side
from signing.interval import Interval, utc_text
from tests.ledger_client.rehearsal import BUYER_PLATFORM, SELLER_PLATFORM, START_UTC, contract

WHOLE: dict[str, Any] = json.loads(put_request(contract()))


def body(**changes: object) -> bytes:
    """The whole contract with some fields changed; None takes one out."""
    fields = {name: value for name, value in {**WHOLE, **changes}.items() if value is not None}
    return json.dumps(fields).encode()


def detail(**changes: object) -> bytes:
    """The whole contract with its trade changed so."""
    entry = {name: value for name, value in {**WHOLE["tradeDetails"][0], **changes}.items() if value is not None}
    return body(tradeDetails=[entry])


def test_a_platforms_put_is_its_contract_with_every_term() -> None:
    terms = read_contract(put_request(contract(Side.BUYER)))
    assert (terms.role, terms.platform) == (Side.BUYER, BUYER_PLATFORM)
    assert (terms.transaction_id, terms.order_item_id) == ("tx-1", "it-1")
    assert terms.window == Interval(START_UTC, START_UTC + 7200)
    assert (terms.quantity_wh, terms.price_inr_per_kwh) == (6000, Decimal(5))
    assert read_contract(put_request(contract(Side.SELLER))).platform == SELLER_PLATFORM


def test_a_contract_may_leave_its_price_unsaid_and_says_more_that_is_no_term() -> None:
    assert read_contract(detail(pricePerUnit=None, priceCurrency=None)).price_inr_per_kwh is None
    said = read_contract(body(recordId="r", tradeTime="2026-04-25T00:00:00Z", clientReference="c"))
    assert said == read_contract(body())


def test_numbers_may_be_texts_and_lose_their_binary_noise() -> None:
    assert read_contract(detail(tradeQty="6.000", pricePerUnit="5.25")).price_inr_per_kwh == Decimal("5.25")
    assert read_contract(detail(tradeQty=0.1 + 0.2)).quantity_wh == 300


@pytest.mark.parametrize(
    ("spoiled", "code", "path"),
    [
        (b"", "SCH_INVALID_JSON", ""),
        (b"[]", "SCH_INVALID_FORMAT", ""),
        (b'{"role":"SELLER","role":"SELLER"}', "SCH_INVALID_JSON", ""),
        (body()[:-1], "SCH_INVALID_JSON", ""),
        (body() + b"x", "SCH_INVALID_JSON", ""),
        (b"[" * 8000, "SCH_INVALID_JSON", ""),
        (body(colour="green"), "SCH_SCHEMA_VALIDATION_FAILED", ""),
        (body(role="AGENT"), "SCH_INVALID_ENUM", "role"),
        (body(role=5), "SCH_INVALID_FORMAT", "role"),
        (body(tradeDetails=[]), "SCH_SCHEMA_VALIDATION_FAILED", "tradeDetails"),
        (body(tradeDetails=WHOLE["tradeDetails"] * 2), "SCH_SCHEMA_VALIDATION_FAILED", "tradeDetails"),
        (body(tradeDetails=[5]), "SCH_INVALID_FORMAT", "tradeDetails[0]"),
        (detail(bonus=1), "SCH_SCHEMA_VALIDATION_FAILED", "tradeDetails[0]"),
        (detail(tradeType="PFR"), "SCH_TYPE_NOT_SUPPORTED", "tradeDetails[0].tradeType"),
        (detail(tradeUnit="KW"), "SCH_TYPE_NOT_SUPPORTED", "tradeDetails[0].tradeUnit"),
        (detail(tradeUnit=None), "SCH_REQUIRED_FIELD_MISSING", "tradeDetails[0].tradeUnit"),
        (detail(tradeQty=None), "SCH_REQUIRED_FIELD_MISSING", "tradeDetails[0].tradeQty"),
        (detail(tradeQty=0), "SCH_INVALID_FORMAT", "tradeDetails[0].tradeQty"),
        (detail(tradeQty=-1), "SCH_INVALID_FORMAT", "tradeDetails[0].tradeQty"),
        (detail(tradeQty=1.0005), "SCH_INVALID_FORMAT", "tradeDetails[0].tradeQty"),
        (detail(tradeQty=True), "SCH_INVALID_FORMAT", "tradeDetails[0].tradeQty"),
        (detail(pricePerUnit="dear"), "SCH_INVALID_FORMAT", "tradeDetails[0].pricePerUnit"),
        (detail(pricePerUnit=-0.01), "SCH_INVALID_FORMAT", "tradeDetails[0].pricePerUnit"),
        (detail(pricePerUnit=1_000_001), "SCH_INVALID_FORMAT", "tradeDetails[0].pricePerUnit"),
        (detail(priceCurrency="USD"), "SCH_TYPE_NOT_SUPPORTED", "tradeDetails[0].priceCurrency"),
        (body(deliveryStartTime="2026-04-26T04:30:00"), "SCH_INVALID_FORMAT", "deliveryStartTime"),
        (body(deliveryEndTime="soon"), "SCH_INVALID_FORMAT", "deliveryEndTime"),
        (body(deliveryEndTime=WHOLE["deliveryStartTime"]), "SCH_INVALID_FORMAT", "deliveryEndTime"),
        (body(buyerId="x" * 513), "SCH_INVALID_FORMAT", "buyerId"),
        (body(buyerId="\ud800"), "SCH_INVALID_FORMAT", "buyerId"),
    ],
)  # fmt: skip
def test_what_is_no_contract_is_refused_with_the_networks_code_and_the_field(
    spoiled: bytes, code: str, path: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        read_contract(spoiled)
    assert (caught.value.refusal.code.value, caught.value.refusal.path) == (code, path)


@pytest.mark.parametrize("name", sorted(set(WHOLE)))
def test_a_contract_leaves_nothing_to_the_other_platform(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read_contract(body(**{name: None}))
    refusal = caught.value.refusal
    assert (refusal.code.value, refusal.path) == ("SCH_REQUIRED_FIELD_MISSING", name)


@pytest.mark.parametrize(("length_s", "is_read"), [(MAX_DURATION_S, True), (MAX_DURATION_S + 1, False)])
def test_a_delivery_has_a_longest_length(length_s: int, is_read: bool) -> None:  # noqa: FBT001 - a table's column
    spelled = body(deliveryEndTime=utc_text(START_UTC + length_s))
    if is_read:
        assert read_contract(spelled).window.length_s == length_s
    else:
        with pytest.raises(RefusedError, match="at most"):
            read_contract(spelled)


@pytest.mark.parametrize(("more", "is_read"), [(0, True), (1, False)])
def test_a_contract_has_a_largest_size(more: int, is_read: bool) -> None:  # noqa: FBT001 - a table's column
    padded = body() + b" " * (MAX_CONTRACT_BYTES - len(body()) + more)
    if is_read:
        assert read_contract(padded).quantity_wh == 6000
    else:
        with pytest.raises(RefusedError, match="at most 8192 bytes"):
            read_contract(padded)


def _refused_or_read(content: bytes) -> None:
    refusal = None
    try:
        read_contract(content)
    except RefusedError as error:
        refusal = error.refusal
    # What goes into a log line and an answer is printable, whatever came.
    assert refusal is None or (refusal.path.isprintable() and refusal.code.value.startswith("SCH_"))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_and_nothing_else_happens(content: bytes) -> None:
    _refused_or_read(content)


_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*WHOLE, "colour"]), _VALUES, max_size=3))
def test_a_contract_with_any_fields_spoiled_is_read_or_refused(changes: dict[str, object]) -> None:
    _refused_or_read(json.dumps({**WHOLE, **changes}).encode())


@given(st.dictionaries(st.sampled_from([*WHOLE["tradeDetails"][0], "bonus"]), _VALUES, max_size=3))
def test_a_trade_with_any_fields_spoiled_is_read_or_refused(changes: dict[str, object]) -> None:
    _refused_or_read(json.dumps({**WHOLE, "tradeDetails": [{**WHOLE["tradeDetails"][0], **changes}]}).encode())


@pytest.mark.parametrize("cut", [lambda at: body()[:at], lambda at: body()[at:]])
def test_no_part_of_a_contract_is_one(cut: Callable[[int], bytes]) -> None:
    for at in range(1, len(body())):
        with pytest.raises(RefusedError):
            read_contract(cut(at))
