"""What the demonstration says at the end: a table for people, one JSON object for programs."""

import json
import subprocess
import time
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import httpx

from deploy.demo import world
from deploy.demo.processes import DemoError, program
from deploy.demo.stage import NOTHING_MORE, Headend, Outcome, Proof, Shown, Stage
from deploy.demo.world import SIDES
from signing.interval import ist_text, utc_text

_UNDER_WAY_S = 5


def prove(stage: Stage, outcome: Outcome) -> dict[str, Proof]:
    """Fetches each side's bundle from its head-end and has `sakshi-verify` check it, in a process of its own."""
    return {
        side.name: _prove(stage.headends[side.name], outcome.actuals[side.name])
        for side in SIDES
        if side.name in outcome.actuals
    }


def contracts(stage: Stage) -> dict[str, str]:
    """On whose word each head-end shows the trade: which platforms' contracts it verified. Waits a little for those on their way."""
    ends = time.monotonic() + _UNDER_WAY_S
    while True:
        found = {name: _basis(stage, headend) for name, headend in stage.headends.items()}
        if time.monotonic() > ends or all(basis.endswith("both platforms: verified") for basis in found.values()):
            return found
        time.sleep(0.1)


def _basis(stage: Stage, headend: Headend) -> str:
    window = {"start": utc_text(stage.window.start_utc), "end": utc_text(stage.window.end_utc)}
    answer = httpx.get(
        f"{headend.url}/v1/trades", params=window, headers={"Authorization": f"Bearer {headend.token}"}, timeout=30
    )
    slots = answer.raise_for_status().json()
    return "; ".join(sorted({trade["basis"] for slot in slots for trade in slot["trades"]}))


def result(
    outcome: Outcome,
    proofs: dict[str, Proof],
    seconds: float,
    shown: Shown = NOTHING_MORE,
    signed: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The one JSON object: energies and rupees are decimal strings, null where absent; a case adds what it showed."""
    trade = outcome.trade
    more = {"case": {**shown.values, "as_it_should": shown.is_as_it_should}} if shown.values else {}
    return {
        "contracted_kwh": trade["contractedKwh"],
        "contracts": dict(signed),
        "metered": {side.name: _metered(outcome, side.name) for side in SIDES},
        "pushed_kwh": trade["pushedKwh"],
        "pulled_kwh": trade["pulledKwh"],
        "settled_kwh": trade["settledKwh"],
        "amount_inr": trade["amountInr"],
        "evidence": {
            side.name: (
                {"bundle": str(proofs[side.name].bundle), "trust": str(proofs[side.name].trust)}
                if side.name in proofs
                else None
            )
            for side in SIDES
        },
        "verified": len(proofs) == len(SIDES) and all(proof.verified for proof in proofs.values()),
        "seconds": round(seconds, 1),
        **more,
    }


def table(
    stage: Stage,
    outcome: Outcome,
    proofs: dict[str, Proof],
    shown: Shown = NOTHING_MORE,
    signed: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The table for people."""
    trade = outcome.trade
    metered = {side.name: _metered(outcome, side.name) for side in SIDES}
    rows = [
        ("delivery", f"{ist_text(stage.window.start_utc)} to {ist_text(stage.window.end_utc)}"),
        ("contracted", f"{trade['contractedKwh']} kWh at INR {world.PRICE_INR} per kWh"),
    ]
    rows += [(f"trade at {side.discom}", signed[side.name]) for side in SIDES if side.name in signed]
    for side in SIDES:
        energies = metered[side.name]
        rows.append(
            (
                f"metered, {side.name}",
                f"import {_shown(energies['import_kwh'])}, export {_shown(energies['export_kwh'])}",
            )
        )
    rows += [
        ("pushed", _shown(trade["pushedKwh"])),
        ("pulled", _shown(trade["pulledKwh"])),
        ("settled", _shown(trade["settledKwh"])),
        ("amount", "—" if trade["amountInr"] is None else f"INR {trade['amountInr']}"),
        ("left to the retailer, seller", _left(metered["seller"]["export_kwh"], trade["settledKwh"])),
        ("left to the retailer, buyer", _left(metered["buyer"]["import_kwh"], trade["settledKwh"])),
    ]
    for side in SIDES:
        if side.name in proofs:
            proof = proofs[side.name]
            state = "verified offline" if proof.verified else "NOT verified"
            rows.append((f"evidence, {side.name}", f"{proof.digest}  {state}"))
    rows += shown.rows
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def _prove(headend: Headend, actual: dict[str, Any]) -> Proof:
    digest = str(actual["claims"]["evidence_digest"])
    answer = httpx.get(
        f"{headend.url}/v1/evidence/{digest}", headers={"Authorization": f"Bearer {headend.token}"}, timeout=30
    )
    bundle = headend.folder / f"evidence-{digest[:16]}.cbor"
    bundle.write_bytes(answer.raise_for_status().content)
    trust = headend.folder / "state" / "trust.toml"
    command = [program("sakshi-verify"), "--trust", str(trust), "--digest", digest, str(bundle)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise DemoError(f"sakshi-verify ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return Proof(bundle=bundle, trust=trust, digest=digest, verified=done.returncode == 0, said=done.stdout)


def _metered(outcome: Outcome, name: str) -> dict[str, str | None]:
    actual: Any = outcome.actuals.get(name)
    totals = None if actual is None else actual["claims"]["totals"]
    if totals is None:
        return {"import_kwh": None, "export_kwh": None}
    return {"import_kwh": totals["import_kwh"], "export_kwh": totals["export_kwh"]}


def _shown(kwh: object) -> str:
    return "—" if kwh is None else f"{kwh} kWh"


def _left(metered: str | None, settled: object) -> str:
    if metered is None or settled is None:
        return "—"
    return f"{Decimal(metered) - Decimal(str(settled))} kWh"


def line(values: dict[str, Any]) -> str:
    """`values` as one line of JSON."""
    return json.dumps(values, separators=(",", ":"))
