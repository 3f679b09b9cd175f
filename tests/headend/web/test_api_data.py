"""Meter data in and out over HTTP: scopes, consent, containment, pages, credentials and their revocation, and imports."""

import copy
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from headend.config import Config, parse
from headend.consent import Consent
from headend.duties.doubts import Doubt
from headend.founding import HeadendKeys
from headend.ies.document import read
from headend.meter_data.desk import StoredDataDesk
from headend.meter_data.disclosing import revoke
from headend.registry.dated import Dated
from headend.registry.supply import Supply
from headend.store.sqlite import disclosure_rows, doubt_rows, supply_rows
from headend.tokens import Scope
from headend.web import api_data
from ledger_client.exact_json import loads_strict
from signing.interval import DAY_S, utc_text
from signing.statements.window_actual import Verdict
from tests.headend.days.test_validating import FULL, REGISTERS, validating
from tests.headend.discom import LATER, METER, stated
from tests.headend.ies.schemas import faults
from tests.headend.ies.test_credential import verified
from tests.headend.meter_data.test_importing import block, register, table
from tests.headend.premises import DAY, gateway
from tests.headend.test_config import GOOD
from tests.headend.web.world import Served

GRANTEE = "did:web:acme.example"
PURPOSE = "carbon accounting"
POINT = f"CP-{METER}"
CONSENT = Consent(
    connection_point=POINT, consumer="K1", purpose=PURPOSE, grantee=GRANTEE, from_utc=DAY, until_utc=LATER + DAY_S
)
BOTH = [{"value": "kWh imp block"}, {"value": "kWh exp block"}]
INTERVAL = {"profileType": "IntervalProfile", "readings": BOTH}
DAILY = {
    "profileType": "DailyProfile",
    "readings": [{"value": "kWh imp", "mode": "READING"}, {"value": "kWh imp", "mode": "USAGE"}],
}
REQUEST: dict[str, Any] = {
    "resources": [f"did:web:pavvnl.example:meters:{METER}"],
    "from": utc_text(DAY),
    "duration": "P1D",
    "capabilitiesRequested": {"profiles": [INTERVAL]},
    "authorisation": {
        "grantor": "did:web:pavvnl.example",
        "grantee": GRANTEE,
        "purpose": PURPOSE,
        "validFrom": utc_text(DAY),
        "validUntil": utc_text(LATER + DAY_S),
        "capabilities": {"profiles": [{"profileType": "IntervalProfile"}, {"profileType": "DailyProfile"}]},
    },
}


def configuration(served: Served, addition: str = '\n[ies]\nlicense_number = "UPERC-1"\n') -> Config:
    return parse(GOOD.replace('state = "state"', 'state = "."') + addition, "headend.toml", served.headend.folder)


def app(served: Served, addition: str = '\n[ies]\nlicense_number = "UPERC-1"\n') -> FastAPI:
    made = served.app()
    keys = HeadendKeys(statements=served.headend.statement_signer, log=served.headend.key)
    data = StoredDataDesk(config=configuration(served, addition), keys=keys)
    made.state.desk = replace(made.state.desk, data=data)
    return made


@pytest.fixture
def metered(served: Served) -> Served:
    """One whole validated day of a consumer who consented, with one block estimated and the last one missing."""
    served.found()
    rows = [*FULL[:40], None, *FULL[41:]]
    served.take_in(stated(served.gateway, 0, rows, registers=REGISTERS))
    work = validating(served.headend)
    work.step(LATER)
    while work.step(LATER + 700):
        pass
    consent(served, CONSENT)
    return served


def consent(served: Served, *consents: Consent, consumer: str | None = "K1") -> None:
    with served.headend.database.transaction() as connection:
        supply_rows.put_supplies(connection, POINT, (Dated(0, Supply(consumer=consumer)),))
        for one in consents:
            supply_rows.put_consent(connection, one)


