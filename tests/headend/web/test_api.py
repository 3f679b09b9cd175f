"""The reading API against a real database: what it gives is what was signed and logged."""

import json
from base64 import urlsafe_b64decode

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from headend.tokens import Scope
from headend.trading.posting import PostingState
from headend.windows import judge
from signing.envelope import parse, unseal
from signing.log.checkpoint import open_checkpoint
from signing.log.merkle import leaf_hash
from signing.log.proofs import verify_inclusion
from signing.statements.reading_batch import ReadingBatch
from signing.statements.window_actual import WindowActual
from signing.verify import Outcome, verify
from tests.headend.discom import METER, SUBJECT, trust
from tests.headend.premises import Headend, gateway, p256
from tests.headend.web.world import PENDING_SUBJECT, Served, Story

WINDOW = {
    "posted_as": SUBJECT.posted_as,
    "start": "2026-04-26T10:00:00+05:30",
    "end": "2026-04-26T06:30:00Z",
}

PENDING_SPAN = {"start": "2026-04-26T08:30:00Z", "end": "2026-04-26T10:30:00Z"}


def decoded(part: str) -> bytes:
    assert "=" not in part
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def statement_public_key(headend: Headend) -> ec.EllipticCurvePublicKey:
    """The key as a stranger would load it: from its COSE encoding, without this project's code."""
    key = cbor2.loads(headend.statement_signer.public_key.cose_key)
    return ec.EllipticCurvePublicNumbers(
        int.from_bytes(key[-2], "big"), int.from_bytes(key[-3], "big"), ec.SECP256R1()
    ).public_key()


