"""forecast: an empty one is good news."""

import json

from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation


def test_without_trades_there_is_nothing_to_forecast(founded: Installation, command: Command) -> None:
    assert command("forecast") == (0, "", "")
    assert json.loads(command("forecast", "--json")[1]) == {"ok": True, "windows": []}
