"""The answer of a discom, ``on_status``: signed energies of the intervals asked for, and the evidence that each rests on.

``+`` is drawn from the grid and ``-`` is given to it. A figure that does not exist is left out, never written as 0: its interval
is missing, and a series without any interval is missing too. The ids, the shape and the words are those of the question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from ledger_client.beckn.context import Action, context_fields
from ledger_client.beckn.fields import duration_text
from ledger_client.beckn.series import SeriesRequest, Slot
from ledger_client.beckn.status import Item, Shape, StatusRequest, Wanted
from ledger_client.exact_json import dumps, kwh
from ledger_client.ledger import LedgerProtocolError, Side, client_reference
from signing.energy import MAX_WH
from signing.interval import utc_text

SERIES_CONTEXT = "https://schema.nfh.global/BecknTimeSeries/v1.0/context.jsonld"

EVIDENCE_OF_SIDE = {Side.SELLER: "SELLER_DISCOM_EVIDENCE", Side.BUYER: "BUYER_DISCOM_EVIDENCE"}
"""The columns of this head-end: no schema of the network names them, and any declared column of STRING passes its policies."""

BESIDE = "ENERGY_EVIDENCE"
_INSERTED_BY = {Side.SELLER: "sellerDiscom", Side.BUYER: "buyerDiscom"}


class EvidenceColumn(Enum):
    """Where the evidence of a figure stands beside it."""

    NONE = "none"
    BY_SIDE = "by-side"
    """In ``SELLER_DISCOM_EVIDENCE`` or ``BUYER_DISCOM_EVIDENCE``."""
    BESIDE = "beside"
    """In ``ENERGY_EVIDENCE``, whatever the side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What is attested of one meter and window."""

    net_wh: int
    """Import - export, Wh: positive is drawn from the grid."""
    evidence: bytes | None = None
    """The evidence digest, 32 bytes; None where none may be told."""
    side: Side | None = None
    """The side on which the meter stands in its trade; None reads it off the sign."""

    def __post_init__(self) -> None:
        if type(self.net_wh) is not int or abs(self.net_wh) > MAX_WH:
            raise LedgerProtocolError(f"expected whole Wh, got {self.net_wh!r} in 'net_wh'")
        if self.evidence is not None and len(self.evidence) != 32:
            raise LedgerProtocolError(f"expected a digest of 32 bytes, got {len(self.evidence)} in 'evidence'")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """How answers are written: configuration of one exchange."""

    receiver_uri: str
    """This node's registered address, written as ``bppUri``."""
    shape: Shape | None = None
    """None answers in the shape of the question."""
    evidence: EvidenceColumn = EvidenceColumn.BY_SIDE
    has_request_digest: bool = True
    """Whether the context names the digest of the question. Nobody checks it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One interval that is answered."""

    slot: Slot
    figure: Figure
    evidence: tuple[str, str] | None
    """The column of its evidence and the reference in it, or None."""


def on_status(request: StatusRequest, figures: Mapping[Wanted, Figure], *, form: AnswerForm, now: int) -> bytes | None:
    """The body of the answer to `request` written at `now` (UTC seconds); None while no figure exists that it asks for.

    Each later round answers the same question again, in full, with what is known by then: the network has no revision number.
    """
    commitments = _commitments(request, figures, form)
    if not commitments:
        return None
    asked = replace(request.context, action=Action.ON_STATUS, bpp_uri=form.receiver_uri)
    context = context_fields(asked, now)
    if form.has_request_digest and request.body_digest is not None:
        context["requestDigest"] = {"digest": f"BLAKE-512={request.body_digest}"}
    contract = {"id": request.contract_id, "commitments": commitments}
    return dumps({"context": context, "message": {"contract": contract}})


def _commitments(request: StatusRequest, figures: Mapping[Wanted, Figure], form: AnswerForm) -> list[dict[str, object]]:
    """The commitments of an answer; those without a figure are left out."""
    found: list[dict[str, object]] = []
    of_place: dict[int, list[dict[str, object]]] = {}
    for item in request.items:
        written = [one for series in item.series if (one := _series(series, figures, form)) is not None]
        here = of_place.setdefault(item.commitment, [])
        if (form.shape or item.shape) is Shape.ATTRIBUTES:
            # Attributes are one object: each series is a commitment of its own, and no two may share an id.
            for one in written:
                suffix = f"-{len(here)}" if here else ""
                here.append(_commitment(item, [_resource(item)], suffix=suffix, commitmentAttributes=one))
                found.append(here[-1])
        elif written:
            resource = _resource(item) | {"resourceAttributes": _dataset(item, written)}
            if here:
                _add(here[0], resource)
            else:
                here.append(_commitment(item, [resource]))
                found.append(here[0])
    return found


