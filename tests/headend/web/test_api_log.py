"""The served log is the one that C2SP's own readers rebuild, tile by tile, and nothing of it is mutable but the checkpoint."""

import pytest
from starlette.types import Message

from headend.tokens import Scope
from signing.log.checkpoint import open_checkpoint, sign_checkpoint
from signing.log.merkle import leaf_hash, root
from signing.log.proofs import Paths, verify_inclusion
from signing.log.tiles import EntryBundle, Tile, TileReader, changed_bundles, changed_tiles, parse_bundle
from tests.headend.premises import log_key
from tests.headend.web.world import Served, Story

MANY = 600
"""Two full tiles, a partial one, and a second level."""


@pytest.fixture
def long_log(served: Served) -> Served:
    served.found()
    with served.headend.book.transaction() as transaction:
        transaction.append(0, [number.to_bytes(32, "big") for number in range(MANY)])
    return served


async def test_every_tile_and_bundle_of_the_log_rebuilds_the_signed_root(long_log: Served) -> None:
    async with long_log.client() as client:
        note = (await client.get("/v1/log/checkpoint")).content
        tree = open_checkpoint(note, long_log.headend.key.verifier).checkpoint
        assert tree.size == MANY + 2
        tiles = {}
        for tile in changed_tiles(0, tree.size):
            answer = await client.get(f"/v1/log/{tile.path()}")
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            tiles[tile] = answer.content
        entries: list[bytes] = []
        for bundle in changed_bundles(0, tree.size):
            entries += parse_bundle(bundle, (await client.get(f"/v1/log/{bundle.path()}")).content)
    assert root(map(leaf_hash, entries)) == tree.root
    reader = TileReader(tree.size, tiles.__getitem__)
    paths = Paths(tree.size, reader)
    for index in (0, 255, 256, tree.size - 1):
        path = paths.inclusion(index)
        verify_inclusion(leaf=leaf_hash(entries[index]), index=index, size=tree.size, path=path, root=tree.root)


async def test_an_older_width_of_the_last_tile_is_still_served(long_log: Served) -> None:
    async with long_log.client() as client:
        wide = (await client.get("/v1/log/tile/0/000")).content
        narrow = (await client.get("/v1/log/tile/0/000.p/7")).content
        bundle = (await client.get("/v1/log/tile/entries/000.p/7")).content
    assert narrow == wide[: 7 * 32]
    assert len(parse_bundle(EntryBundle(index=0, width=7), bundle)) == 7


BEYOND = [
    Tile(level=0, index=2, width=256).path(),
    Tile(level=0, index=2, width=91).path(),
    Tile(level=0, index=3, width=1).path(),
    Tile(level=1, index=0, width=3).path(),
    Tile(level=2, index=0, width=1).path(),
    Tile(level=63, index=0, width=1).path(),
    EntryBundle(index=2, width=91).path(),
]


async def test_what_the_log_does_not_reach_is_404(long_log: Served) -> None:
    async with long_log.client() as client:
        for path in BEYOND:
            answer = await client.get(f"/v1/log/{path}")
            assert answer.status_code == 404, path
            assert "immutable" not in answer.headers.get("cache-control", "")


async def test_the_last_reached_tiles_are_served(long_log: Served) -> None:
    async with long_log.client() as client:
        for path in ("tile/0/002.p/90", "tile/1/000.p/2", "tile/entries/002.p/90"):
            assert (await client.get(f"/v1/log/{path}")).status_code == 200


NO_TILES = [
    "0/0",
    "0/x000/000",
    "0/000.p/0",
    "0/000.p/256",
    "0/000.p/01",
    "64/000.p/1",
    "00/000.p/1",
    "entries/x1/000",
    "..%2f..%2ftrust.toml",
    "../../etc/passwd",
    "0/000%00",
    "0/" + "x000/" * 200 + "000",
    "%F0%9F%92%A9",
]


async def test_a_path_that_is_no_tile_is_404_in_json_and_not_repeated(long_log: Served) -> None:
    async with long_log.client(long_log.token(*Scope)) as client:
        for path in NO_TILES:
            answer = await client.get(f"/v1/log/tile/{path}")
            assert answer.status_code == 404, path
            assert set(answer.json()) == {"code", "message", "remedy"}
            assert "passwd" not in answer.text


async def test_dots_that_no_client_resolved_lead_nowhere(long_log: Served) -> None:
    for path in ("/v1/log/tile/../../trust.toml", "/v1/log/tile//etc/passwd", "/v1/log/tile/0/../0/000"):
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def send(message: Message, sent: list[Message] = sent) -> None:
            sent.append(message)

        scope: dict[str, object] = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
        await long_log.app()(scope, receive, send)
        assert sent[0]["status"] == 404, path


async def test_the_checkpoint_is_the_published_file_and_not_cached_for_ever(story: Story) -> None:
    async with story.served.client() as client:
        answer = await client.get("/v1/log/checkpoint")
    assert answer.content == (story.served.headend.folder / "checkpoint-0").read_bytes()
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


async def test_a_log_without_a_leaf_has_no_checkpoint_and_no_tile(served: Served) -> None:
    async with served.client() as client:
        assert (await client.get("/v1/log/checkpoint")).status_code == 404
        assert (await client.get("/v1/log/tile/0/000.p/1")).status_code == 404


async def test_a_checkpoint_file_that_is_not_the_logs_is_not_served(story: Story) -> None:
    published = story.served.headend.folder / "checkpoint-0"
    forger = log_key(seed=8)
    tree = open_checkpoint(published.read_bytes(), story.served.headend.key.verifier).checkpoint
    published.write_bytes(bytes(sign_checkpoint(tree, forger.verifier, forger.signer)))
    async with story.served.client() as client:
        answer = await client.get("/v1/log/checkpoint")
    assert answer.status_code == 503
    assert answer.json()["code"] == "not_ready"
    assert str(story.served.headend.folder) not in answer.text


async def test_the_trust_file_is_served_as_it_stands(served: Served) -> None:
    async with served.client() as client:
        answer = await client.get("/v1/trust")
        assert (answer.text, answer.headers["content-type"]) == ("version = 1\n", "application/toml")
        (served.headend.folder / "trust.toml").unlink()
        gone = await client.get("/v1/trust")
    assert gone.status_code == 503
    assert gone.json()["code"] == "trust_unavailable"
