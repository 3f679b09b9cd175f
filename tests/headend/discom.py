"""A head-end that attests: the premises' real intake, a logged rule set, hand-set clocks."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from headend.attest import Attestor, Subject
from headend.export import Anchoring, bundle
from headend.store.sqlite import registry_rows
from headend.vee.ruleset import DEFAULT_RULE_SET
from signing.bundle import Kind
from signing.envelope import Signed, sign
from signing.interval import DAY_S, Interval
from signing.statements.reading import Columns
from signing.statements.reading_batch import ClockSource, Opening, Register
from signing.statements.rule_set import RuleSet
from signing.trust import DiscomKey, TrustRoot
from tests.headend.premises import DAY, Gateway, Headend, Message

METER = "SKS00000001"
SUBJECT = Subject(
    connection_point=f"CP-{METER}",
    posted_as=f"LEDGER-{METER}",
    window=Interval(DAY + 10 * 3600, DAY + 12 * 3600),
)
LATER = DAY + 2 * DAY_S


def log_rules(headend: Headend, rule_set: RuleSet = DEFAULT_RULE_SET) -> Signed[RuleSet]:
    """Signs and logs a rule set."""
    signed = sign(rule_set, headend.statement_signer)
    with headend.book.transaction() as transaction:
        leaf = transaction.append(0, [signed.digest])
        registry_rows.put_statement(transaction.connection, leaf, signed.envelope, at_utc=LATER)
    return signed


def attestor(headend: Headend) -> Attestor:
    """An attestor on the head-end's folder, with salts that count."""
    numbers = itertools.count(1)
    return Attestor(
        database=headend.database,
        book=headend.book,
        log_keys={0: headend.key.verifier},
        registry=headend.registry,
        signer=headend.statement_signer,
        salts=lambda: next(numbers).to_bytes(16, "big"),
    )


def stated(
    gateway: Gateway,
    start_hour: int,
    imports: Sequence[int | None],
    *,
    registers: Sequence[tuple[int, int]] = (),
    export_wh: int = 5,
    exports: Sequence[int] | None = None,
    meter: str = METER,
    identity: str | None = None,
) -> Message:
    """The gateway's next batch: quarter hours from an hour of the day on, with registers by hour. `identity` is that of the device, if not the meter's id.

    `exports` are of a whole day from midnight, instead of `export_wh` in every block.
    """
    chain = gateway.chains.setdefault(meter, [])
    last = chain[-1] if chain else None
    present = [wh is not None for wh in imports]
    opening = Opening(
        salt=len(chain).to_bytes(16, "big"),
        identity=identity or meter,
        registers=tuple(
            Register(stamp_utc=DAY + hour * 3600, import_wh=wh, export_wh=_exported(hour, export_wh, exports))
            for hour, wh in registers
        ),
        columns=Columns(
            import_wh=tuple(imports),
            export_wh=tuple(
                (exports or [export_wh] * len(present))[place] if here else None for place, here in enumerate(present)
            ),
            absence=tuple(0 if here else 2 for here in present),
            flags=(0,) * len(imports),
            provenance=(0,) * len(imports),
        ),
    )
    start = DAY + start_hour * 3600
    message = gateway.after(last, meter)
    header = replace(
        message.batch,
        start_utc=start,
        count=len(imports),
        read_at_utc=start + len(imports) * 900 + 12,
        clock_offset_ms=0,
        clock_source=ClockSource.NTP,
        contents=opening.contents(),
    )
    signed = gateway.signed(header, opening)
    chain.append(signed)
    return signed


def _exported(hour: int, export_wh: int, exports: Sequence[int] | None) -> int:
    """The export register at an hour of the day."""
    if exports is None:
        return (hour + 240) * 4 * export_wh
    return 960 * export_wh + sum(exports[: hour * 4])


def trust(headend: Headend) -> TrustRoot:
    """What a verifier is given from outside."""
    return TrustRoot(logs=(headend.key.verifier,), discoms=(DiscomKey(key=headend.statement_signer.public_key),))


def exported(headend: Headend, digest: bytes, kind: Kind = Kind.WINDOW) -> bytes:
    """The bundle of an actual."""
    anchoring = Anchoring(tip=headend.book.tip(0), nodes=headend.book.nodes(0))
    content = bundle(headend.database.connection, headend.statement_signer.public_key, anchoring, digest, kind)
    assert content is not None
    return content
