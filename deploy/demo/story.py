"""The demonstration from first process to settled trade, as operators and platforms would do it: by commands and by the API."""

import json
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import httpx

from deploy.demo import broker, ports, world
from deploy.demo.cases import Case, simulator
from deploy.demo.processes import DemoError, program, run
from deploy.demo.stage import DECIDE_S, START_S, Headend, Outcome, Stage
from deploy.demo.turn import Turn
from deploy.demo.turns import turn_of
from deploy.demo.world import BUYER, SELLER, SIDES, Meter, Side
from signing.interval import utc_text

_DIRECTORY = "subscribers.toml"

SETTLED_DOWN_S = 6
"""How long a window must stay PENDING before the trade counts as one that cannot be decided."""


def set_up(stage: Stage) -> Turn:
    """Starts everything and puts the contract; gives what the case does after that."""
    stage.started = time.monotonic()
    kind, stage.broker_port = broker.start(stage.processes, stage.folder, stage.broker)
    stage.say(f"the {kind.value} broker listens on 127.0.0.1:{stage.broker_port}")
    keys = _platform_keys(stage)
    _start_meters(stage)
    turn, sides = turn_of(stage.play), stage.play.sides
    stage.web_ports = {side.name: turn.web_port(side) or ports.reserve() for side in sides}
    (stage.folder / _DIRECTORY).write_text(world.subscribers(keys))
    founded = {side.name: _found(stage, side, turn) for side in sides}
    for side in sides:
        keys[side.subscriber] = (founded[side.name]["beckn_public_key"], side.discom)
    _start_exchange(stage, keys, turn)
    for side in sides:
        _configure_headend(stage, side, turn)
        recorded = turn.recorded(stage, side)
        if stage.play.has_gateway(side):
            _enrol(stage, side, founded[side.name], recorded)
        stage.headends[side.name] = _serve(stage, side, founded[side.name])
    for side in filter(stage.play.has_gateway, sides):
        _start_agents(stage, side)
    turn.before_contract(stage)
    for side in sides:
        _put(stage, side)
    stage.say("both platforms put the contract: 6 kWh at INR 5, delivery 10:00 to 12:00 IST yesterday")
    return turn


def follow(stage: Stage, turn: Turn) -> Outcome:
    """Waits until the trade is settled, or is found undecidable.

    Raises:
        DemoError: a process ended, or nothing was decided in time.
    """
    ends = time.monotonic() + DECIDE_S
    pending_since: float | None = None
    said: set[str] = set()
    for outcome in _outcomes(stage):
        # What a turn does meanwhile makes this outcome old, so its time does not count.
        now = time.monotonic()
        turn.heard(stage, outcome)
        for line in _news(outcome):
            if line not in said:
                said.add(line)
                stage.say(line)
        if outcome.is_settled:
            return outcome
        if not _is_undecidable(outcome):
            pending_since = None
        elif pending_since is None:
            pending_since = now
        elif now - pending_since > SETTLED_DOWN_S:
            return outcome
        if now > ends:
            raise DemoError(f"the trade was not decided in {DECIDE_S} s: see the logs in {stage.folder / 'logs'}")
    raise DemoError("unreachable: the stage never ends by itself")


def _outcomes(stage: Stage) -> Iterator[Outcome]:
    with httpx.Client(timeout=10) as client:
        while True:
            stage.processes.check()
            yield Outcome(trade=_trade(stage, client), actuals=_actuals(stage, client))
            time.sleep(0.3)


def _news(outcome: Outcome) -> Iterator[str]:
    for side in SIDES:
        actual = outcome.actuals.get(side.name)
        if actual is not None:
            claims = _claims(actual)
            totals = claims["totals"]
            what = claims["reason"] if totals is None else f"net {totals['net_kwh']} kWh"
            yield f"{side.discom} attested revision {claims['revision']}: {claims['status']}, {what}"
    for name, key in (("seller's", "pushedKwh"), ("buyer's", "pulledKwh")):
        if outcome.trade[key] is not None:
            yield f"the exchange allocated {outcome.trade[key]} kWh to the {name} side"
    if outcome.is_settled:
        yield f"the exchange settled {outcome.trade['settledKwh']} kWh for INR {outcome.trade['amountInr']}"


