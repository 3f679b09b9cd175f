"""A head-end that is killed between its ACK and its answer: the question is answered all the same, and the ledger provider holds one figure."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from headend import founding
from headend.founding import LOG
from headend.jobs import Office, answers
from headend.log.logbook import Logbook
from headend.store.sqlite import actuals, postings
from headend.store.sqlite.database import open_database
from ledger_client.sandbox.provider import TEST_NETWORK
from ledger_client.sandbox.question import Form, Spoiled, status
from signing.envelope import Signed
from signing.interval import DAY_S, Interval, utc_text
from signing.statements.window_actual import Totals, WindowActual
from tests.headend.actuals import actual
from tests.headend.founded import SUBSCRIBER, Installation, free_port, installation
from tests.headend.premises import gateway
from tests.headend.trading.test_posting import TRADE
from tests.ledger_client.rehearsal import signer
from tests.ledger_client.served import Canned, canned
from tests.stories.stage import until

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(240)]

LEDGER = "ledger.example.org"
NAME = "LEDGER-SKS00000001"
ACK = b'{"message":{"status":"ACK"}}'


def window() -> Interval:
    """An old one: nothing decides it again while the story runs."""
    end = int(time.time()) // 3600 * 3600 - 10 * DAY_S
    return Interval(end - 3600, end)


def asked(folder: Path) -> tuple[Installation, int]:
    """A head-end that takes questions, and its port."""
    port = free_port()
    made = installation(folder, broker_port=free_port(), ledger=f"127.0.0.1:{free_port()}", web=f"port = {port}")
    made.found()
    made.enrol(gateway())
    (folder / "subscribers.toml").write_text(
        f'[[subscriber]]\nsubscriber_id = "{LEDGER}"\nkey_id = "k1"\nnetworks = ["{TEST_NETWORK}"]\n'
        f'public_key = "{signer(LEDGER).public_key_text}"\nurl = "http://127.0.0.1"\n'
    )
    with made.file.open("a") as file:
        file.write(
            f'[beckn]\nreceiver = "http://127.0.0.1:{port}/bpp/receiver"\nnetworks = ["{TEST_NETWORK}"]\n'
            f'directory = "file:subscribers.toml"\nuntraded = "answer"\npatience_s = 0\n'
            f'[[beckn.caller]]\nsubscriber = "{LEDGER}"\n'
        )
    return made, port


def attested(made: Installation) -> Signed[WindowActual]:
    """A figure that the discom has said."""
    config = made.config
    keys = founding.open_keys(config)
    signed = actual(keys.statements, window(), posted_as=NAME, totals=Totals(import_wh=0, export_wh=4321))
    database = open_database(config.database)
    try:
        with Logbook(database, {LOG: keys.log}, config.state).transaction() as transaction:
            leaf = transaction.append(LOG, [signed.digest])
            actuals.put(transaction.connection, leaf, signed, at_utc=int(time.time()))
    finally:
        database.close()
    return signed


def question(port: int, callback: str) -> bytes:
    context = {
        "networkId": TEST_NETWORK,
        "version": "2.0.0",
        "action": "status",
        "bapId": LEDGER,
        "bapUri": callback,
        "bppId": SUBSCRIBER,
        "bppUri": f"http://127.0.0.1:{port}/bpp/receiver",
        "transactionId": "6f1c1c7e-0d0a-4a53-9a53-0c6d9b7f5c01",
        "messageId": "5a2d6940-71cc-44c7-b27b-d38c06ab929b",
        "timestamp": utc_text(int(time.time())),
    }
    span = window()
    return status(
        context=context,
        contract_id="0d8f3a52-3a2b-4c55-8a35-7f7f1d1d2e01",
        discom_id="TEST_DISCOM_SELLER",
        meters={NAME: [(span.start_utc, span.end_utc)]},
        form=Form.ARRAY,
        spoiled=Spoiled(),
    )


@contextmanager
def serving(made: Installation, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The program, until the block ends; killed where it still runs."""
    script = "import sys; from headend.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "serve", "--config", str(made.file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/v1/trust").status_code == 200
        except httpx.HTTPError:
            return False

    try:
        until("the head-end answers", answers)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_head_end_killed_between_ack_and_answer_answers_once_it_is_back(tmp_path: Path) -> None:
    made, port = asked(tmp_path)
    said = attested(made)
    with canned(Canned(status=503)) as provider:
        body = question(port, f"http://{provider.address}/bap/receiver")
        now = int(time.time())
        with serving(made, port) as process:
            # Signed after the start, as anybody's clock would have it.
            now = int(time.time()) + 1
            authorization = signer(LEDGER).sign(body, created=now, expires=now + 300)
            answer = httpx.post(
                f"http://127.0.0.1:{port}/bpp/receiver/status", content=body, headers={"Authorization": authorization}
            )
            assert answer.json()["message"]["status"] == "ACK"
            until("an answer was tried", provider.came.is_set)
            process.send_signal(signal.SIGKILL)
            process.wait()
        provider.status, provider.body = 200, ACK
        provider.bodies.clear()
        with serving(made, port):
            until("it is answered", lambda: bool(provider.bodies))
            until("it is noted", lambda: _state(made) == "ANSWERED")
        assert len(provider.bodies) == 1
        (series,) = json.loads(provider.bodies[0])["message"]["contract"]["commitments"][0]["resources"][0][
            "resourceAttributes"
        ]["dataPayload"]
        energy, evidence = series["intervals"][0]["payloads"]
        assert energy["values"] == [-4.321]
        assert evidence["values"] == [f"sk1:{said.digest.hex()}"]


def test_a_ledger_that_asks_for_nothing_is_told_by_the_job_that_answers(tmp_path: Path) -> None:
    made, _ = asked(tmp_path)
    said = attested(made)
    with canned(Canned(status=200, body=ACK)) as provider:
        text = made.file.read_text().replace("[ledger]\n", "[ledger]\nlook_back_days = 30\n")
        made.file.write_text(f'{text}push = "http://{provider.address}/bap/receiver"\n')
        stop = threading.Event()
        stop.set()
        config = made.config
        office = Office(
            config=config,
            keys=founding.open_keys(config),
            now=lambda: int(time.time()),
            stop=stop,
            components=tuple,
        )
        span = window()
        traded = replace(TRADE, discom_id_seller=config.discom, seller_id=NAME, window=span)
        with answers(office) as step, office.opened() as (database, _):
            with database.transaction() as connection:
                postings.put_trades(connection, [traded], int(time.time()))
            assert step() is None
        (body,) = map(json.loads, provider.bodies)
    assert (body["context"]["action"], body["context"]["bapId"]) == ("on_status", LEDGER)
    assert f"sk1:{said.digest.hex()}" in json.dumps(body["message"])


def _state(made: Installation) -> str:
    database = open_database(made.config.database)
    try:
        (state,) = database.connection.execute("SELECT state FROM questions").fetchone()
    finally:
        database.close()
    return str(state)
