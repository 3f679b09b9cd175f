"""Edits by REST: a draft leaves, an operator signs it elsewhere, another does too, and no private key ever comes here."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from headend.duties import papers
from headend.duties.papers import Paper
from headend.editing.editing import Hand
from headend.store.sqlite import edit_rows, operator_rows
from headend.tokens import Scope
from signing.interval import utc_text
from signing.statements.edit import EditProposal
from tests.headend.discom import LATER, METER
from tests.headend.premises import DAY, p256
from tests.headend.two_persons import NIL, RAO, SEN, edited, proposed, register
from tests.headend.web.world import Served, Story

TEN = DAY + 36_000
WISH = {
    "meter": METER,
    "reason": "seal broken",
    "blocks": [{"start": utc_text(TEN + 900)}, {"start": utc_text(TEN), "import_kwh": "0.07", "export_kwh": "0"}],
}


@pytest.fixture
async def client(story: Story) -> AsyncIterator[httpx.AsyncClient]:
    """A program of the discom's; A. Rao and B. Sen are operators."""
    register(story.served.headend)
    secret = story.served.token(Scope.WRITE_EDITS, Scope.READ_EVIDENCE)
    async with story.served.client(secret) as found:
        yield found


def paper(proposal: str, by: Hand) -> dict[str, str]:
    """What `sakshi-sign` makes of an answer's `proposal`."""
    found = EditProposal.parse(bytes.fromhex(proposal))
    return papers.fields_of(Paper(proposal=found, person=by.signs(found)))


async def drafted(client: httpx.AsyncClient, **changes: object) -> str:
    answer = await client.post("/v1/edits/draft", json={**WISH, **changes})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["proposal"])


def edits(served: Served) -> int:
    return len(edit_rows.newest(served.headend.database.connection, limit=9))


async def test_two_persons_edit_with_keys_that_never_come_here(story: Story, client: httpx.AsyncClient) -> None:
    draft = (await client.post("/v1/edits/draft", json=WISH)).json()
    assert draft["edit"] == 0
    assert [(one["import_kwh"], one["export_wh"]) for one in draft["blocks"]] == [("0.070", 0), (None, None)]
    assert operator_rows.proposals(story.served.headend.database.connection, limit=9) == ()
    kept = await client.post("/v1/edits", json=paper(draft["proposal"], RAO))
    assert (kept.status_code, kept.json()) == (201, {"proposal_number": 1})
    waiting = (await client.get("/v1/edits/1")).json()
    assert (waiting["outcome"], waiting["index"], waiting["proposal"]) == (None, None, draft["proposal"])
    assert [one["name"] for one in waiting["signed_by"]] == ["A. Rao"]
    assert edits(story.served) == 0
    logged = await client.post("/v1/edits/1/approval", json=paper(waiting["proposal"], SEN))
    assert logged.status_code == 201
    assert (logged.json()["meter"], logged.json()["edit"]) == (METER, 0)
    (stored,) = edit_rows.of_meter(story.served.headend.database.connection, METER)
    stored.edit.require_two_persons()
    done = (await client.get("/v1/edits/1")).json()
    assert done["evidence_digest"] == logged.json()["evidence_digest"] == stored.envelope.digest.hex()
    assert (done["outcome"], done["blocks"]) == ("approved by B. Sen", draft["blocks"])
    assert [one["name"] for one in done["signed_by"]] == ["A. Rao", "B. Sen"]
    assert done["signed_by"][1]["signature"] == stored.edit.approver.signature.hex()


async def test_the_same_paper_again_is_the_same_proposal_and_an_approval_counts_once(
    story: Story, client: httpx.AsyncClient
) -> None:
    proposal = await drafted(client)
    for _ in range(2):
        assert (await client.post("/v1/edits", json=paper(proposal, RAO))).json() == {"proposal_number": 1}
    answers = [await client.post("/v1/edits/1/approval", json=paper(proposal, SEN)) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 409]
    again = await client.post("/v1/edits", json=paper(proposal, RAO))
    assert (again.status_code, "(5)" in again.json()["message"]) == (409, True)
    assert edits(story.served) == 1


async def test_only_an_operators_own_signature_goes_through(story: Story, client: httpx.AsyncClient) -> None:
    proposal = await drafted(client)
    rao = paper(proposal, RAO)
    for body, message in (
        (paper(proposal, Hand(name="D. Eve", signer=p256(77))), "no operator is called 'D. Eve'"),
        (paper(proposal, Hand(name="A. Rao", signer=p256(77))), "is not that of 'A. Rao'"),
        ({**rao, "signature": paper(proposal, SEN)["signature"]}, "(6)"),
        ({"proposal": proposal}, "expected a signed paper"),
    ):
        answer = await client.post("/v1/edits", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "refused")
        assert message in answer.json()["message"]
    assert operator_rows.proposals(story.served.headend.database.connection, limit=9) == ()


