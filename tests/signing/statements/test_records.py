"""What records, rule sets and actuals answer."""

from dataclasses import replace
from typing import Any

import pytest

from signing.envelope import parse
from signing.errors import DecodeError, VerificationError
from signing.statements.enrolment import EnrolRequest, enrolment_file, open_enrolment
from signing.statements.meter_record import MeterRecord
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import EditedActual, Totals, WindowActual, actual_kind, parse_actual
from tests.signing.statements import items
from tests.signing.statements.items import D, spoiled
from tests.vectors.world import TEN, Key, dumps, signed


def record(**changes: Any) -> MeterRecord:
    item = items.RECORD
    for place, value in ((int(name[1:]), value) for name, value in changes.items()):
        item = spoiled(item, (place,), value)
    return MeterRecord.parse(dumps(item))


def test_the_newest_fact_from_an_instant_on_holds() -> None:
    found = record()
    assert found.fact(TEN - 1) is None
    assert found.fact(TEN) == found.facts[0]
    assert found.fact(TEN + 8) == found.facts[0]
    assert found.fact(TEN + 9) == found.facts[1]


def test_a_record_vouches_for_active_and_for_retired_up_to_the_last() -> None:
    active, retired, revoked = Key(1), Key(2), Key(3)
    speakers = [
        [active.cose, "gw-1", D, TEN, 0, None, None],
        [retired.cose, "gw-1", D, TEN, 1, [7, D], None],
        [revoked.cose, "gw-1", D, TEN, 2, None, None],
    ]
    found = record(_5=speakers)
    assert found.vouches(active.kid, 10**9)
    assert found.vouches(retired.kid, 7)
    assert not found.vouches(retired.kid, 8)
    assert not found.vouches(revoked.kid, 0)
    assert not found.vouches(Key(4).kid, 0)
    assert found.speaker(Key(4).kid) is None


def test_a_rule_is_found_by_its_id() -> None:
    rules = RuleSet.parse(dumps(items.RULES))
    found = rules.rule("V23")
    assert found is not None
    assert found.parameters == {"digit_wh": 10, "tolerance_permille": 5}
    assert rules.rule("V99") is None


def test_net_is_import_minus_export() -> None:
    assert Totals(import_wh=106, export_wh=6768).net_wh == -6662
    assert Totals(import_wh=106, export_wh=None).net_wh == 106
    chains = WindowActual.parse(dumps(items.ACTUAL)).parts[0].chains
    assert [chain.missing for chain in chains] == [3, 0]


def request(key: Key, named: Key | None = None) -> Any:
    return signed(key, "enrol-request", ["gw-1", (named or key).cose, ["M1"], [], bytes(16)])


def test_an_enrolment_file_is_signed_by_the_key_that_it_names() -> None:
    statement = request(Key(1))
    data = dumps([1, statement.tag, None])
    opened = open_enrolment(data)
    assert (opened.statement.gateway, opened.digest) == ("gw-1", statement.digest)
    assert enrolment_file(opened) == data
    by_old = request(Key(2), Key(1))
    assert enrolment_file(opened, parse(dumps(by_old.tag))) == dumps([1, statement.tag, by_old.tag])


def test_an_enrolment_by_another_key_or_of_another_form_is_refused() -> None:
    with pytest.raises(VerificationError, match=r"^\(1\)"):
        open_enrolment(dumps([1, request(Key(2), Key(1)).tag, None]))
    wrong = request(Key(1))
    wrong.signature = bytes(64)
    with pytest.raises(VerificationError, match=r"^\(4\)"):
        open_enrolment(dumps([1, wrong.tag, None]))
    with pytest.raises(VerificationError, match=r"^\(3\) expected .*enrol-request"):
        open_enrolment(dumps([1, signed(Key(1), "rule-set", items.RULES).tag, None]))
    for item in ([2, request(Key(1)).tag, None], [1, request(Key(1)).tag], [1, None, None]):
        with pytest.raises(DecodeError, match="enrolment"):
            open_enrolment(dumps(item))
    assert EnrolRequest.CONTENT_TYPE.endswith("enrol-request+cbor;v=1")


def test_a_record_without_a_fact_cannot_be() -> None:
    with pytest.raises(DecodeError, match="at least one fact"):
        replace(record(), facts=())


def test_only_version_2_of_an_actual_has_edits_and_manual_energies() -> None:
    plain, edited = WindowActual.parse(dumps(items.PLAIN)), EditedActual.parse(dumps(items.EDITED))
    with pytest.raises(DecodeError, match="'edits' exactly in version 2, got 2"):
        replace(plain, edits=edited.edits)
    with pytest.raises(DecodeError, match="'edits' exactly in version 2, got 0"):
        replace(edited, edits=())
    with pytest.raises(DecodeError, match="manual energies in version 2 only"):
        replace(plain, parts=edited.parts)


def test_the_content_type_chooses_the_version_of_an_actual() -> None:
    for kind, item in ((WindowActual, items.PLAIN), (EditedActual, items.EDITED)):
        assert type(parse_actual(kind.CONTENT_TYPE, dumps(item))) is kind
        assert actual_kind(kind.CONTENT_TYPE) is kind
    assert actual_kind("another") is WindowActual
