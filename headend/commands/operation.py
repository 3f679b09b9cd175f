"""init, serve, check, fsck: the head-end as a whole."""

import argparse
import json
import signal
from contextlib import closing
from dataclasses import asdict

from headend import founding, service
from headend.commands.command import DONE, REFUSED, Adding
from headend.commands.progress import Progress
from headend.config import Config
from headend.store.sqlite.database import open_database
from headend.upkeep.check import check
from headend.upkeep.fsck import fsck
from signing.signer import open_signer


def add(verb: Adding) -> None:
    """Adds the verbs of this job."""
    init = verb("init", _init, "make the keys, the database, the log and trust.toml; once")
    init.add_argument("--json", action="store_true", help="print what others must be told as JSON")
    verb("serve", _serve, "take in, decide, attest, post, and answer; until SIGTERM")
    checking = verb("check", _check, "check the keys, the database and its log, the broker and the ledger")
    fsck_ = verb("fsck", _fsck, "read the whole database again and check everything that it claims; changes nothing")
    for command in (checking, fsck_):
        command.add_argument("--json", action="store_true", help="one JSON object on one line")


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
        damages = list(fsck(database, discom, tell=Progress("statements and batches read")))
        database.connection.execute("ROLLBACK")
    if arguments.json:
        print(json.dumps({"ok": not damages, "findings": [asdict(damage) for damage in damages]}))
    elif damages:
        for damage in damages:
            print(f"({damage.check}) {damage.what}: {damage.remedy}")
    else:
        print("ok  everything that the database claims is so")
    return REFUSED if damages else DONE