async def test_one_person_and_another_proposal_approve_nothing(story: Story, client: httpx.AsyncClient) -> None:
    first, second = await drafted(client), await drafted(client, reason="another")
    await client.post("/v1/edits", json=paper(first, RAO))
    for number, body, message in (
        (1, paper(first, RAO), "another person has to approve it"),
        (1, paper(second, SEN), "of another proposal"),
        (1, {**paper(first, SEN), "signature": paper(second, SEN)["signature"]}, "(4)"),
        (9, paper(first, SEN), "does not wait"),
    ):
        answer = await client.post(f"/v1/edits/{number}/approval", json=body)
        assert answer.status_code == 409
        assert message in answer.json()["message"]
    assert edits(story.served) == 0


async def test_proposals_are_listed_latest_first_without_what_blocks_are_worth(
    story: Story, client: httpx.AsyncClient
) -> None:
    edited(story.served.headend, {TEN: (70, 2), TEN + 900: NIL})
    proposed(story.served.headend, {TEN: (80, 3)})
    whole = (await client.get("/v1/edits")).json()
    first = (await client.get("/v1/edits", params={"limit": 1})).json()
    rest = (await client.get("/v1/edits", params={"limit": 1, "after": first["next"]})).json()
    assert first["items"] + rest["items"] == whole["items"]
    assert [(one["proposal_number"], one["edit"], one["outcome"]) for one in whole["items"]] == [
        (2, 1, None),
        (1, 0, "approved by B. Sen"),
    ]
    assert not {"blocks", "proposal"} & whole["items"][0].keys()
    assert (await client.get("/v1/edits/3")).status_code == 404


async def test_one_proposal_is_a_disclosure_of_blocks(
    story: Story, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    proposed(story.served.headend, {TEN: (80, 3)})
    with caplog.at_level("INFO", logger="sakshi.headend.web"):
        await client.get("/v1/edits/1")
    assert "disclosed blocks of proposal 1 to " in caplog.text


async def test_reading_and_writing_are_two_scopes(story: Story) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_EVIDENCE)) as reader:
        for path in ("/v1/edits/draft", "/v1/edits", "/v1/edits/1/approval"):
            assert (await reader.post(path, json={})).status_code == 403
    async with served.client(served.token(Scope.WRITE_EDITS)) as writer:
        assert (await writer.get("/v1/edits")).status_code == 403


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"meter": "NONE"}, 409, "(1) meter 'NONE' has no record"),
        ({"blocks": [{"start": utc_text(TEN + 1)}]}, 409, "(2)"),
        ({"blocks": [{"start": utc_text(LATER)}]}, 409, "(3)"),
        ({"blocks": []}, 422, "blocks"),
        ({"blocks": [{"start": utc_text(TEN)}] * 97}, 422, "blocks"),
        ({"blocks": [{"start": "now"}]}, 422, "blocks[0]"),
        ({"blocks": [{"start": utc_text(TEN), "import_kwh": "-1"}]}, 422, "blocks[0]"),
        ({"blocks": [{"start": utc_text(TEN), "import_kwh": 0.07}]}, 422, "body.blocks.0.import_kwh"),
        ({"blocks": [{"start": utc_text(TEN), "export_kwh": "1"}]}, 422, "blocks[0]"),
        ({"reason": ""}, 422, "reason"),
        ({"by": "asha"}, 422, "by"),
    ],
)
async def test_a_draft_that_cannot_be_is_refused_by_the_name_of_what_is_wrong(
    client: httpx.AsyncClient, changes: dict[str, Any], status: int, message: str
) -> None:
    answer = await client.post("/v1/edits/draft", json={**WISH, **changes})
    assert answer.status_code == status
    assert message in answer.json()["message"]


async def test_a_paper_is_bounded_and_nothing_but_a_paper_is_taken(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await client.post("/v1/edits", content=b"garbage")).status_code == 422
    proposal = await drafted(client)
    content = json.dumps(paper(proposal, RAO)).encode()
    monkeypatch.setattr(papers, "MAX_BYTES", len(content) - 1)
    assert (await client.post("/v1/edits", content=content)).status_code == 413
    monkeypatch.setattr(papers, "MAX_BYTES", len(content))
    assert (await client.post("/v1/edits", content=content)).status_code == 201


async def test_a_program_without_such_a_desk_says_so(story: Story) -> None:
    from dataclasses import replace

    served = story.served
    made = served.app()
    made.state.desk = replace(made.state.desk, edits=None)
    async with served.client(served.token(Scope.WRITE_EDITS), made) as client:
        answer = await client.post("/v1/edits/draft", json=WISH)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
