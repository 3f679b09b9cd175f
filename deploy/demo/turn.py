"""What a case may do at each point of the demonstration, and how it asks and tells the seller's discom."""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import httpx

from deploy.demo.processes import DemoError, program, run
from deploy.demo.stage import DECIDE_S, NOTHING_MORE, Outcome, Proof, Shown, Stage
from deploy.demo.world import SELLER, Side
from signing.interval import ist_text

METER = next(meter for meter in SELLER.meters if meter.settles)
"""The seller's meter that settles."""
OPERATOR = "asha"
"""Who answers at the seller's discom."""

_LOOK_S = 0.3


class Turn:
    """A case in which nothing happens beside the meters' own figures."""

    def recorded(self, stage: Stage, side: Side) -> Collection[str]:  # noqa: ARG002 - for those that need it
        """Records meters before their gateway is enrolled; which ones."""
        return ()

    def settings(self, stage: Stage, side: Side) -> str:  # noqa: ARG002 - for those that need it
        """More tables of a head-end's configuration; the exchange's address is not known at the first call."""
        return ""

    def web_port(self, side: Side) -> int:  # noqa: ARG002 - for those that need it
        """Where a head-end listens: 0 unless somebody must know it before."""
        return 0

    def receivers(self) -> Mapping[str, str]:
        """Where the ledger provider asks discoms, by subscriber id."""
        return {}

    def exchange(self, stage: Stage) -> Sequence[str]:  # noqa: ARG002 - for those that need it
        """More arguments of the sandbox exchange."""
        return ()

    def before_contract(self, stage: Stage) -> None:
        """What is done, or waited for, before the platforms put the contract."""

    def heard(self, stage: Stage, outcome: Outcome) -> None:
        """What is done on what is known so far; called again and again."""

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:  # noqa: ARG002 - for those that need it
        """What there is to show at the end."""
        return NOTHING_MORE


def told_by(stage: Stage, side: Side, path: str) -> Any:  # noqa: ANN401 - JSON
    """What a head-end answers to a program."""
    headend = stage.headends[side.name]
    answer = httpx.get(headend.url + path, headers={"Authorization": f"Bearer {headend.token}"}, timeout=10)
    return answer.raise_for_status().json()


def seller(stage: Stage, path: str) -> Any:  # noqa: ANN401 - JSON
    """What the seller's head-end answers to a program."""
    return told_by(stage, SELLER, path)


def command(stage: Stage, verb: str, *words: str, side: Side = SELLER, codes: Collection[int] = (0,)) -> str:
    """What a command of a discom prints, which may end by one of the exit codes `codes`."""
    return run([program("sakshi-headend"), verb, "--config", stage.config(side), *words], codes=codes)


def bill_of(stage: Stage, side: Side) -> dict[str, Any]:
    """What the month's bill of a side's customer rests on. Most of the month was not read, so that it is not final."""
    month = ist_text(stage.window.start_utc)[:7]
    words = ("determinants", "--month", month, "--point", side.connection_point, "--json")
    found: dict[str, Any] = json.loads(command(stage, "billing", *words, side=side, codes=(0, 1)))
    return found


def log_of(stage: Stage, side: Side) -> list[str]:
    """What a head-end has logged so far."""
    return stage.processes.log(f"headend-{side.discom}").read_text(errors="replace").splitlines()


def seller_log(stage: Stage) -> list[str]:
    """What the seller's head-end has logged so far."""
    return log_of(stage, SELLER)


def wait_until(stage: Stage, failed: str, holds: Callable[[], bool]) -> None:
    """Waits until `holds` does.

    Raises:
        DemoError: a process ended, or it did not in time; `failed` says what lacks.
    """
    ends = time.monotonic() + DECIDE_S
    while not holds():
        stage.processes.check()
        if time.monotonic() > ends:
            raise DemoError(f"{failed} in {DECIDE_S} s: see the logs in {stage.folder / 'logs'}")
        time.sleep(_LOOK_S)


def is_delivered(stage: Stage) -> bool:
    """Whether the seller's head-end has taken in everything that the gateway read of the window."""
    chains = seller(stage, f"/v1/meters/{METER.id}")["chains"]
    if not any(chain["head_sequence"] is not None for chain in chains):
        return False
    config = str(stage.folder / SELLER.gateway / "agent.toml")
    return not run([program("sakshi-agent"), "outbox", "--config", config, "--json"]).strip()
