"""The ledger provider's question, ``status``: which meters' energy of which windows, in the shapes that were seen. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ledger_client.exact_json import dumps
from signing.interval import utc_text

ITEM_CONTEXT = "https://schema.nfh.global/DatasetItem/v1.1/context.jsonld"
SERIES_CONTEXT = "https://schema.nfh.global/BecknTimeSeries/v1.0/context.jsonld"


class Form(Enum):
    """Where a question holds its series."""

    ARRAY = "dataset-array"
    """A DatasetItem whose payload is an array, as the devkit asks."""
    OBJECT = "dataset-object"
    """A DatasetItem for each meter, its payload one object."""
    ATTRIBUTES = "attributes"
    """The series as the commitment's attributes, as the guide writes."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Run:
    """Windows of one length without a gap between them."""

    start_utc: int
    length_s: int
    count: int

    @property
    def end_utc(self) -> int:
        """Where the last window ends."""
        return self.start_utc + self.length_s * self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoiled:
    """What is wrong with a question on purpose; nothing by default."""

    network_id: str | None = None
    """Another network than the real one."""
    is_without_offset: bool = False
    """Whether times are written without their offset."""
    is_cut_short: bool = False
    """Whether only the first interval of each series is listed, as was seen on the network."""


def runs(windows: Iterable[tuple[int, int]]) -> list[Run]:
    """The windows, start and end, as runs; ascending."""
    found: list[Run] = []
    for start, end in sorted(set(windows), key=lambda window: (window[1] - window[0], window)):
        last = found[-1] if found else None
        if last is not None and last.length_s == end - start and last.end_utc == start:
            found[-1] = Run(start_utc=last.start_utc, length_s=last.length_s, count=last.count + 1)
        else:
            found.append(Run(start_utc=start, length_s=end - start, count=1))
    return sorted(found)


def status(
    *,
    context: Mapping[str, object],
    contract_id: str,
    discom_id: str,
    meters: Mapping[str, Iterable[tuple[int, int]]],
    form: Form,
    spoiled: Spoiled,
    is_numbers_as_text: bool = False,
) -> bytes:
    """The body of a question about `meters`, each with its windows."""
    by_run: dict[Run, list[str]] = {}
    for meter, windows in sorted(meters.items()):
        for run in runs(windows):
            by_run.setdefault(run, []).append(meter)
    commitments: list[object] = []
    for run, names in sorted(by_run.items()):
        series = [_series(name, discom_id, run, spoiled, is_numbers_as_text=is_numbers_as_text) for name in names]
        for payload in [series] if form is Form.ARRAY else series:
            commitments.append(_commitment(len(commitments), run, payload, form, spoiled))
    network = {} if spoiled.network_id is None else {"networkId": spoiled.network_id}
    contract = {"id": contract_id, "commitments": commitments}
    return dumps({"context": {**context, **network}, "message": {"contract": contract}})


def _time(at: int, spoiled: Spoiled) -> str:
    return utc_text(at).removesuffix("Z") if spoiled.is_without_offset else utc_text(at)


def _series(meter: str, discom_id: str, run: Run, spoiled: Spoiled, *, is_numbers_as_text: bool) -> dict[str, object]:
    listed = 1 if spoiled.is_cut_short else run.count
    return {
        "@context": SERIES_CONTEXT,
        "@type": "TimeSeries",
        "resourceName": meter,
        "clientName": discom_id,
        "intervalPeriod": {"start": _time(run.start_utc, spoiled), "duration": f"PT{run.length_s}S"},
        "payloadDescriptors": [
            {"objectType": "REPORT_PAYLOAD_DESCRIPTOR", "payloadType": "ENERGY_CONSUMPTION", "units": "KWH"}
        ],
        "intervals": [
            {
                "id": str(number) if is_numbers_as_text else number,
                "payloads": [{"type": "ENERGY_CONSUMPTION", "values": []}],
            }
            for number in range(listed)
        ],
    }


def _commitment(
    number: int, run: Run, payload: dict[str, object] | Sequence[dict[str, object]], form: Form, spoiled: Spoiled
) -> dict[str, object]:
    resource: dict[str, object] = {"id": f"meter-actuals-{number}", "quantity": {"unitCode": "EA", "value": "1"}}
    attributes: dict[str, object] = {}
    if form is Form.ATTRIBUTES:
        attributes = {"commitmentAttributes": payload}
    else:
        resource["resourceAttributes"] = {
            "@context": ITEM_CONTEXT,
            "@type": "DatasetItem",
            "schema:identifier": resource["id"],
            "schema:name": "Meter actuals",
            "schema:temporalCoverage": f"{_time(run.start_utc, spoiled)}/{_time(run.end_utc, spoiled)}",
            "dataPayload": payload,
        }
    return {
        "status": {"descriptor": {"code": "ACTIVE"}},
        "resources": [resource],
        "offer": {"id": "offer-meter-actuals", "resourceIds": [resource["id"]]},
        **attributes,
    }
