"""enrol, key: who speaks for which meter."""

import argparse
from contextlib import closing
from pathlib import Path

from headend import founding, service
from headend.commands.command import Adding, acting, add_apply, digest, ended, file_text, misuse
from headend.config import Config
from headend.founding import LOG
from headend.log.logbook import Logbook
from headend.onboarding import facts as enrolment_facts
from headend.onboarding.enrol import Application, Registrar
from headend.onboarding.known import Registry
from headend.store.sqlite.database import Database
from signing.envelope import Signed
from signing.statements.meter_record import MeterRecord, Place


def add(verb: Adding) -> None:
    """Adds the verbs of this job."""
    enrol = verb("enrol", _enrol, "let a gateway's key speak for meters; first without --apply")
    enrol.add_argument("request", type=Path, metavar="REQUEST", help="the enrolment file that the gateway wrote")
    enrol.add_argument("facts", type=Path, metavar="FACTS", help="TOML: shard and facts of the meters")
    add_apply(enrol)
    key = verb(
        "key",
        _key,
        "revoke a gateway's key for a meter, or name the good branch of a forked chain; first without --apply",
    )
    key.add_argument("action", choices=["revoke", "good"], help="what the meter's next record says of the key")
    key.add_argument("--meter", required=True, metavar="ID", help="the meter, as its record names it")
    key.add_argument("--kid", type=digest, required=True, metavar="HEX", help="the key's thumbprint, 64 digits")
    key.add_argument("--sequence", type=int, metavar="N", help="good: sequence of a batch of the branch that holds")
    add_apply(key)
    key.add_argument("--digest", type=digest, metavar="HEX", help="good: digest of that batch")


def registrar(settings: Config, database: Database) -> Registrar:
    """Whoever may say something new of a meter, on `database`."""
    keys = founding.open_keys(settings)
    book = Logbook(database, {LOG: keys.log}, settings.state)
    return Registrar(book=book, registry=Registry(database), signer=keys.statements)


def _enrol(settings: Config, arguments: argparse.Namespace) -> int:
    request: Path = arguments.request
    stated = enrolment_facts.parse(file_text(arguments.facts), str(arguments.facts))
    with closing(acting(settings, arguments)) as database:
        application = Application(file=request.read_bytes(), meters=stated.meters, shard=stated.shard)
        enrolled = registrar(settings, database).enrol(application, at_utc=service.now())
    print(f"key    {enrolled.request.kid.hex()}  compare it with the gateway's")
    for record in enrolled.records:
        print(_line(record, arguments))
        for speaker in record.statement.speakers:
            print(f"  key {speaker.key.kid.hex()[:16]} of gateway {speaker.gateway}: {speaker.state.name}")
    return ended(arguments)


def _key(settings: Config, arguments: argparse.Namespace) -> int:
    kid: bytes = arguments.kid
    with closing(acting(settings, arguments)) as database:
        speaking = registrar(settings, database)
        if arguments.action == "revoke":
            record = speaking.revoke(arguments.meter, kid, at_utc=service.now())
        elif arguments.sequence is None or arguments.digest is None:
            return misuse("expected --sequence and --digest of a batch of the good branch")
        else:
            good = Place(sequence=arguments.sequence, digest=arguments.digest)
            record = speaking.name_good(arguments.meter, kid, good, at_utc=service.now())
    print(_line(record, arguments))
    speaker = record.statement.speaker(kid)
    if speaker is not None:
        good_words = (
            "" if speaker.good is None else f", good branch {speaker.good.sequence} {speaker.good.digest.hex()}"
        )
        print(f"  key {kid.hex()[:16]} of gateway {speaker.gateway}: {speaker.state.name}{good_words}")
    return ended(arguments)


def _line(record: Signed[MeterRecord], arguments: argparse.Namespace) -> str:
    statement = record.statement
    return f"record {statement.meter} number {statement.number}  {record.digest.hex() if arguments.apply else 'would be logged'}"
