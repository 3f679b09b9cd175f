"""The file of ``series.profiles``: how consumers of a category use energy through a day, and which connection points are of which.

::

    default = "domestic"                   # of a load above every band, or that no record states; without it such a point has none
    [[category]]
    name = "domestic"
    up_to_w = 10000                        # sanctioned load; the lowest band that holds it. Left out: by `default` alone
    import = [3, 2, 2, 2, 2, 3, 5, 6, 5, 4, 4, 4, 4, 4, 4, 4, 5, 6, 8, 9, 9, 8, 6, 4]
    [[category]]
    name = "rooftop"
    export = [ … ]                         # 24, 48 or 96 weights from midnight IST on, in any unit

Source: VEE §B E6; docs/vee-rules.md "Estimates".
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headend.vee.declared import Channel, HistoryDay, Profile
from signing import fields
from signing.canonical import encode
from signing.interval import DAY_S
from signing.tables import Table, parse_toml

_LENGTHS = (24, 48, 96)
_MOST_WEIGHT = 10**6
_MOST_W = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """The day of one category."""

    name: str
    up_to_w: int | None
    """The highest sanctioned load, in W, of its connection points."""
    weights: Mapping[Channel, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """Every category of the file."""

    categories: tuple[Category, ...]
    default: str | None

    @property
    def digest(self) -> bytes:
        """SHA-256 of what it says, whatever the order and the spelling of the file."""
        rows = [
            [
                one.name,
                one.up_to_w,
                *([*one.weights[channel]] if channel in one.weights else None for channel in Channel),
            ]
            for one in sorted(self.categories, key=lambda one: one.name)
        ]
        return hashlib.sha256(encode([self.default, rows])).digest()

    def category(self, sanctioned_w: int | None) -> Category | None:
        """The category of a connection point with this sanctioned load; none where the file has none for it."""
        bands = [one for one in self.categories if one.up_to_w is not None]
        holding = [] if sanctioned_w is None else [one for one in bands if sanctioned_w <= (one.up_to_w or 0)]
        if holding:
            return min(holding, key=lambda one: one.up_to_w or 0)
        return next((one for one in self.categories if one.name == self.default), None)

    def profile(self, sanctioned_w: int | None, period_s: int, days: Sequence[HistoryDay]) -> Profile | None:
        """What E6 may rest on at a connection point; its average daily use is that of its measured `days` of this period."""
        found = self.category(sanctioned_w)
        if found is None:
            return None
        weights = {
            channel: fitted for channel in found.weights if (fitted := _fitted(found.weights[channel], period_s))
        }
        daily: dict[Channel, int] = {}
        counted: dict[Channel, int] = {}
        for channel in weights:
            series = [one.series(channel) for one in days if one.is_pattern and one.period_s == period_s]
            totals = [sum(energies) for energies in series if energies is not None]
            counted[channel] = len(totals)
            if totals:
                daily[channel] = sum(totals) // len(totals)
        return Profile(weights=weights, daily_wh=daily, days=counted)


NO_PROFILES = Profiles(categories=(), default=None)
"""A discom that states none: E6 says nothing."""


def parse(text: str, source: str) -> Profiles:
    """The profiles in `text`.

    Raises:
        DecodeError: every fault at once, each with its key and remedy.
    """
    root = parse_toml(text, source)
    default = root.optional_text("default")
    categories = tuple(_category(table) for table in root.tables("category", least=1))
    names = [category.name for category in categories]
    bands = [category.up_to_w for category in categories if category.up_to_w is not None]
    for key, values in (("name", names), ("up_to_w", bands)):
        if len(set(values)) != len(values):
            root.faults.add(f"category.{key}", "expected each once: two categories have the same")
    if default is not None and default not in names:
        root.faults.add("default", f"expected the name of a category, got {default!r:.40}")
    root.close()
    root.faults.check()
    return Profiles(categories=categories, default=default)


def _category(table: Table) -> Category:
    present = [channel for channel in Channel if table.has(channel.value)]
    if not present:
        table.faults.add(table.key("import"), "expected weights under 'import', 'export' or both")
    category = Category(
        name=table.parsed("name", fields.identifier, "x"),
        up_to_w=table.integer("up_to_w", least=1, most=_MOST_W) if table.has("up_to_w") else None,
        weights={channel: _weights(table, channel) for channel in present},
    )
    table.close()
    return category


def _weights(table: Table, channel: Channel) -> tuple[int, ...]:
    key = table.key(channel.value)
    stand_in = (1,) * _LENGTHS[0]
    weights = table.integers(channel.value, least=0, most=_MOST_WEIGHT, default=stand_in)
    if len(weights) not in _LENGTHS or not any(weights):
        table.faults.add(key, f"expected 24, 48 or 96 weights, not all 0, from midnight on; got {len(weights)}")
    return weights


def _fitted(weights: tuple[int, ...], period_s: int) -> tuple[int, ...]:
    """The weights for blocks of this length: each block the share of the blocks that it is cut from; nothing where none fits."""
    blocks, stated = DAY_S // period_s, len(weights)
    if blocks % stated == 0:
        return tuple(weight for weight in weights for _ in range(blocks // stated))
    if stated % blocks == 0:
        width = stated // blocks
        return tuple(sum(weights[at : at + width]) for at in range(0, stated, width))
    return ()
