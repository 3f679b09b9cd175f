"""`sakshi-agent`: reads meters, signs what they say, and sends it to the discom's head-end."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from edge_agent import agent, enrol, keys_command
from edge_agent.check import check, shared_associations
from edge_agent.commission import Visit, commission
from edge_agent.config import Config, load
from edge_agent.discover import answers, discover
from edge_agent.errors import ReaderError
from edge_agent.forward import broker_credentials
from edge_agent.journal import JsonLines, TextLines
from edge_agent.outbox.errors import OutboxError
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.report import Entry
from edge_agent.push_check import push_findings
from edge_agent.readers.compare import compare
from edge_agent.readers.open import open_reader
from edge_agent.readers.report import read_all, read_profile
from edge_agent.vault import GatewayVault
from signing.errors import DecodeError, SigningError
from signing.interval import Interval, ist_text, parse_instant, utc_text
from signing.signer import open_signer

DONE, REFUSED, MISUSE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. 0 done, 1 refused or found something, 2 misuse."""
    arguments = _parser().parse_args(argv)
    _configure_logging()
    try:
        if arguments.command == "keys" and arguments.verb == keys_command.WRAP:
            return _show(keys_command.wrap(arguments))
        try:
            settings = None if arguments.config is None else load(arguments.config)
        except DecodeError as error:
            print(error, file=sys.stderr)
            return MISUSE
        if arguments.command in _AT_THE_DESK:
            with _opener(settings) as opener:
                return _AT_THE_DESK[arguments.command](opener, arguments)
        assert settings is not None
        return _COMMANDS[arguments.command](settings, arguments)
    except (OutboxError, SigningError, ReaderError) as error:
        print(error, file=sys.stderr)
        return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sakshi-agent", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    init = commands.add_parser("init", help="make the state and the key, and write the EnrolRequest for the discom")
    init.add_argument("--new-key", action="store_true", help="replace the key: after a loss of state, or to rotate it")
    run = commands.add_parser("run", help="read, sign and send until stopped")
    read = commands.add_parser("read", help="print what a meter says, without signing anything")
    read.add_argument("url", help="e.g. dlms+tcp://192.0.2.7:4059?client=16")
    read.add_argument("--from", dest="start", metavar="TIME", help="print blocks from here (RFC 3339 with an offset)")
    read.add_argument("--to", dest="end", metavar="TIME", help="print blocks up to here")
    read.add_argument(
        "--profile",
        metavar="OBIS",
        help="print this profile instead: 1.0.94.91.0.255 instantaneous, 1.0.98.1.0.255 billing",
    )
    read.add_argument(
        "--compare", action="store_true", help="read the span with dlms-cosem too, and print every difference; 1 if any"
    )
    read.add_argument("--json", action="store_true", help="one JSON object on one line")
    discover = commands.add_parser("discover", help="print what a meter is and holds, with every refusal by name")
    discover.add_argument("url", help="e.g. dlms+tcp://192.0.2.7:4059?password=file:/etc/sakshi/meter.lls")
    discover.add_argument("--json", action="store_true", help="one JSON object on one line")
    outbox = commands.add_parser("outbox", help="list what is signed and not answered, or release what is parked")
    outbox.add_argument("action", nargs="?", choices=("release",), help="send parked batches again")
    outbox.add_argument("number", nargs="?", help="the number in the list, or all")
    outbox.add_argument("--json", action="store_true", help="one JSON object a line")
    keys_command.add_parser(commands)
    checking = commands.add_parser("check", help="check the configuration, the key, every meter and the broker")
    commissioning = commands.add_parser(
        "commission", help="one page for the technician at a meter, GO or NO-GO; waits for a first receipt"
    )
    commissioning.add_argument("--meter", metavar="ID", help="this meter only (default: each in turn)")
    commissioning.add_argument(
        "--wait", type=int, default=120, metavar="SECONDS", help="patience for a receipt (default %(default)s)"
    )
    commissioning.add_argument("--json", action="store_true", help="one JSON object a meter")
    for command in (read, discover):
        command.add_argument("--config", type=Path, metavar="FILE", help="the agent's TOML file, for keys=store:METER")
    for command in (init, run, outbox, checking, commissioning):
        command.add_argument("--config", type=Path, required=True, metavar="FILE", help="the agent's TOML file")
    return parser


