"""work-orders: a sheet, empty where nobody must go."""

from headend.duties.work_orders import HEADER
from tests.headend.commands.conftest import Command
from tests.headend.premises import Gateway


def test_a_sheet_without_work_is_its_header(enrolled: Gateway, command: Command) -> None:
    assert command("work-orders") == (0, ",".join(HEADER) + "\n", "")
    assert command("work-orders", "--cause", "FORK", "--feeder", "F7")[0] == 0


def test_a_cause_that_is_none_is_misuse(enrolled: Gateway, command: Command) -> None:
    assert command("work-orders", "--cause", "LUNCH")[0] == 2
