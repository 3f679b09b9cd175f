"""The ledger provider's questions: windows as runs, and the three forms, against messages of our own."""

import json
from typing import Any

import pytest

from ledger_client.sandbox.question import Form, Run, Spoiled, runs, status

H = 3600


def test_windows_without_a_gap_are_one_run() -> None:
    assert runs([(H, 2 * H), (0, H), (2 * H, 3 * H), (0, H)]) == [Run(start_utc=0, length_s=H, count=3)]


def test_a_gap_and_another_length_begin_another_run() -> None:
    assert runs([(0, H), (2 * H, 3 * H), (H, H + 900)]) == [
        Run(start_utc=0, length_s=H, count=1),
        Run(start_utc=H, length_s=900, count=1),
        Run(start_utc=2 * H, length_s=H, count=1),
    ]


def asked(form: Form = Form.ARRAY, spoiled: Spoiled | None = None, **options: bool) -> dict[str, Any]:
    body = status(
        context={"networkId": "n"},
        contract_id="c",
        discom_id="D",
        meters={"a": [(0, H), (H, 2 * H)], "b": [(H, 2 * H), (0, H)]},
        form=form,
        spoiled=spoiled or Spoiled(),
        is_numbers_as_text=options.get("is_numbers_as_text", False),
    )
    found: dict[str, Any] = json.loads(body)
    return found


def test_meters_of_one_run_stand_in_one_array() -> None:
    (commitment,) = asked()["message"]["contract"]["commitments"]
    item = commitment["resources"][0]["resourceAttributes"]
    assert item["schema:temporalCoverage"] == "1970-01-01T00:00:00Z/1970-01-01T02:00:00Z"
    assert [series["resourceName"] for series in item["dataPayload"]] == ["a", "b"]
    assert [one["id"] for one in item["dataPayload"][0]["intervals"]] == [0, 1]
    assert item["dataPayload"][0]["intervals"][0]["payloads"] == [{"type": "ENERGY_CONSUMPTION", "values": []}]


@pytest.mark.parametrize("form", [Form.OBJECT, Form.ATTRIBUTES])
def test_the_other_forms_hold_one_series_each(form: Form) -> None:
    commitments = asked(form)["message"]["contract"]["commitments"]
    assert len(commitments) == 2
    for commitment, meter in zip(commitments, "ab", strict=True):
        attributes = commitment["resources"][0].get("resourceAttributes", {})
        held = attributes.get("dataPayload") if form is Form.OBJECT else commitment["commitmentAttributes"]
        assert held["resourceName"] == meter


def test_what_is_spoiled_is_spoiled_alone_or_together() -> None:
    spoiled = Spoiled(network_id="other", is_without_offset=True, is_cut_short=True)
    found = asked(spoiled=spoiled, is_numbers_as_text=True)
    series = found["message"]["contract"]["commitments"][0]["resources"][0]["resourceAttributes"]["dataPayload"][0]
    assert found["context"]["networkId"] == "other"
    assert series["intervalPeriod"]["start"] == "1970-01-01T00:00:00"
    assert [one["id"] for one in series["intervals"]] == ["0"]
