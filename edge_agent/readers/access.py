"""The keys of a reader URL that say how to associate with a DLMS meter, and what becomes of them.

``…?client=32&auth=lls&password=file:/etc/sakshi/meter.lls``
``…?client=48&auth=hls5&suite=0&keys=store:METER&title=53414b0000000001``

Keys stay in their vault: they are asked for when an association opens and dropped when it is over.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Protocol, TypeVar

from edge_agent.errors import MeterKeyError, ReaderUrlError
from edge_agent.readers.dlms.client import DlmsClient
from edge_agent.readers.dlms.cosem import Attribute
from edge_agent.readers.dlms.hls import CHALLENGE_OCTETS, Handover, Handshake, HlsAes, HlsGmac, Login
from edge_agent.readers.dlms.link import Link
from edge_agent.readers.dlms.recovery import CounterRecovery
from edge_agent.readers.dlms.security import KEY_OCTETS, TITLE_OCTETS, Cipher, CipherKeys, Invocations, Policy, Secret
from edge_agent.readers.dlms.session import Session
from edge_agent.readers.dlms.transport import Transport
from edge_agent.readers.url import ReaderUrl, file_of, split
from edge_agent.registers import Origin

T = TypeVar("T")

PUBLIC_CLIENT: Final = 16
METER_READER_CLIENT: Final = 32
UTILITY_CLIENTS: Final = frozenset({48, 80})
"""Utility setting and firmware upgrade: credentials that could change a meter. Source: METERS §3."""
HEAD_END_CLIENTS: Final = UTILITY_CLIENTS | {METER_READER_CLIENT}
"""What a discom's own head-end associates as."""
_COUNTERS: Final = {16: 1, 32: 2, 48: 3, 64: 4, 80: 5, 96: 6}
"""Which 0.0.43.1.x holds the invocation counter of a client. Source: METERS §2."""


def client_of(url: str) -> int | None:
    """The client address in a reader URL of a DLMS meter, the meter reader's where it names none; None for other URLs."""
    try:
        parts = split(url)
    except ReaderUrlError:
        return None
    client = parts.keys.get("client", str(METER_READER_CLIENT))
    return int(client) if parts.scheme.startswith("dlms") and client.isascii() and client.isdecimal() else None


def keys_of(url: str) -> str | None:
    """The URI of the keys in a reader URL; None where it names none."""
    try:
        return split(url).keys.get("keys")
    except ReaderUrlError:
        return None


def is_keyed(url: str) -> bool:
    """Whether a reader URL names keys, and so invocation counters."""
    return keys_of(url) is not None


def password_file(url: str) -> Path | None:
    """The file in which a reader URL has its password in plain; None where it names none."""
    try:
        return file_of(split(url).keys.get("password", ""))
    except ReaderUrlError:
        return None


class Auth(Enum):
    """How the client authenticates."""

    NONE = "none"
    LLS = "lls"
    HLS2 = "hls2"
    HLS5 = "hls5"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterKeys:
    """The secrets of one meter's association; those it has no use for are None."""

    encryption: Secret | None = None
    authentication: Secret | None = None
    hls: Secret | None = None
    lls: Secret | None = None


