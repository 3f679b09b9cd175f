"""backup, restore: what is left after a disk."""

import argparse
import json
from pathlib import Path

from headend import service
from headend.commands.command import DONE, Adding
from headend.commands.progress import Progress
from headend.config import Config
from headend.upkeep.restore import back_up, restore


def add(verb: Adding) -> None:
    """Adds the verbs of this job."""
    backup = verb("backup", _backup, "copy the database while the head-end runs; keys are not in it")
    backup.add_argument("output", type=Path, metavar="FILE", help="where the copy goes; must not exist")
    restoring = verb(
        "restore", _restore, "go on from a backup: every published leaf comes back, and what is lost is told"
    )
    restoring.add_argument("backup", type=Path, metavar="FILE", help="the copy that `backup` made")
    for command in (backup, restoring):
        command.add_argument("--json", action="store_true", help="one JSON object on one line")


def _backup(settings: Config, arguments: argparse.Namespace) -> int:
    made = back_up(settings, arguments.output, tell=Progress("pages copied"))
    if arguments.json:
        print(json.dumps({"file": str(made.path), "tree_size": made.tree_size, "bytes": made.size_bytes}))
    else:
        print(f"{made.path}: {made.tree_size} leaves, {made.size_bytes} bytes")
        print(f"Keep it with the keys, and apart from {settings.state}, whose checkpoint and entries files it needs.")
    return DONE


def _restore(settings: Config, arguments: argparse.Namespace) -> int:
    recovery = restore(settings, arguments.backup, now_utc=service.now(), tell=Progress("MiB copied"))
    restored, number = recovery.restored, recovery.hold
    lost = restored.to_size - restored.from_size
    if arguments.json:
        found = {"from_size": restored.from_size, "to_size": restored.to_size, "lost": lost, "hold": number}
        print(json.dumps(found))
        return DONE
    print(f"The log has its {restored.to_size} leaves again; the backup had {restored.from_size} of them.")
    if lost:
        print(f"{lost} statement(s) are lost: gateways are asked for their batches once `serve` runs.")
        print(
            "What the discom signed since the backup no gateway has. Do it again: enrolments, revocations first, aliases."
        )
    print(f"Posting stands down (hold {number}): orders that operators placed since the backup stand in no log.")
    print(f"Place again the holds and disputes that lack, and then run `hold release --number {number} --apply`.")
    return DONE
