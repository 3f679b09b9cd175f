"""Who gets how much of what a meter measured, under each published rule, and what a trade comes to. Pure and exact.

Two rules are in use, and they differ wherever a meter both buys and sells, imports and exports, or trades net to nothing:

* ``pro-rata-3-rounds`` (the settlement note): production is spread over sales and consumption over purchases, each by its quantity;
  then the seller's discom, the buyer's and the seller's again cap each other.
* ``net-ratio`` (DEG Ledger API 0.4.0, allocate): one signed actual over the net of purchases and sales scales both sides alike.

Energies are whole Wh and shares are rounded by largest remainder, so they never add up to more than was measured; the note's own
rounding, three decimals for each trade, can. Money is an exact fraction until it is shown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from ledger_client.ledger import Side
from signing.energy import MAX_WH, WH_PER_KWH


class Basis(Enum):
    """What counts as a meter's production and consumption in a window where it both imports and exports."""

    NET = "net"
    """The surplus of one over the other."""
    GROSS = "gross"
    """Each by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one meter measured in one window."""

    imported_wh: int
    exported_wh: int

    def __post_init__(self) -> None:
        for name in ("imported_wh", "exported_wh"):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= MAX_WH:
                raise ValueError(f"expected 0 to {MAX_WH} Wh, got {value!r} in '{name}'")

    @property
    def net_wh(self) -> int:
        """Import minus export, signed, Wh."""
        return self.imported_wh - self.exported_wh

    def available_wh(self, side: Side, basis: Basis) -> int:
        """What there is to spread over the trades of `side`: consumption of a buyer, production of a seller."""
        net = self.net_wh if side is Side.BUYER else -self.net_wh
        if basis is Basis.NET:
            return max(net, 0)
        return self.imported_wh if side is Side.BUYER else self.exported_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One meter's side of one trade."""

    trade: str
    """The trade's record id; legs are rounded in its order, so that everyone who computes comes to the same Wh."""
    side: Side
    quantity_wh: int

    def __post_init__(self) -> None:
        if type(self.quantity_wh) is not int or not 0 <= self.quantity_wh <= MAX_WH:
            raise ValueError(f"expected 0 to {MAX_WH} Wh, got {self.quantity_wh!r} in 'quantity_wh'")


Shares = Mapping[Leg, int]
"""What each leg gets, Wh."""


# --- the two rules


def pro_rata(quantities_wh: Sequence[int], available_wh: int) -> tuple[int, ...]:
    """`available_wh` spread over quantities in proportion, each at most its quantity; all 0 where there are none.

    The shares add up to ``min(available, sum)`` to the Wh: what cutting down to whole Wh leaves over goes to the largest
    remainders, earlier ones first.

    Source: settlement note: ``a_k = tr_k * min(1, meter / sum(tr))``. The rounding is ours.
    """
    total = sum(quantities_wh)
    if total == 0:
        return (0,) * len(quantities_wh)
    return _rounded([Fraction(one * min(available_wh, total), total) for one in quantities_wh])


def net_ratio(legs: Sequence[Leg], net_wh: int) -> tuple[int, ...]:
    """What each leg gets of a signed actual, in the order given.

    ``net = purchases - sales``; ``ratio = clamp(actual / net, 0, 1)``, and 1 where the trades net to 0 whatever the meter says.

    Source: DEG Ledger API 0.4.0, allocate. The rounding, of each side by itself, is ours.
    """
    traded = sum(leg.quantity_wh if leg.side is Side.BUYER else -leg.quantity_wh for leg in legs)
    ratio = Fraction(1) if traded == 0 else min(max(Fraction(net_wh, traded), Fraction(0)), Fraction(1))
    shares = [0] * len(legs)
    for side in Side:
        places = [place for place, leg in enumerate(legs) if leg.side is side]
        for place, share in zip(places, _rounded([legs[one].quantity_wh * ratio for one in places]), strict=True):
            shares[place] = share
    return tuple(shares)