class Vault(Protocol):
    """Where meters' keys and their invocation counters are kept. `uri` is ``store:METER`` or ``file:PATH``.

    Every method raises `MeterKeyError`, with the remedy, when the keys cannot be had.
    """

    def unlock(self, uri: str) -> MeterKeys:
        """The keys. They MUST NOT be kept longer than an association."""

    def lease(self, uri: str, title: bytes) -> Invocations:
        """Invocation counters for one association."""

    def take_look(self, uri: str, title: bytes) -> bool:
        """See `CounterBook.take_look`."""

    def learn(self, uri: str, title: bytes, counter: int) -> bool:
        """See `CounterJournal.learn`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One association as a URL describes it."""

    client: int
    auth: Auth
    password: Secret | None
    keys: str | None
    """URI of the keys."""
    is_ciphered: bool
    title: bytes
    """Our own system title; empty where none is needed."""
    policy: Policy
    is_dedicated: bool
    offers_general: bool
    counter: Attribute | None
    """Where the meter keeps the last invocation counter that it accepted from this client."""

    @property
    def origin(self) -> Origin:
        """What the answers will be worth."""
        if self.is_ciphered:
            return Origin.GMAC
        return Origin.PLAIN if self.auth is Auth.NONE else Origin.LLS

    def login(self, vault: Vault | None) -> Login:
        """What the association shows, with its keys.

        Raises:
            MeterKeyError: with the remedy.
        """
        if self.keys is None:
            return Login(password=self.password)
        if vault is None:
            raise MeterKeyError(f"expected a store of meter keys for '{self.keys}': give --config FILE")
        keys = vault.unlock(self.keys)
        cipher = self._cipher(vault, keys) if self.is_ciphered or self.auth is Auth.HLS5 else None
        return Login(
            password=(self.password or self._required(keys.lls, "lls")) if self.auth is Auth.LLS else None,
            handshake=self._handshake(keys, cipher),
            cipher=cipher,
            is_ciphered=self.is_ciphered,
            offers_general=self.offers_general,
        )

    def handover(self, vault: Vault | None) -> Handover:
        """What the association shows, for a stack in another process: mechanism 5 or a password, ciphered or plain.

        Raises:
            MeterKeyError: with the remedy.
        """
        if self.keys is None:
            return Handover(password=self.password)
        if vault is None:
            raise MeterKeyError(f"expected a store of meter keys for '{self.keys}': give --config FILE")
        keys = vault.unlock(self.keys)
        password = (self.password or self._required(keys.lls, "lls")) if self.auth is Auth.LLS else None
        if not self.is_ciphered:
            return Handover(password=password)
        invocations = vault.lease(self.keys, self.title)
        return Handover(password=password, keys=self._cipher_keys(keys), title=self.title, invocations=invocations)

    def _cipher_keys(self, keys: MeterKeys) -> CipherKeys:
        return CipherKeys(
            encryption=self._required(keys.encryption, "encryption"),
            authentication=self._required(keys.authentication, "authentication"),
        )

    def _required(self, key: Secret | None, role: str) -> Secret:
        if key is None:
            raise MeterKeyError(f"expected a key of the role '{role}' in '{self.keys}', got none: import it")
        return key

    def _cipher(self, vault: Vault, keys: MeterKeys) -> Cipher:
        assert self.keys is not None
        return Cipher(
            keys=self._cipher_keys(keys),
            title=self.title,
            invocations=vault.lease(self.keys, self.title),
            policy=self.policy,
            dedicated=Secret(secrets.token_bytes(KEY_OCTETS)) if self.is_dedicated else None,
        )

    def _handshake(self, keys: MeterKeys, cipher: Cipher | None) -> Handshake | None:
        # Random, and never the key: a challenge leaves in plain.
        challenge = secrets.token_bytes(CHALLENGE_OCTETS)
        if self.auth is Auth.HLS2:
            return HlsAes(self._required(keys.hls, "hls"), challenge)
        if self.auth is Auth.HLS5:
            assert cipher is not None
            return HlsGmac(cipher, challenge)
        return None


def parse_access(url: ReaderUrl, client: int) -> Access:
    """Takes the keys of `url` that say how to associate as `client`: auth (lls; none for the public client), password
    (file:/path), keys (store:METER or file:/path), suite (none; 0 for HLS), title (16 hexadecimal digits), protect (encrypted or
    authenticated), dedicated (no), general (no), counter (the OBIS code of the client's invocation counter).

    Faults are kept in `url`.
    """
    auth = _auth(url, client)
    is_secret_named = "password" in url.keys or "keys" in url.keys
    keys, password = _keys(url), _password(url, client, auth)
    suite = _suite(url, auth)
    needs_keys = suite is not None or auth in {Auth.HLS2, Auth.HLS5}
    title = _title(url, is_needed=suite is not None or auth is Auth.HLS5)
    if needs_keys and keys is None:
        url.faults.append("expected keys=store:METER (see `sakshi-agent keys import`) for ciphering or HLS")
    if (
        auth is Auth.LLS
        and not is_secret_named
        and not any("'client'" in fault or "'auth" in fault for fault in url.faults)
    ):
        url.faults.append(f"expected password=file:/path for client={client}: only client=16 (public) has none")
    if keys is not None and not needs_keys and auth is not Auth.LLS:
        url.faults.append("expected no keys for an association without authentication and ciphering")
    return Access(
        client=client,
        auth=auth,
        password=password,
        keys=keys,
        is_ciphered=suite is not None,
        title=title,
        policy=_choice(
            url, "protect", {"encrypted": Policy.AUTHENTICATED_ENCRYPTED, "authenticated": Policy.AUTHENTICATED}
        ),
        is_dedicated=_choice(url, "dedicated", {"no": False, "yes": True}),
        offers_general=_choice(url, "general", {"no": False, "yes": True}),
        counter=_counter(url, client),
    )


