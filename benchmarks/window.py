"""Verification of one window's bundle, as a stranger does it with `sakshi-verify`."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks.anchor import Anchor
from benchmarks.cpu import used_s
from benchmarks.fleet import DAY, Fleet
from benchmarks.site import NOW, Ground, Site
from headend.attest import Attestor, Subject
from headend.export import Anchoring, bundle
from headend.onboarding.enrol import Registrar
from headend.store.sqlite import registry_rows
from headend.transport.memory import MemoryTransport
from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.windows import judge
from signing.bundle import Kind
from signing.envelope import sign
from signing.interval import DAY_S, Interval
from signing.trust import DiscomKey, TrustRoot
from signing.verify import Outcome, verify

_DAYS = 35
_WINDOW = Interval(DAY + 20 * DAY_S + 10 * 3600, DAY + 20 * DAY_S + 12 * 3600)


@dataclass(frozen=True, slots=True)
class WindowCost:
    """What verifying one bundle costs."""

    times_limit: float
    """CPU in units of one verification: the median."""
    cost_s: float
    size: int
    """Bytes of the bundle."""
    headers: int


def verification(folder: Path, repeats: int, anchor: Anchor) -> WindowCost:
    """A window of two hours in 35 days of hourly batches: all of them are in the bundle as headers."""
    fleet = Fleet(1, seed=1)
    (gateway,) = fleet.gateways
    ground_folder = folder / "window"
    ground_folder.mkdir()
    ground = Ground(ground_folder, fleet.gateways)
    with ground.site() as site:
        log_rules(site)
        registrar = Registrar(book=site.book, registry=site.registry, signer=site.keys.statements)
        subject = Subject(connection_point=f"CP-{gateway.meter}", posted_as="LEDGER-1", window=_WINDOW)
        registrar.name_alias(subject.posted_as, subject.connection_point)
        transport = MemoryTransport()
        worker = site.worker(transport)
        for _ in range(24 * _DAYS):
            sent = gateway.next(4, fleet.chance)
            transport.deliver(sent.topic, sent.payload)
        if worker.step(NOW, 0).admitted != 24 * _DAYS:
            raise AssertionError("expected every batch to be admitted")
        data = _attested(site, subject)
    trust = TrustRoot(logs=(ground.keys.log.verifier,), discoms=(DiscomKey(key=ground.keys.statements.public_key),))
    costs, ratios = [], []
    for _ in range(repeats):
        before = used_s()
        if verify(data, trust, judge).outcome is not Outcome.VALID:
            raise AssertionError("expected the bundle to be VALID")
        costs.append(used_s() - before)
        ratios.append(costs[-1] / anchor.sample())
    return WindowCost(statistics.median(ratios), statistics.median(costs), len(data), 24 * _DAYS)


def log_rules(site: Site) -> None:
    """Logs the default rule set, by which windows are judged."""
    signed = sign(DEFAULT_RULE_SET, site.keys.statements)
    with site.book.transaction() as transaction:
        leaf = transaction.append(0, [signed.digest])
        registry_rows.put_statement(transaction.connection, leaf, signed.envelope, at_utc=NOW)


def attestor(site: Site) -> Attestor:
    """Who decides and attests at a site."""
    return Attestor(
        database=site.database,
        book=site.book,
        log_keys={0: site.keys.log.verifier},
        registry=site.registry,
        signer=site.keys.statements,
    )


def _attested(site: Site, subject: Subject) -> bytes:
    (actual,) = attestor(site).attest([subject], at_utc=DAY + (_DAYS + 1) * DAY_S)
    anchoring = Anchoring(tip=site.book.tip(0), nodes=site.book.nodes(0))
    data = bundle(site.database.connection, site.keys.statements.public_key, anchoring, actual.digest, Kind.WINDOW)
    if data is None:
        raise AssertionError("expected a bundle of the actual")
    return data
