"""What the API says of trades ahead and of the contracts behind them."""

from headend.web.answers import Answer, Span


class SideContract(Answer):
    """What one side's platform signed of a trade."""

    side: str
    platform: str
    signing: str
    """SIGNED, CONTRADICTS or UNSIGNED."""
    contract: int | None
    """The number of its contract here."""
    signed: str | None
    """When its platform says that it signed."""
    received: str | None
    is_after_start: bool
    """Whether it came only after the delivery had begun."""
    contradiction: str
    """Each term that differs: the ledger's value, then the signed one."""


class Contract(Answer):
    """A platform's contract as it came, with what verifies it again."""

    contract: int
    platform: str
    role: str
    is_late: bool
    """Whether it was refused because it came after the delivery began."""
    would_have_changed: str | None
    signed: str
    received: str
    body: str
    """The exact bytes that were signed, base64."""
    authorization: str
    """The header that came with them."""
    key_id: str
    public_key: str
    """What the directory gave for the key then, base64 of 32 bytes."""


class ForwardTrade(Answer):
    """Our side of one trade."""

    record_id: str
    transaction_id: str
    order_item_id: str
    side: str
    meter: str
    """As the ledger spells it."""
    connection_point: str | None
    quantity_kwh: str
    phase: str
    basis: str
    """Whose word the trade is: its platforms' verified contracts, or the ledger's row alone."""
    listing: str
    """COUNTED in the slot's energies, MARKED where a contract contradicts it, or APART where the policy asks for contracts."""
    contracts: list[SideContract]
    """What each side's platform signed, the seller's first."""
    row_digest: str | None
    """The ledger's digest of its row."""
    first_seen: str
    amendments: list[str]
    """Changed terms; LATE ones came after the delivery began and are no basis."""


class Slot(Answer):
    """What trades ask of one feeder in one slot."""

    feeder: str | None
    window: Span
    sold_kwh: str
    bought_kwh: str
    trades: list[ForwardTrade]
    apart: list[ForwardTrade]
    """Not counted: with `ledger.contracts = "required"`, trades that not both platforms' contracts bear out."""