def _choice(url: ReaderUrl, key: str, words: dict[str, T]) -> T:
    return words[url.choice(key, next(iter(words)), tuple(words))]


def _auth(url: ReaderUrl, client: int) -> Auth:
    word = url.keys.get("auth", "")
    if word in {"hls3", "hls4", "hls6", "hls7"}:
        del url.keys["auth"]
        url.faults.append(f"'auth={word}' is not spoken: have the meter's association set to hls2 or hls5")
        return Auth.LLS
    default = Auth.NONE if client == PUBLIC_CLIENT else Auth.LLS
    return Auth(url.choice("auth", default.value, tuple(auth.value for auth in Auth)))


def _suite(url: ReaderUrl, auth: Auth) -> int | None:
    """The security suite, None for plain APDUs. HLS is ciphered unless the URL says otherwise."""
    word = url.keys.get("suite", "")
    if word in {"1", "2"}:
        del url.keys["suite"]
        url.faults.append(f"'suite={word}' is not spoken: have the meter's association set to suite 0")
        return None
    default = "0" if auth in {Auth.HLS2, Auth.HLS5} else "none"
    words = ("none", "0")
    return 0 if url.choice("suite", default, words) == "0" else None


def _keys(url: ReaderUrl) -> str | None:
    uri = url.keys.pop("keys", None)
    if uri is None:
        return None
    scheme, _, rest = uri.partition(":")
    # What else stands there is not shown: it may be a key.
    if not rest or scheme not in {"store", "file"} or (scheme == "file" and not rest.startswith("/")):
        url.faults.append("expected keys=store:METER or keys=file:/path, never a key itself")
        return None
    return uri


def _password(url: ReaderUrl, client: int, auth: Auth) -> Secret | None:
    is_given = "password" in url.keys
    password = url.secret("password")
    if password is not None and not 0 < len(password) <= 64:
        url.faults.append("expected 1 to 64 octets in the file of 'password'")
    if is_given and client == PUBLIC_CLIENT:
        url.faults.append("expected no password for client=16 (public): remove it, or use client=32 (meter reader)")
    elif is_given and auth is not Auth.LLS:
        url.faults.append(f"expected no password for auth={auth.value}: its keys come from 'keys'")
    return None if password is None else Secret(password)


def _title(url: ReaderUrl, *, is_needed: bool) -> bytes:
    text = url.keys.pop("title", None)
    if text is None and not is_needed:
        return b""
    try:
        title = bytes.fromhex(text or "")
    except ValueError:
        title = b""
    if len(title) != TITLE_OCTETS:
        url.faults.append(
            "expected this gateway's own system title in 'title': 16 hexadecimal digits that no other client of the meter uses"
        )
    return title


def _counter(url: ReaderUrl, client: int) -> Attribute | None:
    number = _COUNTERS.get(client)
    obis = url.keys.pop("counter", None if number is None else f"0.0.43.1.{number}.255")
    if obis is None:
        return None
    try:
        return Attribute(class_id=1, obis=obis)
    except ValueError as error:
        url.faults.append(f"{error} in 'counter'")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Book:
    """What the vault notes of one key's counters. Implements `recovery.CounterBook`."""

    vault: Vault
    uri: str
    title: bytes

    def take_look(self) -> bool:
        """See `CounterBook.take_look`."""
        return self.vault.take_look(self.uri, self.title)

    def learn(self, counter: int) -> bool:
        """See `CounterBook.learn`."""
        return self.vault.learn(self.uri, self.title, counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How to reach the meter."""

    connect: Callable[[], Awaitable[Transport]]
    link: Callable[[int], Link]
    """A new link for a client address."""
    timeout_s: float
    connect_s: float | None = None


def session(access: Access, vault: Vault | None, line: Line) -> Session:
    """A new, unused session."""
    return Session(line.link(access.client), login=lambda: access.login(vault))


def recovery(access: Access, vault: Vault | None, line: Line) -> CounterRecovery | None:
    """What mends a stale counter; None where there is none to mend."""
    if vault is None or access.keys is None or access.counter is None or not access.is_ciphered:
        return None
    return CounterRecovery(
        public=lambda: DlmsClient(
            connect=line.connect,
            session=Session(line.link(PUBLIC_CLIENT)),
            timeout_s=line.timeout_s,
            connect_s=line.connect_s,
        ),
        counter=access.counter,
        book=_Book(vault=vault, uri=access.keys, title=access.title),
        renew=lambda: session(access, vault, line),
    )
