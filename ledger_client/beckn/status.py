"""The question of a ledger provider, ``status``: which meters' energy, in which delivery intervals; and a push that nobody asked for.

Two shapes are spoken. In the devkit's, series stand in a DatasetItem at ``commitments[].resources[].resourceAttributes.dataPayload``,
as an array or one object; in the guide's, a series is ``commitments[].commitmentAttributes`` itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from ledger_client.beckn.context import Action, Context, Identifiers, is_uuid, read_context
from ledger_client.beckn.fields import (
    Fields,
    array_in,
    as_array,
    as_object,
    duration_text,
    joined,
    message,
    object_in,
    optional_text_in,
    required,
    span,
    text_in,
)
from ledger_client.beckn.refusal import Code, refused
from ledger_client.beckn.series import ENERGY, SeriesRequest, Slot, read_series
from ledger_client.ledger import LedgerProtocolError
from ledger_client.signature import digest
from signing.interval import Interval, utc_text

DATASET_CONTEXT = "https://schema.nfh.global/DatasetItem/v1.1/context.jsonld"
_DATASET_TYPES = ("DatasetItem", "beckn:DatasetItem", "dataset:DatasetItem")
MAX_SERIES = 20_000
"""Most series of one question."""

MAX_SLOTS_OF_A_QUESTION = 500_000
"""Most intervals of one question over all its series."""


class Shape(Enum):
    """Where a message holds its series."""

    DATASET = "dataset"
    """In a DatasetItem of a resource (shape A)."""
    ATTRIBUTES = "attributes"
    """As the commitment's attributes (shape B)."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Wanted:
    """One figure asked for: what a meter drew or gave in one window."""

    meter_id: str
    """Exactly as the asker spells it."""
    window: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One place of a question that holds series, with the ids that its answer repeats."""

    shape: Shape
    commitment: int
    """Place of its commitment in the question; items of one commitment are answered in one."""
    commitment_id: str | None
    offer_id: str
    resource_id: str
    name: str
    coverage: str | None
    """The covered span as the asker spells it; None where none is stated."""
    is_array: bool
    """Whether the series stand in an array: an answer mirrors it."""
    series: tuple[SeriesRequest, ...]
    dataset_context: str = DATASET_CONTEXT
    """The JSON-LD context of the DatasetItem as the asker spells it; two spellings are in use."""

    def __post_init__(self) -> None:
        if not self.is_array and len(self.series) != 1:
            raise ValueError(f"expected one series outside of an array, got {len(self.series)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """A question, well formed; or what a push answers that nobody asked."""

    context: Context
    contract_id: str
    items: tuple[Item, ...]
    body_digest: str | None
    """Base64 BLAKE2b-512 of the question's raw body; None where nobody asked."""

    @property
    def series(self) -> tuple[SeriesRequest, ...]:
        """Every series, in order."""
        return tuple(series for item in self.items for series in item.series)

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """Every figure asked for, ascending, each once."""
        found = {Wanted(meter_id=one.meter_id, window=slot.window) for one in self.series for slot in one.slots}
        return tuple(sorted(found))


def read_status(body: bytes, identifiers: Identifiers = Identifiers.ANY) -> StatusRequest:
    """The question in a raw body.

    Raises:
        RefusedError: with a ``SCH_`` code and the field's path; nothing else.
    """
    envelope = message(body)
    context = read_context(envelope, Action.STATUS, identifiers)
    path = "message.contract"
    contract = object_in(object_in(envelope, "message", ""), "contract", "message")
    items: list[Item] = []
    budget = _Budget()
    for place, entry in enumerate(array_in(contract, "commitments", path)):
        here = f"{path}.commitments[{place}]"
        items += _items(as_object(entry, here), here, place, budget)
    return StatusRequest(
        context=context, contract_id=text_in(contract, "id", path), items=tuple(items), body_digest=digest(body)
    )


@dataclass(slots=True)
class _Budget:
    """How much one question may still ask. Counted while reading: a short text can cover a month of quarter hours."""

    series: int = MAX_SERIES
    slots: int = MAX_SLOTS_OF_A_QUESTION

    def spent(self, series: SeriesRequest, path: str) -> SeriesRequest:
        """`series`, counted."""
        self.series -= 1
        self.slots -= len(series.slots)
        if self.series < 0 or self.slots < 0:
            most = f"expected at most {MAX_SERIES} series of {MAX_SLOTS_OF_A_QUESTION} intervals in all"
            raise refused(Code.SCHEMA_VALIDATION_FAILED, most, path)
        return series


@dataclass(frozen=True, slots=True, kw_only=True)
class _Commitment:
    """What the items of one commitment share."""

    path: str
    place: int
    id: str | None
    offer_id: str


