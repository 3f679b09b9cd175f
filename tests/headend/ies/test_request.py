"""Reading MeterDataRequests, and containment of a request in its authorisation: last good and first bad of each bound."""

import copy
from typing import Any

import pytest

from headend.ies.codes import Mode, ProfileKind
from headend.ies.request import (
    MAX_RECORDS,
    MeterDataRequest,
    NotAuthorisedError,
    RequestRefusedError,
    read_request,
    require_covered,
)
from ledger_client.exact_json import dumps
from signing.interval import DAY_S, parse_instant
from tests.headend.ies.schemas import example, faults

US = "did:web:ies.discom.example:discom:DISCOM"
NOW = parse_instant("2026-06-20T00:00:00Z", "now")


def asked(**changes: Any) -> dict[str, Any]:
    """The published request with the published authorisation inside; a key with `...` is taken away."""
    found = copy.deepcopy(example("Request_Example"))
    found["authorisation"] = copy.deepcopy(example("Authorisation_Example"))
    found |= changes
    return {key: value for key, value in found.items() if value is not ...}


def authorised(**changes: Any) -> MeterDataRequest:
    given = asked()["authorisation"] | changes
    return read_request(asked(authorisation={key: value for key, value in given.items() if value is not ...}))


def wanting(*profiles: Any) -> dict[str, Any]:
    return {"capabilitiesRequested": {"profiles": list(profiles)}}


def test_the_published_request_is_read() -> None:
    found = read_request(asked())
    assert found.resources == tuple(example("Request_Example")["resources"])
    assert found.span.length_s == 30 * DAY_S
    assert found.profiles == {ProfileKind.INTERVAL: {"kWh imp block": frozenset({Mode.USAGE})}}
    assert found.most == 100
    assert found.authorisation is not None
    assert found.authorisation.history_s == 365 * DAY_S
    assert faults("MeterDataRequest", dumps(asked())) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"from": ...}, "a text, got nothing in '$.from'"),
        ({"from": "2026-05-18T00:00:00"}, "with its zone"),
        ({"duration": "P1Y"}, "weeks to seconds"),
        ({"duration": "P401D"}, "at most 400 days"),
        ({"duration": "PT0S"}, "weeks to seconds"),
        ({"resources": ...}, "at least one meter"),
        ({"resources": []}, "at least one meter"),
        ({"resources": ["a", 5]}, "a text, got 5"),
        ({"resources": [f"m{place}" for place in range(201)]}, "at most 200"),
        ({"scope": "Everything"}, "one of ResourceOnly"),
        ({"scope": "ResourceAndChildren"}, "meters have no children here"),
        ({"maxRecordsShared": 0}, "a whole number from 1"),
        ({"capabilitiesRequested": ...}, "an object"),
        (wanting(), "a list of at least 1"),
        (wanting({"profileType": "MonthlyProfile"}), "IntervalProfile, DailyProfile alone"),
        (wanting({"profileType": "IntervalProfile"}, {"profileType": "EventProfile"}), "IntervalProfile, DailyProfile alone"),
        (wanting({"profileType": "HourlyProfile"}), "one of IntervalProfile"),
        (wanting({"profileType": "IntervalProfile", "readings": [{"value": "kWh imp"}]}), "a quantity of IntervalProfile"),
        (wanting({"profileType": "IntervalProfile", "readings": [{"value": "kWh up"}]}), "a label or code of the IES list"),
        (wanting({"profileType": "IntervalProfile", "readings": [{"value": "kVAh imp block"}]}), "of kWh imp block and kWh exp block alone"),
        (wanting({"profileType": "IntervalProfile", "readings": [{"value": "kWh imp block", "mode": "READING"}]}), "a mode of 'kWh imp block'"),
        ({"authorisation": "https://discom.example/a.json"}, "none is fetched from elsewhere"),
        ({"authorisation": 5}, "an object"),
        ({"secret": 1}, "no such property"),
        ({"from": "2106-02-07T00:00:00Z"}, "a beginning before its end"),
        ({"authorisation": {"grantor": "a"}}, "a text, got nothing in '$.authorisation.grantee'"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_answered_names_its_fault(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestRefusedError, match=message.replace("$", r"\$")):
        read_request(asked(**change))


@pytest.mark.parametrize("document", [None, [], 5, "x", {}])
def test_what_is_no_request_is_refused(document: object) -> None:
    with pytest.raises(RequestRefusedError):
        read_request(document)


def test_a_profile_without_readings_asks_for_everything_that_is_held() -> None:
    found = read_request(asked(**wanting({"profileType": "IntervalProfile"}, {"profileType": "DailyProfile"})))
    assert {kind: set(labels) for kind, labels in found.profiles.items()} == {
        ProfileKind.INTERVAL: {"kWh imp block", "kWh exp block"},
        ProfileKind.DAILY: {"kWh imp", "kWh exp"},
    }


def test_a_page_has_a_most() -> None:
    assert read_request(asked(maxRecordsShared=MAX_RECORDS + 1)).most == MAX_RECORDS
    assert read_request(asked(maxRecordsShared=...)).most < MAX_RECORDS


def test_a_request_inside_its_authorisation_is_covered() -> None:
    assert require_covered(read_request(asked()), US, NOW).grantee == "did:web:ies.discom.example:tsp:ACME-TSP"


def test_a_request_by_obis_code_is_inside_an_authorisation_by_label() -> None:
    wanted = wanting({"profileType": "IntervalProfile", "readings": [{"value": "1.0.1.29.0.255"}]})
    require_covered(read_request(asked(**wanted)), US, NOW)


def test_a_request_without_an_authorisation_is_not_covered() -> None:
    with pytest.raises(NotAuthorisedError, match="expected an 'authorisation'"):
        require_covered(read_request(asked(authorisation=...)), US, NOW)


def test_only_we_authorise_for_our_data() -> None:
    with pytest.raises(NotAuthorisedError, match="expected an authorisation by did:web:other"):
        require_covered(read_request(asked()), "did:web:other", NOW)


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-04-30T23:59:59Z", False),
        ("2026-05-01T00:00:00Z", True),
        ("2027-04-30T23:59:59Z", True),
        ("2027-05-01T00:00:00Z", False),
    ],
)
def test_an_authorisation_holds_from_its_beginning_to_before_its_end(at: str, *, holds: bool) -> None:
    given = authorised(capabilities=asked()["authorisation"]["capabilities"] | {"maxHistoryDuration": "P3Y"})
    if holds:
        require_covered(given, US, parse_instant(at, "at"))
    else:
        with pytest.raises(NotAuthorisedError, match="that holds now"):
            require_covered(given, US, parse_instant(at, "at"))


