"""What the configuration says about the programs and files outside: the broker's credentials, the key for ledgers.

Read before anything starts, so that a wrong path is a message and not a retry.
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from headend.config import BrokerSettings, Config
from headend.errors import FatalError
from headend.settings.beckn import BecknSettings
from headend.transport.mqtt import MqttSettings
from ledger_client import key_file
from ledger_client.beckn.directory import Directory
from ledger_client.dedi import DediDirectory
from ledger_client.file_directory import DirectoryFileError, FileDirectory
from ledger_client.http import DEFAULT_TIMEOUT_S, HttpLedger, open_ledger
from ledger_client.signature import HttpSigner, KeyId


def mqtt_settings(config: Config) -> MqttSettings:
    """How the head-end of `config` connects to its broker.

    Raises:
        FatalError: the password or the certificate authority cannot be read; with the remedy.
    """
    broker = config.broker
    return MqttSettings(
        host=broker.host,
        port=broker.port,
        client_id=f"sakshi-headend-{config.domain}",
        shards=broker.shards,
        username=broker.username,
        password=_password(broker),
        tls=_tls(broker),
    )


def ledger_signer(config: Config) -> HttpSigner:
    """What signs requests to the ledger.

    Raises:
        KeyFileError: the key cannot be used; with the remedy.
        FatalError: its URI is not a file's.
    """
    scheme, _, place = config.keys.beckn.partition(":")
    if scheme != "file":
        raise FatalError(f"expected a key file, got '{scheme}:…' in 'keys.beckn': give file:PATH")
    ledger = config.ledger
    return key_file.load(Path(place), KeyId(subscriber_id=ledger.subscriber, unique_key_id=ledger.key_id))


def ledger(config: Config, now: Callable[[], int], *, timeout_s: float = DEFAULT_TIMEOUT_S) -> HttpLedger:
    """The ledger that postings go to; nothing is sent yet. `now` gives UTC seconds.

    Raises:
        KeyFileError, FatalError: as `ledger_signer`.
    """
    return open_ledger(config.ledger.url, signer=ledger_signer(config), now=now, timeout_s=timeout_s)


@contextmanager
def directory(settings: BecknSettings, now: Callable[[], int]) -> Iterator[Directory]:
    """Where subscribers of the network are looked up, until the block ends. `now` gives UTC seconds.

    Raises:
        FatalError: the file cannot be used; with every fault.
    """
    scheme, _, place = settings.directory.partition(":")
    if scheme == "file":
        try:
            found = FileDirectory.read(Path(place))
        except DirectoryFileError as error:
            raise FatalError(f"{error}: correct beckn.directory or the file") from error
        yield found
        return
    with DediDirectory(settings.directory, now=now) as registry:
        yield registry


def _tls(broker: BrokerSettings) -> ssl.SSLContext | None:
    if broker.ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=broker.ca_file)
    except OSError as error:
        raise FatalError(f"cannot use '{broker.ca_file}' ({error}): correct broker.ca_file") from error


def _password(broker: BrokerSettings) -> str | None:
    if broker.password is None:
        return None
    scheme, _, place = broker.password.partition(":")
    if scheme != "file":
        raise FatalError(f"expected a file, got '{scheme}:…' in 'broker.password': give file:PATH")
    try:
        return Path(place).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise FatalError(f"cannot read the broker's password in '{place}' ({error.strerror}): correct it") from error
    except UnicodeDecodeError as error:
        raise FatalError(f"the broker's password in '{place}' is not UTF-8 text: write it again") from error
