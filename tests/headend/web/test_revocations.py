"""The list of revoked credentials: DeDi's shape, in pages, tagged, bounded."""

import json

import pytest

from headend.meter_data.disclosing import revoke
from headend.store.sqlite import disclosure_rows
from headend.store.sqlite.disclosure_rows import IssuedCredential
from signing.interval import DAY_S, utc_text
from tests.headend.discom import LATER
from tests.headend.web.test_api_data import app
from tests.headend.web.world import Served

LIST = "/dedi/query/pavvnl.example/vc-revocation-registry"


def issued(served: Served, *numbers: int) -> list[str]:
    """Credentials that were given, none of them revoked."""
    names = [f"00000000-0000-4000-8000-{number:012}" for number in numbers]
    with served.headend.database.transaction() as connection:
        for name in names:
            disclosure_rows.put_credential(
                connection,
                IssuedCredential(
                    number=name, subject="s", grantee="g", issued_utc=1, until_utc=LATER + DAY_S, digest=b"d" * 32
                ),
            )
    return names


async def test_revocations_are_listed_by_time_in_pages_that_later_ones_do_not_move(served: Served) -> None:
    valid, last, first, second, late = issued(served, 1, 2, 3, 4, 5)
    database = served.headend.database
    for name, at in ((last, 300), (first, 100), (second, 200)):
        revoke(database, name, by="asha", reason="moved out", at_utc=LATER + at)
    async with served.client(app=app(served)) as anybody:
        one = (await anybody.get(f"{LIST}?page_size=2")).json()["data"]
        two = (await anybody.get(f"{LIST}?page_size=2&page=2")).json()["data"]
        beyond = (await anybody.get(f"{LIST}?page_size=2&page=3")).json()["data"]
        whole = (await anybody.get(LIST)).json()["data"]
        revoke(database, late, by="asha", reason="moved out", at_utc=LATER + 400)
        again = (await anybody.get(f"{LIST}?page_size=2")).json()["data"]
    assert [record["record_name"] for record in one["records"]] == [first, second]
    assert [record["record_name"] for record in two["records"]] == [last]
    assert beyond["records"] == []
    assert whole["records"] == one["records"] + two["records"] == again["records"] + two["records"]
    assert valid not in json.dumps(whole)
    assert "moved out" not in json.dumps(whole)
    assert {name: one[name] for name in one if name != "records"} == {
        "namespace": "pavvnl.example",
        "namespace_name": "pavvnl.example",
        "registry_name": "vc-revocation-registry",
        "total_records": 3,
        "total_pages": 2,
        "page_number": 1,
        "page_size": 2,
    }
    since = utc_text(LATER + 100)
    assert one["records"][0] == {
        "record_name": first,
        "details": {"credential": f"urn:uuid:{first}", "status": "revoked", "since": since},
        "created_at": since,
        "updated_at": since,
        "state": "live",
    }


async def test_a_list_of_revocations_is_tagged_until_another_is_added(served: Served) -> None:
    one, two = issued(served, 1, 2)
    revoke(served.headend.database, one, by="asha", reason="moved out", at_utc=LATER)
    async with served.client(app=app(served)) as anybody:
        tag = (await anybody.get(LIST)).headers["etag"]
        same = await anybody.get(LIST, headers={"If-None-Match": tag})
        assert (same.status_code, same.content) == (304, b"")
        revoke(served.headend.database, two, by="asha", reason="moved out", at_utc=LATER)
        assert (await anybody.get(LIST, headers={"If-None-Match": tag})).status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("page_size=1000", 200),
        ("page_size=1001", 422),
        ("page_size=0", 422),
        ("page=0", 422),
        ("page=1000000", 200),
        ("page=1000001", 422),
        ("state=revoked", 422),
        ("pageSize=10", 422),
    ],
)
async def test_a_list_of_revocations_is_bounded_and_heeds_no_filter(served: Served, query: str, status: int) -> None:
    async with served.client(app=app(served)) as anybody:
        assert (await anybody.get(f"{LIST}?{query}")).status_code == status
        assert (await anybody.get(LIST.replace("pavvnl", "other"))).status_code == 404


async def test_another_discoms_registry_is_not_here(served: Served) -> None:
    (name,) = issued(served, 1)
    revoke(served.headend.database, name, by="asha", reason="moved out", at_utc=LATER)
    async with served.client(app=app(served)) as anybody:
        found = [
            (await anybody.get(f"/dedi/lookup/{domain}/vc-revocation-registry/{name}")).status_code
            for domain in ("pavvnl.example", "other.example")
        ]
    assert found == [200, 404]
