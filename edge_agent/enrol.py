"""The identity of a gateway: its key, its state and what it asks of the discom.

`init` makes all three or none that matters: the state is the last to come into being, and without it nothing is ever signed.

Source: EVIDENCE §§1, 3; docs/wire-format.md §4.2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_agent.config import Config
from edge_agent.meter_keys import create_wrapping_key
from edge_agent.outbox.errors import StateError
from edge_agent.outbox.outbox import Enrolled, Outbox
from signing.backends.file import create_key, open_key
from signing.envelope import Envelope, Signed, sign
from signing.keys import Algorithm, Signer
from signing.statements.enrolment import EnrolRequest, Retirement, enrolment_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What `init` made."""

    kid: bytes
    file: Path
    """The EnrolRequest, for the discom."""


def initialise(config: Config, salt: Callable[[], bytes]) -> Enrolment:
    """A new key, a new state, and the EnrolRequest.

    Raises:
        StateError: there is a state already, or the key has been used with a state that is gone; with the remedy.
        KeyUnavailableError: the key cannot be made.
        MeterKeyError: the wrapping key cannot be made.
    """
    key_path = _key_path(config)
    if config.database.exists():
        raise StateError(
            f"'{config.state}' is initialised: nothing was changed. To add a meter or to rotate the key, run "
            "`sakshi-agent init --new-key`"
        )
    if key_path.exists():
        raise StateError(
            f"the key '{key_path}' exists but its state '{config.database}' does not: a key that has signed cannot go on "
            "without its history. Run `sakshi-agent init --new-key`"
        )
    _prepare(config)
    require_wrapping_key(config)
    signer = create_key(str(key_path), Algorithm.ES256)
    return _create(config, signer, salt)


def replace_key(config: Config, salt: Callable[[], bytes]) -> Enrolment:
    """A new key in the place of the old one, which is kept beside it. Its EnrolRequest retires the chains of the key that signed
    last, where the state knows them, and is signed by that key too.

    Raises:
        StateError: the state is another gateway's or unusable.
        KeyUnavailableError: the new key cannot be made, or the old one cannot be opened.
    """
    _prepare(config)
    require_wrapping_key(config)
    key_path = _key_path(config)
    old = open_key(str(key_path)) if key_path.exists() else None
    fresh_path = key_path.with_name(f"{key_path.name}.new")
    fresh_path.unlink(missing_ok=True)  # left by an `init --new-key` that did not finish; it never signed a batch
    fresh = create_key(str(fresh_path), Algorithm.ES256)
    if not config.database.exists():
        _install(key_path, fresh_path, old)
        return _create(config, fresh, salt)
    with Outbox(config.database, capacity=config.capacity) as outbox:
        if outbox.gateway != config.gateway:
            raise StateError(
                f"the state is that of gateway '{outbox.gateway}', the configuration says '{config.gateway}'"
            )
        retiring = _retiring(key_path, old, outbox.last_kid())
        heads = () if retiring is None else outbox.heads(retiring.public_key.kid)
        signed = _request(config, fresh, heads, salt)
        by_old_key = None if retiring is None else sign(signed.statement, retiring).envelope
        enrolment = _write(config, signed, by_old_key)
        # From here on the state and the key differ until both are changed; in between nothing is signed, and this command
        # run again makes another key.
        outbox.enrol(_enrolled(config, signed))
        _install(key_path, fresh_path, old)
    return enrolment


def require_wrapping_key(config: Config) -> None:
    """Makes the key that meters' keys are wrapped for, where there is none. It outlives the signing key: nothing is signed by it.

    Raises:
        MeterKeyError: it cannot be made.
    """
    path = Path(config.wrapping_key.removeprefix("file:"))
    if not path.exists():
        create_wrapping_key(path)


def _retiring(key_path: Path, old: Signer | None, last_kid: bytes | None) -> Signer | None:
    """The key that signed last. After two replacements in a row that is not the newest, which never signed, but one kept beside
    it.
    """
    if last_kid is None or (old is not None and old.public_key.kid == last_kid):
        return old
    kept = _kept_path(key_path, last_kid)
    return open_key(str(kept)) if kept.exists() else old


def _create(config: Config, signer: Signer, salt: Callable[[], bytes]) -> Enrolment:
    signed = _request(config, signer, (), salt)
    enrolment = _write(config, signed, None)
    Outbox.create(config.database, _enrolled(config, signed))
    return enrolment


def _request(
    config: Config, signer: Signer, retires: tuple[Retirement, ...], salt: Callable[[], bytes]
) -> Signed[EnrolRequest]:
    request = EnrolRequest(
        gateway=config.gateway,
        key=signer.public_key,
        meters=tuple(meter.id for meter in config.meters),
        retires=retires,
        salt=salt(),
    )
    return sign(request, signer)


def _enrolled(config: Config, signed: Signed[EnrolRequest]) -> Enrolled:
    return Enrolled(gateway=config.gateway, kid=signed.kid, request=signed.digest, meters=signed.statement.meters)


def _write(config: Config, signed: Signed[EnrolRequest], by_old_key: Envelope | None) -> Enrolment:
    path = config.enrolment_file(signed.kid)
    try:
        path.write_bytes(enrolment_file(signed, by_old_key))
    except OSError as error:
        raise StateError(f"cannot write '{path}' ({error.strerror}): check the directory") from error
    return Enrolment(kid=signed.kid, file=path)


def _install(key_path: Path, fresh_path: Path, old: Signer | None) -> None:
    if old is not None:
        key_path.rename(_kept_path(key_path, old.public_key.kid))
    fresh_path.rename(key_path)


def _kept_path(key_path: Path, kid: bytes) -> Path:
    return key_path.with_name(f"{key_path.name}.{kid.hex()[:16]}")


def _prepare(config: Config) -> None:
    for directory in (config.state, _key_path(config).parent):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"cannot make directory '{directory}' ({error.strerror})") from error


def _key_path(config: Config) -> Path:
    return Path(config.key.removeprefix("file:"))