def _configure_logging() -> None:
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(TextLines() if sys.stderr.isatty() else JsonLines())
    root = logging.getLogger("sakshi")
    root.handlers = [stream]
    root.setLevel(logging.INFO)
    root.propagate = False


def _init(settings: Config, arguments: argparse.Namespace) -> int:
    make = enrol.replace_key if arguments.new_key else enrol.initialise
    # An agent that runs would go on signing with the key whose last batch the request names: nobody would take what comes after it.
    with agent.only_one(settings) if settings.state.is_dir() else nullcontext():
        enrolment = make(settings, agent.fresh_salt)
    print(f"key      {enrolment.kid.hex()}")
    print(f"enrolment {enrolment.file}")
    print("Hand the enrolment file to the discom, and keep the key's number to compare it with theirs.")
    return DONE


def _run(settings: Config, _: argparse.Namespace) -> int:
    signer = open_signer(settings.key)
    broker_credentials(settings)  # a password that cannot be read is found before anything starts
    with agent.only_one(settings), Outbox(settings.database, capacity=settings.capacity) as outbox:
        outbox.require(
            gateway=settings.gateway, kid=signer.public_key.kid, meters=[meter.id for meter in settings.meters]
        )
        with _vault(settings) as vault:
            outbox.take_along(vault.journal)
            opener = partial(open_reader, vault=vault)
            return asyncio.run(_until_stopped(agent.Agent(settings, outbox, signer, opener, push_vault=vault)))


def _vault(settings: Config) -> GatewayVault:
    return GatewayVault(settings.database, wrapping=settings.wrapping_key, now_utc=_now_utc)


@contextmanager
def _opener(settings: Config | None) -> Iterator[agent.OpenReader]:
    """How readers are opened: with the keys that the agent keeps, where there is an agent's state."""
    if settings is None or not settings.database.is_file():
        yield open_reader
        return
    with _vault(settings) as vault:
        yield partial(open_reader, vault=vault)


def _now_utc() -> int:
    return agent.now_ms() // 1000


def _show(lines: Sequence[str]) -> int:
    for line in lines:
        print(line)
    return DONE


def _keys(settings: Config, arguments: argparse.Namespace) -> int:
    return _show(keys_command.keys(settings, arguments, _now_utc))


