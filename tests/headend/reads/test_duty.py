"""What the web reads of a discom's duty: the tariff that the configuration names, and what a missing one comes to."""

from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from headend.billing.tariff import NO_CHARGES
from headend.config import Config, parse
from headend.errors import FatalError
from headend.reads.duty import StoredDuty, charges
from headend.store.sqlite import postings
from headend.store.sqlite.published_log import PublishedLog
from headend.store.sqlite.read_pool import ReadPool
from signing.errors import DecodeError
from tests.headend.discom import LATER
from tests.headend.premises import Headend, gateway
from tests.headend.test_config import GOOD
from tests.headend.web.settled import trade

TARIFF = """
[[charge]]
name = "transaction"
from = "2026-01-01T00:00:00+05:30"
inr_per_kwh = "0.42"
scope = "any"
paid_by = "equal"
"""
STATES = '[states]\nPaVVNL = "UP"\nTPDDL = "DL"\n'


def configured(folder: Path, tariff: str | None) -> Config:
    """A configuration with this tariff beside it."""
    if tariff is not None:
        (folder / "tariff.toml").write_text(tariff, encoding="utf-8")
    return parse(GOOD + '[billing]\ntariff = "tariff.toml"\n', "headend.toml", folder)


def duty(headend: Headend, pool: ReadPool, config: Config) -> StoredDuty:
    log = PublishedLog(log=0, key=headend.key.verifier, folder=headend.folder)
    return StoredDuty(config=config, pool=pool, log=log, key=headend.statement_signer.public_key)


def test_the_tariff_stands_beside_the_configuration_and_none_means_no_charges(tmp_path: Path) -> None:
    assert charges(parse(GOOD, "headend.toml", tmp_path)) == NO_CHARGES
    (charge,) = charges(configured(tmp_path, TARIFF)).charges
    assert charge.inr_per_kwh == Decimal("0.42")


@pytest.mark.parametrize("tariff", [None, "[[charge]]\n", "\x00"])
def test_a_tariff_that_cannot_be_read_is_fatal_with_its_key(tmp_path: Path, tariff: str | None) -> None:
    with pytest.raises(FatalError, match=r"(?s)tariff\.toml.*correct billing\.tariff"):
        charges(configured(tmp_path, tariff))


def test_bills_are_charged_by_the_tariff_of_the_configuration(headend: Headend) -> None:
    headend.enrol(gateway())
    with headend.database.transaction() as connection:
        postings.put_trades(connection, [trade("t-1")], LATER)
    with closing(ReadPool(headend.folder / "headend.db", 1)) as pool:
        (bill,) = duty(headend, pool, configured(headend.folder, TARIFF + STATES)).bills("2026-04", after=None, limit=9)
        assert bill["charges_inr"] == "1.16"  # 5.5 kWh x 0.42 / 2, half to even
        with pytest.raises(DecodeError, match="names no state for 'TPDDL'"):
            duty(headend, pool, configured(headend.folder, TARIFF)).bills("2026-04", after=None, limit=9)
