"""The case of a meter without a gateway: another system of the discom's read it, and its file is dropped into a folder."""

import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from deploy.demo.stage import Outcome, Proof, Shown, Stage
from deploy.demo.turn import OPERATOR, Turn, bill_of, command, told_by, wait_until
from deploy.demo.world import BUYER, Side
from headend.meter_data.drop_folder import TAKEN
from headend.series import IMPORTED
from signing.energy import kwh_text
from signing.interval import DAY_S, Interval, ist_day_start, ist_text, parse_instant, utc_text

METER = next(meter for meter in BUYER.meters if meter.settles)
SOURCE = "HES of the AMISP"

_FILE = "readings.csv"


class Import(Turn):
    """The buyer's meter is read by the AMISP's system only."""

    def __init__(self) -> None:
        self._receipt: dict[str, Any] = {}
        """What the head-end said of the file."""

    def settings(self, stage: Stage, side: Side) -> str:
        """The drop folder, and days that are validated at once."""
        if side.name != BUYER.name:
            return ""
        _drop(stage).mkdir(exist_ok=True)
        return f'\n[series]\nafter_s = 0\nquiet_s = 0\n\n[imports]\nfolder = "drop"\nsource = "{SOURCE}"\n'

    def recorded(self, stage: Stage, side: Side) -> Collection[str]:
        """Records the meter, since there is no enrolment that would, and drops the file: the head-end finds it at its start."""
        if side.name != BUYER.name:
            return ()
        sheet = stage.folder / side.discom / "meters.csv"
        since = utc_text(stage.window.start_utc - 30 * DAY_S)
        sheet.write_text(
            "meter,from,identity,connection_point,posted_as,period_s\n"
            f"{METER.id},{since},{METER.serial},{side.connection_point},{side.posted_as},{stage.play.period_s}\n"
        )
        command(stage, "registry", "import", str(sheet), "--apply", "--by", OPERATOR, side=side)
        stage.say(f"{side.discom} recorded {METER.id}, which has no gateway")
        _dropped(stage)
        return {METER.id}

    def before_contract(self, stage: Stage) -> None:
        """Waits for the receipt."""
        receipt = _drop(stage) / TAKEN / f"{_FILE}.receipt.json"
        wait_until(stage, f"{BUYER.discom} did not take {_FILE}", receipt.exists)
        self._receipt = json.loads(receipt.read_text())
        stage.say(f"{BUYER.discom} took it: {self._receipt['origin']}")

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:  # noqa: ARG002 - both verify, or the demonstration failed
        """The window without a figure, the day and the bill with the imported one."""
        wait_until(stage, f"{BUYER.discom} validated no day", lambda: _validated(stage) is not None)
        day = _validated(stage) or {}
        marks = Counter(f"{block['quality']}/{block['import_method']}" for block in day["blocks"])
        claims: dict[str, Any] = outcome.actuals[BUYER.name]["claims"]
        postings = told_by(stage, BUYER, "/v1/postings")["items"]
        bill = bill_of(stage, BUYER)
        blocks, batches = self._receipt["blocks"], self._receipt["batches"]
        is_marked = marks == {f"MANUAL/{IMPORTED}": blocks} and all(block["origin"] is None for block in day["blocks"])
        is_untold = not postings and outcome.trade["pulledKwh"] is None
        return Shown(
            is_as_it_should=(
                is_marked
                and is_untold
                and claims["status"] == "PENDING"
                and claims["totals"] is None
                and bill["blocks"] == {"MANUAL": blocks, "MISSING": sum(bill["blocks"].values()) - blocks}
                and len(batches) == 1
            ),
            is_to_settle=False,
            values={
                "imported": {name: self._receipt[name] for name in ("verdict", "origin", "blocks", "batches")},
                "status": claims["status"],
                "reason": claims["reason"],
                "postings": len(postings),
                "day": {"import_kwh": day["import_kwh"], "blocks": dict(marks)},
                "bill": {name: bill[name] for name in ("blocks", "open_trades", "final")},
            },
            rows=(
                ("imported, buyer", f"{blocks} blocks: {self._receipt['origin']}"),
                ("status, buyer", f"{claims['status']}: {claims['reason']}"),
                ("posted, buyer", f"{len(postings)} figures"),
                ("validated day, buyer", f"import {day['import_kwh']} kWh, {blocks} blocks MANUAL, method {IMPORTED}"),
                ("bill, buyer", f"blocks {bill['blocks']}, final: {bill['final']}"),
            ),
        )


def _dropped(stage: Stage) -> None:
    """Drops the file as the other system does."""
    rows = list(_rows(stage))
    partial = _drop(stage) / f".{_FILE}"
    partial.write_text("\n".join(["meter,kind,time,period_s,import_kwh,export_kwh,status", *rows, ""]))
    # What has its own name is complete.
    partial.rename(_drop(stage) / _FILE)
    stage.say(
        f"the {SOURCE} drops {_FILE} with {len(rows)} blocks of {METER.id} of {ist_text(_day(stage).start_utc)[:10]}"
    )


def _drop(stage: Stage) -> Path:
    return stage.folder / BUYER.discom / "drop"


def _day(stage: Stage) -> Interval:
    """The IST day of the delivery."""
    start = ist_day_start(stage.window.start_utc)
    return Interval(start, start + DAY_S)


def _rows(stage: Stage) -> list[str]:
    """What the other system read of the meter that day: what the meter itself states."""
    truth: dict[str, Any] = json.loads(stage.truth(METER.id).read_text())
    period_s, day = stage.play.period_s, _day(stage)
    return [
        f"{METER.id},BLOCK,{row['start']},{period_s},{kwh_text(row['wh_imp'])},{kwh_text(row['wh_exp'])},VALID"
        for row in truth["rows"]
        if day.start_utc <= parse_instant(row["start"], "start") < day.end_utc
    ]


def _validated(stage: Stage) -> dict[str, Any] | None:
    """The validated day, once every block of it has a value."""
    span = f"start={utc_text(_day(stage).start_utc)}&end={utc_text(_day(stage).end_utc)}"
    days: list[dict[str, Any]] = told_by(stage, BUYER, f"/v1/days/{METER.id}?{span}")
    whole = [day for day in days if day["blocks"] and all(block["import_wh"] is not None for block in day["blocks"])]
    return whole[0] if len(whole) == 1 else None
