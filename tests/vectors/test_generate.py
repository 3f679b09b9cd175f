"""The vectors that are checked in are those that the script makes."""

from pathlib import Path

from tests.vectors import generate


def test_regeneration_gives_the_same_bytes() -> None:
    made = generate.files()
    present = {p.name: p.read_bytes() for p in Path(generate.HERE).iterdir() if p.suffix in {".cbor", ".json", ".toml"}}
    assert sorted(made) == sorted(present)
    assert [name for name in made if made[name] != present[name]] == []


def test_the_generator_knows_nothing_of_the_code_under_test() -> None:
    for name in ("world.py", "scenes.py", "defects.py", "generate.py"):
        assert "from signing" not in (generate.HERE / name).read_text()