def _rounded(exact: Sequence[Fraction]) -> tuple[int, ...]:
    """Whole numbers by largest remainder; their sum is the whole part of the exact sum, so never above it."""
    floors = [one.numerator // one.denominator for one in exact]
    total = sum(exact, Fraction(0))
    spare = total.numerator // total.denominator - sum(floors)
    order = sorted(range(len(exact)), key=lambda place: (floors[place] - exact[place], place))
    raised = set(order[:spare])
    return tuple(floor + (place in raised) for place, floor in enumerate(floors))


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRule:
    """One published rule under its name and version; a change of arithmetic is another version."""

    name: str
    version: int
    shares: Callable[[Sequence[Leg], Measured, Basis], Shares]
    """What one meter's legs of one window get before anyone else has spoken."""

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


def _ordered(legs: Sequence[Leg]) -> list[Leg]:
    return sorted(legs, key=lambda leg: (leg.trade, leg.side.value))


def _pro_rata_shares(legs: Sequence[Leg], measured: Measured, basis: Basis) -> Shares:
    found: dict[Leg, int] = {}
    for side in Side:
        here = [leg for leg in _ordered(legs) if leg.side is side]
        shares = pro_rata([leg.quantity_wh for leg in here], measured.available_wh(side, basis))
        found.update(zip(here, shares, strict=True))
    return found


def _net_ratio_shares(legs: Sequence[Leg], measured: Measured, basis: Basis) -> Shares:  # noqa: ARG001 - the rule knows one basis
    ordered = _ordered(legs)
    return dict(zip(ordered, net_ratio(ordered, measured.net_wh), strict=True))


PRO_RATA = AllocationRule(name="pro-rata-3-rounds", version=1, shares=_pro_rata_shares)
NET_RATIO = AllocationRule(name="net-ratio", version=1, shares=_net_ratio_shares)
RULES = {str(rule): rule for rule in (PRO_RATA, NET_RATIO)}
"""Every rule by its name and version, as a policy names it."""


# --- three rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """What one trade was allocated, round by round, Wh."""

    first_pushed_wh: int
    """Round 1: what the seller's meter can give."""
    pulled_wh: int
    """Round 2: what the buyer's takes of that."""
    pushed_wh: int
    """Round 3: what the seller's gives of that."""

    @property
    def settled_wh(self) -> int:
        """What the trade settles at."""
        return settled_wh(pushed_wh=self.pushed_wh, pulled_wh=self.pulled_wh)


def capped(own_wh: int, others_wh: int | None) -> int:
    """One discom's word in a round: its own share, at most what the other side said; its own where that has said nothing."""
    return own_wh if others_wh is None else min(own_wh, others_wh)


def three_rounds(seller_shares_wh: Sequence[int], buyer_shares_wh: Sequence[int]) -> tuple[Rounds, ...]:
    """The three rounds of trades whose sides got these shares, trade by trade.

    Energy that one trade does not take in round 2 goes to no other: round 3 is capped by what the buyers took, trade by trade.
    """
    found = []
    for seller, buyer in zip(seller_shares_wh, buyer_shares_wh, strict=True):
        pulled = capped(buyer, seller)
        found.append(Rounds(first_pushed_wh=seller, pulled_wh=pulled, pushed_wh=capped(seller, pulled)))
    return tuple(found)


# --- where the rules disagree


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to come to a share."""

    rule: str
    basis: Basis

    def __str__(self) -> str:
        return f"{self.rule}, {self.basis.value}"


VARIANTS = (
    Variant(rule=str(PRO_RATA), basis=Basis.NET),
    Variant(rule=str(PRO_RATA), basis=Basis.GROSS),
    Variant(rule=str(NET_RATIO), basis=Basis.NET),
)
"""Every way in use; the net ratio knows no gross."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What one leg gets in each variant, Wh."""

    leg: Leg
    shares_wh: Mapping[Variant, int]

    @property
    def differs(self) -> bool:
        """Whether it matters which variant is right."""
        return len(set(self.shares_wh.values())) > 1

    def explained_by(self, written_wh: int) -> tuple[Variant, ...]:
        """The variants that come to what a ledger wrote; none means that it went by something else."""
        return tuple(variant for variant, share in self.shares_wh.items() if share == written_wh)


def compared(legs: Sequence[Leg], measured: Measured) -> tuple[Comparison, ...]:
    """Every leg of one meter and window in every variant, in the order of trades; for the report, those that differ count."""
    shares = {variant: RULES[variant.rule].shares(legs, measured, variant.basis) for variant in VARIANTS}
    return tuple(
        Comparison(leg=leg, shares_wh={variant: found[leg] for variant, found in shares.items()})
        for leg in _ordered(legs)
    )


# --- what it comes to


def settled_wh(*, pushed_wh: int, pulled_wh: int) -> int:
    """What a trade settles at: the lower of both sides' words."""
    return min(pushed_wh, pulled_wh)


def residual_wh(measured_wh: int, settled: Sequence[int]) -> int:
    """What is left to the retailer of what a meter drew (or gave) after its trades settled; never below 0."""
    return max(measured_wh - sum(settled), 0)


def amount(wh: int, price_inr_per_kwh: Fraction) -> Fraction:
    """`wh` at a price, INR, exact."""
    return Fraction(wh, WH_PER_KWH) * price_inr_per_kwh


def round2(value: Fraction) -> Fraction:
    """Rupees to paise, half away from zero. Source: contract policy: applied to totals only."""
    paise = (2 * abs(value) * 100 + 1) // 2
    return Fraction(paise if value >= 0 else -paise, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What a utility's customer pays and gets outside of trades, INR per kWh."""

    import_inr_per_kwh: Fraction = Fraction(0)
    export_inr_per_kwh: Fraction = Fraction(0)

    def deviation(self, traded_wh: int, measured_wh: int) -> Fraction:
        """What a buyer pays its utility for having drawn other than it traded; negative is paid to the buyer."""
        more = measured_wh - traded_wh
        return amount(more, self.import_inr_per_kwh if more > 0 else self.export_inr_per_kwh)

    def shortfall(self, traded_wh: int, measured_wh: int) -> Fraction:
        """What a seller pays its utility for having given other than it traded; negative is paid to the seller."""
        less = traded_wh - measured_wh
        return amount(less, self.import_inr_per_kwh if less > 0 else self.export_inr_per_kwh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A trade paid in full, and each side's difference settled with its own utility, INR."""

    buyer_pays: Fraction
    seller_gets: Fraction
    buyer_utility_gets: Fraction
    """Negative where it pays its customer for what was bought and not drawn."""
    seller_utility_gets: Fraction


def deviation(
    *, traded_wh: int, price: Fraction, load_wh: int, generation_wh: int, buyer_tariff: Tariff, seller_tariff: Tariff
) -> Deviation:
    """The deviation method, another settlement of the same trade; what is paid is what is got.

    Source: settlement note, appendices A and C.
    """
    value = amount(traded_wh, price)
    buyer_utility = buyer_tariff.deviation(traded_wh, load_wh)
    seller_utility = seller_tariff.shortfall(traded_wh, generation_wh)
    return Deviation(
        buyer_pays=value + buyer_utility,
        seller_gets=value - seller_utility,
        buyer_utility_gets=buyer_utility,
        seller_utility_gets=seller_utility,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledInterval:
    """One interval of a contract, settled."""

    requested_wh: int
    final_wh: int
    price: Fraction
    """INR per kWh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a discom publishes, INR per kWh; nothing by default.

    Source: contract policy for the defaults. Who pays where a rate is not 0 is ours: each side its own discom's wheeling, the seller
    the penalty, to the buyer.
    """

    buyer_wheeling: Fraction = Fraction(0)
    seller_wheeling: Fraction = Fraction(0)
    penalty: Fraction = Fraction(0)
    """For each kWh requested and not delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueFlows:
    """Who pays (negative) and who gets (positive) for one contract, INR to paise; together nothing is left over."""

    buyer: Fraction
    seller: Fraction
    buyer_discom: Fraction
    seller_discom: Fraction
    final_wh: int
    shortfall_wh: int


def revenue_flows(intervals: Sequence[SettledInterval], rates: Rates | None = None) -> RevenueFlows:
    """The flows of one contract; only totals are rounded.

    Source: contract policy: the value is the sum of final quantity times price, the shortfall ``max(0, requested - final)``.
    """
    charged = rates or Rates()
    final = sum(one.final_wh for one in intervals)
    shortfall = sum(max(one.requested_wh - one.final_wh, 0) for one in intervals)
    value = round2(sum((amount(one.final_wh, one.price) for one in intervals), Fraction(0)))
    penalty = round2(amount(shortfall, charged.penalty))
    buyer_discom = round2(amount(final, charged.buyer_wheeling))
    seller_discom = round2(amount(final, charged.seller_wheeling))
    return RevenueFlows(
        buyer=penalty - value - buyer_discom,
        seller=value - penalty - seller_discom,
        buyer_discom=buyer_discom,
        seller_discom=seller_discom,
        final_wh=final,
        shortfall_wh=shortfall,
    )
