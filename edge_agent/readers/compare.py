"""One meter read by two stacks that share no code above the names of objects, row by row: `sakshi-agent read URL --compare`.

What moves between two readings is not compared: the clock, the registers now, the rows in use.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from edge_agent.errors import ReaderUrlError
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.readers.report import Json, block_json, identity_json, layout_json, registers_json
from signing.interval import Interval

OURS, OTHER = "dlms+tcp", "dlms-cosem+tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the two stacks say differently of one thing; None where one says nothing of it."""

    what: str
    ours: Json
    other: Json

    def as_json(self) -> dict[str, Json]:
        """By field names, the other stack under its own."""
        return {"what": self.what, "ours": self.ours, "dlms-cosem": self.other}


Facts = dict[str, Json]


Opener = Callable[[str], Reader | SampledReader]


async def compare(url: str, span: Interval, opener: Opener = open_reader) -> list[Difference]:
    """Every difference between what the two stacks read of the meter at `url`: identity, columns, and each row of `span`.

    One after the other: a meter serves one association at a time.

    Raises:
        ReaderUrlError: the other stack cannot speak to this meter.
        ReaderError: as the readers.
    """
    scheme = urlsplit(url).scheme
    if scheme != OURS:
        raise ReaderUrlError((f"expected {OURS}: for a comparison with dlms-cosem, got '{scheme}:'",))
    other_url = f"{OTHER}{url[len(scheme) :]}"
    opener(other_url)  # whether it can is known before the meter is asked
    ours, other = await _facts(url, span, opener), await _facts(other_url, span, opener)
    return [
        Difference(what=what, ours=ours.get(what), other=other.get(what))
        for what in dict.fromkeys([*ours, *other])
        if ours.get(what) != other.get(what)
    ]


async def _facts(url: str, span: Interval, opener: Opener) -> Facts:
    reader = opener(url)
    assert isinstance(reader, Reader)
    async with reader:
        layout = await reader.layout()
        said = {**layout_json(layout), "entries_in_use": None}
        columns = said.pop("columns")
        assert isinstance(columns, list)
        facts: Facts = {f"identity: {name}": value for name, value in identity_json(await reader.identity()).items()}
        facts |= {f"layout: {name}": value for name, value in said.items()}
        facts |= {f"layout: column {place}": column for place, column in enumerate(columns, start=1)}
        blocks = [block_json(row, layout.capture_period_s) for row in await reader.block_rows(span)]
        facts |= _numbered("block", "end", blocks)
        days = [registers_json(each) for each in await reader.daily_registers(span)]
        return facts | _numbered("midnight", "stamp", days)


def _numbered(kind: str, key: str, rows: list[dict[str, Json]]) -> Facts:
    """Rows by their instant; rows of one instant by their order, since a meter may hold several."""
    seen: Counter[Json] = Counter()
    facts: Facts = {}
    for row in rows:
        seen[row[key]] += 1
        again = f" ({seen[row[key]]})" if seen[row[key]] > 1 else ""
        facts[f"{kind} {row[key]}{again}"] = row
    return facts
