"""`sakshi-agent keys`: meters' keys, from the discom's desk to the gateway's vault."""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

from edge_agent.config import Config
from edge_agent.enrol import require_wrapping_key
from edge_agent.errors import MeterKeyError
from edge_agent.meter_keys import Role, open_wrapping_key, parse_public_pem, public_pem, seal
from edge_agent.readers.dlms.security import KEY_OCTETS, Secret
from edge_agent.vault import GatewayVault, KeyEvent, StoredKeys, read_sealed
from signing import fields
from signing.errors import DecodeError
from signing.interval import utc_text

WRAP = "wrap"
"""The one verb that needs no configuration: it is the discom's."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds `keys` and its verbs."""
    keys = commands.add_parser(
        "keys", help="meters' keys: wrapped for this gateway, imported, rotated, forgotten, audited"
    )
    verbs = keys.add_subparsers(dest="verb", required=True, metavar="verb")
    create = verbs.add_parser("create", help="make the wrapping key, where `init` made none")
    public = verbs.add_parser("public", help="print the public wrapping key, for the discom")
    take_in = verbs.add_parser("import", help="take in a meter's first keys")
    rotate = verbs.add_parser("rotate", help="replace a meter's keys")
    for verb in (take_in, rotate):
        verb.add_argument("file", type=Path, metavar="SEALED", help="what `keys wrap` wrote")
    forget = verbs.add_parser("forget", help="delete a meter's keys")
    accept = verbs.add_parser("accept-counter", help="accept that a meter's invocation counter went back")
    for verb in (forget, accept):
        verb.add_argument("meter", help="the discom's id of the meter")
    for verb in (take_in, rotate, forget, accept):
        verb.add_argument("--who", required=True, help="who says so, for the audit trail")
    listing = verbs.add_parser("list", help="list whose keys are here, by the fingerprint of the sealed file")
    listing.add_argument("--history", action="store_true", help="print the audit trail instead")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    for verb in (create, public, take_in, rotate, forget, accept, listing):
        verb.add_argument("--config", type=Path, required=True, metavar="FILE", help="the agent's TOML file")
    _add_wrap(verbs)


