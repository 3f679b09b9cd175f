"""What new evidence may change: meters, each with the span that its new batches cover, or without one where anything may change."""

from collections.abc import Iterable, Iterator

from headend.intake.report import IntakeReport
from signing.interval import Interval


class Touches:
    """The meters that new evidence came for. A value to collect into; whoever holds it alone may change it."""

    __slots__ = ("_spans",)

    def __init__(self, meters: Iterable[str] = ()) -> None:
        """`meters` are those of which anything may have changed."""
        self._spans: dict[str, Interval | None] = dict.fromkeys(meters)

    def __bool__(self) -> bool:
        return bool(self._spans)

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def span(self, meter: str) -> Interval | None:
        """The shortest span around a meter's new batches; none where any of its windows may change."""
        return self._spans[meter]

    def add(self, meter: str, span: Interval) -> None:
        """A new batch of a meter."""
        known = self._spans.get(meter, span)
        if known is not None:
            self._spans[meter] = Interval(min(known.start_utc, span.start_utc), max(known.end_utc, span.end_utc))

    def add_whole(self, meter: str) -> None:
        """A fork, a gap or a record of a meter."""
        self._spans[meter] = None

    def take(self, other: "Touches") -> None:
        """Everything that `other` holds."""
        for meter, span in other._spans.items():  # noqa: SLF001 - its own kind
            if span is None:
                self.add_whole(meter)
            else:
                self.add(meter, span)


def touches(report: IntakeReport) -> Touches:
    """What one step of intake may change."""
    found = Touches({fork.meter for fork in report.forks} | report.gaps_changed)
    for meter, start_utc, end_utc in report.touched:
        found.add(meter, Interval(start_utc, end_utc))
    return found
