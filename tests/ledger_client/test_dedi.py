"""The registry over HTTP: what it says is read leniently, believed for a while, and a revoked key is one."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ledger_client.beckn.directory import DirectoryUnavailableError
from ledger_client.dedi import DEFAULT_TTL_S, MISSING_TTL_S, DediDirectory, read_lookup
from ledger_client.ledger import LedgerProtocolError
from ledger_client.signature import KeyId
from tests.ledger_client.rehearsal import signer
from tests.ledger_client.served import Canned, canned

LEDGER = signer("ledger.example.org")
KEY = LEDGER.key_id
NETWORK = "indiaenergystack.in/test-ies-p2p-trading-network"
DETAILS: dict[str, Any] = {"subscriber_id": "ledger.example.org", "signing_public_key": LEDGER.public_key_text}


def answer(details: object = None, **data: object) -> bytes:
    whole: dict[str, object] = {"details": DETAILS if details is None else details, "network_memberships": [NETWORK]}
    return json.dumps({"message": "ok", "data": whole | data}).encode()


def test_a_subscriber_is_read() -> None:
    found = read_lookup(answer(DETAILS | {"subscriber_url": "https://ledger.example.org/bap"}), KEY)
    assert (found.key_id, found.networks, found.is_revoked) == (KEY, frozenset({NETWORK}), False)
    assert found.url == "https://ledger.example.org/bap"


@pytest.mark.parametrize(
    ("memberships", "expected"),
    [
        ([NETWORK, "b"], {NETWORK, "b"}),
        ([{"network_id": NETWORK}, {"networkId": "b"}, {"x": "c"}, 7, "", None], {NETWORK, "b"}),
        (None, set()),
        ("x", set()),
    ],
)
def test_memberships_are_read_as_far_as_they_are_some(memberships: object, expected: set[str]) -> None:
    assert read_lookup(answer(network_memberships=memberships), KEY).networks == expected
    inside = json.dumps({"data": {"details": DETAILS | {"network_memberships": memberships}}}).encode()
    assert read_lookup(inside, KEY).networks == expected


@pytest.mark.parametrize(("said", "is_revoked"), [(True, True), ("true", True), (1, True), ("x", True), (False, False), ("false", False), (None, False)])  # fmt: skip
def test_a_revoked_key_is_one_wherever_that_is_said(said: object, is_revoked: bool) -> None:  # noqa: FBT001 - a table's column
    assert read_lookup(answer(is_revoked=said), KEY).is_revoked == is_revoked
    assert read_lookup(answer(DETAILS | {"is_revoked": said}), KEY).is_revoked == is_revoked


def test_an_address_that_may_not_be_called_is_none() -> None:
    assert read_lookup(answer(DETAILS | {"url": "http://ledger.example.org"}), KEY).url is None
    assert read_lookup(answer(DETAILS | {"url": "https://ledger.example.org"}), KEY).url is not None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"data":[]}', b'{"data":{}}', b'{"data":{"details":{}}}', b"\xff",
        answer(DETAILS | {"signing_public_key": "AAAA"}),
        answer(DETAILS | {"signing_public_key": 7}),
        answer(DETAILS | {"subscriber_id": "other.example.org"}),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_understood_is_believed_in_nothing(body: bytes) -> None:
    with pytest.raises(LedgerProtocolError):
        read_lookup(body, KEY)


@pytest.fixture
def registry() -> Iterator[Canned]:
    with canned(Canned(body=answer())) as found:
        yield found


@pytest.fixture
def clock() -> list[int]:
    return [1_777_200_000]


@pytest.fixture
def directory(registry: Canned, clock: list[int]) -> Iterator[DediDirectory]:
    with DediDirectory(f"http://{registry.address}/lookup/", now=lambda: clock[0], timeout_s=5) as found:
        yield found


def test_a_key_is_looked_up_once_and_believed_for_a_while(
    registry: Canned, directory: DediDirectory, clock: list[int]
) -> None:
    assert directory.subscriber(KEY) is not None
    assert registry.paths == ["/lookup/ledger.example.org/subscribers.beckn.one/k1"]
    clock[0] += DEFAULT_TTL_S - 1
    assert directory.subscriber(KEY) is not None
    assert len(registry.paths) == 1
    registry.body = answer(is_revoked=True)
    clock[0] += 1
    found = directory.subscriber(KEY)
    assert found is not None
    assert found.is_revoked


def test_a_missing_key_is_missed_for_a_short_while_only(
    registry: Canned, directory: DediDirectory, clock: list[int]
) -> None:
    registry.status = 404
    assert directory.subscriber(KEY) is None
    registry.status = 200
    clock[0] += MISSING_TTL_S - 1
    assert directory.subscriber(KEY) is None
    clock[0] += 1
    assert directory.subscriber(KEY) is not None


@pytest.mark.parametrize(("status", "body"), [(500, b""), (302, b""), (200, b"welcome"), (200, b" " * 300_000)])
def test_a_registry_that_fails_is_not_believed_and_not_remembered(
    registry: Canned, directory: DediDirectory, status: int, body: bytes
) -> None:
    registry.status, registry.body = status, body
    with pytest.raises(DirectoryUnavailableError):
        directory.subscriber(KEY)
    registry.status, registry.body = 200, answer()
    assert directory.subscriber(KEY) is not None


def test_what_was_believed_is_not_believed_longer_because_the_registry_is_down(
    registry: Canned, directory: DediDirectory, clock: list[int]
) -> None:
    directory.subscriber(KEY)
    clock[0] += DEFAULT_TTL_S
    registry.status = 503
    with pytest.raises(DirectoryUnavailableError, match="HTTP 503"):
        directory.subscriber(KEY)


def test_a_name_stays_one_part_of_the_address(registry: Canned, directory: DediDirectory) -> None:
    registry.status = 404
    directory.subscriber(KeyId(subscriber_id="did:web:a/../b?c", unique_key_id="k/1"))
    assert registry.paths == ["/lookup/did%3Aweb%3Aa%2F..%2Fb%3Fc/subscribers.beckn.one/k%2F1"]


def test_a_memory_of_strangers_is_bounded(
    registry: Canned, directory: DediDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger_client.dedi.MAX_REMEMBERED", 2)
    registry.status = 404
    for number in range(5):
        directory.subscriber(KeyId(subscriber_id=f"s{number}", unique_key_id="k"))
        assert len(directory._remembered) <= 2


def test_nobody_there_is_no_answer() -> None:
    with (
        DediDirectory("http://127.0.0.1:9", now=lambda: 0) as directory,
        pytest.raises(DirectoryUnavailableError, match="no answer"),
    ):
        directory.subscriber(KEY)


def test_a_registry_that_may_not_be_called_is_refused() -> None:
    with pytest.raises(LedgerProtocolError, match="registry's base"):
        DediDirectory("http://registry.example.org", now=lambda: 0)
