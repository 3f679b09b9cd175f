"""Who may come in: every check by itself, at its boundary, and nothing else."""

from dataclasses import dataclass, field, replace

import pytest

from ledger_client.beckn.context import Action, Context, read_context
from ledger_client.beckn.directory import DirectoryUnavailableError, Subscriber
from ledger_client.beckn.fields import message
from ledger_client.beckn.refusal import Code, RefusedError
from ledger_client.beckn.verification import MAX_LIFETIME_S, Gate, GatePolicy
from ledger_client.signature import HttpSigner, KeyId, ReplayCache, public_key
from tests.ledger_client.beckn.messages import NOW, STATUS, changed
from tests.ledger_client.rehearsal import signer

NETWORK = STATUS["context"]["networkId"]
LEDGER = signer("ledger.example.org")
OTHER = signer("other.example.org")
OWN = "discom.example.org"
BODY = changed()


def registered(who: HttpSigner, **changes: object) -> Subscriber:
    """A member of the test network."""
    whole = Subscriber(key_id=who.key_id, key=public_key(who.public_key_text), networks=frozenset({NETWORK}))
    return replace(whole, **changes)  # type: ignore[arg-type]


@dataclass
class Shelf:
    """A directory in memory that counts what it is asked."""

    subscribers: list[Subscriber] = field(default_factory=lambda: [registered(LEDGER), registered(OTHER)])
    is_down: bool = False
    asked: list[KeyId] = field(default_factory=list)

    def subscriber(self, key_id: KeyId) -> Subscriber | None:
        """What it holds."""
        self.asked.append(key_id)
        if self.is_down:
            raise DirectoryUnavailableError("down")
        return next((one for one in self.subscribers if one.key_id == key_id), None)


def gate(shelf: Shelf | None = None, **policy: object) -> Gate:
    """A gate with its own memory."""
    settings = GatePolicy(networks=frozenset({NETWORK, "nfh.global/testnet-deg"}))
    return Gate(
        directory=shelf or Shelf(),
        replays=ReplayCache(),
        policy=replace(settings, **policy),  # type: ignore[arg-type]
    )


def signed(who: HttpSigner = LEDGER, *, created: int = NOW, life_s: int = 300, body: bytes = BODY) -> str:
    return who.sign(body, created=created, expires=created + life_s)


def refusal(
    authorization: str | None, *, at: Gate | None = None, now: int = NOW, body: bytes = BODY
) -> tuple[Code, int]:
    with pytest.raises(RefusedError) as caught:
        (at or gate()).caller(authorization, body, now=now)
    return caught.value.refusal.code, caught.value.refusal.http_status


# --- the signature


def test_a_member_with_a_good_signature_comes_in() -> None:
    caller = gate().caller(signed(), BODY, now=NOW)
    assert caller.subscriber_id == "ledger.example.org"
    assert caller.header.created == NOW


def test_a_get_is_signed_over_an_empty_body() -> None:
    assert gate().caller(signed(body=b""), b"", now=NOW).subscriber_id == "ledger.example.org"


@pytest.mark.parametrize("missing", [None, ""])
def test_no_signature_is_missing(missing: str | None) -> None:
    assert refusal(missing) == (Code.SIGNATURE_MISSING, 401)


@pytest.mark.parametrize("header", ["x", "Bearer abc", 'Signature keyId="a"'])
def test_a_header_that_is_none_is_invalid(header: str) -> None:
    assert refusal(header) == (Code.SIGNATURE_INVALID, 401)


def test_a_signature_over_other_bytes_is_invalid() -> None:
    assert refusal(signed(body=BODY + b" ")) == (Code.SIGNATURE_INVALID, 401)


def test_five_seconds_of_skew_are_taken_and_six_are_not() -> None:
    gate().caller(signed(created=NOW + 5), BODY, now=NOW)
    assert refusal(signed(created=NOW + 6)) == (Code.SIGNATURE_INVALID, 401)


def test_a_message_before_its_time_is_told_from_one_that_nobody_signed() -> None:
    shelf = Shelf()
    one = gate(shelf, callers=frozenset({"ledger.example.org"}))
    early = one.early(signed(created=NOW + 6), BODY, now=NOW)
    assert early is not None
    assert (early.key_id, early.created) == (LEDGER.key_id, NOW + 6)
    # It is not let in by that, and not remembered either: its time comes.
    assert refusal(signed(created=NOW + 6), at=one) == (Code.SIGNATURE_INVALID, 401)
    assert one.caller(signed(created=NOW + 6), BODY, now=NOW + 1).subscriber_id == "ledger.example.org"
    for authorization, body in (
        (signed(created=NOW + 5), BODY),
        (signed(created=NOW + 6), b"another"),
        (signed(created=NOW + 6, life_s=MAX_LIFETIME_S + 1), BODY),
        (signed(OTHER, created=NOW + 6), BODY),
        ("Signature", BODY),
        (None, BODY),
    ):
        assert one.early(authorization, body, now=NOW) is None
    shelf.is_down = True
    assert one.early(signed(created=NOW + 6), BODY, now=NOW) is None


def test_a_signature_is_good_until_it_expires_and_not_a_second_longer() -> None:
    gate().caller(signed(), BODY, now=NOW + 300)
    assert refusal(signed(), now=NOW + 301) == (Code.SIGNATURE_INVALID, 401)


@pytest.mark.parametrize("life_s", [0, -1, MAX_LIFETIME_S + 1])
def test_a_signature_that_lives_too_long_or_not_at_all_is_refused(life_s: int) -> None:
    assert refusal(signed(life_s=life_s)) == (Code.SIGNATURE_INVALID, 401)
    gate().caller(signed(life_s=MAX_LIFETIME_S), BODY, now=NOW)
    gate().caller(signed(life_s=1), BODY, now=NOW)


