"""The MQTT topics that both programs agree on. Source: docs/wire-format.md §5."""

from dataclasses import dataclass

from signing import fields
from signing.errors import DecodeError

MAX_SHARD = 65_535
MAX_MESSAGE = 65_536
"""Largest MQTT payload, in bytes, either way."""

_PREFIX = "sakshi/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAddress:
    """Where one gateway is spoken to: its shard (fixed at enrolment) and its id."""

    shard: int
    gateway: str

    def __post_init__(self) -> None:
        fields.integer(self.shard, "shard", least=0, most=MAX_SHARD)
        fields.identifier(self.gateway, "gateway")

    @property
    def up(self) -> str:
        """The topic that the gateway publishes to."""
        return f"{_PREFIX}/{self.shard}/{self.gateway}/up"

    @property
    def down(self) -> str:
        """The topic that the gateway subscribes to."""
        return f"{_PREFIX}/{self.shard}/{self.gateway}/down"


def shard_filter(shard: int) -> str:
    """The topic filter for everything that the gateways of `shard` send."""
    return f"{_PREFIX}/{fields.integer(shard, 'shard', least=0, most=MAX_SHARD)}/+/up"


def parse_up(topic: str) -> GatewayAddress:
    """Whose topic `topic` is.

    Raises:
        DecodeError: it is not an up topic.
    """
    levels = topic.split("/")
    if len(levels) != 5 or levels[:2] != ["sakshi", "1"] or levels[4] != "up":
        raise DecodeError(f"expected sakshi/1/<shard>/<gateway>/up, got {topic!r:.120}")
    if not levels[2].isascii() or not levels[2].isdecimal() or str(int(levels[2][:6])) != levels[2]:
        raise DecodeError(f"expected a shard number, got {levels[2]!r:.20} in 'topic'")
    return GatewayAddress(shard=int(levels[2]), gateway=levels[3])
