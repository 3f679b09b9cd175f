"""The association as a state machine: every move in the table, and nothing but reading leaves."""

import ast
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edge_agent.readers.dlms
from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError, ReaderError
from edge_agent.readers.dlms import session as sessions
from edge_agent.readers.dlms.apdu import AccessResult
from edge_agent.readers.dlms.association import Association, Secret
from edge_agent.readers.dlms.codec import Data, Tag
from edge_agent.readers.dlms.cosem import BLOCK_LOAD, CLOCK, SERIAL
from edge_agent.readers.dlms.link import Received
from edge_agent.readers.dlms.profile import by_entry
from edge_agent.readers.dlms.session import (
    PERMITTED,
    TRANSITIONS,
    Answered,
    Event,
    Released,
    Session,
    State,
    refusal,
)
from edge_agent.readers.dlms.wrapper import WrapperLink
from firmware_sim.dlms.session import DEFAULT_PASSWORD, ServerSession
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import parse_instant
from tests.edge_agent.readers.dlms.wire import AARE_OK

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")


def frame(hexed: str | bytes) -> bytes:
    apdu = bytes.fromhex(hexed) if isinstance(hexed, str) else hexed
    return bytes.fromhex("000100010020") + len(apdu).to_bytes(2) + apdu


def fresh() -> Session:
    return Session(WrapperLink(client=32, server=1), Secret(DEFAULT_PASSWORD))


def ready() -> Session:
    session = fresh()
    session.associate()
    session.receive(frame(AARE_OK))
    return session


def server(*, max_pdu: int = 1024) -> ServerSession:
    meter = Meter(MeterSpec(serial="12345678", days=2), Home(seed=7, array_w=5000))
    return ServerSession(meter, now=lambda: NOW, max_pdu=max_pdu)


def exchange(session: Session, peer: ServerSession, request: bytes, chunk: int = 1 << 16) -> tuple[object, list[bytes]]:
    """The outcome, and every frame that the client sent."""
    sent = [request]
    while True:
        answer = peer.receive(sent[-1])
        assert answer
        for at in range(0, len(answer), chunk):
            step = session.receive(answer[at : at + chunk])
            if step.outcome is not None:
                return step.outcome, sent
            if step.send:
                sent.append(step.send)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_a_whole_association_with_an_independent_meter(chunk: int) -> None:
    session, peer = fresh(), server(max_pdu=128)
    frames: list[bytes] = []
    for request, kind in (
        (session.associate, Association),
        (lambda: session.get(CLOCK), Answered),
        (lambda: session.get(BLOCK_LOAD, by_entry(1, 60)), Answered),
        (lambda: session.get_list((SERIAL, CLOCK, BLOCK_LOAD.sibling(3))), Answered),
        (session.release, Released),
    ):
        outcome, sent = exchange(session, peer, request(), chunk)
        assert isinstance(outcome, kind)
        frames += sent
    assert len(frames) > 20
    assert session.state is State.CLOSED
    assert {each[8] for each in frames} == {0x60, 0x62, 0xC0}


def test_a_long_answer_is_joined_in_order() -> None:
    session, peer = fresh(), server(max_pdu=128)
    exchange(session, peer, session.associate())
    outcome, sent = exchange(session, peer, session.get(BLOCK_LOAD))
    assert isinstance(outcome, Answered)
    (data,) = outcome.results
    assert isinstance(data, Data)
    assert isinstance(data.value, tuple)
    assert len(data.value) == 2 * 96
    assert len(sent) > 10


def test_a_wrong_password_is_refused_and_stays_unspoken() -> None:
    session = Session(WrapperLink(client=32, server=1), Secret(b"wrong-pw"))
    with pytest.raises(MeterRefusedError) as caught:
        exchange(session, server(), session.associate())
    assert "wrong-pw" not in str(caught.value)


