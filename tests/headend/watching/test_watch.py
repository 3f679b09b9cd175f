"""Every kind of trouble is found when there is one, and not a moment before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from headend.config import Config
from headend.duties.alerts import AlertKind, Trouble
from headend.duties.component import Component
from headend.store.sqlite import lost_rows, postings
from headend.trading.posting import PostingState
from headend.watching.watch import Watch
from signing.interval import DAY_S
from tests.headend.discom import METER, SUBJECT, stated
from tests.headend.premises import DAY, gateway
from tests.headend.settling import NAME, Settling
from tests.ledger_client.rehearsal import NOW

GATE = DAY + DAY_S + 9 * 3600


@pytest.fixture
def settling(settling: Settling) -> Settling:
    """With the folder whose disk is watched."""
    (settling.headend.folder / "state").mkdir()
    return settling


def watch(settling: Settling, config: Config | None = None) -> Watch:
    headend = settling.headend
    return Watch(
        config=quiet(settling.config) if config is None else config,
        database=headend.database,
        registry=headend.registry,
        key=headend.statement_signer.public_key,
    )


def quiet(config: Config) -> Config:
    """Whatever disk the tests run on."""
    return replace(config, alerts=replace(config.alerts, disk_free_mib=0))


def kinds(found: tuple[Trouble, ...]) -> list[tuple[AlertKind, str]]:
    return [trouble.key for trouble in found]


def test_a_quiet_head_end_has_no_troubles(settling: Settling) -> None:
    settling.whole_day()
    works = [Component(name="broker", works=True, note="works")]
    assert watch(settling).look(works, DAY + DAY_S + 7200) == ()


@pytest.mark.parametrize(("now", "seen"), [(GATE - 7201, 0), (GATE - 7200, 1)])
def test_a_window_without_a_figure_is_told_two_hours_before_its_gate(settling: Settling, now: int, seen: int) -> None:
    settling.trade()
    settling.step(NOW)
    found = watch(settling).look((), now)
    assert [key for key in kinds(found) if key[0] is AlertKind.WINDOW_AT_RISK] == [
        (AlertKind.WINDOW_AT_RISK, f"{NAME} 2026-04-26T04:30:00Z 2026-04-26T06:30:00Z")
    ] * seen


def test_a_window_with_its_figure_is_no_trouble(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    settling.step(NOW)
    assert watch(settling).look((), DAY + DAY_S + 7200) == ()


@pytest.mark.parametrize(("now", "seen"), [(7200, 0), (7201, 1)])
def test_a_gateway_is_silent_after_two_hours_without_a_block(settling: Settling, now: int, seen: int) -> None:
    settling.whole_day()
    found = watch(settling).look((), DAY + DAY_S + now)
    assert kinds(found) == [(AlertKind.SILENT_GATEWAY, "gw-1")] * seen


def test_a_late_batch_of_old_blocks_does_not_hide_a_silent_gateway_nor_a_key_that_is_revoked_make_one(
    settling: Settling,
) -> None:
    settling.whole_day()
    settling.headend.take_in(stated(settling.gateway, 3, (100,)))
    assert len(watch(settling).look((), DAY + DAY_S + 7201)) == 1
    assert watch(settling).look((), DAY + DAY_S + 7200) == ()
    settling.headend.registrar.revoke(METER, settling.gateway.kid, at_utc=NOW)
    settling.headend.registry.reload()
    assert watch(settling).look((), DAY + DAY_S + 7201) == ()


def test_a_gateway_that_was_never_heard_is_not_silent(settling: Settling) -> None:
    settling.headend.enrol(gateway(2, ("SKS00000002",)))
    assert watch(settling).look((), NOW + 30 * DAY_S) == ()


@pytest.mark.parametrize("state", list(PostingState))
def test_a_posting_that_stands_still_is_told(settling: Settling, state: PostingState) -> None:
    settling.whole_day()
    settling.trade()
    settling.step(NOW)
    (record,) = settling.postings()
    with settling.headend.database.transaction() as connection:
        postings.put_posting(connection, replace(record, state=state, note="AUT_NOT_AUTHORIZED: no"))
    found = watch(settling).look((), DAY + DAY_S + 7200)
    if state in {PostingState.REFUSED, PostingState.DIFFERS, PostingState.EXPIRED}:
        (trouble,) = found
        assert trouble.kind is AlertKind.LEDGER_DIFFERENCE
        assert f"{state.value}: AUT_NOT_AUTHORIZED: no" in trouble.text
    else:
        assert found == ()


def test_a_disk_that_is_nearly_full_is_told(settling: Settling) -> None:
    config = settling.config
    full = replace(config, alerts=replace(config.alerts, disk_free_mib=2**31))
    (trouble,) = watch(settling, full).look((), NOW)
    assert (trouble.kind, trouble.about) == (AlertKind.DISK, str(config.state))


def certificate(folder: Path, ends: int) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "discom.example")])
    end = datetime.fromtimestamp(ends, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - timedelta(days=90))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    (folder / "web.pem").write_bytes(made.public_bytes(Encoding.PEM))
    return str(folder / "web.pem")


@pytest.mark.parametrize(("left", "seen"), [(14 * DAY_S, 0), (14 * DAY_S - 1, 1), (-1, 1)])
def test_a_certificate_that_ends_within_two_weeks_is_told(settling: Settling, left: int, seen: int) -> None:
    config = quiet(settling.config)
    place = certificate(settling.headend.folder, NOW + left)
    config = replace(config, web=replace(config.web, certificate=place, certificate_key=place))
    assert kinds(watch(settling, config).look((), NOW)) == [(AlertKind.CERTIFICATE, place)] * seen


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_certificate_that_cannot_be_read_is_told(settling: Settling, content: bytes | None) -> None:
    place = settling.headend.folder / "web.pem"
    if content is not None:
        place.write_bytes(content)
    config = quiet(settling.config)
    config = replace(config, web=replace(config.web, certificate=str(place), certificate_key=str(place)))
    (trouble,) = watch(settling, config).look((), NOW)
    assert "cannot be read" in trouble.text


def test_a_part_that_does_not_work_is_told_after_two_minutes_and_counts_anew_once_it_worked(
    settling: Settling,
) -> None:
    down = [Component(name="broker", works=False, note="not connected yet")]
    found = watch(settling)
    assert found.look(down, NOW) == ()
    assert found.look(down, NOW + 119) == ()
    assert kinds(found.look(down, NOW + 120)) == [(AlertKind.COMPONENT, "broker")]
    assert found.look((), NOW + 180) == ()
    assert found.look(down, NOW + 240) == ()


def test_what_a_restore_lost_is_told(settling: Settling) -> None:
    with settling.headend.database.transaction() as connection:
        lost_rows.put_lost(connection, [(99, bytes(32))])
    assert kinds(watch(settling).look((), NOW)) == [(AlertKind.LOST, "log 0")]


def test_the_window_of_these_tests_has_its_gate_next_morning(settling: Settling) -> None:
    assert settling.config.gates.data_utc(SUBJECT.window) == GATE
