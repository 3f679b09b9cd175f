"""What `sakshi-agent check` says of pushes: whether they can be listened for, and whose can be verified."""

import errno

from edge_agent.check import Finding
from edge_agent.config import Config, MeterSettings
from edge_agent.errors import MeterKeyError
from edge_agent.push_desk import PushVault, Refusal
from edge_agent.push_listener import PushListener
from edge_agent.push_settings import Plain, PushSettings


async def push_findings(settings: Config, vault: PushVault | None) -> list[Finding]:
    """Where pushes are configured: the addresses, and every DLMS meter. Nothing where they are not."""
    if settings.push is None:
        return []
    return [
        await _address(settings.push),
        *(_meter(each, settings.push, vault) for each in settings.meters if _is_dlms(each)),
    ]


def _is_dlms(settings: MeterSettings) -> bool:
    return settings.url.startswith("dlms")


async def _address(push: PushSettings) -> Finding:
    what = "pushes"
    shown = ", ".join(f"{name} {at}" for name, at in (("tcp", push.tcp), ("udp", push.udp)) if at is not None)
    try:
        async with PushListener(push, _forget):
            return Finding(what=what, is_good=True, text=shown)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = f"{shown}: in use; by the agent where it runs, else by another program: correct 'tcp' and 'udp' of [push]"
            return Finding(what=what, is_good=True, is_warning=True, text=text)
        return Finding(what=what, is_good=False, text=f"{shown}: {error}: correct 'tcp' and 'udp' of [push]")


def _meter(settings: MeterSettings, push: PushSettings, vault: PushVault | None) -> Finding:
    what, of = f"pushes of meter {settings.id}", settings.push
    if of.title is None or of.keys is None:
        is_hint = of.plain is Plain.HINT
        known = (
            f"whoever reaches the port can have this meter read every {push.hint_s} s" if is_hint else "all are refused"
        )
        text = f"{known}: set push_title and push_keys to have them verified"
        return Finding(what=what, is_good=True, is_warning=is_hint, text=text)
    try:
        keys = None if vault is None else vault.unlock(of.keys)
    except MeterKeyError as error:
        return Finding(what=what, is_good=False, text=str(error))
    if keys is None or keys.encryption is None or keys.authentication is None:
        text = f"expected keys of the roles 'encryption' and 'authentication' in '{of.keys}': import them"
        return Finding(what=what, is_good=False, text=text)
    return Finding(what=what, is_good=True, text=f"verified, of the system title {of.title.hex()}")


def _forget(refusal: Refusal, text: str, peer: str) -> None:
    """What comes while the port is tried is not what is checked."""