def _add(commitment: dict[str, object], resource: dict[str, object]) -> None:
    """Puts another resource into a commitment that is there."""
    resources, offer = commitment["resources"], commitment["offer"]
    assert isinstance(resources, list)
    assert isinstance(offer, dict)
    resources.append(resource)
    offer["resourceIds"].append(resource["id"])


def _commitment(
    item: Item, resources: list[dict[str, object]], *, suffix: str = "", **attributes: object
) -> dict[str, object]:
    named = {} if item.commitment_id is None else {"id": item.commitment_id + suffix}
    return {
        **named,
        "status": {"descriptor": {"code": "ACTIVE"}},
        "resources": resources,
        "offer": {"id": item.offer_id, "resourceIds": [resource["id"] for resource in resources]},
        **attributes,
    }


def _resource(item: Item) -> dict[str, object]:
    return {"id": item.resource_id, "quantity": {"unitCode": "EA", "value": "1"}}


def _dataset(item: Item, written: Sequence[dict[str, object]]) -> dict[str, object]:
    """A DatasetItem, its payload an array where the question's was one."""
    slots = [slot for series in item.series for slot in series.slots]
    first, last = min(one.window.start_utc for one in slots), max(one.window.end_utc for one in slots)
    return {
        "@context": item.dataset_context,
        "@type": "DatasetItem",
        "schema:identifier": item.resource_id,
        "schema:name": item.name,
        "schema:temporalCoverage": item.coverage or f"{utc_text(first)}/{utc_text(last)}",
        "dataPayload": list(written) if item.is_array else written[0],
    }


def _series(asked: SeriesRequest, figures: Mapping[Wanted, Figure], form: AnswerForm) -> dict[str, object] | None:
    """One series with every interval that there is a figure for; None where there is none."""
    rows = [
        _Row(slot=slot, figure=figure, evidence=_evidence(figure, form.evidence))
        for slot in asked.slots
        if (figure := figures.get(Wanted(meter_id=asked.meter_id, window=slot.window))) is not None
    ]
    if not rows:
        return None
    # "start + id x duration" is a habit that holds for a run from 0 only: beside a gap, each interval says where it is.
    is_run = all(row.slot.id == place and asked.is_regular(row.slot) for place, row in enumerate(rows))
    discom = {} if asked.client_name is None else {"clientName": asked.client_name}
    return {
        "@context": SERIES_CONTEXT,
        "@type": "TimeSeries",
        "resourceName": asked.meter_id,
        **discom,
        "intervalPeriod": {"start": asked.start, "duration": asked.duration},
        "payloadDescriptors": _descriptors(asked, rows),
        "intervals": [_interval(asked, row, is_run=is_run) for row in rows],
    }


def _evidence(figure: Figure, column: EvidenceColumn) -> tuple[str, str] | None:
    """Where the evidence of `figure` stands, and its reference."""
    if figure.evidence is None or column is EvidenceColumn.NONE:
        return None
    name = BESIDE if column is EvidenceColumn.BESIDE else EVIDENCE_OF_SIDE[_side(figure)]
    return name, client_reference(figure.evidence)


def _side(figure: Figure) -> Side:
    return figure.side or (Side.SELLER if figure.net_wh < 0 else Side.BUYER)


def _descriptors(asked: SeriesRequest, rows: Sequence[_Row]) -> list[object]:
    """What the payloads mean; every column that is used is declared, and no other."""
    kind = "REPORT_PAYLOAD_DESCRIPTOR"
    found: list[object] = [{"objectType": kind, "payloadType": asked.payload_type, "units": "KWH"}]
    columns = {row.evidence[0]: _INSERTED_BY[_side(row.figure)] for row in rows if row.evidence is not None}
    for column, party in sorted(columns.items()):
        named = {} if column == BESIDE else {"insertedBy": party}
        found.append({"objectType": kind, "payloadType": column, "units": "STRING", **named})
    return found


def _interval(asked: SeriesRequest, row: _Row, *, is_run: bool) -> dict[str, object]:
    payloads: list[object] = [{"type": asked.payload_type, "values": [kwh(row.figure.net_wh)]}]
    if row.evidence is not None:
        column, reference = row.evidence
        payloads.append({"type": column, "values": [reference]})
    if is_run:
        return {"id": row.slot.id, "payloads": payloads}
    window = row.slot.window
    length = asked.duration if window.length_s == asked.period.length_s else duration_text(window.length_s)
    return {
        "id": row.slot.id,
        "intervalPeriod": {"start": utc_text(window.start_utc), "duration": length},
        "payloads": payloads,
    }
