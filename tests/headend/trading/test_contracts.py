"""Which of a platform's contracts stands, and whether it bears out the ledger's row: pure decisions."""

from dataclasses import replace
from decimal import Decimal

import pytest

from headend.trading.contracts import (
    MOST_OF_TRADE,
    KeptContract,
    Listing,
    Policy,
    Signing,
    Taking,
    VerifiedContract,
    basis,
    decided,
    listing,
    side_contract,
    side_contracts,
    standing,
)
from ledger_client.contract_body import ContractTerms, read_contract
from ledger_client.deg import put_request
from ledger_client.ledger import Side, Trade
from signing.interval import Interval
from tests.ledger_client.rehearsal import (
    BUYER_DISCOM,
    BUYER_METER,
    BUYER_PLATFORM,
    END,
    SELLER_DISCOM,
    SELLER_METER,
    SELLER_PLATFORM,
    START,
    START_UTC,
    contract,
)

BEFORE = START_UTC - 3600
TERMS = read_contract(put_request(contract()))
TRADE = Trade(
    transaction_id="tx-1",
    order_item_id="it-1",
    record_id="tx-1_it-1",
    platform_id_buyer=BUYER_PLATFORM,
    platform_id_seller=SELLER_PLATFORM,
    discom_id_buyer=BUYER_DISCOM,
    discom_id_seller=SELLER_DISCOM,
    buyer_id=BUYER_METER,
    seller_id=SELLER_METER,
    delivery_start=START,
    delivery_end=END,
    window=Interval(START_UTC, START_UTC + 7200),
    quantity_wh=6000,
    price_inr_per_kwh=Decimal(5),
)


def verified(terms: ContractTerms = TERMS, *, created: int = BEFORE, sign: str = "a") -> VerifiedContract:
    return VerifiedContract(
        terms=terms,
        body=b"{}",
        authorization="Signature",
        key_id=f"{terms.platform}|k1|ed25519",
        public_key="key",
        signature=sign.encode().ljust(64),
        created_utc=created,
        received_utc=created,
    )


def kept(
    terms: ContractTerms = TERMS, *, number: int = 1, created: int = BEFORE, sign: str = "a", late: str | None = None
) -> KeptContract:
    return KeptContract(number=number, verified=verified(terms, created=created, sign=sign), late=late)


MORE = replace(TERMS, quantity_wh=7000)


# --- which one stands


def test_a_first_contract_stands_also_when_its_delivery_is_over() -> None:
    assert decided((), verified(), BEFORE).taking is Taking.NEW
    late = decided((), verified(), START_UTC + 86_400)
    assert (late.taking, late.is_kept) == (Taking.NEW, True)


@pytest.mark.parametrize(
    ("now_utc", "taking"), [(START_UTC - 1, Taking.NEW), (START_UTC, Taking.LATE), (START_UTC + 1, Taking.LATE)]
)
def test_other_terms_supersede_until_the_delivery_begins(now_utc: int, taking: Taking) -> None:
    decision = decided([kept()], verified(MORE, created=BEFORE + 1, sign="b"), now_utc)
    assert (decision.taking, decision.is_kept) == (taking, True)
    assert decision.changes == ("" if taking is Taking.NEW else "quantity 6.000 kWh to 7.000 kWh")


def test_a_delivery_is_moved_into_the_past_too_late_and_out_of_it_too() -> None:
    later = Interval(START_UTC + 86_400, START_UTC + 90_000)
    moved = replace(TERMS, window=later)
    now = START_UTC + 10
    assert decided([kept(moved)], verified(TERMS, created=BEFORE + 1, sign="b"), now).taking is Taking.LATE
    assert decided([kept(TERMS)], verified(moved, created=BEFORE + 1, sign="b"), now).taking is Taking.LATE


def test_the_same_terms_and_the_same_message_change_nothing_at_any_time() -> None:
    for now in (BEFORE, START_UTC + 10):
        assert decided([kept()], verified(), now).taking is Taking.SAME
        again = decided([kept()], verified(created=BEFORE + 5, sign="b"), now)
        assert (again.taking, again.is_kept) == (Taking.SAME, False)


def test_a_message_sent_again_never_brings_back_what_was_superseded() -> None:
    known = [kept(), kept(MORE, number=2, created=BEFORE + 1, sign="b")]
    decision = decided(known, verified(), BEFORE + 2)
    assert (decision.taking, decision.is_kept) == (Taking.SAME, False)
    assert standing(known) is known[1]
    # Signed anew, the first terms are the platform's newest word.
    anew = decided(known, verified(created=BEFORE + 3, sign="c"), BEFORE + 3)
    assert (anew.taking, anew.is_kept) == (Taking.NEW, True)


def test_a_late_message_sent_again_is_refused_again() -> None:
    known = [kept(), kept(MORE, number=2, created=START_UTC, sign="b", late="quantity")]
    decision = decided(known, verified(MORE, created=START_UTC, sign="b"), START_UTC + 5)
    assert (decision.taking, decision.is_kept, decision.changes) == (Taking.LATE, False, "quantity")
    assert standing(known) is known[0]


def test_what_was_signed_before_the_standing_one_and_comes_after_it_has_no_effect() -> None:
    known = [kept(MORE, created=BEFORE + 10)]
    for now in (BEFORE + 20, START_UTC + 5):
        decision = decided(known, verified(created=BEFORE + 9, sign="b"), now)
        assert (decision.taking, decision.is_kept) == (Taking.OUTDATED, True)
    assert standing([*known, kept(number=2, created=BEFORE + 9, sign="b")]) is known[0]


