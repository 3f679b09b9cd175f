"""Intake through a real broker, by the product's own transport; the broker's CPU is counted with ours."""

import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.anchor import Anchor
from benchmarks.broker import RunningBroker, publishing, write_packets
from benchmarks.cpu import used_by_s, used_s
from benchmarks.fleet import SHARD, Fleet, Sent
from benchmarks.intake import Rounds
from benchmarks.site import NOW, Ground, Site
from headend.intake.worker import IntakeWorker
from headend.transport.mqtt import MqttSettings, MqttTransport

_ANSWERS = f"sakshi/1/{SHARD}/+/down"
_WAIT_S = 0.05


@dataclass(frozen=True, slots=True)
class Place:
    """A running broker, a folder for files, and the cores of whoever plays the gateways."""

    broker: RunningBroker
    folder: Path
    cores: tuple[int, ...]

    def spent_s(self) -> float:
        """CPU seconds of this process and of the broker so far."""
        return used_s() + used_by_s(self.broker.pid)


def live(
    ground: Ground, fleet: Fleet, anchor: Anchor, place: Place, *, blocks: int, seconds: float
) -> tuple[Rounds, Rounds]:
    """As `benchmarks.intake.live`, with every message and every receipt through the broker: our CPU, and ours with its."""
    ours, whole = Rounds(), Rounds()
    fleet.restart()
    settings = MqttSettings(host="127.0.0.1", port=place.broker.port, client_id=f"bench-{blocks}", shards=(SHARD,))
    with ground.site() as site:
        transport = MqttTransport(settings)
        try:
            if not transport.wait_ready(20):
                raise AssertionError("the broker did not grant the subscription in 20 s")
            worker = site.worker(transport)
            while whole.spent_s < seconds:
                messages = fleet.round(blocks)
                spent, by_broker = _round(site, worker, fleet, messages, place)
                limit = anchor.sample()
                ours.add(spent, len(messages), limit)
                whole.add(spent + by_broker, len(messages), limit)
        finally:
            transport.close()
    return ours, whole


def _round(
    site: Site, worker: IntakeWorker, fleet: Fleet, messages: Sequence[Sent], place: Place
) -> tuple[float, float]:
    """CPU seconds of this process and of the broker."""
    file = place.folder / "packets"
    write_packets(messages, file)
    gc.collect()
    seen: list[tuple[Iterable[str], int]] = []
    admitted = 0
    before, broker_before = used_s(), used_by_s(place.broker.pid)
    with publishing(place.broker, file, place.cores, _ANSWERS):
        while admitted < len(messages):
            report = worker.step(NOW, _WAIT_S)
            if report.alarm is not None or report.refused or report.noise:
                raise AssertionError(f"expected a clean step, got {report}")
            admitted += report.admitted
            seen.append(([one.meter for one in report.touched], site.book.size(0)))
    # The publisher has ended: every receipt is through the broker.
    spent = used_s() - before, used_by_s(place.broker.pid) - broker_before
    for meters, size in seen:
        fleet.receipted(meters, size)
    return spent
