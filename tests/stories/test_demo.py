"""`make demo`, as a newcomer runs it: what it prints is true, and every case ends as it says."""

import re
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from deploy.demo.cases import Case, Play, simulator
from deploy.demo.processes import program, running
from deploy.demo.world import BUYER, SELLER, SIDES
from signing.interval import Interval
from tests.stories.play import Played, demo, once, truth_in
from tests.system import require

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(240)]

KEYS = {
    "contracted_kwh",
    "contracts",
    "metered",
    "pushed_kwh",
    "pulled_kwh",
    "settled_kwh",
    "amount_inr",
    "evidence",
    "verified",
    "seconds",
}
SIGNED = dict.fromkeys((side.name for side in SIDES), "contract signed by both platforms: verified")
METERS = {side.name: next(meter.id for meter in side.meters if meter.settles) for side in SIDES}
LIMIT_S = 60
"""Seconds from the first process to the settled trade. Source: issue "What a newcomer does"."""


def kwh(wh: int) -> str:
    return str((Decimal(wh) / 1000).quantize(Decimal("0.001")))


def verify_again(played: Played, side: str) -> str:
    """Verifies a bundle as a stranger does: another folder, nothing in the environment."""
    evidence = played.values["evidence"][side]
    done = subprocess.run(
        [program("sakshi-verify"), "--trust", evidence["trust"], evidence["bundle"]],
        cwd="/",
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def postings(played: Played, discom: str) -> list[str]:
    """States of everything that was addressed to the ledger."""
    path = played.folder / discom / "state" / "headend.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT state FROM postings").fetchall()
    return [state for (state,) in rows]


def require_truth(played: Played, side: str) -> None:
    """What is attested, and verified offline, is what the meter itself measured."""
    imported, exported = played.truth(METERS[side])
    assert imported + exported > 0
    assert played.values["metered"][side] == {"import_kwh": kwh(imported), "export_kwh": kwh(exported)}
    said = verify_again(played, side)
    assert said.startswith("VALID\n")
    assert f"  import kwh: {kwh(imported)}\n" in said
    assert f"  export kwh: {kwh(exported)}\n" in said
    assert "8 expected; 8 valid" in said


@pytest.mark.parametrize("broker", ["embedded", pytest.param("mosquitto", marks=pytest.mark.system)])
def test_the_contract_settles_and_every_figure_is_the_meters(tmp_path: Path, broker: str) -> None:
    if broker == "mosquitto":
        require(broker)
    played = once(tmp_path / "state", "--broker", broker)
    assert played.code == 0, played.complained
    values = played.values
    assert set(values) == KEYS
    assert values["contracts"] == SIGNED
    assert set(values["evidence"]) == {"seller", "buyer"}
    assert all(set(evidence) == {"bundle", "trust"} for evidence in values["evidence"].values())
    assert values["contracted_kwh"] == values["settled_kwh"] == "6.000"
    assert values["pushed_kwh"] == values["pulled_kwh"] == "6.000"
    assert values["amount_inr"] == "30.00"
    assert values["verified"] is True
    assert 0 < values["seconds"] < LIMIT_S
    require_truth(played, "seller")
    require_truth(played, "buyer")
    assert f"the {broker} broker listens on 127.0.0.1:" in played.said
    for side in SIDES:
        assert postings(played, side.discom) == ["CONFIRMED"]


def test_what_is_delivered_above_the_contract_is_left_to_the_retailer(tmp_path: Path) -> None:
    played = once(tmp_path / "state", "--broker", "embedded", "--case", "over")
    assert played.code == 0, played.complained
    values = played.values
    assert values["metered"]["seller"]["export_kwh"] == "8.400"
    assert values["metered"]["buyer"]["import_kwh"] == "9.100"
    require_truth(played, "seller")
    require_truth(played, "buyer")
    assert (values["pushed_kwh"], values["pulled_kwh"], values["settled_kwh"]) == ("6.000", "6.000", "6.000")
    assert values["amount_inr"] == "30.00"
    assert re.search(r"left to the retailer, seller +2\.400 kWh", played.said)
    assert re.search(r"left to the retailer, buyer +3\.100 kWh", played.said)


def test_what_is_delivered_below_the_contract_is_what_settles(tmp_path: Path) -> None:
    played = once(tmp_path / "state", "--broker", "embedded", "--case", "under")
    assert played.code == 0, played.complained
    values = played.values
    assert values["metered"]["seller"]["export_kwh"] == "4.250"
    require_truth(played, "seller")
    assert (values["pushed_kwh"], values["pulled_kwh"], values["settled_kwh"]) == ("4.250", "6.000", "4.250")
    assert values["amount_inr"] == "21.25"
    assert values["verified"] is True


@pytest.mark.parametrize(
    ("case", "blocks", "reason"), [("missing", "7 valid", "1 estimated"), ("fork", "0 valid", "8 suspect")]
)
def test_a_trade_that_cannot_be_decided_says_so_and_posts_nothing(
    tmp_path: Path, case: str, blocks: str, reason: str
) -> None:
    played = once(tmp_path / "state", "--broker", "embedded", "--case", case)
    assert played.code == 1, played.complained
    values = played.values
    assert set(values) == KEYS
    assert values["contracts"] == SIGNED
    assert values["metered"]["seller"] == {"import_kwh": None, "export_kwh": None}
    assert values["pushed_kwh"] is values["settled_kwh"] is values["amount_inr"] is None
    # The other side of the trade is untouched.
    assert values["pulled_kwh"] == "6.000"
    require_truth(played, "buyer")
    assert postings(played, SELLER.discom) == []
    assert postings(played, BUYER.discom) == ["CONFIRMED"]
    said = verify_again(played, "seller")
    assert "  status: PENDING\n" in said
    assert blocks in said
    assert reason in said


