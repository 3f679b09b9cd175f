"""What monitoring reads: intake, refusals, health, metrics."""

from headend.duties.component import Component
from headend.tokens import Scope
from headend.trading.posting import PostingState
from ledger_client.ledger import TradeStatus
from signing.interval import utc_text
from tests.headend.discom import LATER
from tests.headend.web.world import Served, Story


async def test_intake_counts_by_check_and_shows_samples_without_their_payloads(story: Story) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_OPERATIONS)) as client:
        answer = await client.get("/v1/intake")
    body = answer.json()
    assert body["turned_away"] == {"1": 1, "3": 1}
    assert (body["open_gaps"], body["forks"]) == (1, 0)
    assert {sample["check"] for sample in body["samples"]} == {1, 3}
    assert "garbage-payload" not in answer.text
    assert b"garbage-payload".hex() not in answer.text


async def test_refusals_are_those_that_were_answered(story: Story) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_OPERATIONS)) as client:
        body = (await client.get("/v1/refusals")).json()
    assert [sample["check"] for sample in body["items"]] == [3]
    assert body["next"] is None


async def test_health_is_200_while_everything_works(story: Story) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_OPERATIONS)) as client:
        answer = await client.get("/v1/health")
    assert answer.status_code == 200
    body = answer.json()
    size = served.headend.book.tip(0).size
    assert (body["discom"], body["works"], body["tree_size"]) == ("PaVVNL", True, size)
    assert (body["origin"], body["now"]) == ("pavvnl.example/sakshi/0", utc_text(LATER))


async def test_health_is_503_and_names_what_does_not_work(served: Served) -> None:
    served.components = (*served.components, Component(name="ledger", works=False, note="no answer since 10:00"))
    async with served.client(served.token(Scope.READ_OPERATIONS)) as client:
        answer = await client.get("/v1/health")
    assert answer.status_code == 503
    assert answer.json()["components"][1] == {"name": "ledger", "works": False, "note": "no answer since 10:00"}


def lines(text: str) -> dict[str, float]:
    """Value by series of Prometheus text."""
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line and not line.startswith("#")
    }


async def test_metrics_are_what_is_stored(story: Story) -> None:
    served = story.served
    record = served.post(story.pending, PostingState.DUE)
    served.clock.at = record.delivery.window.end_utc + 90
    secret = served.token(Scope.READ_OPERATIONS)
    async with served.client(secret) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    series = lines(answer.text)
    assert series["sakshi_tree_size"] == served.headend.book.tip(0).size
    assert series["sakshi_meters"] == 1
    assert series["sakshi_open_gaps"] == 1
    assert series['sakshi_turned_away_total{check="1"}'] == 1
    assert series['sakshi_turned_away_total{check="4"}'] == 0
    assert series['sakshi_windows{status="PENDING"}'] == 1
    assert series['sakshi_windows{status="PROVISIONAL"}'] == 1
    assert series['sakshi_windows{status="FINAL"}'] == 0
    assert series['sakshi_postings{state="REFUSED"}'] == 1
    assert series['sakshi_postings{state="CONFIRMED"}'] == 0
    assert series["sakshi_oldest_open_posting_seconds"] == 90
    assert series['sakshi_component_works{component="broker"}'] == 1


async def test_metrics_of_an_empty_head_end_have_every_series(served: Served) -> None:
    async with served.client(served.token(Scope.READ_OPERATIONS)) as client:
        series = lines((await client.get("/metrics")).text)
    assert series["sakshi_tree_size"] == 0
    assert series["sakshi_oldest_open_posting_seconds"] == 0
    assert sum(key.startswith("sakshi_turned_away_total") for key in series) == 7


async def test_every_refused_request_is_counted_by_its_code(served: Served) -> None:
    stranger = {"Authorization": "Bearer x"}
    async with served.client(served.token(Scope.READ_OPERATIONS)) as client:
        await client.get("/v1/meters", headers=stranger)
        await client.get("/console/", headers=stranger)
        before = lines((await client.get("/metrics")).text)
        await client.get("/v1/meters")
        await client.get("/v1/postings", params={"limit": "none"})
        await client.get("/nowhere")
        after = lines((await client.get("/metrics")).text)

    def refused(series: dict[str, float], code: str) -> float:
        return series[f'sakshi_web_refused_total{{code="{code}"}}']

    assert (refused(before, "unauthenticated"), refused(before, "forbidden")) == (2, 0)
    assert (refused(after, "forbidden"), refused(after, "invalid_request"), refused(after, "not_found")) == (1, 1, 1)
    assert (refused(after, "unauthenticated"), refused(after, "too_large")) == (2, 0)


async def test_recordings_are_listed_latest_first_by_state_and_in_pages(story: Story) -> None:
    served = story.served
    served.say(story.first, PostingState.SUPERSEDED)
    served.say(story.second, PostingState.CONFIRMED, note="read back")
    served.say(story.second, PostingState.REFUSED, round=3, note="SCH_ROLE", status=TradeStatus.COMPLETED)
    async with served.client(served.token(Scope.READ_OPERATIONS)) as client:
        every = (await client.get("/v1/recordings")).json()
        refused = (await client.get("/v1/recordings", params={"state": "REFUSED"})).json()
        first = (await client.get("/v1/recordings", params={"limit": 2})).json()
        rest = (await client.get("/v1/recordings", params={"limit": 2, "after": first["next"]})).json()
        some = (await client.get("/v1/recordings", params={"state": ["REFUSED", "CONFIRMED"], "limit": 1})).json()
        last = (
            await client.get("/v1/recordings", params={"state": ["REFUSED", "CONFIRMED"], "after": some["next"]})
        ).json()
        metrics = lines((await client.get("/metrics")).text)
    assert [(row["state"], row["round"]) for row in every["items"]] == [
        ("REFUSED", 3),
        ("CONFIRMED", 1),
        ("SUPERSEDED", 1),
    ]
    (row,) = refused["items"]
    assert row == every["items"][0]
    assert (row["allocated_wh"], row["allocated_kwh"], row["status"]) == (4500, "4.500", "COMPLETED")
    assert (row["evidence_digest"], row["note"], row["side"]) == (story.second.digest.hex(), "SCH_ROLE", "SELLER")
    assert row["reference"] == f"sk1:{story.second.digest.hex()}:r3"
    assert first["items"] + rest["items"] == every["items"]
    assert rest["next"] is None
    assert [one["state"] for one in some["items"] + last["items"]] == ["REFUSED", "CONFIRMED"]
    assert metrics['sakshi_recordings{state="REFUSED"}'] == 1
    assert metrics['sakshi_recordings{state="DUE"}'] == 0


async def test_recordings_are_for_those_who_may_see_postings(story: Story) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_METERS)) as client:
        assert (await client.get("/v1/recordings")).status_code == 403
    async with served.client() as client:
        assert (await client.get("/v1/recordings")).status_code == 401


async def test_the_oldest_open_word_counts_as_what_is_still_to_be_told(story: Story) -> None:
    served = story.served
    late = served.say(story.pending, PostingState.WAITING)
    served.clock.at = late.delivery.window.end_utc + 90
    async with served.client(served.token(Scope.READ_OPERATIONS)) as client:
        assert lines((await client.get("/metrics")).text)["sakshi_oldest_open_posting_seconds"] == 90
        served.post(story.second, PostingState.DUE)
        older = story.second.statement.window.end_utc
        age = served.clock.at - older
        assert lines((await client.get("/metrics")).text)["sakshi_oldest_open_posting_seconds"] == age > 90
