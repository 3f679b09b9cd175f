"""Pushes as a meter sends them, made without the code that is tested: the primitive, and octets by hand."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

EK = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
AK = bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
TITLE = bytes.fromhex("534B530000BC614E")
INSTANT, ALERT = bytes.fromhex("0000190900FF"), bytes.fromhex("0004190900FF")
STAMP = bytes.fromhex("07EA041A07000F0000FEB600")


def octets(content: bytes) -> bytes:
    """An octet-string of less than 128 octets."""
    return bytes([9, len(content)]) + content


def plain(name: bytes = b"SKSSERIAL1", setup: bytes = INSTANT, bit: int | None = None) -> bytes:
    """A DataNotification: device id, setup, clock, and the event status word where a `bit` is set in it."""
    cells = [octets(name), octets(setup), octets(STAMP)]
    if bit is not None:
        cells.append(b"\x04\x81\x80" + (1 << 127 - bit).to_bytes(16, "big"))
    return bytes.fromhex("0F 00000001 0C") + STAMP + bytes([2, len(cells)]) + b"".join(cells)


def sealed(apdu: bytes, counter: int, *, title: bytes = TITLE, key: bytes = EK) -> bytes:
    """`apdu` in general-glo-ciphering."""
    count = counter.to_bytes(4, "big")
    content = b"\x30" + count + AESGCM(key).encrypt(title + count, apdu, b"\x30" + AK)[:-4]
    return bytes([0xDB, 8]) + title + b"\x82" + len(content).to_bytes(2, "big") + content


def frame(apdu: bytes) -> bytes:
    """`apdu` in the wrapper, from the management device to the push client."""
    return b"".join(part.to_bytes(2, "big") for part in (1, 1, 64, len(apdu))) + apdu