@pytest.mark.parametrize("tag", [0xC1, 0xC3, 0xC9, 0xCB, 0xD1, 0xD3, 0xD9, 0x05, 0x06, 0xDB, 0x00, 0xFF])
def test_no_set_no_action_and_nothing_unknown_can_leave(tag: int) -> None:
    session = ready()
    with pytest.raises(ValueError, match="only reads"):
        session._emit(bytes([tag, 1, 0xC1]))


def test_only_associating_releasing_and_reading_are_permitted() -> None:
    assert set(PERMITTED) == {0x60, 0x62, 0xC0}


def test_nothing_but_the_gate_reaches_the_link() -> None:
    folder = Path(edge_agent.readers.dlms.__path__[0])
    calls = [
        (path.name, node.func.value.attr)
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "send"
        and isinstance(node.func.value, ast.Attribute)
    ]
    assert calls == [("session.py", "_link")]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_event_either_has_a_move_or_is_refused(state: State, event: Event) -> None:
    session = fresh()
    session._state = state
    if (state, event) in TRANSITIONS:
        session._move(event)
        assert session.state is TRANSITIONS[state, event]
    else:
        with pytest.raises(ReaderError, match=state.name):
            session._move(event)
        assert session.state is state


@pytest.mark.parametrize(
    "hexed",
    [
        "6303800100",  # RLRE
        "c401c1001105",  # an answer
        "d80102",
        AARE_OK.hex(),
        "ff",
    ],
)
def test_what_nobody_asked_for_closes_the_association(hexed: str) -> None:
    session = ready()
    with pytest.raises(MeterDecodeError, match="expected no"):
        session.receive(frame(hexed))
    assert session.state is State.CLOSED
    with pytest.raises(MeterUnavailableError, match="open association"):
        session.get(CLOCK)


def test_a_pushed_notification_answers_nothing() -> None:
    session = ready()
    session.get(CLOCK)
    assert session.receive(frame("0f00000001000000")).outcome is None
    assert session.receive(frame("c401c1001105")).outcome == Answered((Data(Tag.UINT8, 5),))


def test_an_answer_to_another_request_closes_the_association() -> None:
    session = ready()
    session.get(CLOCK)
    with pytest.raises(
        MeterDecodeError, match=r"expected an answer to request 1, got one to 2 in the answer to 0.0.1.0"
    ):
        session.receive(frame("c401c2001105"))
    assert session.state is State.CLOSED


def test_an_undecodable_answer_names_its_object_and_leaves_the_association() -> None:
    session = ready()
    session.get(SERIAL)
    with pytest.raises(
        MeterDecodeError, match=r"0x07 at offset 5 in the answer to 0\.0\.96\.1\.0\.255 \(class 1\) attribute 2$"
    ):
        session.receive(frame("c401c10007"))
    assert session.state is State.READY


def test_an_exception_names_the_object_and_leaves_the_association() -> None:
    session = ready()
    session.get(BLOCK_LOAD)
    with pytest.raises(MeterRefusedError, match=r"refuses 1\.0\.99\.1\.0\.255 .*service not supported"):
        session.receive(frame("d80102"))
    assert session.state is State.READY


def test_a_grant_that_is_malformed_closes_the_association() -> None:
    session = fresh()
    session.associate()
    with pytest.raises(MeterDecodeError, match="AARE"):
        session.receive(frame(AARE_OK[:-1]))
    assert session.state is State.CLOSED


