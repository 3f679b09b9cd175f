"""Troubles are told of once when they begin and once when they end."""

from headend.duties.alerts import Alert, AlertKind, Trouble, changes, message

DISK = Trouble(kind=AlertKind.DISK, about="state", text="10 MiB are free")
SILENT = Trouble(kind=AlertKind.SILENT_GATEWAY, about="gw-1", text="nothing since noon")


def kept(number: int, trouble: Trouble, closed_utc: int | None = None) -> Alert:
    return Alert(number=number, trouble=trouble, opened_utc=1_777_141_800, closed_utc=closed_utc)


def test_what_is_new_begins_and_what_is_gone_ends() -> None:
    found = changes([kept(1, DISK)], [SILENT])
    assert (found.begun, found.ended) == ((SILENT,), (1,))


def test_a_trouble_that_goes_on_is_no_news_though_its_words_change() -> None:
    worse = Trouble(kind=AlertKind.DISK, about="state", text="9 MiB are free")
    found = changes([kept(1, DISK)], [worse])
    assert (found.begun, found.ended) == ((), ())


def test_one_trouble_found_twice_begins_once() -> None:
    assert changes([], [DISK, DISK]).begun == (DISK,)


def test_a_message_names_every_alert_in_india_time_those_that_began_first() -> None:
    subject, body = message("PaVVNL", [kept(1, SILENT, closed_utc=1_777_145_400), kept(2, DISK)])
    assert subject == "Sakshi PaVVNL: 1 new, 1 over"
    assert body.splitlines() == [
        "DISK state: 10 MiB are free (since 2026-04-26 00:00:00 IST)",
        "SILENT_GATEWAY gw-1: over since 2026-04-26 01:00:00 IST",
    ]