def _claims(actual: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = actual["claims"]
    return found


def _is_undecidable(outcome: Outcome) -> bool:
    statuses = [_claims(actual)["status"] for actual in outcome.actuals.values()]
    return len(statuses) == len(SIDES) and any(status in {"PENDING", "NOT_MEASURABLE"} for status in statuses)


def _trade(stage: Stage, client: httpx.Client) -> dict[str, Any]:
    (trade,) = client.get(f"http://{stage.exchange}/sandbox/trades").raise_for_status().json()["trades"]
    found: dict[str, Any] = trade
    return found


def _actuals(stage: Stage, client: httpx.Client) -> dict[str, dict[str, Any]]:
    found = {}
    for name, headend in stage.headends.items():
        window = {"start": utc_text(stage.window.start_utc), "end": utc_text(stage.window.end_utc)}
        answer = client.get(
            f"{headend.url}/v1/actuals",
            params={"posted_as": headend.side.posted_as, **window},
            headers={"Authorization": f"Bearer {headend.token}"},
        )
        revisions = answer.raise_for_status().json()
        if revisions:
            found[name] = revisions[-1]
    return found


def _platform_keys(stage: Stage) -> dict[str, tuple[str, str | None]]:
    keys: dict[str, tuple[str, str | None]] = {}
    for side in SIDES:
        file = stage.folder / f"{side.platform}.pem"
        command = [program("sakshi-ledger"), "key", "init", "--subscriber", side.platform, "--json", str(file)]
        keys[side.platform] = (json.loads(run(command))["public_key"], None)
    return keys


def _start_meters(stage: Stage) -> None:
    meters: list[tuple[Side, Meter]] = [(side, meter) for side in stage.play.sides for meter in side.meters]
    for side, meter in meters:
        port = ports.reserve() if stage.play.starts_again(side, meter) else 0
        truth = stage.truth(meter.id)
        arguments = simulator(stage.play, side, meter, stage.window, truth, listen=f"{ports.HOST}:{port}")
        stage.processes.start(f"meter-{meter.id}", [program("sakshi-sim"), *arguments])
    for side, meter in meters:
        stage.addresses[meter.id] = stage.processes.wait_for(f"meter-{meter.id}", "listening ", START_S)
        stage.say(f"{side.name}'s {meter.role} meter {meter.id} answers on {stage.addresses[meter.id]}")


def _found(stage: Stage, side: Side, turn: Turn) -> dict[str, str]:
    _configure_headend(stage, side, turn)
    told: dict[str, str] = json.loads(
        run([program("sakshi-headend"), "init", "--config", stage.config(side), "--json"])
    )
    return told


def _configure_headend(stage: Stage, side: Side, turn: Turn) -> None:
    """Written twice: the exchange must know the discoms' keys, and they its address."""
    folder = stage.folder / side.discom
    folder.mkdir(exist_ok=True)
    text = world.headend(
        side,
        broker_port=stage.broker_port,
        ledger=stage.exchange or "127.0.0.1:1",
        posts=stage.play.posts,
        pending_after_s=stage.play.pending_after_s,
        channel=stage.play.channel,
        web_port=stage.web_ports[side.name],
    )
    if side.subscriber not in turn.receivers():
        text += world.closed_network(stage.web_ports[side.name], stage.folder / _DIRECTORY)
    (folder / "headend.toml").write_text(text + turn.settings(stage, side))


def _start_exchange(stage: Stage, keys: dict[str, tuple[str, str | None]], turn: Turn) -> None:
    registry = stage.folder / "participants.toml"
    doors = {
        side.subscriber: f"http://{ports.HOST}:{stage.web_ports[side.name]}/v1/contracts" for side in stage.play.sides
    }
    registry.write_text(world.participants(keys, turn.receivers(), doors))
    state = stage.folder / "exchange"
    run([program("sakshi-ledger"), "sandbox-init", "--state", str(state)])
    command = ["sandbox", "--listen", "127.0.0.1:0", "--state", str(state), "--participants", str(registry)]
    command += turn.exchange(stage)
    stage.processes.start("exchange", [program("sakshi-ledger"), *command])
    stage.exchange = stage.processes.wait_for("exchange", "listening ", START_S)
    stage.say(f"the sandbox exchange answers on {stage.exchange}")


def _enrol(stage: Stage, side: Side, founded: dict[str, str], recorded: Collection[str]) -> None:
    folder = stage.folder / side.gateway
    folder.mkdir()
    password = folder / "meter.password"
    password.touch(mode=0o600)
    password.write_text(world.PASSWORD)
    settings = world.agent(
        side,
        broker_port=stage.broker_port,
        log_key=founded["log_key"],
        statement_key=founded["statement_key"],
        urls=stage.addresses,
        password_file=password,
    )
    (folder / "agent.toml").write_text(settings)
    run([program("sakshi-agent"), "init", "--config", str(folder / "agent.toml")])
    facts = stage.folder / side.discom / f"{side.gateway}.toml"
    facts.write_text(world.facts(side, stage.window, stage.play.period_s, recorded=recorded))
    (request,) = (folder / "state").glob("enrol-*.cbor")
    run([program("sakshi-headend"), "enrol", "--config", stage.config(side), str(request), str(facts), "--apply"])
    stage.say(f"{side.discom} enrolled {side.gateway}")


def _serve(stage: Stage, side: Side, founded: dict[str, str]) -> Headend:
    token = run(
        [
            *(program("sakshi-headend"), "token", "create", "--config", stage.config(side), "--name", "demo"),
            *("--scope", "read:meters", "--scope", "read:windows", "--scope", "read:evidence"),
            *("--scope", "read:operations", "--scope", "console"),
        ]
    ).strip()
    name = f"headend-{side.discom}"
    stage.processes.start(name, [program("sakshi-headend"), "serve", "--config", stage.config(side)])
    address = stage.processes.wait_for(name, "listening ", START_S)
    stage.say(f"{side.discom}'s head-end answers on {address}")
    return Headend(
        side=side,
        folder=stage.folder / side.discom,
        url=f"http://{address}",
        token=token,
        log_key=founded["log_key"],
        statement_key=founded["statement_key"],
    )


def _start_agents(stage: Stage, side: Side) -> None:
    folder = stage.folder / side.gateway
    if stage.play.case is Case.FORK and side.name == SELLER.name:
        clone = stage.folder / f"{side.gateway}-clone"
        shutil.copytree(folder, clone)
        stage.processes.start(f"{side.gateway}-clone", _agent(clone))
        stage.say(f"a clone of {side.gateway} runs under the same key")
    stage.processes.start(side.gateway, _agent(folder))
    stage.say(f"{side.gateway} reads its meters' own memory")


def _agent(folder: Path) -> list[str]:
    return [program("sakshi-agent"), "run", "--config", str(folder / "agent.toml")]


def _put(stage: Stage, side: Side) -> None:
    run(
        [
            *(program("sakshi-ledger"), "put", "--ledger", f"deg+http://{stage.exchange}"),
            *("--key", str(stage.folder / f"{side.platform}.pem"), "--subscriber", side.platform),
            *(
                "--role",
                "SELLER" if side.name == SELLER.name else "BUYER",
                "--transaction",
                "tx-demo-1",
                "--order-item",
                "item-1",
            ),
            *("--platform-buyer", BUYER.platform, "--platform-seller", SELLER.platform),
            *("--buyer", BUYER.posted_as, "--seller", SELLER.posted_as),
            *("--discom-buyer", BUYER.discom, "--discom-seller", SELLER.discom),
            *("--start", utc_text(stage.window.start_utc), "--end", utc_text(stage.window.end_utc)),
            *("--quantity-kwh", str(world.QUANTITY_KWH), "--price", str(world.PRICE_INR)),
        ]
    )
