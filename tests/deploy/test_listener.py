"""The clearing house of the demonstration keeps what is signed with the shared secret, and nothing else."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.demo.processes import Processes, running
from headend.messengers import MessageUnsentError, post_signed

BODY = b'{"discom": "PaVVNL", "outcomes": []}'
NOW = 1_777_000_000


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with running(tmp_path) as found:
        yield found


def test_only_what_is_signed_with_the_secret_is_kept(processes: Processes, tmp_path: Path) -> None:
    secret, heard = tmp_path / "secret", tmp_path / "heard.jsonl"
    secret.write_text("between the two of us\n")
    processes.start("clearing", [sys.executable, "-m", "deploy.demo.listener", str(secret), str(heard)])
    url = f"http://{processes.wait_for('clearing', 'listening ', 20)}/outcomes"
    with pytest.raises(MessageUnsentError, match="401"):
        post_signed(url, b"another secret", BODY, NOW)
    assert httpx.post(url, content=BODY).status_code == 401
    assert not heard.exists()
    for _ in range(2):
        post_signed(url, b"between the two of us", BODY, NOW)
    assert [json.loads(line) for line in heard.read_text().splitlines()] == [json.loads(BODY)] * 2
