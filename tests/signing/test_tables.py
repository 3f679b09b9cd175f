"""The checked TOML tables: every fault at once, each with its key."""

import pytest

from signing.errors import DecodeError
from signing.tables import Table, parse_toml


def faults_of(root: Table) -> list[str]:
    root.close()
    try:
        root.faults.check()
    except DecodeError as error:
        return str(error).splitlines()[1:]
    return []


def test_a_file_without_faults_passes() -> None:
    root = parse_toml('a = 1\nb = "x"\nc = ["y"]\nd = true\ne = [1, 2]\n[f]\n[[g]]\n', "file")
    assert root.integer("a", least=0, most=9) == 1
    assert root.text("b") == "x"
    assert root.texts("c") == ("y",)
    assert root.flag("d", default=False) is True
    assert root.integers("e", least=1, most=2, default=(1,)) == (1, 2)
    root.table("f").close()
    assert len(root.tables("g")) == 1
    assert faults_of(root) == []


def test_all_faults_are_reported_together_with_their_keys() -> None:
    text = 'a = 10\nb = 1\nc = [1]\nd = "yes"\ne = [3]\nf = 1\ng = [1]\nh = "!"\nspare = 1\n'
    root = parse_toml(text, "gateway.toml")
    root.integer("a", least=0, most=9)
    root.text("b")
    root.texts("c")
    root.flag("d", default=False)
    root.integers("e", least=1, most=2, default=(1,))
    root.table("f")
    root.tables("g")
    root.parsed("h", _refuse, "stand-in")
    root.integer("absent", least=0, most=9)
    assert [line.split(":")[0] for line in faults_of(root)] == [
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
        "g",
        "h",
        "absent",
        "spare",
    ]


def _refuse(text: str, path: str) -> str:
    raise DecodeError(f"refused {text} in '{path}'")


def test_a_value_in_a_nested_table_is_named_by_its_full_key() -> None:
    root = parse_toml("[[meter]]\n[meter.clock]\nlimit_s = -1\n", "file")
    (meter,) = root.tables("meter")
    meter.table("clock").integer("limit_s", least=0, most=1)
    assert faults_of(root) == ["meter[0].clock.limit_s: expected a whole number from 0 to 1, got -1"]


def test_a_bool_is_no_number() -> None:
    root = parse_toml("a = true", "file")
    root.integer("a", least=0, most=9)
    assert len(faults_of(root)) == 1


def test_too_few_tables_are_a_fault() -> None:
    root = parse_toml("", "file")
    assert root.tables("meter", least=1) == ()
    assert len(faults_of(root)) == 1


def test_defaults_stand_in_for_absent_keys() -> None:
    root = parse_toml("", "file")
    assert root.integer("a", least=0, most=9, default=4) == 4
    assert root.parsed("b", lambda text, path: text, "stand-in", default="given") == "given"
    assert root.optional_text("c") is None
    assert root.texts("d", default=("x",)) == ("x",)
    assert faults_of(root) == []


def test_text_that_is_no_toml_is_refused_with_its_line() -> None:
    with pytest.raises(DecodeError, match="line 2"):
        parse_toml("a = 1\nb = = 2", "file")


@pytest.mark.parametrize(
    ("line", "got"),
    [("password = 1234", "a value of type int"), ('password = ""', "an empty one"), ("", "nothing")],
)
def test_a_text_that_is_none_is_never_quoted_in_the_fault(line: str, got: str) -> None:
    root = parse_toml(line, "file")
    root.text("password")
    assert faults_of(root) == [f"password: expected a text in quotes, got {got}"]
