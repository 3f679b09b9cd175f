"""P22: a full disk stops the writing, is said aloud, and loses nothing; room on the disk is all that is needed to go on."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.demo.processes import running
from tests.stories.stage import AGENT, BROKER, EXCHANGE, HEADEND, START_S, Stage, until

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(240)]

DAYS = 35
SMALL_DISK = """
set -e
mount -t tmpfs -o size=24m tmpfs "$1"
cp -a "$2/." "$1/"
cat /dev/zero > "$1/ballast" 2> /dev/null || true
truncate -s -64k "$1/ballast"
(until [ -e "$3" ]; do sleep 0.1; done; rm "$1/ballast") &
shift 3
exec "$@"
"""
"""Mounts a small disk over a folder with a copy of its content, fills all but 64 KiB of it, frees it when a file appears."""


def require_small_disks(folder: Path) -> None:
    """Mounting needs a user namespace, which some machines forbid."""
    unshare = shutil.which("unshare")
    trial = [str(unshare), "-rm", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if unshare is None or subprocess.run(trial, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody but root mount a small disk; the tests of the stores cover a full one")


def on_a_full_disk(stage: Stage, state: Path, command: list[str]) -> tuple[list[str], Path]:
    """`command` with `state` on a disk that is nearly full, and the file that makes room."""
    original = state.with_name("original")
    shutil.copytree(state, original)
    room = stage.folder / "room"
    return ["unshare", "-rm", "sh", "-c", SMALL_DISK, "sh", str(state), str(original), str(room), *command], room


def test_an_agent_on_a_full_disk_stops_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    require_small_disks(tmp_path)
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, backfill_days=DAYS)
        stage.prepare()
        for name in (BROKER, EXCHANGE, HEADEND):
            stage.start(name)
        stage.put()
        command, room = on_a_full_disk(stage, stage.gateway_folder / "state", stage.agent("run"))
        processes.start(AGENT, command)
        until("the full disk is said", lambda: "no room on disk" in processes.log(AGENT).read_text(), START_S)
        processes.check()
        room.touch()
        until("every day is admitted", lambda: stage.rows("SELECT count(*) FROM batches")[0][0] > DAYS)
        until("the window is posted", stage.is_confirmed)
        batches = stage.rows("SELECT sequence, branch FROM batches ORDER BY sequence")
        assert batches == [(sequence, 0) for sequence in range(len(batches))]
        assert stage.verify().startswith("VALID\n")


def test_a_head_end_on_a_full_disk_receipts_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    require_small_disks(tmp_path)
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, backfill_days=DAYS)
        stage.prepare()
        for name in (BROKER, EXCHANGE):
            stage.start(name)
        stage.put()
        command, room = on_a_full_disk(stage, stage.headend_folder / "state", stage.headend("serve"))
        processes.start(HEADEND, command)
        stage.url = "http://" + processes.wait_for(HEADEND, "listening ", START_S)
        stage.start(AGENT)
        until("the full disk is said", lambda: "free space" in processes.log(HEADEND).read_text(), START_S)
        until("the agent has signed everything", lambda: len(stage.backlog()) > 1)
        waiting = len(stage.backlog())
        assert waiting > 0
        processes.check()
        room.touch()
        until("everything is answered", lambda: stage.backlog() == [])
        until("the window is posted", stage.is_confirmed)
        assert stage.get("/v1/intake")["forks"] == 0
        assert stage.verify().startswith("VALID\n")