def test_an_exception_instead_of_a_grant_is_a_refusal() -> None:
    session = fresh()
    session.associate()
    with pytest.raises(MeterRefusedError, match="refuses to associate: service not allowed"):
        session.receive(frame("d80101"))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (["c402c100000000020001aa"], "expected block 1, got 2"),
        (["c402c100000000010001aa", "c402c100000000010001aa"], "expected block 2, got 1"),
        (["c402c100000000010000"], "expected octets in block 1"),
        (["c402c101000000010001aa"], "data type"),
    ],
)
def test_blocks_out_of_order_empty_or_wrong_are_refused(blocks: list[str], message: str) -> None:
    session = ready()
    session.get(BLOCK_LOAD)
    for block in blocks[:-1]:
        session.receive(frame(block))
    with pytest.raises(MeterDecodeError, match=message):
        session.receive(frame(blocks[-1]))


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_ANSWER_OCTETS", 3)
    session = ready()
    session.get(BLOCK_LOAD)
    session.receive(frame("c402c10000000001000111"))
    assert session.receive(frame("c402c1000000000200021111")).send
    with pytest.raises(MeterDecodeError, match="at most 3 octets"):
        session.receive(frame("c402c10000000003000111"))


def test_a_broken_off_transfer_is_the_meters_refusal() -> None:
    session = ready()
    session.get(BLOCK_LOAD)
    outcome = session.receive(frame("c402c10100000001010f")).outcome
    assert outcome == Answered((AccessResult.LONG_GET_ABORTED,))


@pytest.mark.parametrize("hexed", ["c403c101001105", "c403c10300110500110500 1105".replace(" ", "")])
def test_a_list_with_a_result_too_few_or_too_many_is_refused(hexed: str) -> None:
    session = ready()
    session.get_list((CLOCK, SERIAL))
    with pytest.raises(MeterDecodeError, match="expected 2 results"):
        session.receive(frame(hexed))


def test_a_list_of_one_is_not_asked_for() -> None:
    with pytest.raises(ValueError, match="at least two"):
        ready().get_list((CLOCK,))


def test_a_release_in_the_middle_of_a_read_drops_what_still_comes() -> None:
    session = ready()
    session.get(BLOCK_LOAD)
    assert session.release()[8:].hex() == "6203800100"
    assert session.receive(frame("c402c100000000010001aa")).outcome is None
    assert session.receive(frame("6303800100")).outcome == Released()


def test_there_is_nothing_to_release_before_and_after() -> None:
    session = fresh()
    assert session.release() == b""
    session.lost()
    assert session.release() == b""


def test_frames_of_another_party_close_the_association() -> None:
    session = ready()
    with pytest.raises(MeterDecodeError, match="wrapper header"):
        session.receive(bytes.fromhex("7ea0210002000000"))
    assert session.state is State.CLOSED


def test_before_the_grant_nothing_is_granted() -> None:
    with pytest.raises(MeterUnavailableError):
        _ = fresh().granted


def test_a_refusal_is_for_now_or_for_good() -> None:
    assert isinstance(refusal(CLOCK, AccessResult.TEMPORARY_FAILURE), MeterUnavailableError)
    for_good = refusal(CLOCK, AccessResult.READ_WRITE_DENIED)
    assert isinstance(for_good, MeterRefusedError)
    assert for_good.reason == 3
    assert str(for_good) == "the meter refuses 0.0.1.0.0.255 (class 8) attribute 2: read write denied (3)"


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=8), st.sampled_from(State))
def test_any_apdus_end_in_an_outcome_or_a_reader_error(apdus: list[bytes], state: State) -> None:
    session = ready()
    session.get(BLOCK_LOAD)
    session._state = state
    for apdu in apdus:
        with contextlib.suppress(ReaderError):
            session.receive(frame(apdu))


class HeldBack(WrapperLink):
    """A link that opens first: what is sent waits for the peer's first octet."""

    def __init__(self) -> None:
        super().__init__(client=32, server=1)
        self._held = b""

    def send(self, apdu: bytes) -> bytes:
        """Only the opening."""
        self._held = apdu
        return b"open?"

    def receive(self, data: bytes) -> Received:
        """The peer is open: now the APDU."""
        return Received((), self._held)


def test_what_a_link_held_back_leaves_when_the_link_is_open() -> None:
    session = Session(HeldBack(), None)
    assert session.associate() == b"open?"
    step = session.receive(b"yes")
    assert step.send[0] == 0x60
    assert step.outcome is None
