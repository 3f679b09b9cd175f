"""operator, edit: two persons with keys of their own, a dry run first."""

from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from headend.registry.supply import Exchange, RegisterPair
from headend.sign import main as sign
from headend.store.sqlite import edit_rows, hold_rows, supply_rows
from headend.store.sqlite.database import open_database
from signing.backends.file import create_key
from signing.keys import Algorithm
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway

METER = "SKS00000001"
AT = "2026-04-26T10:15:00+05:30"
WHO = ["--by", "asha", "--reason", "joined the desk"]
WISH = ["--meter", METER, "--block", f"{AT}=0.111/0.005", "--reason", "seal broken"]


@pytest.fixture
def keys(founded: Installation, enrolled: Gateway, command: Command) -> dict[str, list[str]]:
    """Two operators, and how each signs."""
    found = {}
    for name, algorithm in (("rao", Algorithm.EDDSA), ("sen", Algorithm.ES256)):
        private = founded.folder / f"{name}.pem"
        key = create_key(str(private), algorithm)
        public = founded.folder / f"{name}.pub"
        public.write_bytes(key._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        code, out, _ = command("operator", "add", name, "--key", public, *WHO, "--apply")
        shown = f"key {key.public_key.kid.hex()}  compare it with the person's own\n"
        assert (code, out) == (0, f"{shown}{name} may sign from now on\n")
        found[name] = ["--as", name, "--key", f"file:{private}"]
    return found


def edits(installed: Installation) -> int:
    with closing(open_database(installed.config.database)) as database:
        return len(edit_rows.newest(database.connection, limit=9))


def test_one_proposes_another_approves_and_both_are_shown(
    founded: Installation, keys: dict[str, list[str]], command: Command
) -> None:
    change = "2026-04-26 10:15:00 IST: MISSING -> MANUAL import 0.111 kWh, export 0.005 kWh\n"
    assert command("edit", "propose", *WISH) == (
        0,
        f"{change}nothing was proposed: give --apply, --as and --key to do it\n",
        "",
    )
    code, out, _ = command("edit", "propose", *WISH, *keys["rao"], "--apply")
    assert (code, out) == (0, f"{change}proposal 1 waits for another person: `edit approve 1`\n")
    code, out, _ = command("edit", "approve", "1")
    assert (code, edits(founded)) == (0, 0)
    assert "by rao" in out
    assert "nothing was approved" in out
    code, _, err = command("edit", "approve", "1", *keys["rao"], "--apply")
    assert code == 1
    assert "another person has to approve it" in err
    code, out, _ = command("edit", "approve", "1", *keys["sen"], "--apply")
    assert (code, edits(founded)) == (0, 1)
    assert f"edit 0 of meter {METER}: " in out
    listed = command("edit", "list")[1]
    assert listed.startswith(f"1 meter {METER}, 1 block(s) from 2026-04-26 10:15:00 IST, by rao at ")
    assert listed.endswith("seal broken; approved by sen\n")
    shown = command("edit", "show", "1")[1]
    assert "2026-04-26 10:15:00 IST: MANUAL import 0.111 kWh, export 0.005 kWh" in shown
    assert "edit 0, signed by rao and sen, log index" in shown


def test_a_block_is_taken_away_and_several_come_from_a_file(
    founded: Installation, keys: dict[str, list[str]], command: Command
) -> None:
    file = founded.folder / "blocks.csv"
    file.write_text(
        "start,import_kwh,export_kwh\n2026-04-26T10:30:00+05:30,0.1,\n2026-04-26T10:15:00+05:30,none,none\n"
    )
    code, out, _ = command("edit", "propose", "--meter", METER, "--file", file, "--reason", "r")
    assert code == 0
    assert out.splitlines()[:2] == [
        "2026-04-26 10:15:00 IST: MISSING -> MISSING, taken away",
        "2026-04-26 10:30:00 IST: MISSING -> MANUAL import 0.100 kWh, export none",
    ]


def test_both_persons_are_told_of_what_the_connection_cannot_carry(
    founded: Installation, keys: dict[str, list[str]], command: Command
) -> None:
    load = ["registry", "set", METER, "sanctioned_kw=5", "--from", "2026-01-01", "--apply", "--by", "asha"]
    assert command(*load)[0] == 0
    wish = ["--meter", METER, "--block", f"{AT}=999/0", "--reason", "seal broken"]
    warning = "WARNING 2026-04-26 10:15:00 IST: import of 999.000 kWh, the sanctioned load allows 1.500 kWh (V17)\n"
    code, out, _ = command("edit", "propose", *wish, *keys["rao"], "--apply")
    assert (code, warning in out) == (0, True)
    assert warning in command("edit", "approve", "1")[1]


def test_a_proposal_is_dropped_with_a_reason(
    founded: Installation, keys: dict[str, list[str]], command: Command
) -> None:
    command("edit", "propose", *WISH, *keys["rao"], "--apply")
    assert command("edit", "drop", "1", "--by", "bela", "--reason", "wrong day", "--apply")[0] == 0
    assert "dropped by bela: wrong day" in command("edit", "list")[1]
    code, _, err = command("edit", "approve", "1", *keys["sen"], "--apply")
    assert code == 1
    assert "edit list" in err
    with closing(open_database(founded.config.database)) as database:
        verbs = [act.verb for act in hold_rows.acts(database.connection, limit=9)]
    assert verbs == ["edit drop", "operator add", "operator add"]


def test_who_left_signs_nothing_more(founded: Installation, keys: dict[str, list[str]], command: Command) -> None:
    command("edit", "propose", *WISH, *keys["rao"], "--apply")
    assert command("operator", "remove", "sen", *WHO, "--apply")[0] == 0
    code, _, err = command("edit", "approve", "1", *keys["sen"], "--apply")
    assert code == 1
    assert "no operator is called 'sen' now" in err
    listed = command("operator", "list")[1].splitlines()
    assert listed[0].startswith("rao: key ")
    assert ", until " in listed[1]


def test_the_block_that_an_exchange_cut_needs_registers(
    founded: Installation, keys: dict[str, list[str]], command: Command
) -> None:
    words = ["edit", "propose", "--from-exchange", "CP-1", "--reason", "exchange"]
    code, _, err = command(*words)
    assert code == 1
    assert "no exchange of devices is kept of CP-1 then" in err
    exchange = Exchange(
        connection_point="CP-1",
        at_utc=1_777_179_420,
        old_meter=METER,
        new_meter=METER,
        closing=RegisterPair(import_wh=1, export_wh=None),
        opening=RegisterPair(import_wh=0, export_wh=None),
        stated_by="asha",
        stated_utc=1_777_179_420,
    )
    with closing(open_database(founded.config.database)) as database, database.transaction() as connection:
        supply_rows.put_exchange(connection, exchange)
    code, _, err = command(*words, "--at", "2026-04-26T10:27:00+05:30")
    assert code == 1
    assert "(3) no signed register of meter SKS00000001 precedes 2026-04-26 10:15:00 IST" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["propose", "--reason", "r"], 2, "--meter with --block or --file"),
        (["propose", "--block", f"{AT}=1", "--reason", "r"], 2, "--meter with --block or --file"),
        (["propose", "--from-exchange", "CP-1", "--meter", METER, "--reason", "r"], 2, "--from-exchange alone"),
        (["propose", "--meter", METER, "--block", f"{AT}=x", "--reason", "r"], 1, "write 2026-04-26T10:15:00"),
        (["propose", "--meter", METER, "--block", "noon=1", "--reason", "r"], 1, "block 'noon'"),
        (["propose", "--meter", METER, "--block", f"{AT}=1"], 1, "'reason'"),
        (["propose", "--meter", METER, "--block", f"{AT}=none/1", "--reason", "r"], 1, "no export without an import"),
        (["propose", *WISH, "--apply"], 1, "--as NAME and --key URI"),
        (["approve"], 2, "`edit approve N`"),
        (["show", "7"], 1, "there is no proposal 7"),
        (["drop", "7", "--by", "b", "--reason", "r"], 1, "does not wait"),
    ],
)
def test_an_edit_asked_for_wrongly_says_what_lacks(
    enrolled: Gateway, command: Command, words: list[str], code: int, message: str
) -> None:
    got, _, err = command("edit", *words)
    assert got == code
    assert message in err


