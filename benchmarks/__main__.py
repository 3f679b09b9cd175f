"""`make bench`: measures, and prints a table of ratios beside the goals. Exit 0 whether or not they are reached."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.anchor import Anchor
from benchmarks.bench import Bench, Plan
from benchmarks.cpu import machine, pin
from benchmarks.report import as_json, table
from benchmarks.rows import ROWS, chosen

GATEWAYS, SECONDS = 50_000, 60.0
QUICK_GATEWAYS, QUICK_SECONDS = 2_000, 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the rows and gives the exit code: 0 done, 2 misuse."""
    options = _parser().parse_args(argv)
    try:
        names = list(chosen(",".join(filter(None, [options.only, *options.rows])) or None))
    except ValueError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    core, others = pin()
    plan = Plan(
        gateways=options.gateways or (QUICK_GATEWAYS if options.quick else GATEWAYS),
        seconds=options.seconds or (QUICK_SECONDS if options.quick else SECONDS),
        naive_messages=200 if options.quick else 2_000,
        repeats=1 if options.quick else 5,
        anchor_s=1,
        cores=tuple(sorted(others)),
        line_days=1 if options.quick else 35,
        month_days=2 if options.quick else 30,
        settled=20 if options.quick else 1000,
    )
    anchor = Anchor(plan.anchor_s)
    with ExitStack() as stack:
        bench = Bench(plan=plan, anchor=anchor, stack=stack)
        for name in names:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            ROWS[name](bench)
    facts = {**machine(core), "limit by": anchor.name, "gateways": str(plan.gateways)}
    if options.json:
        print(json.dumps(as_json(bench.figures, bench.left, facts), indent=2))
    else:
        print(table(bench.figures, bench.left, facts))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures what intake, verification and reading cost, as ratios to something measured beside them.",
        epilog=f"Rows: {', '.join(ROWS)}. The method is in docs/benchmarks.md.",
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="run only these rows (default: all)")
    parser.add_argument("--gateways", type=int, metavar="N", help=f"gateways with a key each (default {GATEWAYS})")
    parser.add_argument("--seconds", type=float, metavar="S", help=f"CPU seconds of each row (default {SECONDS:.0f})")
    parser.add_argument("--only", metavar="ROW[,ROW…]", help="the same, in one word")
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds in all: proves that it runs, and nothing else"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
