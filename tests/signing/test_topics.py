"""Topics that both programs agree on."""

import pytest

from signing.errors import DecodeError
from signing.topics import GatewayAddress, parse_up, shard_filter


def test_an_address_names_its_topics_and_is_read_back_from_one() -> None:
    for shard in (0, 9, 65_535):
        address = GatewayAddress(shard=shard, gateway="gw-meerut-1")
        assert address.up == f"sakshi/1/{shard}/gw-meerut-1/up"
        assert address.down == f"sakshi/1/{shard}/gw-meerut-1/down"
        assert parse_up(address.up) == address
        assert shard_filter(shard) == f"sakshi/1/{shard}/+/up"


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "sakshi/1/0/gw/down",
        "sakshi/2/0/gw/up",
        "other/1/0/gw/up",
        "sakshi/1/0/gw/up/more",
        "sakshi/1/x/gw/up",
        "sakshi/1/-1/gw/up",
        "sakshi/1/01/gw/up",
        "sakshi/1/٣/gw/up",
        "sakshi/1/65536/gw/up",
        "sakshi/1/9999999/gw/up",
        "sakshi/1//gw/up",
        "sakshi/1/0/g w/up",
        "sakshi/1/0//up",
    ],
)
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(DecodeError):
        parse_up(topic)


def test_an_address_that_would_be_a_wildcard_cannot_be() -> None:
    for shard, gateway in ((0, "+"), (0, "a/b"), (-1, "gw"), (65_536, "gw")):
        with pytest.raises(DecodeError):
            GatewayAddress(shard=shard, gateway=gateway)
    with pytest.raises(DecodeError):
        shard_filter(65_536)
