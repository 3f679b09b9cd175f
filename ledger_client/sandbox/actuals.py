"""A discom's answer, ``on_status``, read whole and strictly: every field known, every column declared, every interval placed.

Source: beckn core-v2.0.0-lts, BecknTimeSeries 1.0 (``additionalProperties: false`` at the top of a series).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ledger_client.sandbox.fields import (
    Fields,
    array,
    bad_format,
    fields,
    moment,
    one_of,
    seconds,
    signed_energy,
    text,
    whole,
)
from ledger_client.sandbox.refusal import RequestRefusedError

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SECONDS_OF = {"D": 86_400, "H": 3600, "M": 60, "S": 1}
ENERGY = "ENERGY_CONSUMPTION"
EVIDENCE = ("SELLER_DISCOM_EVIDENCE", "BUYER_DISCOM_EVIDENCE", "ENERGY_EVIDENCE")
_REFERENCE = re.compile(r"sk1:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """One interval of one meter, as a discom says it."""

    meter_id: str
    discom_id: str | None
    start_utc: int
    end_utc: int
    net_wh: int
    """Import - export: positive is drawn from the grid."""
    evidence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One ``on_status``."""

    network_id: str
    bap_id: str
    bpp_id: str
    transaction_id: str
    message_id: str
    request_digest: str | None
    actuals: tuple[Actual, ...]


def read_on_status(body: bytes) -> Answer:
    """The answer in a raw body.

    Raises:
        RequestRefusedError: with a ``SCH_`` code, naming the field.
    """
    envelope = fields(body)
    context = Fields(envelope.required("context", _object), "context")
    found = {name: context.required(name, text) for name in ("networkId", "bapId", "bapUri", "bppId", "bppUri")}
    ids = {name: context.required(name, _uuid) for name in ("transactionId", "messageId")}
    context.required("version", one_of("2.0.0"))
    context.required("action", one_of("on_status"))
    context.required("timestamp", moment)
    digest = context.optional("requestDigest", _digest)
    for name in ("ttl", "schemaContext"):
        context.optional(name, lambda value, _: value)
    context.end()
    message = Fields(envelope.required("message", _object), "message")
    envelope.end()
    contract = Fields(message.required("contract", _object), "message.contract")
    message.end()
    contract.required("id", text)
    commitments = contract.required("commitments", array)
    contract.end()
    actuals = [
        actual
        for number, one in enumerate(commitments)
        for actual in _commitment(one, f"message.contract.commitments[{number}]")
    ]
    return Answer(
        network_id=found["networkId"],
        bap_id=found["bapId"],
        bpp_id=found["bppId"],
        transaction_id=ids["transactionId"],
        message_id=ids["messageId"],
        request_digest=digest,
        actuals=tuple(actuals),
    )


def _object(value: object, path: str) -> object:
    if not isinstance(value, dict):
        raise bad_format(path, "an object", value)
    return value


def _uuid(value: object, path: str) -> str:
    spelled = text(value, path)
    if not _UUID.fullmatch(spelled):
        raise bad_format(path, "a UUID", spelled)
    return spelled


def _digest(value: object, path: str) -> str:
    one = Fields(value, path)
    found = one.required("digest", text)
    one.end()
    return found


def _commitment(value: object, path: str) -> list[Actual]:
    one = Fields(value, path)
    one.optional("id", text)
    status = Fields(one.required("status", _object), f"{path}.status")
    descriptor = Fields(status.required("descriptor", _object), f"{path}.status.descriptor")
    descriptor.required("code", one_of("ACTIVE"))
    descriptor.end()
    status.end()
    resources = one.required("resources", array)
    attributes = one.optional("commitmentAttributes", _object)
    payloads = [
        payload for number, each in enumerate(resources) for payload in _resource(each, f"{path}.resources[{number}]")
    ]
    offer = Fields(one.required("offer", _object), f"{path}.offer")
    offer.required("id", text)
    offer.required("resourceIds", array)
    offer.end()
    one.end()
    if attributes is not None:
        payloads.append((attributes, f"{path}.commitmentAttributes"))
    if not payloads:
        raise RequestRefusedError("SCH_MISSING_REQUIRED", f"expected a series in '{path}'")
    return [actual for payload, place in payloads for actual in _series(payload, place)]