@pytest.mark.parametrize(
    ("text", "message"),
    [("start,import_kwh\n", "expected the columns"), ("start,import_kwh,export_kwh\n1\n", "line 2")],
)
def test_a_file_of_blocks_that_is_none_says_why(
    founded: Installation, enrolled: Gateway, command: Command, text: str, message: str
) -> None:
    file = founded.folder / "blocks.csv"
    file.write_text(text)
    code, _, err = command("edit", "propose", "--meter", METER, "--file", file, "--reason", "r")
    assert code == 1
    assert message in err


def test_a_key_is_a_public_one_in_a_file(founded: Installation, command: Command, tmp_path: Path) -> None:
    for content, message in ((None, "cannot read key file"), (b"no key", "is no public key in PEM")):
        file = tmp_path / "rao.pub"
        if content is not None:
            file.write_bytes(content)
        code, _, err = command("operator", "add", "rao", "--key", file, *WHO)
        assert code == 1
        assert message in err
    assert command("operator", "add", "rao", *WHO)[0] == 2
    assert command("operator", "remove", "rao", *WHO)[0] == 1


def signed(installed: Installation, draft: Path, who: list[str]) -> Path:
    """What `sakshi-sign` writes on the machine of the person."""
    out = draft.with_suffix(".signed")
    assert sign([str(draft), *who, "--out", str(out)]) == 0
    return out


