"""Trust file: whose word a verifier takes, from outside the bundle. Source: docs/wire-format.md §8."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass

from signing.errors import DecodeError, SigningError
from signing.fields import MAX_UINT
from signing.keys import PublicKey, parse_cose_key
from signing.log.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from signing.log.note import SignatureKind, VerifierKey
from signing.log.witness import WitnessPolicy
from signing.tables import Table, parse_toml

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscomKey:
    """A statement key of the discom, and the log indices that it may sign for: ``[from_index, until_index)``."""

    key: PublicKey
    from_index: int = 0
    until_index: int | None = None
    """Exclusive; None while the key is in use."""

    def __post_init__(self) -> None:
        if self.until_index is not None and self.until_index <= self.from_index:
            raise DecodeError(f"expected until_index above from_index {self.from_index}, got {self.until_index}")

    def covers(self, index: int) -> bool:
        """Whether the key may sign what stands at `index` of the log."""
        return self.from_index <= index and (self.until_index is None or index < self.until_index)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRoot:
    """Whose word is taken: logs, discom keys, perhaps a checkpoint to be reached and witnesses to be asked for."""

    logs: tuple[VerifierKey, ...]
    """At least one; a log's name is its origin."""
    discoms: tuple[DiscomKey, ...]
    """At least one."""
    pin: SignedCheckpoint | None = None
    """What a bundle of the same log must extend."""
    witnesses: WitnessPolicy | None = None

    def __post_init__(self) -> None:
        if not self.logs or not self.discoms:
            raise DecodeError("expected at least one log and one discom key in a trust file")
        if len({log.name for log in self.logs}) != len(self.logs):
            raise DecodeError("expected each log origin once in a trust file")

    def log(self, origin: str) -> VerifierKey | None:
        """The key of the log with this origin, or none."""
        return next((log for log in self.logs if log.name == origin), None)

    def discom_key(self, kid: bytes, index: int) -> PublicKey | None:
        """The discom's key `kid` if it may sign what stands at `index`, or none."""
        return next((d.key for d in self.discoms if d.key.kid == kid and d.covers(index)), None)


def parse_trust(text: str, source: str = "trust file") -> TrustRoot:
    """The trust root that the TOML `text` states; `source` names it in messages.

    Raises:
        DecodeError: with every fault of the file, each with its key.
    """
    root = parse_toml(text, source)
    root.integer("version", least=VERSION, most=VERSION)
    logs = [_log(table) for table in root.tables("log", least=1)]
    discoms = [_discom(table) for table in root.tables("discom", least=1)]
    known = [log for log in logs if log is not None]
    for name in sorted({log.name for log in known if [other.name for other in known].count(log.name) > 1}):
        root.faults.add("log", f"expected each origin once, got {name!r} again: one key signs one log")
    pin = _pin(root.table("pin"), known) if root.has("pin") else None
    witnesses = _witnesses(root.table("witness")) if root.has("witness") else None
    root.close()
    root.faults.check()
    return TrustRoot(
        logs=tuple(known), discoms=tuple(row for row in discoms if row is not None), pin=pin, witnesses=witnesses
    )


def trust_text(root: TrustRoot) -> str:
    """The trust file that states `root`."""
    lines = [f"version = {VERSION}"]
    for log in root.logs:
        lines += ["", "[[log]]", f'origin = "{_escaped(log.name)}"', f'key = "{_escaped(str(log))}"']
    for entry in root.discoms:
        lines += ["", "[[discom]]", f'key = "{b64encode(entry.key.cose_key).decode()}"']
        lines.append(f"from_index = {entry.from_index}")
        if entry.until_index is not None:
            lines.append(f"until_index = {entry.until_index}")
    if root.pin is not None:
        lines += ["", "[pin]", 'checkpoint = """', _escaped(bytes(root.pin).decode()) + '"""']
    if root.witnesses is not None:
        keys = ", ".join(f'"{_escaped(str(key))}"' for key in root.witnesses.witnesses)
        lines += ["", "[witness]", f"threshold = {root.witnesses.required}", f"keys = [{keys}]"]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\x7f", "\\u007f")


def _log(table: Table) -> VerifierKey | None:
    origin = table.text("origin")
    key = table.parsed("key", _verifier_key, None)
    table.close()
    if key is None:
        return None
    if key.kind is not SignatureKind.ED25519:
        table.faults.add(table.key("key"), "expected the log's key, got a witness's")
    if origin and key.name != origin:
        table.faults.add(table.key("origin"), f"expected the key's name {key.name!r}, got {origin!r}")
    return key


def _verifier_key(text: str, _path: str) -> VerifierKey | None:
    return VerifierKey.parse(text)


def _discom(table: Table) -> DiscomKey | None:
    key = table.parsed("key", _discom_key, None)
    first = table.integer("from_index", least=0, most=MAX_UINT)
    until = table.integer("until_index", least=0, most=MAX_UINT) if table.has("until_index") else None
    table.close()
    if key is None:
        return None
    try:
        return DiscomKey(key=key, from_index=first, until_index=until)
    except DecodeError as error:
        table.faults.add(table.key("until_index"), str(error))
        return None


def _discom_key(text: str, path: str) -> PublicKey | None:
    try:
        encoded = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise DecodeError("expected the base64 of an encoded COSE_Key") from None
    return parse_cose_key(encoded, path)


def _pin(table: Table, logs: list[VerifierKey]) -> SignedCheckpoint | None:
    note = table.text("checkpoint")
    table.close()
    if not note:
        return None
    # TOML drops the newline after the opening quotes, not those of the note.
    data = note.encode()
    try:
        origin = Checkpoint.parse(note.rpartition("\n\n")[0] + "\n").origin
        key = next((log for log in logs if log.name == origin), None)
        if key is None:
            raise DecodeError(f"expected a checkpoint of one of the logs above, got one of {origin!r}")
        return open_checkpoint(data, key)
    except SigningError as error:
        table.faults.add(table.key("checkpoint"), str(error))
        return None


def _witnesses(table: Table) -> WitnessPolicy | None:
    required = table.integer("threshold", least=1, most=64)
    texts = table.texts("keys", least=1)
    table.close()
    if not texts:
        return None
    try:
        return WitnessPolicy(required=required, witnesses=tuple(VerifierKey.parse(text) for text in texts))
    except DecodeError as error:
        table.faults.add(table.key("keys"), str(error))
        return None
