"""What a platform's signed contract does: which one stands, and whether it bears out the trade that a ledger shows. Pure.

Before its delivery begins, a later contract of the same platform supersedes; after that it is refused: the first terms stay.
Source: P2P guide, phase 1: "Submit signed contract", "Scheduled trade notification".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from headend.trading.amendments import label, value_text
from ledger_client.beckn.refusal import RefusedError
from ledger_client.contract_body import ContractTerms, read_contract
from ledger_client.ledger import Side, Trade
from ledger_client.signature import SignatureError, public_key, verify

_COMPARED = (
    "window", "quantity_wh", "buyer_id", "seller_id", "discom_id_buyer", "discom_id_seller", "platform_id_buyer",
    "platform_id_seller",
)  # fmt: skip
_PRICE = "price_inr_per_kwh"

MOST_OF_TRADE = 20
"""Contracts that are kept of one platform and trade: nobody agrees anew more often."""


class Policy(Enum):
    """What the forward view makes of a trade that its platforms have not signed. Figures are posted whatever it is."""

    SHOWN = "shown"
    """It is shown and counted, marked as unsigned."""
    REQUIRED = "required"
    """It is listed apart, with why, and not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedContract:
    """A contract whose signature was verified, with everything that anybody needs to verify it again."""

    terms: ContractTerms
    body: bytes
    """The exact bytes that were signed."""
    authorization: str
    """The header that came with them."""
    key_id: str
    public_key: str
    """Standard base64 of the 32 bytes that the directory gave for `key_id` then."""
    signature: bytes
    created_utc: int
    """When its platform says that it signed."""
    received_utc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptContract:
    """A contract as it is kept."""

    number: int
    verified: VerifiedContract
    late: str | None
    """What it would have changed after the delivery began; None for one that was taken."""

    @property
    def terms(self) -> ContractTerms:
        """What it states."""
        return self.verified.terms

    @property
    def is_after_start(self) -> bool:
        """Whether it came only after the delivery had begun."""
        return self.verified.received_utc >= self.terms.window.start_utc


class Taking(Enum):
    """What becomes of a contract that comes."""

    NEW = "NEW"
    """It stands from now on, instead of an earlier one where there is one."""
    SAME = "SAME"
    """It is known, or states what stands already: nothing changes."""
    OUTDATED = "OUTDATED"
    """It was signed before the one that stands: kept, and without effect."""
    LATE = "LATE"
    """It would change terms whose delivery has begun: refused."""
    TOO_MANY = "TOO_MANY"
    """Its platform has changed this trade too often: refused and not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a contract, and whether it is kept as one more."""

    taking: Taking
    is_kept: bool
    changes: str = ""
    """What a late one would have changed."""


def contradiction(kept: KeptContract) -> str | None:
    """Why a contract is not what is kept of it, or none: its signature by the key of then, and its terms, are read from its bytes again."""
    verified = kept.verified
    try:
        key = public_key(verified.public_key)
        header = verify(
            verified.authorization,
            verified.body,
            now=verified.created_utc,
            keys=lambda name: key if str(name) == verified.key_id else None,
        )
        terms = read_contract(verified.body)
    except (SignatureError, RefusedError) as error:
        return str(error)
    if (terms, header.created, header.signature) != (verified.terms, verified.created_utc, verified.signature):
        return "its row says something else than was signed"
    if header.key_id.subscriber_id != terms.platform:
        return f"it is signed by {header.key_id.subscriber_id} and states the terms of {terms.platform}"
    return None


def standing(known: Iterable[KeptContract]) -> KeptContract | None:
    """The contract that holds among those of one platform, role and trade: the one signed last; of two, the one received last."""
    taken = [one for one in known if one.late is None]
    return max(taken, key=lambda one: (one.verified.created_utc, one.number), default=None)