def test_a_signature_is_good_once() -> None:
    door = gate()
    door.caller(signed(), BODY, now=NOW)
    assert refusal(signed(), at=door) == (Code.REPLAY_DETECTED, 401)
    door.caller(signed(life_s=299), BODY, now=NOW)


def test_a_refused_signature_is_not_remembered() -> None:
    shelf = Shelf(is_down=True)
    door = gate(shelf)
    refusal(signed(), at=door)
    shelf.is_down = False
    door.caller(signed(), BODY, now=NOW)


def test_a_memory_that_is_full_refuses_and_says_later() -> None:
    policy = GatePolicy(networks=frozenset({NETWORK}))
    door = Gate(directory=Shelf(), replays=ReplayCache(1), policy=policy)
    door.caller(signed(), BODY, now=NOW)
    assert refusal(signed(life_s=299), at=door) == (Code.DOWNSTREAM_UNAVAILABLE, 503)
    door.caller(signed(created=NOW + 301), BODY, now=NOW + 301)


# --- the registry


def test_a_key_that_is_not_registered_is_refused() -> None:
    assert refusal(signed(), at=gate(Shelf(subscribers=[]))) == (Code.KEY_NOT_FOUND, 401)


def test_a_revoked_key_is_refused() -> None:
    shelf = Shelf(subscribers=[registered(LEDGER, is_revoked=True)])
    assert refusal(signed(), at=gate(shelf)) == (Code.KEY_EXPIRED_OR_REVOKED, 401)


def test_another_key_than_the_registered_is_refused() -> None:
    shelf = Shelf(subscribers=[registered(LEDGER, key=public_key(OTHER.public_key_text))])
    assert refusal(signed(), at=gate(shelf)) == (Code.SIGNATURE_INVALID, 401)


@pytest.mark.parametrize("networks", [frozenset(), frozenset({"indiaenergystack.in/ies-p2p-trading-network"})])
def test_a_member_of_no_network_of_ours_is_refused(networks: frozenset[str]) -> None:
    shelf = Shelf(subscribers=[registered(LEDGER, networks=networks)])
    assert refusal(signed(), at=gate(shelf)) == (Code.UNAUTHORIZED_ACTION, 401)


def test_a_registry_that_gives_no_answer_lets_nobody_in() -> None:
    assert refusal(signed(), at=gate(Shelf(is_down=True))) == (Code.DOWNSTREAM_UNAVAILABLE, 503)


def test_a_stranger_is_refused_before_anybody_is_asked() -> None:
    shelf = Shelf()
    door = gate(shelf, callers=frozenset({"ledger.example.org"}))
    assert refusal(signed(OTHER), at=door) == (Code.UNAUTHORIZED_ACTION, 401)
    assert refusal(signed(created=NOW + 6), at=door)[0] is Code.SIGNATURE_INVALID
    assert shelf.asked == []
    door.caller(signed(), BODY, now=NOW)


# --- the context


def context(**changes: str) -> Context:
    return read_context(
        message(changed(*((("context", name), value) for name, value in changes.items()))), Action.STATUS
    )


def required(found: Context, *, own_id: str = OWN, **setup: object) -> None:
    url = setup.pop("url", None)
    door = gate(Shelf(subscribers=[registered(LEDGER, url=url)]), **setup)
    door.require(door.caller(signed(), BODY, now=NOW), found, own_id=own_id)


def place(found: Context, **setup: object) -> tuple[Code, str]:
    with pytest.raises(RefusedError) as caught:
        required(found, **setup)  # type: ignore[arg-type]
    return caught.value.refusal.code, caught.value.refusal.path


def test_a_context_of_its_signer_for_this_node_comes_in() -> None:
    required(context())


def test_a_context_of_somebody_else_is_refused() -> None:
    assert place(context(bapId="other.example.org")) == (Code.UNAUTHORIZED_ACTION, "context.bapId")


def test_an_answer_is_its_answerers() -> None:
    answer = replace(context(), action=Action.ON_STATUS)
    assert place(answer) == (Code.UNAUTHORIZED_ACTION, "context.bppId")
    required(replace(answer, bpp_id="ledger.example.org", bap_id=OWN))


def test_a_message_for_somebody_else_is_refused() -> None:
    assert place(context(bppId="other.example.org")) == (Code.ENTITY_NOT_FOUND, "context.bppId")
    answer = replace(context(), action=Action.ON_STATUS, bpp_id="ledger.example.org", bap_id="other.example.org")
    assert place(answer) == (Code.ENTITY_NOT_FOUND, "context.bapId")


@pytest.mark.parametrize("network", ["x/y", "nfh.global/testnet-deg", "indiaenergystack.in/ies-p2p-trading-network"])
def test_a_network_that_is_not_of_both_sides_is_refused(network: str) -> None:
    assert place(context(networkId=network)) == (Code.UNAUTHORIZED_ACTION, "context.networkId")


def test_an_answer_goes_to_the_registered_host_only() -> None:
    required(context(), url="https://LEDGER.example.org:8443/other/path")
    assert place(context(), url="https://elsewhere.example.org") == (Code.UNAUTHORIZED_ACTION, "context.bapUri")


def test_hosts_that_an_answer_may_go_to_can_be_configured() -> None:
    elsewhere = "https://elsewhere.example.org"
    required(context(), url=elsewhere, callback_hosts=frozenset({"ledger.example.org"}))
    assert place(context(), callback_hosts=frozenset({"x"})) == (Code.UNAUTHORIZED_ACTION, "context.bapUri")