def verified_jws(headend: Headend, jws: str) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims of a compact JWS, verified with `cryptography` alone."""
    header, payload, signature = jws.split(".")
    raw = decoded(signature)
    assert len(raw) == 64
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    statement_public_key(headend).verify(der, f"{header}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    return json.loads(decoded(header)), json.loads(decoded(payload))


async def test_an_actual_as_cose_is_the_statement_as_logged(story: Story) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_WINDOWS)) as client:
        answer = await client.get(f"/v1/actuals/{story.second.digest.hex()}", headers={"Accept": "application/cose"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == 'application/cose; cose-type="cose-sign1"'
    assert answer.headers["vary"] == "Accept"
    assert answer.content == story.second.envelope.encoded()
    again = unseal(parse(answer.content), WindowActual, served.headend.statement_signer.public_key)
    assert again.digest == story.second.digest


async def test_an_actual_as_json_carries_the_same_claims_in_a_jws_that_others_verify(story: Story) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_WINDOWS)) as client:
        answer = await client.get(f"/v1/actuals/{story.second.digest.hex()}")
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    header, claims = verified_jws(served.headend, body["jws"])
    assert header == {
        "alg": "ES256",
        "kid": served.headend.statement_signer.public_key.kid.hex(),
        "typ": "window-actual+jws",
    }
    assert claims == body["claims"]
    assert claims["evidence_digest"] == story.second.digest.hex()
    assert claims["totals"] == {
        "import_wh": 760,
        "import_kwh": "0.760",
        "export_wh": 40,
        "export_kwh": "0.040",
        "net_wh": 720,
        "net_kwh": "0.720",
    }
    assert claims["window"] == {"start": "2026-04-26T04:30:00Z", "end": "2026-04-26T06:30:00Z"}
    assert (claims["status"], claims["cause"], claims["revision"]) == ("PROVISIONAL", "LATE_DATA", 1)
    assert claims["supersedes"] == story.first.digest.hex()
    assert body["newest"] is True


async def test_a_jws_with_one_claim_changed_does_not_verify(story: Story) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_WINDOWS)) as client:
        answer = await client.get(f"/v1/actuals/{story.second.digest.hex()}")
    header, payload, signature = answer.json()["jws"].split(".")
    swapped = payload[:-2] + ("A" if payload[-2] != "A" else "B") + payload[-1]
    with pytest.raises(InvalidSignature):
        verified_jws(served.headend, f"{header}.{swapped}.{signature}")


async def test_what_is_absent_is_null_and_never_zero(story: Story) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_WINDOWS)) as client:
        answer = await client.get(f"/v1/actuals/{story.pending.digest.hex()}")
    claims = answer.json()["claims"]
    assert claims["totals"] is None
    assert claims["delta"] is None
    assert claims["reason"] == "4 of 8 blocks missing"
    assert claims["parts"][0]["counts"]["missing"] == 4
    assert claims["parts"][0]["chains"][0]["gaps"] == [[3, 3]]


async def test_an_actual_that_the_statement_key_did_not_sign_is_not_signed_again(story: Story) -> None:
    served = story.served
    served.headend.statement_signer = p256(77)
    async with served.client(served.token(Scope.READ_WINDOWS)) as client:
        answer = await client.get(f"/v1/actuals/{story.second.digest.hex()}")
    assert answer.status_code == 500
    assert answer.json()["code"] == "not_verifiable"
    assert "fsck" in answer.json()["remedy"]


async def test_all_revisions_of_a_window_are_given_in_order(story: Story) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_WINDOWS)) as client:
        answer = await client.get("/v1/actuals", params=WINDOW)
        other = await client.get("/v1/actuals", params={**WINDOW, "posted_as": SUBJECT.posted_as.lower()})
    digests = [row["claims"]["evidence_digest"] for row in answer.json()]
    assert digests == [story.first.digest.hex(), story.second.digest.hex()]
    assert [row["newest"] for row in answer.json()] == [False, True]
    for row in answer.json():
        assert verified_jws(served.headend, row["jws"])[1] == row["claims"]
    # A ledger's spelling is compared exactly.
    assert other.json() == []


async def test_windows_list_the_newest_actuals_by_status_and_span(story: Story) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_WINDOWS)) as client:
        every = (await client.get("/v1/windows")).json()
        pending = (await client.get("/v1/windows", params={"status": "PENDING"})).json()
        several = (await client.get("/v1/windows", params={"status": ["PENDING", "PROVISIONAL"]})).json()
        none = (await client.get("/v1/windows", params={"status": "FINAL"})).json()
        span = {"start": "2026-04-26T10:00:00+05:30", "end": "2026-04-26T14:00:00+05:30"}
        inside = (await client.get("/v1/windows", params=span)).json()
        both = (await client.get("/v1/windows", params={**span, "status": "PENDING"})).json()
    newest = [story.pending.digest.hex(), story.second.digest.hex()]
    assert [row["evidence_digest"] for row in every["items"]] == newest
    assert [row["evidence_digest"] for row in several["items"]] == newest
    assert [row["evidence_digest"] for row in pending["items"]] == newest[:1]
    assert [row["evidence_digest"] for row in inside["items"]] == newest[1:]
    assert (none["items"], none["next"], both["items"]) == ([], None, [])
    assert every["items"][0]["totals"] is None
    assert every["items"][1]["totals"]["net_kwh"] == "0.720"
    assert every["next"] is None


@pytest.mark.parametrize("status", [None, ["PENDING", "PROVISIONAL"]])
async def test_pages_of_windows_join_without_a_hole_or_a_double(story: Story, status: list[str] | None) -> None:
    served = story.served
    seen, after = [], None
    async with served.client(served.token(Scope.READ_WINDOWS)) as client:
        for _ in range(3):
            params = {"limit": 1, "after": after, "status": status}
            page = (await client.get("/v1/windows", params={k: v for k, v in params.items() if v})).json()
            seen += [row["evidence_digest"] for row in page["items"]]
            after = page["next"]
            if after is None:
                break
    assert seen == [story.pending.digest.hex(), story.second.digest.hex()]


async def test_meters_are_listed_by_name_in_pages_with_their_chains(story: Story) -> None:
    served = story.served
    served.headend.enrol(gateway(2, ["A-METER", "Z-METER"]))
    async with served.client(served.token(Scope.READ_METERS)) as client:
        first = (await client.get("/v1/meters", params={"limit": 2})).json()
        second = (await client.get("/v1/meters", params={"limit": 2, "after": first["next"]})).json()
        one = (await client.get(f"/v1/meters/{METER}")).json()
    assert [row["meter"] for row in first["items"]] == ["A-METER", METER]
    assert [row["meter"] for row in second["items"]] == ["Z-METER"]
    assert second["next"] is None
    assert one == first["items"][1]
    (chain,) = one["chains"]
    assert chain["kid"] == served.gateway.kid.hex()
    assert (chain["state"], chain["head_sequence"], chain["gaps"], chain["forks"]) == ("ACTIVE", 4, [[3, 3]], [])
    assert chain["heard_until"] == "2026-04-26T11:30:00Z"
    assert chain["head_index"] == served.index(story.batches[-1].digest)
    assert (one["posted_as"], one["role"], one["period_s"]) == ([SUBJECT.posted_as], "REVENUE", 900)


async def test_a_silent_meter_has_a_chain_without_a_head(served: Served) -> None:
    served.found()
    async with served.client(served.token(Scope.READ_METERS)) as client:
        (chain,) = (await client.get(f"/v1/meters/{METER}")).json()["chains"]
    assert (chain["head_sequence"], chain["head_index"], chain["heard_until"]) == (None, None, None)


@pytest.mark.parametrize(("kind", "outcome"), [("window", Outcome.VALID), ("actual", Outcome.ATTESTED)])
async def test_a_served_bundle_verifies_offline(story: Story, kind: str, outcome: Outcome) -> None:
    served = story.served
    async with served.client(served.token(Scope.READ_EVIDENCE)) as client:
        answer = await client.get(f"/v1/evidence/{story.second.digest.hex()}", params={"kind": kind})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.sakshi.bundle+cbor;v=1"
    verdict = verify(answer.content, trust(served.headend), judge)
    assert verdict.outcome is outcome


async def test_a_batch_comes_with_its_bytes_and_a_path_to_the_signed_root(story: Story) -> None:
    served = story.served
    message = story.batches[1]
    index = served.index(message.digest)
    async with served.client(served.token(Scope.READ_EVIDENCE)) as client:
        body = (await client.get(f"/v1/batches/{index}")).json()
    assert bytes.fromhex(body["sign1"]) == message.envelope.encoded()
    assert bytes.fromhex(body["opening"]) == message.opening.encoded()
    again = unseal(parse(bytes.fromhex(body["sign1"])), ReadingBatch, served.gateway.signer.public_key)
    assert again.digest.hex() == body["digest"]
    tree = open_checkpoint(body["checkpoint"].encode(), served.headend.key.verifier).checkpoint
    path = [bytes.fromhex(node) for node in body["path"]]
    verify_inclusion(leaf=leaf_hash(again.digest), index=index, size=tree.size, path=path, root=tree.root)


async def test_an_erased_opening_is_null(story: Story) -> None:
    served = story.served
    index = served.index(story.batches[0].digest)
    with served.headend.database.transaction() as connection:
        connection.execute("UPDATE batches SET opening = NULL WHERE leaf = ?", (index,))
    async with served.client(served.token(Scope.READ_EVIDENCE)) as client:
        assert (await client.get(f"/v1/batches/{index}")).json()["opening"] is None


async def test_nothing_beyond_the_published_checkpoint_is_shown(story: Story) -> None:
    served = story.served
    published = served.headend.folder / "checkpoint-0"
    before = published.read_bytes()
    served.take_in(story.lost)
    (revised,) = served.attest(PENDING_SUBJECT)
    batch = served.index(story.lost.digest)
    # What a crash between the commit and the file leaves.
    published.write_bytes(before)
    app = served.app()
    async with served.client(served.token(*Scope), app) as client:
        assert (await client.get(f"/v1/batches/{batch}")).status_code == 404
        assert (await client.get("/v1/log/checkpoint")).content == before
        size = open_checkpoint(before, served.headend.key.verifier).checkpoint.size
        for kind in ("0", "entries"):
            assert (await client.get(f"/v1/log/tile/{kind}/000.p/{size}")).status_code == 200
            assert (await client.get(f"/v1/log/tile/{kind}/000.p/{size + 1}")).status_code == 404
        assert (await client.get(f"/v1/actuals/{revised.digest.hex()}")).status_code == 404
        assert (await client.get(f"/v1/evidence/{revised.digest.hex()}")).status_code == 404
        for params in ({}, {"status": "PROVISIONAL"}, PENDING_SPAN, {"after": "999999"}):
            found = (await client.get("/v1/windows", params=params)).json()["items"]
            assert revised.digest.hex() not in [row["evidence_digest"] for row in found]
        rows = (await client.get("/v1/actuals", params={"posted_as": SUBJECT.posted_as, **PENDING_SPAN})).json()
    assert [row["claims"]["evidence_digest"] for row in rows] == [story.pending.digest.hex()]


@pytest.mark.parametrize("accept", ["application/cose", "application/json"])
async def test_who_holds_an_actual_already_gets_304_without_a_body(story: Story, accept: str) -> None:
    served = story.served
    path = f"/v1/actuals/{story.second.digest.hex()}"
    async with served.client(served.token(Scope.READ_WINDOWS)) as client:
        first = await client.get(path, headers={"Accept": accept})
        tag = first.headers["etag"]
        again = await client.get(path, headers={"Accept": accept, "If-None-Match": f'"other", {tag}'})
        other = await client.get(path, headers={"Accept": accept, "If-None-Match": '"other"'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["vary"] == "Accept"
    assert other.status_code == 200


async def test_the_two_forms_of_an_actual_have_different_tags(story: Story) -> None:
    served = story.served
    path = f"/v1/actuals/{story.second.digest.hex()}"
    async with served.client(served.token(Scope.READ_WINDOWS)) as client:
        tags = {
            (await client.get(path, headers={"Accept": accept})).headers["etag"]
            for accept in ("application/cose", "application/json")
        }
    assert len(tags) == 2


async def test_a_bundle_has_another_tag_once_the_tree_has_grown(story: Story) -> None:
    served = story.served
    path = f"/v1/evidence/{story.second.digest.hex()}"
    async with served.client(served.token(Scope.READ_EVIDENCE)) as client:
        tag = (await client.get(path)).headers["etag"]
        held = await client.get(path, headers={"If-None-Match": tag})
        served.headend.enrol(gateway(2, ["A-METER"]))
        grown = await client.get(path, headers={"If-None-Match": tag})
    assert (held.status_code, grown.status_code) == (304, 200)
    assert verify(grown.content, trust(served.headend), judge).outcome is Outcome.VALID


async def test_no_tag_hides_what_does_not_exist(served: Served) -> None:
    async with served.client(served.token(*Scope)) as client:
        for kind in ("actuals", "evidence"):
            answer = await client.get(f"/v1/{kind}/{'0' * 64}", headers={"If-None-Match": "*"})
            assert answer.status_code == 404


async def test_a_form_that_does_not_exist_is_406(story: Story) -> None:
    async with story.served.client(story.served.token(Scope.READ_WINDOWS)) as client:
        answer = await client.get(f"/v1/actuals/{story.second.digest.hex()}", headers={"Accept": "text/html"})
    assert answer.status_code == 406
    assert answer.json()["code"] == "not_acceptable"


async def test_every_disclosure_of_blocks_is_logged_by_holder_and_what_is_no_disclosure_is_not(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="sakshi.headend.web")
    served = story.served
    digest, index = story.second.digest.hex(), served.index(story.batches[0].digest)
    async with served.client(served.token(*Scope, name="court")) as client:
        for path in ("/v1/windows", f"/v1/actuals/{digest}", f"/v1/evidence/{digest}?kind=actual", "/console/"):
            assert (await client.get(path)).status_code == 200
        assert not caplog.messages
        tag = (await client.get(f"/v1/evidence/{digest}")).headers["etag"]
        assert (await client.get(f"/v1/evidence/{digest}", headers={"If-None-Match": tag})).status_code == 304
        await client.get(f"/v1/batches/{index}")
        await client.get(f"/console/windows/{digest}/blocks")
        await client.get(f"/console/windows/{digest}/bundle")
        await client.get(f"/console/batches/{index}")
        await client.get(f"/console/batches/{index}/opening")
    assert caplog.messages == [
        f"disclosed window bundle {digest} to court",
        f"disclosed batch {index} to court",
        f"disclosed blocks of window {digest} to court",
        f"disclosed window bundle {digest} to court",
        f"disclosed batch {index} to court",
        f"disclosed opening of batch {index} to court",
    ]


async def test_an_answer_that_does_not_say_otherwise_is_kept_by_nobody(story: Story) -> None:
    served = story.served
    async with served.client(served.token(*Scope)) as client:
        for path in ("/v1/meters", "/v1/windows", "/v1/intake", "/metrics", "/openapi.json"):
            assert (await client.get(path)).headers.get_list("cache-control") == ["no-store"], path
        actual = await client.get(f"/v1/actuals/{story.second.digest.hex()}")
        assert actual.headers.get_list("cache-control") == ["private, no-cache"]


async def test_postings_are_listed_latest_first_by_state_and_in_pages(story: Story) -> None:
    served = story.served
    served.post(story.pending, PostingState.WAITING, note="404")
    async with served.client(served.token(Scope.READ_OPERATIONS)) as client:
        every = (await client.get("/v1/postings")).json()
        refused = (await client.get("/v1/postings", params={"state": "REFUSED"})).json()
        first = (await client.get("/v1/postings", params={"limit": 2})).json()
        rest = (await client.get("/v1/postings", params={"limit": 2, "after": first["next"]})).json()
        some = (await client.get("/v1/postings", params={"state": ["REFUSED", "WAITING"], "limit": 1})).json()
        last = (
            await client.get("/v1/postings", params={"state": ["REFUSED", "WAITING"], "after": some["next"]})
        ).json()
    assert [row["state"] for row in every["items"]] == ["WAITING", "REFUSED", "SUPERSEDED"]
    assert every["items"][1]["evidence_digest"] == story.second.digest.hex()
    assert (every["items"][1]["net_kwh"], every["items"][1]["allocated_wh"]) == ("0.720", None)
    assert [row["state"] for row in refused["items"]] == ["REFUSED"]
    assert first["items"] + rest["items"] == every["items"]
    assert rest["next"] is None
    assert [row["state"] for row in some["items"] + last["items"]] == ["WAITING", "REFUSED"]
