"""Reader URLs that name keys: every fault with its remedy, what the answers will be worth, and a secret in none of it."""

import pytest

from edge_agent.errors import MeterKeyError, ReaderUrlError
from edge_agent.readers import url as urls
from edge_agent.readers.access import Access, Auth, MeterKeys, parse_access
from edge_agent.readers.dlms.association import Mechanism
from edge_agent.readers.dlms.security import Policy, Secret
from edge_agent.readers.open import open_reader
from edge_agent.registers import Origin
from tests.edge_agent.readers.dlms.ciphered import AK, EK, HLS, Counters

TITLE = "53414b0000000001"
KEYED = f"keys=store:M1&title={TITLE}"


class OpenVault:
    """Keys as a test gives them."""

    def __init__(self, **keys: bytes) -> None:
        self.keys = MeterKeys(**{role: Secret(octets) for role, octets in keys.items()})
        self.counters = Counters()
        self.learned: list[int] = []

    def unlock(self, uri: str) -> MeterKeys:
        assert uri == "store:M1"
        return self.keys

    def lease(self, uri: str, title: bytes) -> Counters:
        return self.counters

    def take_look(self, uri: str, title: bytes) -> bool:
        return False

    def learn(self, uri: str, title: bytes, counter: int) -> bool:
        self.learned.append(counter)
        return counter >= self.counters.own


ALL = OpenVault(encryption=EK, authentication=AK, hls=HLS, lls=b"password")


def access(query: str, client: int = 48) -> Access:
    url = urls.split(f"dlms+tcp://h?{query}")
    found = parse_access(url, client)
    url.finish()
    return found


def faults(query: str, client: int = 48) -> tuple[str, ...]:
    with pytest.raises(ReaderUrlError) as caught:
        access(query, client)
    return caught.value.faults


@pytest.mark.parametrize(
    ("query", "client", "origin"),
    [
        (f"auth=hls5&suite=0&{KEYED}", 48, Origin.GMAC),
        (f"auth=hls2&{KEYED}", 48, Origin.GMAC),
        (f"auth=lls&suite=0&{KEYED}", 32, Origin.GMAC),
        (f"auth=none&suite=0&{KEYED}", 16, Origin.GMAC),
        (f"auth=hls5&suite=none&{KEYED}", 48, Origin.LLS),
        ("auth=hls2&suite=none&keys=store:M1", 48, Origin.LLS),
        ("auth=lls&keys=store:M1", 32, Origin.LLS),
        ("", 16, Origin.PLAIN),
    ],
)
def test_the_origin_is_what_every_answer_will_bear(query: str, client: int, origin: Origin) -> None:
    assert access(query, client).origin is origin


def test_everything_in_a_url_reaches_the_login() -> None:
    found = access(f"auth=hls5&suite=0&{KEYED}&protect=authenticated&dedicated=yes&general=yes")
    assert (found.auth, found.policy, found.is_dedicated) == (Auth.HLS5, Policy.AUTHENTICATED, True)
    assert str(found.counter) == "0.0.43.1.3.255 (class 1) attribute 2"
    login = found.login(ALL)
    assert login.handshake is not None
    assert login.handshake.mechanism is Mechanism.HLS_GMAC
    assert login.protection is not None
    assert login.protection.title.hex() == TITLE
    assert login.protection.dedicated is not None
    assert login.offers_general


def test_every_login_has_a_challenge_and_a_dedicated_key_of_its_own() -> None:
    found = access(f"auth=hls2&{KEYED}&dedicated=yes")
    logins = [found.login(ALL) for _ in range(3)]
    challenges = {login.handshake.challenge for login in logins if login.handshake is not None}
    keys = {login.cipher.dedicated.reveal() for login in logins if login.cipher and login.cipher.dedicated}
    assert (len(challenges), len(keys)) == (3, 3)
    assert all(len(challenge) == 16 for challenge in challenges)
    assert not challenges & {EK, AK, HLS}


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        (f"auth=hls7&{KEYED}", "'auth=hls7' is not spoken: have the meter's association set to hls2 or hls5"),
        (f"auth=hls5&suite=1&{KEYED}", "'suite=1' is not spoken: have the meter's association set to suite 0"),
        (f"auth=hls5&suite=3&{KEYED}", "expected one of none, 0 in 'suite', got '3'"),
        ("auth=hls5&keys=store:M1", "expected this gateway's own system title in 'title'"),
        ("auth=hls5&keys=store:M1&title=53414b", "expected this gateway's own system title in 'title'"),
        (f"auth=hls5&title={TITLE}", "expected keys=store:METER"),
        (f"auth=hls5&keys=hunter2&title={TITLE}", "expected keys=store:METER or keys=file:/path, never a key itself"),
        (f"auth=hls5&keys=file:hunter2&title={TITLE}", "expected keys=store:METER or keys=file:/path"),
        (f"auth=hls5&{KEYED}&counter=1.2", "expected an OBIS code such as 1.0.99.1.0.255, got '1.2' in 'counter'"),
        ("auth=none&keys=store:M1", "expected no keys for an association without authentication and ciphering"),
        ("auth=lls", "expected password=file:/path for client=48"),
        (f"auth=hls5&{KEYED}&protect=hidden", "expected one of encrypted, authenticated in 'protect'"),
    ],
)
def test_every_fault_names_its_remedy(query: str, fault: str) -> None:
    found = faults(query)
    assert any(fault in each for each in found), found
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize(
    ("query", "keys", "role"),
    [
        (f"auth=hls5&{KEYED}", {"encryption": EK}, "authentication"),
        (f"auth=hls5&{KEYED}", {"authentication": AK}, "encryption"),
        ("auth=hls2&suite=none&keys=store:M1", {"encryption": EK}, "hls"),
        ("auth=lls&keys=store:M1", {"encryption": EK}, "lls"),
    ],
)
def test_a_key_that_is_not_there_is_named_by_its_role(query: str, keys: dict[str, bytes], role: str) -> None:
    with pytest.raises(MeterKeyError, match=f"role '{role}' in 'store:M1'"):
        access(query).login(OpenVault(**keys))


def test_without_a_store_the_remedy_is_its_configuration() -> None:
    with pytest.raises(MeterKeyError, match="give --config FILE"):
        access(f"auth=hls5&{KEYED}").login(None)


def test_a_ciphered_reader_is_checked_without_its_keys() -> None:
    reader = open_reader(f"dlms+tcp://h?client=48&auth=hls5&suite=0&{KEYED}")
    assert reader.origin is Origin.GMAC
