import os
from pathlib import Path

import pytest

from edge_agent.config import Config
from edge_agent.drafts import seal
from edge_agent.enrol import initialise, replace_key
from edge_agent.meter_keys import open_wrapping_key
from edge_agent.outbox.errors import StateError
from edge_agent.outbox.outbox import Outbox
from signing.canonical import decode
from signing.envelope import from_item, unseal
from signing.errors import KeyUnavailableError
from signing.signer import open_signer
from signing.statements.enrolment import EnrolRequest, open_enrolment
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import draft, to_send
from tests.edge_agent.settings import config, text


def salt() -> bytes:
    return os.urandom(16)


@pytest.fixture
def settings(tmp_path: Path, discom: Discom) -> Config:
    return config(tmp_path, text(discom))


def sign_one(settings: Config, block: int) -> bytes:
    signer = open_signer(settings.key)
    with Outbox(settings.database, capacity=10) as outbox:
        sealed = outbox.put(draft(block), lambda place: seal(draft(block), place, salt=salt(), signer=signer))
    assert sealed is not None
    return sealed.signed.digest


def test_init_makes_key_state_and_request_and_the_chain_starts_from_it(settings: Config) -> None:
    enrolment = initialise(settings, salt)
    request = open_enrolment(enrolment.file.read_bytes())
    assert (request.statement.gateway, request.statement.meters, request.statement.retires) == ("gw1", ("M1",), ())
    assert request.kid == enrolment.kid == open_signer(settings.key).public_key.kid
    sign_one(settings, 0)
    with Outbox(settings.database, capacity=10) as outbox:
        assert outbox._database.one("SELECT request FROM enrolled") == (request.digest,)


def test_init_makes_a_wrapping_key_that_outlives_the_signing_key(settings: Config) -> None:
    initialise(settings, salt)
    public = open_wrapping_key(settings.wrapping_key).public
    replace_key(settings, salt)
    assert open_wrapping_key(settings.wrapping_key).public == public


def test_init_twice_changes_nothing(settings: Config) -> None:
    initialise(settings, salt)
    before = {path: path.read_bytes() for path in settings.state.iterdir() if path.is_file()}
    with pytest.raises(StateError, match="nothing was changed"):
        initialise(settings, salt)
    assert {path: path.read_bytes() for path in settings.state.iterdir() if path.is_file()} == before


def test_a_meter_that_was_added_is_named_by_a_new_key(settings: Config, tmp_path: Path, discom: Discom) -> None:
    first = initialise(settings, salt)
    sign_one(settings, 0)
    more = config(
        tmp_path,
        text(discom, extra='[[meter]]\nid = "M2"\nserial = "S2"\nurl = "dlms+tcp://127.0.0.1:4060?client=16"'),
    )
    with Outbox(more.database, capacity=10) as outbox, pytest.raises(StateError, match=r"names M2: run .* --new-key"):
        outbox.require(gateway="gw1", kid=first.kid, meters=["M1", "M2"])
    with pytest.raises(StateError, match="--new-key"):
        initialise(more, salt)
    second = replace_key(more, salt)
    request = open_enrolment(second.file.read_bytes()).statement
    assert request.meters == ("M1", "M2")
    assert [(entry.meter, entry.kid) for entry in request.retires] == [("M1", first.kid)]
    with Outbox(more.database, capacity=10) as outbox:
        outbox.require(gateway="gw1", kid=second.kid, meters=["M1", "M2"])


def test_two_new_keys_in_a_row_still_retire_the_one_that_signed(settings: Config) -> None:
    first = initialise(settings, salt)
    signed_by = open_signer(settings.key).public_key
    last = sign_one(settings, 0)
    replace_key(settings, salt)
    data = replace_key(settings, salt).file.read_bytes()
    (retired,) = open_enrolment(data).statement.retires
    assert (retired.kid, retired.digest) == (first.kid, last)
    item = decode(data, "file")
    assert isinstance(item, list)
    assert unseal(from_item(item[2]), EnrolRequest, signed_by).digest != bytes(32)


def test_a_lost_state_asks_for_a_new_key(settings: Config) -> None:
    initialise(settings, salt)
    for path in settings.state.iterdir():
        path.unlink()
    with pytest.raises(StateError, match="init --new-key"):
        initialise(settings, salt)
    with pytest.raises(StateError, match="init --new-key"):
        Outbox(settings.database, capacity=1)
    old_kid = open_signer(settings.key).public_key.kid
    enrolment = replace_key(settings, salt)
    assert enrolment.kid == open_signer(settings.key).public_key.kid != old_kid
    assert open_enrolment(enrolment.file.read_bytes()).statement.retires == ()
    sign_one(settings, 0)


def test_a_rotation_retires_the_old_chain_is_signed_twice_and_leaves_no_hole(settings: Config) -> None:
    first = initialise(settings, salt)
    old_key = open_signer(settings.key).public_key
    last = [sign_one(settings, block) for block in range(2)][-1]
    second = replace_key(settings, salt)
    data = second.file.read_bytes()
    (retired,) = open_enrolment(data).statement.retires
    assert (retired.meter, retired.kid, retired.last, retired.digest) == ("M1", first.kid, 1, last)
    item = decode(data, "file")
    assert isinstance(item, list)
    assert unseal(from_item(item[2]), EnrolRequest, old_key).statement == open_enrolment(data).statement
    sign_one(settings, 2)
    with Outbox(settings.database, capacity=10) as outbox:
        outbox.require(gateway="gw1", kid=second.kid, meters=["M1"])
        assert [pending.envelope.kid for pending in to_send(outbox)] == [first.kid, first.kid, second.kid]


def test_a_rotation_that_was_cut_short_is_done_again_without_losing_the_old_chain(settings: Config) -> None:
    initialise(settings, salt)
    key = Path(settings.key.removeprefix("file:"))
    old_pem, old_kid = key.read_bytes(), open_signer(settings.key).public_key.kid
    last = sign_one(settings, 0)
    replace_key(settings, salt)
    # As if the process had died before the key files were exchanged.
    key.write_bytes(old_pem)
    key.with_name(f"{key.name}.new").write_bytes(b"half a key")
    with Outbox(settings.database, capacity=10) as outbox, pytest.raises(StateError, match="the configured key is"):
        outbox.require(gateway="gw1", kid=old_kid, meters=[])
    data = replace_key(settings, salt).file.read_bytes()
    (retired,) = open_enrolment(data).statement.retires
    assert (retired.kid, retired.digest) == (old_kid, last)


def test_a_key_that_others_can_read_is_refused_with_the_remedy(settings: Config) -> None:
    initialise(settings, salt)
    key = Path(settings.key.removeprefix("file:"))
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    with pytest.raises(KeyUnavailableError, match="chmod 600") as caught:
        open_signer(settings.key)
    assert "PRIVATE" not in str(caught.value)


def test_another_gateways_state_is_not_taken_over(settings: Config, tmp_path: Path, discom: Discom) -> None:
    initialise(settings, salt)
    other = config(tmp_path, text(discom).replace('"gw1"', '"gw2"'))
    with pytest.raises(StateError, match="nothing was changed"):
        initialise(other, salt)
    with pytest.raises(StateError, match="that of gateway 'gw1'"):
        replace_key(other, salt)