def test_of_two_signed_in_one_second_the_one_received_last_stands() -> None:
    known = [kept(), kept(MORE, number=2, sign="b")]
    assert decided(known[:1], known[1].verified, BEFORE).taking is Taking.NEW
    assert standing(reversed(known)) is known[1]


@pytest.mark.parametrize(("many", "taking"), [(MOST_OF_TRADE - 1, Taking.NEW), (MOST_OF_TRADE, Taking.TOO_MANY)])
def test_a_trade_is_changed_only_so_often(many: int, taking: Taking) -> None:
    known = [
        kept(replace(TERMS, quantity_wh=1000 + at), number=at, created=BEFORE + at, sign=f"k{at}") for at in range(many)
    ]
    offered = verified(MORE, created=BEFORE + 100, sign="b")
    assert decided(known, offered, BEFORE + 100).taking is taking
    # A late one is called late all the same; it is only not kept any more.
    late = decided(known, offered, START_UTC)
    assert (late.taking, late.is_kept) == (Taking.LATE, taking is Taking.NEW)


# --- what it says of the ledger's row


def test_a_contract_that_agrees_signs_its_own_side_only() -> None:
    seller, buyer = side_contracts(TRADE, [kept()])
    assert (seller.side, seller.signing, seller.platform) == (Side.SELLER, Signing.SIGNED, SELLER_PLATFORM)
    assert (buyer.side, buyer.signing, buyer.contract) == (Side.BUYER, Signing.UNSIGNED, None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantity_wh": 6001}, "quantity 6.000 kWh at the ledger, signed 6.001 kWh"),
        ({"price_inr_per_kwh": Decimal("5.01")}, "price 5 at the ledger, signed 5.01"),
        ({"window": Interval(START_UTC, START_UTC + 3600)}, "window "),
        ({"buyer_id": "X"}, f"buyer_id {BUYER_METER} at the ledger, signed X"),
        ({"seller_id": "X"}, f"seller_id {SELLER_METER} at the ledger, signed X"),
        ({"discom_id_buyer": "X"}, "discom_id_buyer"),
        ({"discom_id_seller": "X"}, "discom_id_seller"),
        ({"platform_id_buyer": "X"}, "platform_id_buyer"),
    ],
)
def test_each_term_that_differs_contradicts_and_is_named(changes: dict[str, object], said: str) -> None:
    found = side_contract(TRADE, Side.SELLER, [kept(replace(TERMS, **changes))])  # type: ignore[arg-type]
    assert found.signing is Signing.CONTRADICTS
    assert found.contradiction.startswith(said)


@pytest.mark.parametrize(
    ("at_ledger", "signed"), [(None, Decimal(5)), (Decimal(5), None), (None, None), (Decimal(5), Decimal("5.00"))]
)
def test_a_price_that_one_of_both_leaves_unsaid_is_no_contradiction(
    at_ledger: Decimal | None, signed: Decimal | None
) -> None:
    trade = replace(TRADE, price_inr_per_kwh=at_ledger)
    found = side_contract(trade, Side.SELLER, [kept(replace(TERMS, price_inr_per_kwh=signed))])
    assert found.signing is Signing.SIGNED


def test_a_contract_of_another_platform_or_role_signs_nothing() -> None:
    stranger = kept(replace(TERMS, platform_id_seller="evil.example.org"))
    other_role = kept(replace(TERMS, role=Side.BUYER, platform_id_buyer=SELLER_PLATFORM))
    assert side_contract(TRADE, Side.SELLER, [stranger, other_role]).signing is Signing.UNSIGNED


def test_a_late_contract_signs_nothing() -> None:
    assert side_contract(TRADE, Side.SELLER, [kept(late="quantity")]).signing is Signing.UNSIGNED


def test_the_newest_contract_is_the_one_that_is_compared() -> None:
    known = [kept(), kept(MORE, number=2, created=BEFORE + 1, sign="b")]
    assert side_contract(TRADE, Side.SELLER, known).signing is Signing.CONTRADICTS


BUYERS = kept(replace(TERMS, role=Side.BUYER), number=2, sign="b")
OTHER = kept(replace(TERMS, role=Side.BUYER, quantity_wh=1), number=2, sign="b")


@pytest.mark.parametrize(
    ("known", "shown", "required", "words"),
    [
        ((), Listing.COUNTED, Listing.APART, "unsigned by platform: from the ledger's row"),
        ((kept(),), Listing.COUNTED, Listing.APART, "SELLER: contract signed by platform-s.example.org: verified; "),
        ((kept(), BUYERS), Listing.COUNTED, Listing.COUNTED, "contract signed by both platforms: verified"),
        ((kept(), OTHER), Listing.MARKED, Listing.APART, "SELLER: contract signed by platform-s"),
        ((OTHER,), Listing.MARKED, Listing.APART, "SELLER: unsigned by platform; BUYER: contradicted by the contract "),
    ],
)
def test_a_trade_is_counted_marked_or_apart_by_policy_and_says_on_whose_word_it_stands(
    known: tuple[KeptContract, ...], shown: Listing, required: Listing, words: str
) -> None:
    sides = side_contracts(TRADE, known)
    assert listing(Policy.SHOWN, sides) is shown
    assert listing(Policy.REQUIRED, sides) is required
    assert basis(sides).startswith(words)
    is_signed = basis(sides) == "contract signed by both platforms: verified"
    assert is_signed == (required is Listing.COUNTED)


@pytest.mark.parametrize(("received", "is_after"), [(START_UTC - 1, False), (START_UTC, True)])
def test_a_contract_that_came_after_the_delivery_began_says_so(received: int, is_after: bool) -> None:  # noqa: FBT001 - a table's column
    one = kept()
    assert replace(one, verified=replace(one.verified, received_utc=received)).is_after_start is is_after