def _resource(value: object, path: str) -> list[tuple[object, str]]:
    """The series in one resource, each with its path."""
    one = Fields(value, path)
    one.required("id", text)
    quantity = Fields(one.required("quantity", _object), f"{path}.quantity")
    quantity.required("unitCode", text)
    quantity.required("value", text)
    quantity.end()
    attributes = one.optional("resourceAttributes", _object)
    one.end()
    if attributes is None:
        return []
    here = f"{path}.resourceAttributes"
    item = Fields(attributes, here)
    item.required("@type", one_of("DatasetItem"))
    for name in ("@context", "schema:identifier", "schema:name", "schema:temporalCoverage"):
        item.required(name, text)
    payload = item.required("dataPayload", lambda found, _: found)
    item.end()
    if isinstance(payload, list):
        return [(each, f"{here}.dataPayload[{number}]") for number, each in enumerate(array(payload, here))]
    return [(payload, f"{here}.dataPayload")]


def _series(value: object, path: str) -> list[Actual]:
    one = Fields(value, path)
    one.required("@context", text)
    one.required("@type", one_of("TimeSeries"))
    meter_id, discom_id = one.required("resourceName", text), one.optional("clientName", text)
    start, length = one.required("intervalPeriod", _period)
    declared = _declared(one.required("payloadDescriptors", array), f"{path}.payloadDescriptors")
    intervals = one.required("intervals", array)
    one.end()
    found: list[Actual] = []
    seen: set[int] = set()
    for place, entry in enumerate(intervals):
        here = f"{path}.intervals[{place}]"
        interval = Fields(entry, here)
        number = interval.required("id", whole(0, 10**9))
        own = interval.optional("intervalPeriod", _period)
        net_wh, evidence = _payloads(interval.required("payloads", array), f"{here}.payloads", declared)
        interval.end()
        if number in seen:
            raise bad_format(f"{here}.id", "every id once", number)
        seen.add(number)
        if own is None and number != place:
            raise RequestRefusedError("SCH_MISSING_REQUIRED", f"expected an intervalPeriod beside a gap in '{here}'")
        start_utc, length_s = own or (start + number * length, length)
        found.append(
            Actual(
                meter_id=meter_id,
                discom_id=discom_id,
                start_utc=start_utc,
                end_utc=start_utc + length_s,
                net_wh=net_wh,
                evidence=evidence,
            )
        )
    return found


def _period(value: object, path: str) -> tuple[int, int]:
    """A start and a length, UTC seconds and seconds."""
    one = Fields(value, path)
    found = one.required("start", seconds), one.required("duration", _length)
    one.end()
    return found


def _length(value: object, path: str) -> int:
    spelled = text(value, path)
    parts = re.findall(r"([0-9]{1,7})([DHMS])", spelled)
    if not re.fullmatch(r"P([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+S)?)?", spelled) or not parts:
        raise bad_format(path, "a duration such as PT1H", spelled)
    return sum(int(number) * _SECONDS_OF[unit] for number, unit in parts)


def _declared(entries: Sequence[object], path: str) -> dict[str, str]:
    """Payload type → its units."""
    found: dict[str, str] = {}
    for number, entry in enumerate(entries):
        one = Fields(entry, f"{path}[{number}]")
        one.required("objectType", one_of("REPORT_PAYLOAD_DESCRIPTOR"))
        name = one.required("payloadType", one_of(ENERGY, *EVIDENCE))
        found[name] = one.required("units", one_of("KWH" if name == ENERGY else "STRING"))
        one.optional("insertedBy", one_of("sellerDiscom", "buyerDiscom"))
        one.end()
    return found


def _payloads(entries: Sequence[object], path: str, declared: dict[str, str]) -> tuple[int, str | None]:
    """The energy and the evidence of one interval."""
    energy: list[int] = []
    evidence: list[str] = []
    for number, entry in enumerate(entries):
        here = f"{path}[{number}]"
        one = Fields(entry, here)
        name = one.required("type", one_of(*declared))
        values = one.required("values", array)
        one.end()
        if len(values) != 1:
            raise bad_format(f"{here}.values", "one value", len(values))
        if name == ENERGY:
            energy.append(signed_energy(values[0], f"{here}.values[0]"))
        else:
            evidence.append(_reference(values[0], f"{here}.values[0]"))
    if len(energy) != 1 or len(evidence) > 1:
        raise RequestRefusedError("SCH_MISSING_REQUIRED", f"expected one {ENERGY} and at most one evidence in '{path}'")
    return energy[0], evidence[0] if evidence else None


def _reference(value: object, path: str) -> str:
    spelled = text(value, path)
    if not _REFERENCE.fullmatch(spelled):
        raise bad_format(path, "sk1: and 64 hex digits", spelled)
    return spelled