def _items(fields: Fields, path: str, place: int, budget: _Budget) -> list[Item]:
    """What one commitment asks: its datasets, or else its attributes."""
    resources = [
        as_object(entry, f"{path}.resources[{number}]")
        for number, entry in enumerate(as_array(fields.get("resources") or [{}], f"{path}.resources"))
    ]
    commitment = _Commitment(
        path=path, place=place, id=optional_text_in(fields, "id", path), offer_id=_offer_id(fields, path)
    )
    found = [
        _dataset(resource, f"{path}.resources[{number}]", commitment, budget)
        for number, resource in enumerate(resources)
        if resource.get("resourceAttributes") is not None
    ]
    if found:
        return found
    if fields.get("commitmentAttributes") is None:
        asked = "expected a DatasetItem, or a series as commitmentAttributes"
        raise refused(Code.REQUIRED_FIELD_MISSING, asked, f"{path}.resources[0].resourceAttributes")
    resource_id = optional_text_in(resources[0], "id", f"{path}.resources[0]") or "meter-actuals"
    return [_attributes(fields["commitmentAttributes"], resource_id, commitment, budget)]


def _attributes(value: object, resource_id: str, commitment: _Commitment, budget: _Budget) -> Item:
    """One series that is its commitment's attributes. It states no coverage: what it lists is what it asks."""
    here = f"{commitment.path}.commitmentAttributes"
    return Item(
        shape=Shape.ATTRIBUTES,
        commitment=commitment.place,
        commitment_id=commitment.id,
        offer_id=commitment.offer_id,
        resource_id=resource_id,
        name="Meter actuals",
        coverage=None,
        is_array=False,
        series=(budget.spent(read_series(value, here, None), here),),
    )


def _offer_id(commitment: Fields, path: str) -> str:
    offer = commitment.get("offer")
    fields = {} if offer is None else as_object(offer, f"{path}.offer")
    return optional_text_in(fields, "id", f"{path}.offer") or "offer-meter-actuals"


def _dataset(resource: Fields, path: str, commitment: _Commitment, budget: _Budget) -> Item:
    """One DatasetItem."""
    here = joined(path, "resourceAttributes")
    fields = object_in(resource, "resourceAttributes", path)
    if fields.get("@type") not in _DATASET_TYPES:
        raise refused(
            Code.TYPE_NOT_SUPPORTED, f"expected DatasetItem, got {fields.get('@type')!r:.60}", f"{here}.@type"
        )
    identifier = optional_text_in(fields, ("schema:identifier", "dataset:identifier"), here)
    coverage = optional_text_in(fields, ("schema:temporalCoverage", "dataset:temporalCoverage"), here)
    covered = None if coverage is None else span(coverage, joined(here, "schema:temporalCoverage"))
    payload, at = required(fields, "dataPayload", here), joined(here, "dataPayload")
    if isinstance(payload, list):
        entries = [(entry, f"{at}[{number}]") for number, entry in enumerate(as_array(payload, at))]
    else:
        entries = [(payload, at)]
    return Item(
        shape=Shape.DATASET,
        commitment=commitment.place,
        commitment_id=commitment.id,
        offer_id=commitment.offer_id,
        resource_id=optional_text_in(resource, "id", path) or identifier or "meter-actuals",
        name=optional_text_in(fields, ("schema:name", "dataset:name"), here) or "Meter actuals",
        coverage=coverage,
        is_array=isinstance(payload, list),
        series=tuple(budget.spent(read_series(entry, where, covered), where) for entry, where in entries),
        dataset_context=optional_text_in(fields, "@context", here) or DATASET_CONTEXT,
    )


def unsolicited(
    *, context: Context, contract_id: str, meters: Iterable[tuple[str, str, Sequence[Interval]]]
) -> StatusRequest:
    """What a push says that nobody asked for: `(meter, discom's short code, windows)` each, a window at least.

    `context` is the one of the message that is pushed.

    Raises:
        LedgerProtocolError: an id is no UUID, or nothing is said.
    """
    for name, value in (
        ("transaction_id", context.transaction_id), ("message_id", context.message_id), ("contract_id", contract_id),
    ):  # fmt: skip
        if not is_uuid(value):
            raise LedgerProtocolError(f"expected a UUID, got {value!r:.80} in '{name}'")
    series = tuple(_pushed(meter, discom, sorted(windows)) for meter, discom, windows in meters if windows)
    spans = [slot.window for one in series for slot in one.slots]
    if not spans:
        raise LedgerProtocolError("expected at least one meter with a window")
    first, last = min(one.start_utc for one in spans), max(one.end_utc for one in spans)
    item = Item(
        shape=Shape.DATASET,
        commitment=0,
        commitment_id=None,
        offer_id="offer-meter-actuals",
        resource_id="meter-actuals",
        name="Meter actuals",
        coverage=f"{utc_text(first)}/{utc_text(last)}",
        is_array=len(series) > 1,
        series=series,
    )
    return StatusRequest(context=context, contract_id=contract_id, items=(item,), body_digest=None)


def _pushed(meter_id: str, discom_id: str, windows: Sequence[Interval]) -> SeriesRequest:
    return SeriesRequest(
        meter_id=meter_id,
        client_name=discom_id,
        payload_type=ENERGY,
        start=utc_text(windows[0].start_utc),
        duration=duration_text(windows[0].length_s),
        period=windows[0],
        slots=tuple(Slot(id=place, window=window) for place, window in enumerate(windows)),
    )
