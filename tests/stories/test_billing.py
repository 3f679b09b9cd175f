"""A month's bill: what the retailer supplied, what went between peers and what both are charged, from validated days and settled trades."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from deploy.demo.processes import run, running
from deploy.demo.world import BUYER
from signing.interval import ist_text, utc_text
from tests.stories.stage import AGENT, BROKER, EXCHANGE, HEADEND, METER, SIDE, Stage, said_by, until

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(240)]

SERIES = "[series]\nafter_s = 0\nquiet_s = 0\n"
TARIFF = """
[[charge]]
name = "transaction"
from = "2020-01-01T00:00:00+05:30"
inr_per_kwh = "0.42"
scope = "any"
paid_by = "equal"
[[charge]]
name = "wheeling"
from = "2020-01-01T00:00:00+05:30"
inr_per_kwh = "1.01"
scope = "interstate"
paid_by = "seller"
[states]
PaVVNL = "UP"
TPDDL = "DL"
"""


def test_a_month_is_billed_from_validated_days_and_settled_trades(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, settings=SERIES)
        window, month = stage.window, ist_text(stage.window.start_utc)[:7]
        stage.prepare()
        for name in (BROKER, EXCHANGE):
            stage.start(name)
        stage.put()
        stage.start(HEADEND)
        stage.start(AGENT)
        until("the seller's figure is posted", stage.is_confirmed)
        tariff = tmp_path / "tariff.toml"
        tariff.write_text(TARIFF)
        bill = [*stage.headend("billing", "determinants"), "--month", month, "--json", "--tariff", str(tariff)]
        # What the ledger has not settled cannot be billed.
        said = said_by(bill)
        found = json.loads(said.out)
        assert (said.code, len(found["open_trades"]), found["lines"]) == (1, 1, [])
        stage.record_buyer(quantity_kwh="4")
        until("the trade settled and its day is validated", lambda: is_settled(said_by(bill).out))
        said = said_by(bill)
        found = json.loads(said.out)
        assert (found["connection_point"], found["meters"][-1]) == (SIDE.connection_point, METER.id)
        assert (found["p2p_sold_kwh"], found["p2p_bought_kwh"]) == ("4.000", "0.000")
        amounts = {line["name"]: Decimal(line["amount_inr"]) for line in found["lines"]}
        assert amounts == {
            "energy": Decimal("-20.00"),
            "transaction": Decimal("0.84"),
            "wheeling": Decimal("4.04"),
        }
        assert Decimal(found["charges_inr"]) == Decimal("4.88")
        # Most of the month was not read: it has no totals, and is not final.
        assert (said.code, found["completeness"], found["final"]) == (1, "INCOMPLETE", False)
        assert found["import_kwh"] is found["export_kwh"] is found["residual_export_kwh"] is None
        (row,) = csv.DictReader(io.StringIO(said_by([*bill[:-3], "--point", SIDE.connection_point]).out))
        assert (row["p2p_sold_kwh"], row["export_kwh"], row["final"]) == ("4.000", "", "False")
        # What stops the retailer from billing the same energy once more.
        slot = ["--start", utc_text(window.start_utc), "--end", utc_text(window.start_utc + 900)]
        lookup = [*stage.headend("billing", "lookup"), *slot, "--posted-as"]
        assert "SELLER of 6.000 kWh" in run([*lookup, SIDE.posted_as])
        before = ["--start", utc_text(window.start_utc - 900), "--end", utc_text(window.start_utc)]
        lookup_before = [*stage.headend("billing", "lookup"), *before, "--posted-as"]
        assert run([*lookup_before, SIDE.posted_as]) == "no trade\n"
        # Of whom this discom knows nothing it says nothing either.
        stranger = said_by([*lookup, BUYER.posted_as])
        assert (stranger.code, BUYER.posted_as in stranger.err) == (1, True)


def is_settled(bill: str) -> bool:
    """Whether the trade is no longer open, and a day of blocks is validated."""
    found = json.loads(bill)
    return bool(found["open_trades"] == [] and found["blocks"].get("VALID", 0) >= 96)
