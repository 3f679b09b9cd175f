"""`sakshi-headend`: founds, enrols, serves, and answers for what it logged."""

import argparse
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from headend import config as configuration
from headend import facts as enrolment_facts
from headend import founding, service
from headend.check import check
from headend.config import Config
from headend.enrol import Application, Registrar
from headend.errors import HeadendError, RefusedError
from headend.export import Anchoring, bundle
from headend.founding import LOG
from headend.fsck import fsck
from headend.logbook import Logbook
from headend.registry import Registry
from headend.store.sqlite import tokens as token_rows
from headend.store.sqlite.database import Database, open_database
from headend.tokens import Scope, Token, mint
from ledger_client.ledger import LedgerError
from signing.bundle import Kind
from signing.canonical import DIGEST_SIZE
from signing.errors import SigningError
from signing.interval import DAY_S, ist_text
from signing.signer import open_signer
from signing.statements.meter_record import Place

DONE, REFUSED, MISUSE = 0, 1, 2
_TOKEN_DAYS = 90

Command = Callable[[Config, argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; 0 done, 1 refused or found something, 2 misuse."""
    arguments = _parser().parse_args(argv)
    _log_to_stderr()
    try:
        settings = configuration.load(arguments.config)
    except SigningError as error:
        print(error, file=sys.stderr)
        return MISUSE
    command: Command = arguments.command
    try:
        return command(settings, arguments)
    except (HeadendError, SigningError, LedgerError) as error:
        print(error, file=sys.stderr)
        return REFUSED
    except OSError as error:
        print(f"cannot use '{error.filename}' ({error.strerror}): check the path and who may use it", file=sys.stderr)
        return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sakshi-headend", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, command: Command, words: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=words, description=words)
        added.add_argument("--config", type=Path, required=True, metavar="FILE", help="the head-end's TOML file")
        added.set_defaults(command=command)
        return added

    init = add("init", _init, "make the keys, the database, the log and trust.toml; once")
    init.add_argument("--json", action="store_true", help="print what others must be told as JSON")
    enrol = add("enrol", _enrol, "let a gateway's key speak for meters")
    enrol.add_argument("request", type=Path, metavar="REQUEST", help="the enrolment file that the gateway wrote")
    enrol.add_argument("facts", type=Path, metavar="FACTS", help="TOML: shard and facts of the meters")
    add("serve", _serve, "take in, decide, attest, post, and answer; until SIGTERM")
    checking = add("check", _check, "check the keys, the database and its log, the broker and the ledger")
    fsck_ = add("fsck", _fsck, "read the whole database again and check everything that it claims; changes nothing")
    for command in (checking, fsck_):
        command.add_argument("--json", action="store_true", help="one JSON object on one line")
    token = add("token", _token, "make, list or revoke tokens of the API")
    token.add_argument("action", choices=["create", "list", "revoke"], help="create prints the secret, this once")
    token.add_argument("--name", default="", help="who holds the token")
    token.add_argument(
        "--scope",
        action="append",
        default=[],
        choices=[scope.value for scope in Scope],
        help="what it opens; repeatable",
    )
    token.add_argument("--days", type=int, default=_TOKEN_DAYS, help=f"days until it ends (default {_TOKEN_DAYS})")
    key = add("key", _key, "revoke a gateway's key for a meter, or name the good branch of a forked chain")
    key.add_argument("action", choices=["revoke", "good"], help="what the meter's next record says of the key")
    key.add_argument("--meter", required=True, metavar="ID", help="the meter, as its record names it")
    key.add_argument("--kid", type=_digest, required=True, metavar="HEX", help="the key's thumbprint, 64 digits")
    key.add_argument("--sequence", type=int, metavar="N", help="good: sequence of a batch of the branch that holds")
    key.add_argument("--digest", type=_digest, metavar="HEX", help="good: digest of that batch")
    export = add("export", _export, "write the evidence bundle of an actual")
    export.add_argument("digest", type=_digest, metavar="DIGEST", help="the evidence digest, 64 hexadecimal digits")
    export.add_argument("output", type=Path, metavar="FILE", help="where the bundle goes")
    export.add_argument(
        "--kind", choices=["actual", "window"], default="window", help="with the blocks, or without (default: window)"
    )
    return parser


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected hexadecimal digits, got {text!r:.80}") from error
    if len(digest) != DIGEST_SIZE:
        raise argparse.ArgumentTypeError(f"expected {2 * DIGEST_SIZE} hexadecimal digits, got {len(text)}")
    return digest


def _log_to_stderr() -> None:
    """Lines for people at a terminal, JSON otherwise."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonLines() if not sys.stderr.isatty() else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("sakshi").setLevel(logging.INFO)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _init(settings: Config, arguments: argparse.Namespace) -> int:
    founded = founding.found(settings, now_utc=service.now())
    told = {name: str(value) for name, value in asdict(founded).items()}
    if arguments.json:
        print(json.dumps(told))
        return DONE
    print(f"The head-end of {settings.discom} is founded in {settings.state}.")
    print("Gateways pin these in [discom] of their configuration:")
    print(f'  log_key = "{founded.log_key}"\n  statement_keys = ["{founded.statement_key}"]')
    print(f"The network's registry needs this Ed25519 key for {settings.ledger.subscriber}: {founded.beckn_public_key}")
    print(f"Verifiers need {founded.trust_file}.")
    return DONE


def _enrol(settings: Config, arguments: argparse.Namespace) -> int:
    request: Path = arguments.request
    stated = enrolment_facts.parse(_text(arguments.facts), str(arguments.facts))
    with closing(open_database(settings.database)) as database:
        application = Application(file=request.read_bytes(), meters=stated.meters, shard=stated.shard)
        enrolled = _registrar(settings, database).enrol(application, at_utc=service.now())
    print(f"key    {enrolled.request.kid.hex()}  compare it with the gateway's")
    for record in enrolled.records:
        print(f"record {record.statement.meter} number {record.statement.number}  {record.digest.hex()}")
    return DONE


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError(f"'{path}' is not UTF-8 text: write it as TOML") from error


def _registrar(settings: Config, database: Database) -> Registrar:
    keys = founding.open_keys(settings)
    book = Logbook(database, {LOG: keys.log}, settings.state)
    return Registrar(book=book, registry=Registry(database), signer=keys.statements)


def _serve(settings: Config, _arguments: argparse.Namespace) -> int:
    running = service.Service(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.stop())
    running.run(lambda address: print(f"listening {address}", flush=True))
    return DONE


def _check(settings: Config, arguments: argparse.Namespace) -> int:
    findings = check(settings, service.now)
    is_good = all(finding.is_good for finding in findings)
    if arguments.json:
        shown = [{"what": finding.what, "ok": finding.is_good, "text": finding.text} for finding in findings]
        print(json.dumps({"ok": is_good, "findings": shown}))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.is_good else 'BAD '} {finding.what}: {finding.text}")
    return DONE if is_good else REFUSED


def _fsck(settings: Config, arguments: argparse.Namespace) -> int:
    discom = open_signer(settings.keys.statements).public_key
    with closing(open_database(settings.database)) as database:
        # One unchanging state, also while the head-end goes on writing.
        database.connection.execute("BEGIN")
        damages = list(fsck(database, discom))
        database.connection.execute("ROLLBACK")
    if arguments.json:
        print(json.dumps({"ok": not damages, "findings": [asdict(damage) for damage in damages]}))
    elif damages:
        for damage in damages:
            print(f"({damage.check}) {damage.what}: {damage.remedy}")
    else:
        print("ok  everything that the database claims is so")
    return REFUSED if damages else DONE


def _token(settings: Config, arguments: argparse.Namespace) -> int:
    action: str = arguments.action
    if action != "list" and not arguments.name:
        return _misuse(f"expected --name, who holds the token, for `token {action}`")
    if action == "create" and not arguments.scope:
        return _misuse(f"expected at least one --scope of {', '.join(scope.value for scope in Scope)}")
    with closing(open_database(settings.database)) as database:
        if action == "list":
            _print_tokens(token_rows.tokens(database.connection))
        elif action == "revoke":
            with database.transaction() as connection:
                token_rows.revoke(connection, arguments.name, at_utc=service.now())
        else:
            scopes = frozenset(Scope(scope) for scope in arguments.scope)
            minted = mint(arguments.name, scopes, now_utc=service.now(), life_s=arguments.days * DAY_S)
            with database.transaction() as connection:
                token_rows.put_token(connection, minted.token)
            # The only time that the secret is shown.
            print(minted.secret)
    return DONE


def _print_tokens(tokens: Iterable[Token]) -> None:
    for token in tokens:
        opens = " ".join(sorted(scope.value for scope in token.scopes))
        ended = "revoked" if token.revoked_utc is not None else f"until {ist_text(token.expires_utc)}"
        print(f"{token.name}: {opens}; {ended}")


def _misuse(message: str) -> int:
    print(message, file=sys.stderr)
    return MISUSE


def _key(settings: Config, arguments: argparse.Namespace) -> int:
    kid: bytes = arguments.kid
    with closing(open_database(settings.database)) as database:
        registrar = _registrar(settings, database)
        if arguments.action == "revoke":
            record = registrar.revoke(arguments.meter, kid, at_utc=service.now())
        elif arguments.sequence is None or arguments.digest is None:
            return _misuse("expected --sequence and --digest of a batch of the good branch")
        else:
            good = Place(sequence=arguments.sequence, digest=arguments.digest)
            record = registrar.name_good(arguments.meter, kid, good, at_utc=service.now())
    print(f"record {record.statement.meter} number {record.statement.number}  {record.digest.hex()}")
    return DONE


def _export(settings: Config, arguments: argparse.Namespace) -> int:
    keys = founding.open_keys(settings)
    kind = Kind.ACTUAL if arguments.kind == "actual" else Kind.WINDOW
    with closing(open_database(settings.database)) as database:
        book = Logbook(database, {LOG: keys.log}, settings.state)
        anchoring = Anchoring(tip=book.tip(LOG), nodes=book.nodes(LOG))
        content = bundle(database.connection, keys.statements.public_key, anchoring, arguments.digest, kind)
    if content is None:
        print(f"there is no actual {arguments.digest.hex()}: take the digest from a posting", file=sys.stderr)
        return REFUSED
    arguments.output.write_bytes(content)
    return DONE
