"""The truth file: what is in memory, by start of block."""

import json

from firmware_sim.faults import MissingBlock
from firmware_sim.instants import parse_instant, utc_text
from firmware_sim.truth import truth_text
from tests.firmware_sim.meters import NOW, import_only, seller


def test_rows_carry_their_start_and_days_their_midnight() -> None:
    meter = seller(period_s=1800, days=2)
    truth = json.loads(truth_text(meter, NOW))
    assert set(truth) == {"serial", "period", "rows", "daily"}
    assert (truth["serial"], truth["period"], len(truth["rows"]), len(truth["daily"])) == ("10000001", 1800, 96, 2)
    last = meter.block(parse_instant("2026-11-19T11:30:00+05:30"), 1800).energies
    assert truth["rows"][-1] == {
        "start": "2026-11-19T06:00:00Z",
        "wh_imp": last.imported_wh,
        "wh_exp": last.exported_wh,
    }
    midnight = meter.registers(parse_instant("2026-11-19T00:00:00+05:30"))
    assert truth["daily"][-1] == {
        "stamp": "2026-11-18T18:30:00Z",
        "wh_imp": midnight.imported_wh,
        "wh_exp": midnight.exported_wh,
    }


def test_export_is_null_where_there_is_none() -> None:
    truth = json.loads(truth_text(import_only(), NOW))
    assert {row["wh_exp"] for row in truth["rows"] + truth["daily"]} == {None}


def test_a_lost_row_is_not_in_the_truth_of_the_memory() -> None:
    lost = parse_instant("2026-11-18T10:30:00+05:30")
    truth = json.loads(truth_text(seller(faults=(MissingBlock(at=lost),)), NOW))
    assert len(truth["rows"]) == 40 * 96 - 1
    assert utc_text(lost) not in {row["start"] for row in truth["rows"]}
