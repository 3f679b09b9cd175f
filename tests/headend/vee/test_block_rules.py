"""The rules that judge a block by its copies, and the chain that it came by."""

from signing.statements.window_actual import Verdict
from tests.headend.vee.judged import EIGHT, blocks, findings, qualities
from tests.headend.vee.world import Gateway, premises, reading, readings


class TestOneValue:
    """V04, V05, V15: whichever came first never matters."""

    def test_a_value_that_differs_in_export_only_is_a_conflict(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT))
        gateway.state("10:00", (reading(100, 1),))
        home = premises(gateway)
        (found,) = findings(home, "V05")
        assert (dict(found.numbers), found.verdict) == ({"values": 2}, Verdict.SUSPECT)
        assert qualities(home) == ["S", *["V"] * 7]

    def test_three_equal_copies_are_counted(self) -> None:
        gateway = Gateway()
        for _ in range(3):
            gateway.state("10:00", readings((100,)))
        found = findings(premises(gateway), "V04")
        assert [dict(finding.numbers) for finding in found] == [{"copies": 3}]

    def test_copies_that_conflict_are_no_duplicates(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((100,)))
        gateway.state("10:00", readings((101,)))
        assert findings(premises(gateway), "V04") == ()

    def test_a_missing_block_says_how_many_copies_lack_it(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((None, *EIGHT[1:])))
        gateway.state("10:00", readings((None,)))
        (found,) = findings(premises(gateway), "V15")
        assert (dict(found.numbers), found.verdict) == ({"absent_copies": 2}, Verdict.REJECTED)


def test_a_fork_names_its_sequence_and_its_chain() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings(EIGHT))
    clone = gateway.copy()
    for each, value in ((gateway, 100), (clone, 90)):
        each.state("12:00", readings((value,)))
        each.state("10:00", readings((100,)))
    found = findings(premises(gateway, clone), "V03")
    assert blocks(found) == ["10:00"]
    assert dict(found[0].numbers) == {"sequence": 1}
    assert found[0].because == f"fork in chain {gateway.key.kid.hex()[:8]}… at sequence 1"