def simulated(folder: Path, seed: int, window: Interval) -> dict[str, tuple[int, int]]:
    """Import and export in Wh of each side's meter in the world of a seed, without the demonstration."""
    folder.mkdir()
    play = Play(case=Case.FULL, seed=seed, replay=None, scale_solar="1")
    found = {}
    with running(folder) as processes:
        for side in SIDES:
            truth = folder / f"truth-{METERS[side.name]}.json"
            (meter,) = (meter for meter in side.meters if meter.settles)
            processes.start(side.name, [program("sakshi-sim"), *simulator(play, side, meter, window, truth)])
            processes.wait_for(side.name, "listening ", LIMIT_S)
            found[side.name] = truth_in(truth, window)
    return found


def test_a_seed_gives_the_same_world_again_and_another_one_another(tmp_path: Path) -> None:
    played = once(tmp_path / "state", "--broker", "embedded", "--seed", "7")
    assert played.code == 0, played.complained
    again, other = (simulated(tmp_path / str(seed), seed, played.window) for seed in (7, 8))
    for side, (imported, exported) in again.items():
        require_truth(played, side)
        assert played.values["metered"][side] == {"import_kwh": kwh(imported), "export_kwh": kwh(exported)}
        assert other[side] != again[side]


class Links(HTMLParser):
    """The links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href")
        if tag in {"a", "link"} and address:
            self.found.add(address.partition("#")[0])


def consoles(said: Path) -> dict[str, tuple[str, str]]:
    """Address and token of each console, once the demonstration stays up."""
    ends = time.monotonic() + LIMIT_S
    while "Ctrl-C ends everything." not in (text := said.read_text()):
        assert time.monotonic() < ends, text
        time.sleep(0.1)
    return {
        discom: (url, token)
        for discom, url, token in re.findall(r"^  (\w+): (\S+)/console/ +token (\S+)$", text, re.MULTILINE)
    }


def walk(client: httpx.Client) -> dict[str, httpx.Response]:
    """Every page that the console links to, by its path."""
    pages: dict[str, httpx.Response] = {}
    ahead = ["/console/"]
    while ahead:
        path = ahead.pop()
        if path in pages:
            continue
        pages[path] = answer = client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        if answer.headers["content-type"].startswith("text/html"):
            base = httpx.URL(path)
            links = (str(base.join(link)) for link in Links(answer.text).found if link)
            ahead += [link for link in links if link.startswith("/console/")]
    return pages


def test_it_stays_up_with_its_consoles_until_it_is_interrupted(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with demo(folder, "--broker", "embedded") as run:
        found = consoles(tmp_path / "state.out")
        assert set(found) == {side.discom for side in SIDES}
        for side in SIDES:
            url, token = found[side.discom]
            with httpx.Client(base_url=url, timeout=20) as client:
                assert client.get("/console/").status_code == 401
                assert client.post("/console/login", data={"token": token + "x"}).status_code == 401
                logged_in = client.post("/console/login", data={"token": token})
                assert (logged_in.status_code, logged_in.headers["location"]) == (303, "/console/")
                pages = walk(client)
                health = client.get("/v1/health", headers={"Authorization": f"Bearer {token}"})
                assert health.status_code == 200, health.text
            # From the number to its signed bytes.
            assert "CONFIRMED" in pages["/console/postings"].text
            kinds = [re.sub(r"[0-9a-f]{64}|(?<=/)[0-9]+(?=$|/)", "*", path) for path in pages]
            for kind in (
                "/console/windows/*",
                "/console/windows/*/blocks",
                "/console/windows/*/bundle",
                "/console/batches/*/envelope",
                "/console/batches/*/opening",
            ):
                assert kind in kinds
        assert run.poll() is None
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 0
    assert (tmp_path / "state.err").read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_interrupted_half_way_it_claims_nothing_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path / "state", "--broker", "embedded", "--once") as run:
        ends = time.monotonic() + LIMIT_S
        while "the sandbox exchange answers on" not in (tmp_path / "state.out").read_text():
            assert time.monotonic() < ends
            time.sleep(0.05)
        run.send_signal(number)
        # Impatience changes nothing.
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 1
    assert "Traceback" not in (tmp_path / "state.err").read_text()


def test_a_folder_that_is_something_else_is_never_emptied(tmp_path: Path) -> None:
    precious = tmp_path / "state" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("forty pages")
    with demo(tmp_path / "state", "--once") as run:
        assert run.wait(30) == 1
    assert precious.read_text() == "forty pages"
    assert "choose another with --state" in (tmp_path / "state.err").read_text()


def test_misuse_is_said_before_anything_starts(tmp_path: Path) -> None:
    with demo(tmp_path / "state", "--once", "--case", "perpetuum-mobile") as run:
        assert run.wait(30) == 2
    assert not (tmp_path / "state").exists()
    assert "perpetuum-mobile" in (tmp_path / "state.err").read_text()