def test_both_sign_on_machines_of_their_own(
    founded: Installation, keys: dict[str, list[str]], command: Command
) -> None:
    draft = founded.folder / "draft.json"
    code, out, _ = command("edit", "propose", *WISH, "--draft", draft, "--apply")
    assert code == 0
    assert out.endswith(
        f"nothing was kept: `sakshi-sign {draft}` signs it where the key is, and --signed brings it back\n"
    )
    assert command("edit", "list")[1] == ""
    mine = signed(founded, draft, keys["rao"])
    code, out, _ = command("edit", "propose", "--signed", mine)
    assert code == 0
    assert "2026-04-26 10:15:00 IST: MISSING -> MANUAL import 0.111 kWh, export 0.005 kWh\nnothing was proposed" in out
    assert command("edit", "list")[1] == ""
    assert command("edit", "propose", "--signed", mine, "--apply")[0] == 0
    theirs = founded.folder / "theirs.json"
    assert command("edit", "approve", "1", "--draft", theirs)[0] == 0
    assert theirs.read_text() == draft.read_text()
    assert edits(founded) == 0
    code, _, err = command("edit", "approve", "1", "--signed", mine, "--apply")
    assert (code, "another person has to approve it" in err) == (1, True)
    code, out, _ = command("edit", "approve", "1", "--signed", signed(founded, theirs, keys["sen"]), "--apply")
    assert (code, edits(founded)) == (0, 1)
    assert "edit 0 of meter" in out


def test_a_paper_that_does_not_fit_is_refused(
    founded: Installation, keys: dict[str, list[str]], command: Command
) -> None:
    draft, other = founded.folder / "draft.json", founded.folder / "other.json"
    command("edit", "propose", *WISH, "--draft", draft)
    command("edit", "propose", *WISH[:-1], "another", "--draft", other)
    mine = signed(founded, draft, keys["rao"])
    for words, code, message in (
        (["propose", "--signed", draft, "--apply"], 1, "nobody signed"),
        (["propose", "--signed", mine, *keys["rao"], "--apply"], 1, "one signature"),
        (["propose", "--signed", mine, "--meter", METER], 2, "--signed alone"),
        (["propose", "--signed", founded.folder / "none.json"], 1, "none.json"),
    ):
        got, _, err = command("edit", *words)
        assert (got, message in err) == (code, True), err
    assert command("edit", "propose", "--signed", mine, "--apply")[0] == 0
    got, _, err = command("edit", "approve", "1", "--signed", signed(founded, other, keys["sen"]), "--apply")
    assert (got, "is of another proposal" in err) == (1, True)
    assert edits(founded) == 0


def test_who_is_added_or_leaves_is_told_with_the_key_and_what_waits(
    command: Command, keys: dict[str, list[str]], founded: Installation
) -> None:
    command("edit", "propose", *WISH, *keys["rao"], "--apply")
    private = founded.folder / "third.pem"
    key = create_key(str(private), Algorithm.EDDSA)
    public = founded.folder / "third.pub"
    public.write_bytes(key._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    out = command("operator", "add", "das", "--key", public)[1]
    assert out.startswith(f"key {key.public_key.kid.hex()}  compare it")
    assert "1 proposal(s) of others wait for somebody's approval\ndas might sign from then on\nnothing was done" in out
    out = command("operator", "remove", "rao")[1]
    assert "\nproposed by rao, and waits still: 1 meter SKS00000001" in out
    assert "of others" not in out
    assert "rao would sign nothing more" in out
    out = command("operator", "remove", "sen")[1]
    assert "proposed by sen" not in out
    assert "1 proposal(s) of others wait" in out