def decided(known: Sequence[KeptContract], offered: VerifiedContract, now_utc: int) -> Decision:
    """What becomes of `offered`, where `known` are the contracts kept of its platform, role and trade."""
    for one in known:
        if one.verified.signature == offered.signature:
            # A message that was sent again changes nothing, whatever came since: an old contract never comes back to life.
            return Decision(
                taking=Taking.SAME if one.late is None else Taking.LATE, is_kept=False, changes=one.late or ""
            )
    holds = standing(known)
    if holds is not None and holds.terms == offered.terms:
        return Decision(taking=Taking.SAME, is_kept=False)
    is_outdated = holds is not None and offered.created_utc < holds.verified.created_utc
    starts = [one.window.start_utc for one in (offered.terms, *([] if holds is None else [holds.terms]))]
    is_late = holds is not None and not is_outdated and now_utc >= min(starts)
    changes = "" if holds is None or not is_late else _differences(holds.terms, offered.terms, "to")
    if len(known) >= MOST_OF_TRADE:
        return Decision(taking=Taking.LATE if is_late else Taking.TOO_MANY, is_kept=False, changes=changes)
    if is_late:
        return Decision(taking=Taking.LATE, is_kept=True, changes=changes)
    return Decision(taking=Taking.OUTDATED if is_outdated else Taking.NEW, is_kept=True)


class Signing(Enum):
    """Whether a side's platform signed what a ledger shows."""

    SIGNED = "SIGNED"
    """Its verified contract agrees."""
    CONTRADICTS = "CONTRADICTS"
    """Its verified contract says otherwise."""
    UNSIGNED = "UNSIGNED"
    """It has no contract here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideContract:
    """What one side's platform signed of a trade."""

    side: Side
    platform: str
    signing: Signing
    contract: KeptContract | None
    contradiction: str = ""
    """Each term that differs: the ledger's value, then the signed one."""

    @property
    def words(self) -> str:
        """For people."""
        match self.signing:
            case Signing.SIGNED:
                return f"{self.side.value}: contract signed by {self.platform}: verified"
            case Signing.CONTRADICTS:
                return f"{self.side.value}: contradicted by the contract of {self.platform}: {self.contradiction}"
            case Signing.UNSIGNED:
                return f"{self.side.value}: unsigned by platform"


def side_contract(trade: Trade, side: Side, known: Iterable[KeptContract]) -> SideContract:
    """What the platform of `side` signed of `trade`, as the ledger shows it; `known` are contracts under the trade's ids."""
    platform = trade.platform_id_buyer if side is Side.BUYER else trade.platform_id_seller
    holds = standing(one for one in known if one.terms.role is side and one.terms.platform == platform)
    if holds is None:
        return SideContract(side=side, platform=platform, signing=Signing.UNSIGNED, contract=None)
    differing = _differences(trade, holds.terms, "at the ledger, signed", is_price_left_out=True)
    signing = Signing.CONTRADICTS if differing else Signing.SIGNED
    return SideContract(side=side, platform=platform, signing=signing, contract=holds, contradiction=differing)


def side_contracts(trade: Trade, known: Sequence[KeptContract]) -> tuple[SideContract, ...]:
    """The same of both sides, the seller's first."""
    return tuple(side_contract(trade, side, known) for side in (Side.SELLER, Side.BUYER))


def basis(sides: Iterable[SideContract]) -> str:
    """On whose word a trade is shown, for people."""
    found = tuple(sides)
    kinds = {one.signing for one in found}
    if kinds == {Signing.SIGNED}:
        return "contract signed by both platforms: verified"
    if kinds <= {Signing.UNSIGNED}:
        return "unsigned by platform: from the ledger's row"
    return "; ".join(one.words for one in found)


class Listing(Enum):
    """Where the forward view has a trade."""

    COUNTED = "COUNTED"
    """Shown, and in the totals."""
    MARKED = "MARKED"
    """Shown, and in no total: a platform's contract contradicts it."""
    APART = "APART"
    """Listed apart, and in no total: the policy asks for contracts that are not there."""


def listing(policy: Policy, sides: Iterable[SideContract]) -> Listing:
    """Where the forward view has a trade that is signed so."""
    kinds = {one.signing for one in sides}
    if policy is Policy.REQUIRED:
        return Listing.COUNTED if kinds == {Signing.SIGNED} else Listing.APART
    return Listing.MARKED if Signing.CONTRADICTS in kinds else Listing.COUNTED


def _differences(
    before: Trade | ContractTerms, after: ContractTerms, between: str, *, is_price_left_out: bool = False
) -> str:
    """Each term that differs, with both values; `is_price_left_out` says that a price unsaid on one side is no difference."""
    names = [name for name in _COMPARED if getattr(before, name) != getattr(after, name)]
    prices = (before.price_inr_per_kwh, after.price_inr_per_kwh)
    if prices[0] != prices[1] and not (is_price_left_out and None in prices):
        names.append(_PRICE)
    return "; ".join(
        f"{label(name)} {value_text(getattr(before, name), name)} {between} {value_text(getattr(after, name), name)}"
        for name in names
    )