def test_an_authorisation_ends_after_it_begins() -> None:
    with pytest.raises(RequestRefusedError, match="a beginning before its end"):
        authorised(validUntil="2026-05-01T00:00:00Z")


def test_history_is_counted_back_from_now() -> None:
    start = parse_instant("2026-05-18T00:00:00Z", "from")
    given = authorised(
        validUntil="2030-01-01T00:00:00Z",
        capabilities=asked()["authorisation"]["capabilities"] | {"maxHistoryDuration": "P40D"},
    )
    require_covered(given, US, start + 40 * DAY_S)
    with pytest.raises(NotAuthorisedError, match="maxHistoryDuration"):
        require_covered(given, US, start + 40 * DAY_S + 1)


def test_a_month_of_history_is_at_least_28_days_and_a_year_365() -> None:
    lengths = {
        text: authorised(capabilities=asked()["authorisation"]["capabilities"] | {"maxHistoryDuration": text})
        for text in ("P1M", "P1Y", "P2W")
    }
    found = {text: one.authorisation.history_s for text, one in lengths.items() if one.authorisation is not None}
    assert found == {"P1M": 28 * DAY_S, "P1Y": 365 * DAY_S, "P2W": 14 * DAY_S}
    with pytest.raises(RequestRefusedError, match="a duration such as P1Y"):
        authorised(capabilities=asked()["authorisation"]["capabilities"] | {"maxHistoryDuration": "long"})


@pytest.mark.parametrize(
    "profiles",
    [
        [{"profileType": "IntervalProfile", "readings": [{"value": "kWh exp block"}]}],
        [{"profileType": "IntervalProfile"}],
        [{"profileType": "DailyProfile", "readings": [{"value": "kWh imp", "mode": "USAGE"}]}],
        [{"profileType": "DailyProfile", "readings": [{"value": "kWh exp"}]}],
    ],
)
def test_a_request_beyond_its_authorisation_is_not_covered(profiles: list[Any]) -> None:
    with pytest.raises(NotAuthorisedError, match="in the authorisation's capabilities"):
        require_covered(read_request(asked(**wanting(*profiles))), US, NOW)


def test_an_authorisation_without_readings_covers_every_mode_and_a_scope_it_lists() -> None:
    whole = {"profiles": [{"profileType": "DailyProfile"}]}
    wanted = wanting({"profileType": "DailyProfile", "readings": [{"value": "kWh imp", "mode": "USAGE"}]})
    given = asked()["authorisation"]
    require_covered(read_request(asked(**wanted, authorisation=given | {"capabilities": whole})), US, NOW)
    narrow = whole | {"supportedScopes": ["ChildrenOnly"]}
    with pytest.raises(NotAuthorisedError, match="a scope that the authorisation supports"):
        require_covered(read_request(asked(**wanted, authorisation=given | {"capabilities": narrow})), US, NOW)
