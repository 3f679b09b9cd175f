"""Configuration texts for tests: the smallest one, and that with changes."""

import base64
from pathlib import Path

from edge_agent.config import Config, parse
from tests.edge_agent.discom import Discom


def text(discom: Discom, *, port: int = 1883, url: str = "dlms+tcp://127.0.0.1:4059?client=16", extra: str = "") -> str:
    key = base64.b64encode(discom.signer.public_key.cose_key).decode()
    return f"""
gateway = "gw1"
shard = 0
key = "file:gateway.key"
state = "state"

[broker]
port = {port}

[discom]
log_key = "{discom.log.public}"
statement_keys = ["{key}"]

[[meter]]
id = "M1"
serial = "SERIAL1"
url = "{url}"
{extra}
"""


def config(directory: Path, content: str) -> Config:
    return parse(content, "agent.toml", directory)
