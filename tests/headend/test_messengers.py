"""Telling people over real sockets: a mail server, a webhook, and either of them down."""

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from headend.config import parse
from headend.duties.alerts import Alert, AlertKind, Trouble, message
from headend.errors import FatalError
from headend.messengers import Email, MessageUnsentError, Webhook, messengers, secret
from headend.settings.alerts import EmailSettings, Security, WebhookSettings
from headend.store.sqlite import alert_rows
from headend.store.sqlite.database import Database, create_database, open_database
from headend.watching.telling import Telling
from signing.errors import DecodeError
from tests.headend.founded import free_port
from tests.headend.mail import mail_server
from tests.headend.test_config import GOOD

NOW = 1_777_200_000
DISK = Trouble(kind=AlertKind.DISK, about="state", text="10 MiB are free")
SILENT = Trouble(kind=AlertKind.SILENT_GATEWAY, about="gw-1", text="nothing since noon")
ALERT = Alert(number=7, trouble=DISK, opened_utc=NOW, closed_utc=None)


def email(port: int, **changes: object) -> EmailSettings:
    made = EmailSettings(
        server="127.0.0.1",
        port=port,
        security=Security.NONE,
        username=None,
        password=None,
        sender="sakshi@discom.example",
        recipients=("duty@discom.example", "head@discom.example"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


class Received:
    def __init__(self) -> None:
        self.posts: list[tuple[str, bytes]] = []
        self.status = 200
        self.port = 0


@contextmanager
def desk() -> Iterator[Received]:
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.posts.append((self.headers["Sakshi-Signature"], body))
            self.send_response(received.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        received.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def key(tmp_path: Path) -> str:
    (tmp_path / "secret").write_text("correct horse\n")
    return f"file:{tmp_path / 'secret'}"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    create_database(tmp_path / "headend.db")
    found = open_database(tmp_path / "headend.db")
    yield found
    found.close()


def test_an_email_names_the_alert_to_everybody(key: str) -> None:
    with mail_server() as mail:
        Email(email(mail.port, username="sakshi", password=key)).tell("PaVVNL", [ALERT], NOW)
    (letter,) = mail.letters
    assert "Subject: Sakshi PaVVNL: 1 new, 0 over" in letter
    assert "To: duty@discom.example, head@discom.example" in letter
    assert "Date: Sun, 26 Apr 2026 10:40:00 +0000" in letter
    assert "DISK state: 10 MiB are free" in letter
    assert len(mail.logins) == 1


def test_a_mail_server_that_refuses_or_is_down_leaves_it_unsent(key: str) -> None:
    with mail_server() as mail:
        mail.refuses = True
        with pytest.raises(MessageUnsentError, match=r"alerts\.email"):
            Email(email(mail.port)).tell("PaVVNL", [ALERT], NOW)
    with pytest.raises(MessageUnsentError, match="did not take it") as caught:
        Email(email(free_port(), username="sakshi", password=key)).tell("PaVVNL", [ALERT], NOW)
    assert "correct horse" not in str(caught.value)


def test_a_server_without_starttls_is_not_spoken_to_in_the_clear() -> None:
    with mail_server() as mail, pytest.raises(MessageUnsentError):
        Email(email(mail.port, security=Security.STARTTLS)).tell("PaVVNL", [ALERT], NOW)
    assert mail.letters == []


def test_a_webhook_proves_who_posts_and_when(key: str) -> None:
    with desk() as received:
        settings = WebhookSettings(url=f"http://127.0.0.1:{received.port}/x", secret=key)
        Webhook(settings).tell("PaVVNL", [ALERT], NOW)
    ((header, body),) = received.posts
    expected = hmac.new(b"correct horse", b"%d." % NOW + body, hashlib.sha256).hexdigest()
    assert header == f"t={NOW},v1={expected}"
    (said,) = json.loads(body)["alerts"]
    assert (said["number"], said["kind"], said["about"], said["closed"]) == (7, "DISK", "state", None)


def test_a_webhook_that_answers_an_error_or_nothing_leaves_it_unsent(key: str) -> None:
    with desk() as received:
        received.status = 500
        with pytest.raises(MessageUnsentError, match="answers 500"):
            Webhook(WebhookSettings(url=f"http://127.0.0.1:{received.port}/", secret=key)).tell("P", [ALERT], NOW)
    with pytest.raises(MessageUnsentError, match="does not answer"):
        Webhook(WebhookSettings(url=f"http://127.0.0.1:{free_port()}/", secret=key)).tell("P", [ALERT], NOW)


def test_a_webhook_that_never_ends_its_answer_has_taken_it(key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        post = threading.Thread(
            target=Webhook(WebhookSettings(url=f"http://127.0.0.1:{server.getsockname()[1]}/", secret=key)).tell,
            args=("P", [ALERT], NOW),
        )
        post.start()
        taken, _ = server.accept()
        with taken:
            taken.recv(65_536)
            taken.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
            post.join(timeout=10)
            is_waiting = post.is_alive()
        post.join()
    assert not is_waiting


def test_a_name_of_two_lines_is_one_line_of_a_message() -> None:
    alert = replace(ALERT, trouble=replace(DISK, about="M-1\nDISK state: all is well"))
    assert message("PaVVNL", [alert])[1].count("\n") == 1


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_secret_that_cannot_be_read_is_named_by_its_place(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "s").write_bytes(content)
    with pytest.raises(FatalError, match=f"{tmp_path}/s"):
        secret(f"file:{tmp_path}/s")


# what was told


class Desk:
    """A messenger that a test can put out of order."""

    def __init__(self) -> None:
        self.told: list[list[tuple[int, bool]]] = []
        self.works = True

    def tell(self, discom: str, alerts: object, now_utc: int) -> None:
        if not self.works:
            raise MessageUnsentError("down")
        self.told.append([(alert.number, alert.closed_utc is not None) for alert in alerts])  # type: ignore[attr-defined]


def test_a_trouble_is_told_of_when_it_begins_and_when_it_ends(database: Database) -> None:
    desk = Desk()
    telling = Telling(discom="PaVVNL", database=database, messengers=[desk])
    for found in ([DISK], [DISK], [DISK, SILENT], [SILENT], [SILENT]):
        telling.keep(found, NOW)
        assert telling.tell(NOW) is None
    assert desk.told == [[(1, False)], [(2, False)], [(1, True)]]
    assert [alert.trouble for alert in alert_rows.open_alerts(database.connection)] == [SILENT]


def test_whoever_was_told_is_not_told_again_while_another_way_fails(database: Database) -> None:
    works, fails = Desk(), Desk()
    fails.works = False
    telling = Telling(discom="PaVVNL", database=database, messengers=[works, fails])
    telling.keep([DISK], NOW)
    assert telling.tell(NOW) == "down"
    assert telling.tell(NOW) == "down"
    fails.works = True
    assert telling.tell(NOW) is None
    assert telling.tell(NOW) is None
    assert (works.told, fails.told) == ([[(1, False)]], [[(1, False)]])


def test_more_troubles_than_one_message_holds_are_told_by_one_way_while_another_fails(database: Database) -> None:
    works, fails = Desk(), Desk()
    fails.works = False
    telling = Telling(discom="PaVVNL", database=database, messengers=[works, fails])
    found = [replace(SILENT, about=f"gw-{number:03}") for number in range(150)]
    telling.keep(found, NOW)
    for _ in range(3):
        assert telling.tell(NOW) == "down"
    assert [len(told) for told in works.told] == [100, 50]
    telling.keep(found[1:], NOW)
    telling.tell(NOW)
    fails.works = True
    for _ in range(3):
        assert telling.tell(NOW) is None
    assert sorted(state for told in works.told for state in told) == sorted(
        [(1, True), *((number, False) for number in range(1, 151))]
    )
    # What was over before it could be told is told once, as over.
    assert sorted(state for told in fails.told for state in told) == [
        (1, True), *((number, False) for number in range(2, 151))
    ]  # fmt: skip
    assert alert_rows.untold(database.connection, limit=1) == ()


def test_what_ended_before_anybody_was_told_is_told_as_over(database: Database) -> None:
    desk = Desk()
    telling = Telling(discom="PaVVNL", database=database, messengers=[desk])
    telling.keep([DISK], NOW)
    telling.keep([], NOW + 60)
    telling.tell(NOW + 60)
    telling.tell(NOW + 120)
    assert desk.told == [[(1, True)]]


def test_a_trouble_that_comes_again_is_told_of_again(database: Database) -> None:
    desk = Desk()
    telling = Telling(discom="PaVVNL", database=database, messengers=[desk])
    for found in ([DISK], [], [DISK]):
        telling.keep(found, NOW)
        telling.tell(NOW)
    assert desk.told == [[(1, False)], [(1, True)], [(2, False)]]


def test_without_any_way_to_tell_it_is_kept_all_the_same(database: Database) -> None:
    telling = Telling(discom="PaVVNL", database=database, messengers=())
    telling.keep([DISK], NOW)
    assert telling.tell(NOW) is None
    assert [alert.number for alert in alert_rows.latest(database.connection, limit=9)] == [1]


# configuration

EMAIL = '[alerts.email]\nserver = "smtp.example"\nfrom = "a@b.example"\nto = ["c@d.example"]\n'


def test_nobody_is_told_by_default() -> None:
    found = parse(GOOD, "headend.toml", Path("base")).alerts
    assert (found.silent_after_s, found.email, found.webhook) == (7200, None, None)
    assert messengers(found) == ()


def test_both_ways_are_read() -> None:
    hook = '[alerts.webhook]\nurl = "https://desk.example/x"\nsecret = "file:keys/hook"\n'
    found = parse(f"{GOOD}[alerts]\nsilent_after_s = 900\n{EMAIL}{hook}", "headend.toml", Path("base")).alerts
    assert found.email is not None
    assert (found.email.security, found.email.port) == (Security.STARTTLS, 587)
    assert found.webhook == WebhookSettings(url="https://desk.example/x", secret="file:base/keys/hook")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[alerts]\nsilent_after_s = 899", "alerts.silent_after_s"),
        (EMAIL + 'security = "none"', "alerts.email.security: expected tls or starttls"),
        (EMAIL + 'security = "ssl"', "alerts.email.security: expected one of tls, starttls, none"),
        (EMAIL + 'username = "x"', "alerts.email.username: expected both"),
        (EMAIL + 'username = "x"\npassword = "hunter2"', "alerts.email.password: expected file:PATH"),
        (EMAIL.replace("c@d.example", "c d"), "alerts.email.to: expected an address"),
        (EMAIL + "loud = 1", "alerts.email.loud: unknown key"),
        ('[alerts.webhook]\nurl = "http://desk.example/x"\nsecret = "file:x"', "alerts.webhook.url: expected https"),
        (
            '[alerts.webhook]\nurl = "https://u:p@desk.example/"\nsecret = "file:x"',
            "alerts.webhook.url: expected https",
        ),
        ('[alerts.webhook]\nurl = "https://desk.example/"\nsecret = "hunter2"', "alerts.webhook.secret: expected file"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(text: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message) as caught:
        parse(GOOD + text, "headend.toml", Path("base"))
    assert "hunter2" not in str(caught.value)
