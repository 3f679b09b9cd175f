"""``make demo``: one trade, proved from the meter to the ledger, on this machine."""

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from deploy.demo import report, story, world
from deploy.demo.broker import Broker
from deploy.demo.cases import Case, Play
from deploy.demo.processes import INTERRUPTS, DemoError, Processes, running, unheard
from deploy.demo.stage import Outcome, Stage

_MARKER = "sakshi-demo"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the demonstration; 0 when the trade settled (or is not to), both bundles verified and the case came out as it should, 1 otherwise, 2 on misuse.

    Without `--once` it stays until it is interrupted, which is then its good end.
    """
    arguments = _parser().parse_args(argv)
    for number in INTERRUPTS:
        signal.signal(number, _interrupt)
    folder: Path = arguments.state.absolute()
    _clear(folder)
    play = Play(
        case=Case(arguments.case), seed=arguments.seed, replay=arguments.replay, scale_solar=arguments.scale_solar
    )
    try:
        with running(folder / "logs") as processes:
            return _perform(_stage(folder, play, processes, Broker(arguments.broker)), stays=not arguments.once)
    except DemoError as error:
        print(f"the demonstration failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return int(arguments.once)


def _stage(folder: Path, play: Play, processes: Processes, broker: Broker) -> Stage:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)

    now = int(time.time())  # noqa: TID251 - the demonstration's only clock
    window = world.delivery_window(now)
    return Stage(folder=folder, play=play, window=window, began_utc=now, processes=processes, say=say, broker=broker)


def _perform(stage: Stage, *, stays: bool) -> int:
    turn = story.set_up(stage)
    outcome = story.follow(stage, turn)
    seconds = time.monotonic() - stage.started
    proofs = report.prove(stage, outcome)
    shown = turn.shown(stage, outcome, proofs)
    signed = report.contracts(stage)
    values = report.result(outcome, proofs, seconds, shown, signed)
    print(f"\n{report.table(stage, outcome, proofs, shown, signed)}\n")
    if stays:
        _show_consoles(stage, outcome)
        while True:
            stage.processes.check()
            time.sleep(0.5)
    print(report.line(values), flush=True)
    return 0 if outcome.is_settled is shown.is_to_settle and values["verified"] and shown.is_as_it_should else 1


def _show_consoles(stage: Stage, outcome: Outcome) -> None:
    if not outcome.is_settled:
        print("  The trade cannot be decided: the consoles say why.\n")
    for headend in stage.headends.values():
        print(f"  {headend.side.discom}: {headend.url}/console/   token {headend.token}")
    print(f"  exchange: http://{stage.exchange}/sandbox/trades")
    print("\n  Ctrl-C ends everything.", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when the trade is decided; the last line is JSON")
    parser.add_argument("--seed", type=int, default=1, help="the world (default 1)")
    parser.add_argument("--case", choices=[case.value for case in Case], default="full", help="what is played")
    parser.add_argument("--replay", type=_file, default=None, metavar="FILE", help="play a recorded home")
    parser.add_argument("--scale-solar", default="4", metavar="X", help="size of the recorded roof (default 4 times)")
    parser.add_argument(
        "--broker", choices=[kind.value for kind in Broker], default="auto", help="which one (default auto)"
    )
    parser.add_argument("--state", type=Path, default=Path("demo-state"), help="emptied and used (default demo-state)")
    return parser


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path.absolute()


def _clear(folder: Path) -> None:
    """Empties the state of an earlier run; a folder that is something else is never touched."""
    marker = folder / _MARKER
    if folder.exists():
        if not marker.is_file():
            sys.exit(f"'{folder}' is not the state of a demonstration: choose another with --state")
        shutil.rmtree(folder)
    (folder / "logs").mkdir(parents=True)
    marker.touch()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: a second one would only disturb the stopping.
    for number in INTERRUPTS:
        signal.signal(number, unheard)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