async def _until_stopped(running: agent.Agent) -> int:
    task = asyncio.ensure_future(running.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return DONE
    except ExceptionGroup as group:
        expected, others = group.split((OutboxError, SigningError))
        if others is not None:
            raise others from None
        for error in [] if expected is None else expected.exceptions:
            logging.getLogger("sakshi.agent").critical(str(error))
    return REFUSED


def _read(opener: agent.OpenReader, arguments: argparse.Namespace) -> int:
    if (arguments.start is None) != (arguments.end is None):
        print("expected both --from and --to, or neither", file=sys.stderr)
        return MISUSE
    try:
        span = None
        if arguments.start is not None:
            span = Interval(parse_instant(arguments.start, "--from"), parse_instant(arguments.end, "--to"))
    except DecodeError as error:
        print(error, file=sys.stderr)
        return MISUSE
    if arguments.compare:
        return _compare(arguments, span, opener)
    url, profile = arguments.url, arguments.profile
    asked = read_all(url, span, opener) if profile is None else read_profile(url, profile, span, opener)
    report = asyncio.run(asked)
    _print_json(report, arguments)
    return DONE


def _compare(arguments: argparse.Namespace, span: Interval | None, opener: agent.OpenReader) -> int:
    if span is None or arguments.profile is not None:
        print("expected --from and --to, and no --profile, with --compare", file=sys.stderr)
        return MISUSE
    differences = asyncio.run(compare(arguments.url, span, opener))
    _print_json({"differences": [each.as_json() for each in differences]}, arguments)
    return REFUSED if differences else DONE


def _discover(opener: agent.OpenReader, arguments: argparse.Namespace) -> int:
    found = asyncio.run(discover(arguments.url, opener, agent.now_ms))
    _print_json(found, arguments)
    return DONE if answers(found) else REFUSED


def _print_json(value: object, arguments: argparse.Namespace) -> None:
    try:
        print(json.dumps(value, indent=None if arguments.json else 2), flush=True)
    except BrokenPipeError:
        # Whoever read along, as `head` does, has seen enough. The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _outbox(settings: Config, arguments: argparse.Namespace) -> int:
    number = arguments.number
    is_number = number is not None and number.isascii() and number.isdecimal()
    if arguments.action == "release" and not (is_number or number == "all"):
        print("expected `outbox release NUMBER` or `outbox release all`", file=sys.stderr)
        return MISUSE
    with Outbox(settings.database, capacity=settings.capacity) as outbox:
        if arguments.action == "release":
            released = outbox.release(int(number) if is_number else None)
            print(f"released {released}")
            return DONE if released else REFUSED
        for entry in outbox.report.unanswered():
            print(_entry_json(entry) if arguments.json else _entry_text(entry))
        backlog = outbox.report.backlog()
        if not arguments.json:
            print(f"{backlog.waiting} waiting, {backlog.parked} parked, {backlog.receipted} receipted")
    return DONE


def _entry_text(entry: Entry) -> str:
    span = f"{ist_text(entry.span.start_utc)} to {ist_text(entry.span.end_utc)}"
    refusal = f"  refused {entry.refusal}" if entry.refusal else ""
    return f"{entry.place:>6}  {entry.state:<8} {entry.meter} #{entry.sequence}  {span}  attempts {entry.attempts}{refusal}"


def _entry_json(entry: Entry) -> str:
    return json.dumps(
        {
            "number": entry.place,
            "state": entry.state,
            "meter": entry.meter,
            "sequence": entry.sequence,
            "digest": entry.digest.hex(),
            "start": utc_text(entry.span.start_utc),
            "end": utc_text(entry.span.end_utc),
            "attempts": entry.attempts,
            "refusal": entry.refusal,
        }
    )


def _check(settings: Config, _: argparse.Namespace) -> int:
    if settings.database.is_file():
        with _vault(settings) as vault:
            findings = asyncio.run(check(settings, partial(open_reader, vault=vault)))
            findings += shared_associations(settings, vault.journal.shared_since)
            findings += asyncio.run(push_findings(settings, vault))
    else:
        findings = asyncio.run(check(settings, open_reader)) + asyncio.run(push_findings(settings, None))
    for finding in findings:
        label = "BAD " if not finding.is_good else "warn" if finding.is_warning else "ok  "
        print(f"{label} {finding.what}: {finding.text}")
    return DONE if all(finding.is_good for finding in findings) else REFUSED


def _commission(settings: Config, arguments: argparse.Namespace) -> int:
    meters = [meter for meter in settings.meters if arguments.meter in {None, meter.id}]
    if not meters or arguments.wait < 1:
        known = ", ".join(meter.id for meter in settings.meters)
        print(f"expected one of {known} in --meter, and a second or more in --wait", file=sys.stderr)
        return MISUSE
    is_go = True
    with _opener(settings) as opener:
        visit = Visit(settings=settings, open_reader=opener, now_ms=agent.now_ms, wait_s=arguments.wait)
        for meter in meters:
            page = asyncio.run(commission(visit, meter))
            print(json.dumps(page.as_json()) if arguments.json else page.text())
            is_go = is_go and page.is_go
    return DONE if is_go else REFUSED


_COMMANDS = {"keys": _keys, "init": _init, "run": _run, "outbox": _outbox, "check": _check, "commission": _commission}
_AT_THE_DESK = {"read": _read, "discover": _discover}
"""Commands that need no configuration but a URL."""
