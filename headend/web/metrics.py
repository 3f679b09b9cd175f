"""Metrics from plain values: what is stored, asked for at each scrape, under names that do not change."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from headend.trading.posting import PostingState
from headend.web.desk import Desk
from ledger_client.beckn.refusal import Code
from signing.statements.window_actual import Status

E = TypeVar("E", bound=Enum)

CHECKS = range(1, 8)
"""Numbers of the intake checks (docs/wire-format.md §5); each has a sample from the start, so that a first one is seen."""


class StoreCollector(Collector):
    """Everything that the store counts. One collector serves one scrape."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        desk = self._desk
        counts = desk.reads.counts()
        tree = desk.reads.tree()
        yield _gauge("sakshi_tree_size", "Leaves of the published log", 0 if tree is None else tree.checkpoint.size)
        yield _gauge("sakshi_meters", "Meters with a record", counts.meters)
        yield _gauge("sakshi_open_gaps", "Ranges of sequences that were never admitted", counts.open_gaps)
        yield _gauge("sakshi_forks", "Places where a chain has two histories", counts.forks)
        refused = CounterMetricFamily("sakshi_turned_away", "Messages not admitted, by intake check", labels=["check"])
        for number in sorted({*CHECKS, *counts.turned_away}):
            refused.add_metric([str(number)], counts.turned_away.get(number, 0))
        yield refused
        no_request = CounterMetricFamily(
            "sakshi_web_refused", "Requests refused since the start, by code", labels=["code"]
        )
        for code_name, number in sorted(desk.refusals().items()):
            no_request.add_metric([code_name], number)
        yield no_request
        if desk.door is not None:
            said_no = CounterMetricFamily(
                "sakshi_exchange_refused", "Messages of the exchange refused since the start, by code", labels=["code"]
            )
            by_code = desk.door.refusals()
            for code in Code:
                said_no.add_metric([code.value], by_code.get(code.value, 0))
            yield said_no
        if desk.contracts is not None:
            no_contract = CounterMetricFamily(
                "sakshi_contracts_refused", "Platforms' contracts refused since the start, by code", labels=["code"]
            )
            for name, number in sorted({**{code.value: 0 for code in Code}, **desk.contracts.refusals()}.items()):
                no_contract.add_metric([name], number)
            yield no_contract
        yield _by_name("sakshi_windows", "Newest actuals by status", "status", _complete(Status, counts.windows))
        yield _by_name("sakshi_postings", "Postings by state", "state", _complete(PostingState, counts.postings))
        yield _by_name("sakshi_recordings", "Recordings by state", "state", _complete(PostingState, counts.recordings))
        oldest = counts.oldest_open_posting_utc
        age_s = 0 if oldest is None else max(desk.now() - oldest, 0)
        yield _gauge(
            "sakshi_oldest_open_posting_seconds", "Age of the oldest window still to be posted or recorded", age_s
        )
        works = GaugeMetricFamily("sakshi_component_works", "Whether a part of the program works", labels=["component"])
        for component in desk.components():
            works.add_metric([component.name], int(component.works))
        yield works


def _complete(kinds: type[E], counted: Mapping[E, int]) -> dict[str, int]:
    """By name, with a zero for what never occurred: a series must not appear with its first event."""
    return {kind.name: counted.get(kind, 0) for kind in kinds}


def _gauge(name: str, words: str, value: int) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=value)


def _by_name(name: str, words: str, label: str, counted: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=[label])
    for kind, number in counted.items():
        family.add_metric([kind], number)
    return family
