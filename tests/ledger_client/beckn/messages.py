"""The messages that tests change: a ledger provider's question about one meter and two hours, as JSON values."""

import copy
import json
from typing import Any

STATUS: dict[str, Any] = {
    "context": {
        "networkId": "indiaenergystack.in/test-ies-p2p-trading-network",
        "version": "2.0.0",
        "action": "status",
        "bapId": "ledger.example.org",
        "bapUri": "https://ledger.example.org/bap/receiver",
        "bppId": "discom.example.org",
        "bppUri": "https://discom.example.org/bpp/receiver",
        "transactionId": "6f1c1c7e-0d0a-4a53-9a53-0c6d9b7f5c01",
        "messageId": "5a2d6940-71cc-44c7-b27b-d38c06ab929b",
        "timestamp": "2026-04-27T03:35:00Z",
    },
    "message": {
        "contract": {
            "id": "0d8f3a52-3a2b-4c55-8a35-7f7f1d1d2e01",
            "commitments": [
                {
                    "status": {"descriptor": {"code": "ACTIVE"}},
                    "resources": [
                        {
                            "id": "ds-req-1",
                            "quantity": {"unitCode": "EA", "value": "1"},
                            "resourceAttributes": {
                                "@context": "https://schema.nfh.global/DatasetItem/v1.1/context.jsonld",
                                "@type": "DatasetItem",
                                "schema:identifier": "ds-req-1",
                                "schema:name": "Meter actuals",
                                "schema:temporalCoverage": "2026-04-26T04:30:00Z/2026-04-26T06:30:00Z",
                                "dataPayload": [
                                    {
                                        "@context": "https://schema.nfh.global/BecknTimeSeries/v1.0/context.jsonld",
                                        "@type": "TimeSeries",
                                        "resourceName": "TEST_METER_SELLER_001",
                                        "clientName": "TEST_DISCOM_SELLER",
                                        "intervalPeriod": {"start": "2026-04-26T04:30:00Z", "duration": "PT1H"},
                                        "payloadDescriptors": [
                                            {
                                                "objectType": "REPORT_PAYLOAD_DESCRIPTOR",
                                                "payloadType": "ENERGY_CONSUMPTION",
                                                "units": "KWH",
                                            }
                                        ],
                                        "intervals": [
                                            {"id": 0, "payloads": [{"type": "ENERGY_CONSUMPTION", "values": []}]},
                                            {"id": 1, "payloads": [{"type": "ENERGY_CONSUMPTION", "values": []}]},
                                        ],
                                    }
                                ],
                            },
                        }
                    ],
                    "offer": {"id": "offer-meter-actuals", "resourceIds": ["ds-req-1"]},
                }
            ],
        }
    },
}
METER = "TEST_METER_SELLER_001"
START_UTC = 1_777_177_800
HOUR = 3600
NOW = 1_777_260_900

Path = tuple[str | int, ...]
COMMITMENT: Path = ("message", "contract", "commitments", 0)
RESOURCE: Path = (*COMMITMENT, "resources", 0)
ITEM: Path = (*RESOURCE, "resourceAttributes")
SERIES: Path = (*ITEM, "dataPayload", 0)


class Missing:
    """In place of a value: the field is taken out."""


def changed(*changes: tuple[Path, object]) -> bytes:
    """The question with values at paths replaced, as raw bytes."""
    return altered(STATUS, *changes)


def altered(message: dict[str, Any], *changes: tuple[Path, object]) -> bytes:
    """Any message with values at paths replaced, as raw bytes."""
    whole = copy.deepcopy(message)
    for path, value in changes:
        place: Any = whole
        for step in path[:-1]:
            place = place[step]
        if value is Missing:
            del place[path[-1]]
        else:
            place[path[-1]] = value
    return json.dumps(whole).encode()


def dotted(path: Path) -> str:
    """A path as refusals spell it."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def series(**changes: object) -> dict[str, Any]:
    """The question's one series, changed."""
    whole = copy.deepcopy(
        STATUS["message"]["contract"]["commitments"][0]["resources"][0]["resourceAttributes"]["dataPayload"][0]
    )
    return {name: value for name, value in (whole | changes).items() if value is not Missing}


def attributes(value: object | None = None) -> bytes:
    """The question in the guide's shape: the series as the commitment's attributes."""
    return changed((ITEM, Missing), ((*COMMITMENT, "commitmentAttributes"), series() if value is None else value))