def _add_wrap(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    wrap = verbs.add_parser(WRAP, help="at the discom: wrap a meter's keys for one gateway")
    wrap.add_argument("--for", dest="public", type=Path, required=True, metavar="PUBLIC", help="from `keys public`")
    wrap.add_argument("--meter", required=True, help="the discom's id of the meter")
    wrap.add_argument("--out", type=Path, required=True, metavar="SEALED", help="the file to write; never overwritten")
    for role, text in (
        (Role.ENCRYPTION, "the global encryption key: 16 octets, or 32 hexadecimal digits"),
        (Role.AUTHENTICATION, "the global authentication key, likewise"),
        (Role.HLS, "the key of HLS mechanism 2, likewise, or shorter"),
        (Role.LLS, "the password"),
    ):
        wrap.add_argument(f"--{role.value}", type=Path, metavar="FILE", help=f"file (mode 600) of {text}")


def wrap(arguments: argparse.Namespace) -> list[str]:
    """Writes a sealed file, and gives the lines to print. Secrets come from files that only their owner can read, never from the command line.

    Raises:
        MeterKeyError: with the remedy.
    """
    try:
        meter = fields.identifier(arguments.meter, "--meter")
        public = parse_public_pem(arguments.public.read_bytes(), str(arguments.public))
    except DecodeError as error:
        raise MeterKeyError(str(error)) from None
    except OSError as error:
        raise MeterKeyError(f"cannot read '{arguments.public}' ({error.strerror}): check the path") from None
    named = {role: getattr(arguments, role.value) for role in Role}
    secrets = {role: _secret(path, role) for role, path in named.items() if path is not None}
    sealed = seal(meter, secrets, public)
    try:
        descriptor = os.open(arguments.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise MeterKeyError(f"cannot write '{arguments.out}' ({error.strerror}): it must not exist yet") from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(sealed)
    return [f"meter {meter}: {', '.join(role.value for role in secrets)} in {arguments.out}"]


def _secret(path: Path, role: Role) -> Secret:
    try:
        if path.stat().st_mode & 0o077:
            raise MeterKeyError(f"secret file '{path}' is open to others: run `chmod 600 {path}`")
        octets = path.read_bytes()
    except OSError as error:
        raise MeterKeyError(f"cannot read secret file '{path}' ({error.strerror}): check the path") from None
    if role is not Role.LLS and len(octets) == KEY_OCTETS:
        return Secret(octets)
    text = octets.rstrip(b"\r\n")
    if role is not Role.LLS and len(text) == 2 * KEY_OCTETS:
        try:
            return Secret(bytes.fromhex(text.decode("ascii")))
        except ValueError:
            # Without its cause: it would quote the secret.
            raise MeterKeyError(f"expected 32 hexadecimal digits in secret file '{path}'") from None
    return Secret(text)


def keys(settings: Config, arguments: argparse.Namespace, now_utc: Callable[[], int]) -> list[str]:
    """Runs one verb on the gateway, and gives the lines to print.

    Raises:
        MeterKeyError: with the remedy.
        StateError: there is no state, or it cannot be used.
    """
    if arguments.verb == "create":
        require_wrapping_key(settings)
    if arguments.verb in {"create", "public"}:
        return public_pem(open_wrapping_key(settings.wrapping_key)).splitlines()
    with GatewayVault(settings.database, wrapping=settings.wrapping_key, now_utc=now_utc) as vault:
        return _VERBS[arguments.verb](vault, arguments)


def _import(vault: GatewayVault, arguments: argparse.Namespace) -> list[str]:
    sealed = read_sealed(arguments.file)
    vault.take_in(sealed, who=arguments.who)
    return [f"meter {sealed.meter}: imported {sealed.fingerprint.hex()}"]


def _rotate(vault: GatewayVault, arguments: argparse.Namespace) -> list[str]:
    sealed = read_sealed(arguments.file)
    vault.rotate(sealed, who=arguments.who)
    return [f"meter {sealed.meter}: rotated to {sealed.fingerprint.hex()}"]


def _forget(vault: GatewayVault, arguments: argparse.Namespace) -> list[str]:
    vault.forget(arguments.meter, who=arguments.who)
    return [f"meter {arguments.meter}: forgotten"]


def _accept(vault: GatewayVault, arguments: argparse.Namespace) -> list[str]:
    if not vault.accept_counter(arguments.meter, who=arguments.who):
        raise MeterKeyError(f"nothing is noted of invocation counters of meter {arguments.meter}")
    return [f"meter {arguments.meter}: its next counter is taken as it is"]


def _list(vault: GatewayVault, arguments: argparse.Namespace) -> list[str]:
    rows = (
        [_event(each) for each in vault.events()] if arguments.history else [_stored(each) for each in vault.stored()]
    )
    return [json.dumps(row) if arguments.json else "  ".join(row.values()) for row in rows]


def _stored(keys: StoredKeys) -> dict[str, str]:
    roles = " ".join(role.value for role in keys.roles)
    return {
        "since": utc_text(keys.since_utc),
        "meter": keys.meter,
        "fingerprint": keys.fingerprint.hex(),
        "roles": roles,
    }


def _event(event: KeyEvent) -> dict[str, str]:
    return {
        "at": utc_text(event.at_utc),
        "meter": event.meter,
        "what": event.kind,
        "fingerprint": "" if event.fingerprint is None else event.fingerprint.hex(),
        "who": event.who,
        "detail": event.detail,
    }


_VERBS: dict[str, Callable[[GatewayVault, argparse.Namespace], list[str]]] = {
    "import": _import,
    "rotate": _rotate,
    "forget": _forget,
    "accept-counter": _accept,
    "list": _list,
}
