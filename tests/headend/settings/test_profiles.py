"""The days of categories: which one a connection point has, cut to its blocks, and faults that are named."""

from pathlib import Path

import pytest

from headend.readings import Quality
from headend.settings.profiles import NO_PROFILES, Profiles, parse
from headend.settings.series import series
from headend.vee.declared import Channel, DayKind, HistoryBlock, HistoryDay
from signing.errors import DecodeError
from signing.interval import DAY_S
from signing.tables import parse_toml

HOURS = list(range(24))
BANDS = f"""
default = "other"
[[category]]
name = "large"
up_to_w = 10000
import = {HOURS}
[[category]]
name = "small"
up_to_w = 5000
import = {HOURS}
[[category]]
name = "other"
export = {HOURS}
"""
ONE = f'[[category]]\nname = "a"\nimport = {HOURS}\n'


def day(number: int, wh: int, quality: Quality = Quality.VALID, period_s: int = 3600) -> HistoryDay:
    block = HistoryBlock(import_wh=wh, export_wh=None, quality=quality, is_supplied=True)
    return HistoryDay(
        start_utc=number * DAY_S, kind=DayKind.WORKDAY, period_s=period_s, blocks=(block,) * (DAY_S // period_s)
    )


def only(**weights: list[int]) -> Profiles:
    rows = "\n".join(f"{name} = {values}" for name, values in weights.items())
    return parse(f'default = "a"\n[[category]]\nname = "a"\n{rows}', "p")


@pytest.mark.parametrize(
    ("sanctioned_w", "name"),
    [(1, "small"), (5000, "small"), (5001, "large"), (10_000, "large"), (10_001, "other"), (None, "other")],
)
def test_a_connection_point_has_the_lowest_band_that_holds_its_load_or_the_default(
    sanctioned_w: int | None, name: str
) -> None:
    found = parse(BANDS, "p").category(sanctioned_w)
    assert found is not None
    assert found.name == name


def test_without_a_default_a_load_outside_every_band_has_no_category() -> None:
    found = parse(BANDS.replace('default = "other"', ""), "p")
    assert found.category(10_001) is None
    assert found.profile(None, 900, ()) is None
    assert NO_PROFILES.profile(1, 900, ()) is None


@pytest.mark.parametrize(
    ("stated", "period_s", "expected"),
    [
        (HOURS, 3600, HOURS),
        (HOURS, 1800, [hour for hour in HOURS for _ in range(2)]),
        (list(range(96)), 900, list(range(96))),
        (list(range(96)), 1800, [4 * at + 1 for at in range(48)]),
        (list(range(96)), 7200, [sum(range(8 * at, 8 * at + 8)) for at in range(12)]),
    ],
)
def test_weights_are_cut_or_joined_to_the_blocks_of_the_meter(
    stated: list[int], period_s: int, expected: list[int]
) -> None:
    found = only(export=stated).profile(None, period_s, ())
    assert found is not None
    assert found.weights == {Channel.EXPORT: tuple(expected)}


def test_weights_that_fit_no_blocks_say_nothing() -> None:
    found = only(export=list(range(48))).profile(None, 86_400 // 36, ())
    assert found is not None
    assert found.weights == {}


def test_average_use_is_that_of_measured_days_of_these_blocks_and_how_many_they_are_is_said() -> None:
    def daily(*days: HistoryDay) -> tuple[int | None, int]:
        found = only(**{"import": HOURS}).profile(None, 3600, days)
        assert found is not None
        return found.daily_wh.get(Channel.IMPORT), found.days[Channel.IMPORT]

    assert daily(day(0, 1), day(1, 2), day(2, 6)) == (72, 3)
    assert daily(day(0, 1), day(1, 2)) == (36, 2)
    assert daily(day(0, 1), day(1, 2), day(2, 6, Quality.ESTIMATED)) == (36, 2)
    assert daily(day(0, 1), day(1, 2), day(2, 6, period_s=900)) == (36, 2)
    assert daily() == (None, 0)


def test_a_digest_is_of_what_is_said_and_of_all_of_it() -> None:
    whole = parse(BANDS, "p").digest
    first, *others = BANDS.split("[[category]]")
    assert parse("[[category]]".join([first, *reversed(others)]), "q").digest == whole
    changed = [
        BANDS.replace('default = "other"', 'default = "small"'),
        BANDS.replace("5000", "5001"),
        BANDS.replace("small", "tiny"),
        BANDS.replace("import", "export"),
        BANDS.replace("[0, 1", "[0, 2"),
    ]
    assert len({whole, NO_PROFILES.digest, *(parse(text, "p").digest for text in changed)}) == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "category: expected at least 1"),
        ('[[category]]\nname = "a"', "'import', 'export' or both"),
        (ONE.replace("[0, ", "["), "import: expected 24, 48 or 96 weights, not all 0, from midnight on; got 23"),
        (f'[[category]]\nname = "a"\nimport = {[0] * 24}', "not all 0"),
        (f'[[category]]\nname = "a"\nimport = {[-1] * 24}', "whole numbers from 0"),
        (ONE + ONE, "category.name: expected each once"),
        (BANDS.replace("10000", "5000"), "category.up_to_w: expected each once"),
        ('default = "b"\n' + ONE, "default: expected the name of a category, got 'b'"),
        (ONE + "up_to_w = 0", "up_to_w: expected a whole number from 1"),
        (ONE + "load = 1", "load: unknown key"),
    ],
)
def test_a_fault_is_named(text: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse(text, "profiles.toml")


def test_the_section_reads_the_file_beside_the_configuration(tmp_path: Path) -> None:
    table = parse_toml('profiles = "profiles.toml"', "t")
    (tmp_path / "profiles.toml").write_text(BANDS, encoding="utf-8")
    assert series(table, tmp_path).profiles == parse(BANDS, "p")
    assert series(parse_toml("", "t"), tmp_path).profiles is NO_PROFILES


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "profiles: cannot read"), (b"\xff", "profiles: cannot read"), (b"x = 1", "x: unknown key")],
)
def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "profiles.toml").write_bytes(content)
    table = parse_toml('profiles = "profiles.toml"', "t")
    series(table, tmp_path)
    with pytest.raises(DecodeError, match=message):
        table.faults.check()