def asking(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(REQUEST) | changes


def wanting(*profiles: Any, **changes: Any) -> dict[str, Any]:
    return asking(capabilitiesRequested={"profiles": list(profiles)}, **changes)


async def posted(
    served: Served, body: Any, path: str = "/v1/ies/meter-data", *, name: str = GRANTEE, addition: str | None = None
) -> Any:
    made = app(served) if addition is None else app(served, addition)
    secret = served.token(Scope.READ_METER_DATA, name=name)
    try:
        async with served.client(secret, made) as client:
            return await client.post(path, json=body)
    finally:
        with served.headend.database.transaction() as connection:
            connection.execute("DELETE FROM tokens WHERE name = ?", (name,))


def given(served: Served) -> list[tuple[str, str, str, int]]:
    rows = disclosure_rows.disclosures(served.headend.database.connection, limit=10)
    return [(one.what.partition(" ")[0], one.grantee, one.holder, one.records) for one in rows]


@pytest.mark.parametrize("form", ["compact", "elaborated"])
async def test_a_request_by_consent_is_answered_with_meter_data_that_pass_everything(
    metered: Served, form: str
) -> None:
    answer = await posted(metered, asking(), f"/v1/ies/meter-data?form={form}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert faults("MeterData", answer.content) == []
    found = read(loads_strict(answer.content))
    assert found.faults == ()
    rows = [row for profile in found.profiles for row in profile.rows]
    assert len(rows) == 96
    (estimated,) = [row for row in rows if row.start_utc == DAY + 40 * 900]
    assert {(cell.status, cell.source) for cell in estimated.cells.values()} == {("ESTIMATED", "ESTIMATED")}
    assert sum(row.cells["kWh imp block"].value for row in rows) * 1000 == 9600
    assert given(metered) == [("MeterData", GRANTEE, GRANTEE, 96)]
    assert answer.headers["cache-control"] == "no-store"


async def test_daily_registers_are_those_that_the_gateway_signed(metered: Served) -> None:
    answer = await posted(metered, wanting(DAILY))
    assert faults("MeterData", answer.content) == []
    reading, usage = read(loads_strict(answer.content)).profiles
    assert [row.cells["kWh imp"].value * 1000 for row in reading.rows] == [10_600]
    (cell,) = usage.rows[0].cells.values()
    assert (cell.value, cell.opening) == (Decimal("9.6"), Decimal(1))


async def test_the_register_of_a_day_of_exchange_is_the_new_devices(metered: Served) -> None:
    (old,) = metered.headend.record(METER).facts
    moved = [old, replace(old, from_utc=DAY + DAY_S // 2, identity="NEW")]
    metered.headend.registrar.change_facts(METER, moved, at_utc=LATER)
    metered.take_in(stated(metered.gateway, 23, FULL[:4], registers=((24, 77),), identity="NEW"))
    (profile,) = read(loads_strict((await posted(metered, wanting(DAILY))).content)).profiles
    assert [ref.value for ref in profile.meter if ref.scheme == "METER_SERIAL"] == ["NEW"]
    assert [row.cells["kWh imp"].value for row in profile.rows] == [Decimal("0.077")]


@pytest.mark.parametrize("registers", [((24, 10_700),), ((24, -5),)])
async def test_a_register_that_is_contradicted_or_cannot_be_is_left_out(
    metered: Served, registers: tuple[tuple[int, int], ...]
) -> None:
    metered.take_in(stated(metered.gateway, 23, FULL[:4], registers=registers))
    answer = await posted(metered, wanting(DAILY))
    assert read(loads_strict(answer.content)).profiles == ()


async def test_a_register_that_cannot_be_is_left_out_where_it_stands_alone(metered: Served) -> None:
    metered.take_in(stated(metered.gateway, 24, FULL[:4], registers=((25, 5), (48, -5))))
    metered.take_in(stated(metered.gateway, 47, FULL[:4], registers=((48, -5),)))
    answer = await posted(metered, wanting(DAILY, duration="P2D"))
    found = read(loads_strict(answer.content))
    assert found.faults == ()
    assert {row.start_utc for profile in found.profiles for row in profile.rows} == {DAY}


async def test_what_is_doubted_is_given_as_suspect(metered: Served) -> None:
    doubt = Doubt(
        rule="V32", version=1, from_utc=DAY, until_utc=DAY + 1800, verdict=Verdict.SUSPECT, because="registers differ"
    )
    with metered.headend.database.transaction() as connection:
        doubt_rows.replace(connection, METER, "V32", [doubt], at_utc=LATER)
    answer = await posted(metered, wanting(INTERVAL, DAILY))
    rows = [row for profile in read(loads_strict(answer.content)).profiles for row in profile.rows]
    suspect = [row.start_utc - DAY for row in rows if any(cell.status == "SUSPECT" for cell in row.cells.values())]
    # Two blocks, and the day as it was read and as it was used.
    assert sorted(suspect) == [0, 0, 0, 900]


async def test_two_meters_are_no_one_credential(metered: Served) -> None:
    metered.headend.enrol(gateway(2, ("SKS00000002",)))
    with metered.headend.database.transaction() as connection:
        point = "CP-SKS00000002"
        supply_rows.put_supplies(connection, point, (Dated(0, Supply(consumer="K1")),))
        supply_rows.put_consent(connection, replace(CONSENT, connection_point=point))
    both = asking(resources=[METER, "SKS00000002"])
    assert (await posted(metered, both)).status_code == 200
    answer = await posted(metered, both, "/v1/ies/credentials")
    assert (answer.status_code, "one meter in a credential" in answer.text) == (422, True)


async def test_a_meter_that_moved_needs_the_consent_of_both_places(metered: Served) -> None:
    (old,) = metered.headend.record(METER).facts
    moved = [old, replace(old, from_utc=DAY + DAY_S // 2, connection_point="CP-2")]
    metered.headend.registrar.change_facts(METER, moved, at_utc=LATER)
    assert (await posted(metered, asking())).status_code == 403
    assert (await posted(metered, asking(duration="PT12H"))).status_code == 200
    with metered.headend.database.transaction() as connection:
        supply_rows.put_supplies(connection, "CP-2", (Dated(0, Supply(consumer="K9")),))
        supply_rows.put_consent(connection, replace(CONSENT, connection_point="CP-2", consumer="K9"))
    answer = await posted(metered, asking())
    both = await posted(metered, asking(), "/v1/ies/credentials")
    assert (both.status_code, "one connection point, it was at 2" in both.text) == (422, True)
    for start, point in (("2026-04-26T00:00:00+05:30", POINT), ("2026-04-26T12:00:00+05:30", "CP-2")):
        alone = await posted(metered, asking(**{"from": start, "duration": "PT12H"}), "/v1/ies/credentials")
        assert alone.json()["credentialSubject"]["id"] == f"did:web:pavvnl.example:connections:{point}"
    points = [profile["serviceDeliveryPointRefs"][0]["value"] for profile in answer.json()[1:]]
    assert set(points) == {f"did:web:pavvnl.example:connections:{point}" for point in (POINT, "CP-2")}


async def test_pages_follow_one_another_until_everything_was_given_once(metered: Served) -> None:
    path, starts = "/v1/ies/meter-data", []
    pages = 0
    while path:
        answer = await posted(metered, wanting(INTERVAL, DAILY, maxRecordsShared=40), path)
        assert answer.status_code == 200
        found = read(loads_strict(answer.content))
        assert found.faults == ()
        rows = [
            (profile.kind.value, sorted(row.cells), row.start_utc) for profile in found.profiles for row in profile.rows
        ]
        assert len(rows) <= 40
        starts += rows
        link = answer.headers.get("link")
        path = link[1 : link.index(">")] if link else ""
        pages += 1
    assert pages == 3
    assert len(starts) == 98
    assert len({(kind, start) for kind, _, start in starts if kind == "INTERVAL"}) == 96


@pytest.mark.parametrize(
    "cursor", ["x", "INTERVAL.USAGE.1", "INTERVAL.USAGE.-1.M", "HOURLY.USAGE.1.M", "INTERVAL.USAGE.9999999999.M"]
)
async def test_a_cursor_of_nobody_is_refused(metered: Served, cursor: str) -> None:
    answer = await posted(metered, asking(), f"/v1/ies/meter-data?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert given(metered) == []


async def test_a_cursor_beyond_what_was_asked_for_gives_nothing_more(metered: Served) -> None:
    answer = await posted(
        metered, wanting(INTERVAL, DAILY), f"/v1/ies/meter-data?cursor=INTERVAL.USAGE.{DAY + 90 * DAY_S}.{METER}"
    )
    assert all(not profile.rows for profile in read(loads_strict(answer.content)).profiles)


REFUSED: list[tuple[str, Any]] = [
    ("another purpose", replace(CONSENT, purpose="advertising")),
    ("another grantee", replace(CONSENT, grantee="did:web:other.example")),
    ("another consumer", replace(CONSENT, consumer="K2")),
    ("ended", replace(CONSENT, until_utc=LATER)),
    ("not yet", replace(CONSENT, from_utc=LATER + 1)),
]


@pytest.mark.parametrize(("name", "other"), REFUSED)
async def test_without_exactly_this_consent_nothing_leaves(served: Served, name: str, other: Consent) -> None:
    served.found()
    consent(served, other)
    answer = await posted(served, asking())
    assert (answer.status_code, answer.json()["code"]) == (403, "not_authorised"), name
    assert given(served) == []


async def test_a_meter_that_nobody_knows_is_told_from_none_without_consent(metered: Served) -> None:
    strange = await posted(metered, asking(resources=["did:web:pavvnl.example:meters:SKS9"]))
    consent(metered, consumer="K2")
    other = await posted(metered, asking())
    assert strange.status_code == other.status_code == 403
    assert strange.json()["message"].replace("SKS9", METER) == other.json()["message"]


async def test_a_time_without_a_known_consumer_stays_here(metered: Served) -> None:
    consent(metered, consumer=None)
    assert (await posted(metered, asking())).status_code == 403


async def test_a_token_speaks_for_its_own_grantee_only(metered: Served) -> None:
    answer = await posted(metered, asking(), name="did:web:other.example")
    assert answer.status_code == 403
    assert "expected a token of the grantee" in answer.json()["message"]


async def test_what_the_authorisation_does_not_cover_is_refused(metered: Served) -> None:
    narrow = copy.deepcopy(REQUEST["authorisation"])
    narrow["capabilities"]["profiles"] = [{"profileType": "IntervalProfile", "readings": [{"value": "kWh imp block"}]}]
    answer = await posted(metered, asking(authorisation=narrow))
    assert answer.status_code == 403
    assert "'kWh exp block'" in answer.json()["message"]
    other = copy.deepcopy(REQUEST["authorisation"]) | {"grantor": "did:web:other.example"}
    assert (await posted(metered, asking(authorisation=other))).status_code == 403


async def test_what_is_no_request_is_refused(metered: Served) -> None:
    assert (await posted(metered, [])).status_code == 422
    secret = metered.token(Scope.READ_METER_DATA)
    async with metered.client(secret, app(metered)) as client:
        assert (await client.post("/v1/ies/meter-data", content=b"{")).status_code == 422
        assert (await client.post("/v1/ies/meter-data", content=b" " * (256 * 1024 + 1))).status_code == 413


async def test_a_credential_verifies_by_the_did_document_and_can_be_revoked(metered: Served) -> None:
    answer = await posted(metered, asking(), "/v1/ies/credentials")
    assert answer.status_code == 201
    credential = answer.json()
    made = app(metered)
    async with metered.client(app=made) as anybody:
        did = (await anybody.get("/.well-known/did.json")).json()
        claims = verified(credential["proof"]["jwt"], did)
        assert claims["iss"] == "did:web:pavvnl.example"
        assert claims["sub"] == f"did:web:pavvnl.example:connections:{POINT}"
        assert claims["exp"] - claims["nbf"] == 365 * DAY_S
        status = credential["credentialStatus"]["id"]
        path = urlsplit(status).path
        assert (await anybody.get(path)).status_code == 404
        number = path.rpartition("/")[2]
        revoke(metered.headend.database, number, by="asha", reason="moved out", at_utc=LATER)
        revoked = await anybody.get(path)
        assert (revoked.status_code, revoked.json()["status"]) == (200, "revoked")
        assert (await anybody.get(path.replace("pavvnl.example", "other.example"))).status_code == 404
        assert (await anybody.get(path[:-1])).status_code == 422
        listed = await anybody.get(urlsplit(credential["credentialStatus"]["statusListCredential"]).path)
        assert [one["record_name"] for one in listed.json()["data"]["records"]] == [number]
    assert given(metered) == [("MeterDataCredential", GRANTEE, GRANTEE, 96)]
    data = json.dumps(credential["credentialSubject"]["meterData"]).encode()
    assert faults("MeterData", data) == []


async def test_a_credential_is_of_one_meter_whole_and_by_a_licensed_discom(metered: Served) -> None:
    path = "/v1/ies/credentials"
    assert (await posted(metered, asking(maxRecordsShared=95), path)).status_code == 422
    unlicensed = await posted(metered, asking(), path, addition="")
    assert (unlicensed.status_code, unlicensed.json()["code"]) == (503, "no_credentials")
    assert (await posted(metered, asking(), path, name="did:web:other.example")).status_code == 403
    assert given(metered) == []


async def test_a_text_that_nobody_could_keep_is_refused_and_no_failure(metered: Served) -> None:
    secret = metered.token(Scope.READ_METER_DATA, Scope.WRITE_IMPORTS, name=GRANTEE)
    async with metered.client(secret, app(metered)) as client:
        for path, body in (
            ("/v1/ies/meter-data", json.dumps(asking(resources=["\ud800"])).encode()),
            ("/v1/ies/credentials", json.dumps(asking(resources=["\udfff"])).encode()),
            ("/v1/imports", b'[{"profileType":"\\uD8ff"}]'),
            ("/v1/imports", b'[{"profileType":"DESCRIPTOR","\\uDc00":1}]'),
        ):
            answer = await client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert (answer.status_code, "a lone surrogate" in answer.text) == (422, True)
        whole = json.dumps(asking(resources=["\U0001f600"])).encode()
        assert (await client.post("/v1/ies/meter-data", content=whole)).status_code == 403


async def test_a_head_end_without_such_a_desk_says_so(metered: Served) -> None:
    secret = metered.token(Scope.READ_METER_DATA, Scope.WRITE_IMPORTS)
    async with metered.client(secret) as client:
        for path, body in (("/v1/ies/meter-data", b"{}"), ("/v1/imports", b"")):
            answer = await client.post(path, content=body, headers={"Content-Type": "text/csv"})
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")


FILE = table(block(0), block(1), register(1, 5000))


async def test_a_file_is_looked_at_first_and_taken_when_it_is_said_so(served: Served) -> None:
    served.found()
    secret = served.token(Scope.WRITE_IMPORTS, name="hes")
    headers = {"Content-Type": "text/csv; charset=utf-8"}
    async with served.client(secret, app(served)) as client:
        looked = await client.post("/v1/imports", content=FILE, headers=headers)
        assert (looked.status_code, looked.json()["verdict"]) == (200, "LOOKED_AT")
        done = await client.post("/v1/imports?mode=apply&source=MDM", content=FILE, headers=headers)
        assert (done.status_code, done.json()["verdict"], done.json()["blocks"]) == (200, "TAKEN", 2)
        again = await client.post("/v1/imports?mode=apply", content=FILE, headers=headers)
        assert (again.json()["verdict"], again.json()["batches"]) == ("KNOWN", done.json()["batches"])
    row = served.headend.database.connection.execute("SELECT source, brought_by FROM imported_files").fetchone()
    assert row == ("MDM", "hes")


async def test_a_file_with_rejected_rows_is_422_with_the_rows(served: Served) -> None:
    served.found()
    bad = table(block(0), block(1).replace("0.100", "-1"))
    headers = {"Content-Type": "text/csv"}
    async with served.client(served.token(Scope.WRITE_IMPORTS), app(served)) as client:
        refused = await client.post("/v1/imports?mode=apply", content=bad, headers=headers)
        assert (refused.status_code, refused.json()["rejects"][0]["line"]) == (422, 3)
        partly = await client.post("/v1/imports?mode=apply&rejected=left-out", content=bad, headers=headers)
        assert (partly.status_code, partly.json()["blocks"], partly.json()["rejected"]) == (200, 1, 1)
        assert (await client.post("/v1/imports", content=b"\xff", headers=headers)).status_code == 422
        assert (await client.post("/v1/imports", content=bad, headers={"Content-Type": "text/html"})).status_code == 415


async def test_a_file_beyond_the_bound_is_not_read_to_its_end(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.found()
    monkeypatch.setattr(api_data, "MAX_BYTES", len(FILE) - 1)
    async with served.client(served.token(Scope.WRITE_IMPORTS), app(served)) as client:
        answer = await client.post("/v1/imports", content=FILE, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 413
