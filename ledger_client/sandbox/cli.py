"""The commands that make, run, ask and show a sandbox exchange."""

import argparse
import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from ledger_client import key_file
from ledger_client.beckn.context import is_loopback
from ledger_client.ledger import LedgerProtocolError
from ledger_client.sandbox import store
from ledger_client.sandbox.dialects import Dialect
from ledger_client.sandbox.exchange import Exchange
from ledger_client.sandbox.faults import DEFAULT_SLOW_S, Fault, Faults, parsed
from ledger_client.sandbox.forwarding import Forwarding
from ledger_client.sandbox.participants import Participants, ParticipantsError
from ledger_client.sandbox.provider import TEST_NETWORK, Provider, ProviderSettings
from ledger_client.sandbox.question import Form
from ledger_client.sandbox.rendering import Numbers
from ledger_client.signature import KeyId

DONE, REFUSED = 0, 1
FORWARD_S = 0.5
"""How often contracts are forwarded that wait for it: their platforms' signatures live for minutes."""

PULL_TIMEOUT_S = 300
"""For a whole round of questions, seconds: each discom may take half a minute."""


def _endpoint(text: str) -> tuple[str, int]:
    """``host:port`` on this machine; port 0 takes a free one."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not is_loopback(host) or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(
            f"expected 127.0.0.1:PORT (the sandbox serves this machine only), got {text!r}"
        )
    return host, int(port)


def _sandbox_init(arguments: argparse.Namespace) -> int:
    """Make an empty exchange."""
    store.create(arguments.state)
    print(f"created {arguments.state / store.DATABASE}")
    return DONE


def _sandbox(arguments: argparse.Namespace, now: Callable[[], int]) -> int:
    """Serve the exchange until a signal."""
    # Imported here: the other commands need no web, and it takes longer to load than they take to run.
    from ledger_client.sandbox.app import create_app  # noqa: PLC0415 - see above
    from ledger_client.sandbox.server import address, listen, serve  # noqa: PLC0415 - see above

    participants = _participants(arguments.participants)
    faults = Faults()
    for text in arguments.fault:
        faults.switch_on(*parsed(text))
    if (arguments.provider is None) != (arguments.provider_key is None):
        raise ParticipantsError("expected --provider and --provider-key together")
    if arguments.pull_every is not None and (arguments.provider is None or not arguments.pull_every > 0):
        raise ParticipantsError("expected --pull-every with a time above 0 and with --provider")
    with store.Store(arguments.state) as state:
        try:
            listening = listen(*arguments.listen)
        except OSError as error:
            raise LedgerProtocolError(f"cannot listen on {arguments.listen}: {error.strerror}") from error
        with listening:
            urls = participants.contract_urls()
            forwarding = Forwarding(state, urls) if urls else None
            app = create_app(
                exchange=Exchange(state, Numbers(arguments.numbers), forwarding=forwarding),
                participants=participants,
                now=now,
                faults=faults,
                slow_s=arguments.slow_seconds,
                provider=_provider(arguments, state, participants, address(listening)),
                forwarding=forwarding,
            )
            # The server hands a signal on to these once it has shut down; they make that a clean exit.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: None)
            url = f"http://{address(listening)}"
            with (
                _repeated(f"{url}/sandbox/pull", arguments.pull_every),
                _repeated(f"{url}/sandbox/forward", FORWARD_S if urls else None),
            ):
                serve(app, listening, lambda: print(f"listening {address(listening)}", flush=True))
    return DONE


@contextmanager
def _repeated(url: str, every_s: float | None) -> Iterator[None]:
    """Has something done at `url` of the exchange itself every so many seconds, until the block ends; never where none are given."""
    ended = threading.Event()

    def ask() -> None:
        if every_s is None:
            return
        with httpx.Client(trust_env=False, timeout=PULL_TIMEOUT_S) as client:
            while not ended.wait(every_s):
                # What a discom does not answer is done again at the next turn; an exchange that is down for a test, too.
                with suppress(httpx.HTTPError):
                    client.post(url)

    asking = threading.Thread(target=ask, name=url.rpartition("/")[2], daemon=True)
    asking.start()
    try:
        yield
    finally:
        ended.set()


def _participants(path: Path) -> Participants:
    try:
        return Participants.parsed(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ParticipantsError(f"cannot read {path}: {error}") from error


def _provider(
    arguments: argparse.Namespace, state: store.Store, participants: Participants, at: str
) -> Provider | None:
    """The ledger provider, where one is asked for."""
    if arguments.provider is None:
        return None
    key_id = KeyId(subscriber_id=arguments.provider, unique_key_id=arguments.provider_key_id)
    settings = ProviderSettings(
        signer=key_file.load(arguments.provider_key, key_id),
        uri=f"http://{at}/bap/receiver",
        network_id=arguments.network,
        form=Form(arguments.question_form),
        dialect=Dialect(arguments.ack_dialect),
        is_numbers_as_text=Numbers(arguments.numbers) is Numbers.TEXT,
    )
    return Provider(state, settings, participants.discoms())


_QUESTION = ("discomId", "meters", "httpStatus", "ack", "code", "messageId")


def _pull(arguments: argparse.Namespace) -> int:
    """Have every discom asked; the exit code is 1 where one did not say ACK."""
    try:
        answer = httpx.post(
            f"{arguments.url.rstrip('/')}/sandbox/pull",
            params={"everything": "yes" if arguments.everything else "no"},
            trust_env=False,
            timeout=PULL_TIMEOUT_S,
        )
        answer.raise_for_status()
        questions = answer.json()["questions"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise LedgerProtocolError(f"no ledger provider answers at {arguments.url}: {type(error).__name__}") from error
    if arguments.json:
        print(json.dumps({"questions": questions}))
    else:
        print_table(_QUESTION, [[str(one[name] or "-") for name in _QUESTION] for one in questions])
    return DONE if all(one["ack"] == "ACK" for one in questions) else REFUSED


_SETTLEMENT = ("recordId", "status", "contractedKwh", "pushedKwh", "pulledKwh", "settledKwh", "amountInr")


def _settlement(arguments: argparse.Namespace) -> int:
    """Show what became of every trade of a sandbox."""
    try:
        answer = httpx.get(f"{arguments.url.rstrip('/')}/sandbox/trades", trust_env=False, timeout=10)
        answer.raise_for_status()
        found = answer.json()
        trades = found["trades"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise LedgerProtocolError(f"no sandbox answers at {arguments.url}: {type(error).__name__}") from error
    if arguments.json:
        print(json.dumps(found))
        return DONE
    sides = ("seller", "buyer")
    columns = (*_SETTLEMENT, *(f"{side} {what}" for side in sides for what in ("residualKwh", "evidence")))
    lines = []
    for trade in trades:
        parties = [trade[side][key] for side in sides for key in ("residualKwh", "clientReference")]
        lines.append([str(value or "-") for value in [trade[name] for name in _SETTLEMENT] + parties])
    print_table(columns, lines)
    return DONE


def print_table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Aligned columns under their names."""
    widths = [max(len(row[place]) for row in [columns, *lines]) for place in range(len(columns))]
    for row in [columns, *lines]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", now: Callable[[], int]) -> None:
    """Adds the sandbox's commands; `now` gives UTC seconds."""
    init = commands.add_parser("sandbox-init", help="make an empty sandbox exchange")
    init.add_argument("--state", required=True, type=Path, metavar="DIR", help="made if it is missing")
    init.set_defaults(run=_sandbox_init)
    run = commands.add_parser("sandbox", help="run a strict exchange on this machine")
    run.add_argument("--listen", type=_endpoint, default=("127.0.0.1", 0), metavar="HOST:PORT", help="loopback only")
    run.add_argument("--state", required=True, type=Path, metavar="DIR", help="made by sandbox-init")
    run.add_argument(
        "--participants", required=True, type=Path, metavar="FILE", help="TOML: who may call, with which key"
    )
    run.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[=COUNT]",
        help=f"{', '.join(fault.value for fault in Fault)}; for the next COUNT requests or all; may be repeated",
    )
    run.add_argument("--slow-seconds", type=float, default=DEFAULT_SLOW_S, metavar="S", help="how slow slow is")
    run.add_argument(
        "--numbers", choices=[kind.value for kind in Numbers], default="exact", help="text: strings, as the live ledger"
    )
    _add_provider(run)
    run.set_defaults(run=lambda arguments: _sandbox(arguments, now))
    pull = commands.add_parser("pull", help="have a sandbox's ledger provider ask every discom for its actuals")
    pull.add_argument("url", metavar="URL", help="http://127.0.0.1:PORT")
    pull.add_argument("--everything", action="store_true", help="ask again for what is allocated already")
    pull.add_argument("--json", action="store_true", help="print JSON")
    pull.set_defaults(run=_pull)
    settlement = commands.add_parser("settlement", help="what became of every trade of a sandbox")
    settlement.add_argument("url", metavar="URL", help="http://127.0.0.1:PORT")
    settlement.add_argument("--json", action="store_true", help="print JSON")
    settlement.set_defaults(run=_settlement)


def _add_provider(run: argparse.ArgumentParser) -> None:
    """The options of the ledger provider."""
    run.add_argument("--provider", metavar="ID", help="play the ledger provider too, under this subscriber id")
    run.add_argument(
        "--provider-key", type=Path, metavar="FILE", help="its key, PEM, mode 0600; needed with --provider"
    )
    run.add_argument("--provider-key-id", default="k1", metavar="ID", help="the registry's id of its key (default k1)")
    run.add_argument(
        "--pull-every",
        type=float,
        metavar="S",
        help="ask every so many seconds, 86400 for daily (default: on `pull` only)",
    )
    run.add_argument("--network", default=TEST_NETWORK, metavar="ID", help="networkId (default the test network)")
    run.add_argument(
        "--question-form", choices=[form.value for form in Form], default=Form.ARRAY.value, help="how it asks"
    )
    run.add_argument(
        "--ack-dialect", choices=[dialect.value for dialect in Dialect], default=Dialect.B.value, help="how it ACKs"
    )
