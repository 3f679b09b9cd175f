"""RFC 9162 §2.1 written down naively: recursive, over whole lists of leaf hashes; shares no code with signing.log."""

from hashlib import sha256


def leaf(number: int) -> bytes:
    """The leaf hash of the entry that is SHA-256 of a number."""
    return sha256(b"\x00" + sha256(number.to_bytes(8, "big")).digest()).digest()


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def tree(leaves: list[bytes]) -> bytes:
    """MTH(D[n]) over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return sha256(b"\x01" + tree(leaves[:k]) + tree(leaves[k:])).digest()


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), tree(leaves[k:])]
    return [*path(index - k, leaves[k:]), tree(leaves[:k])]


def proof(old: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]); empty for m = 0, which the RFC leaves out."""
    return _subproof(old, leaves, whole=True) if old else []


def _subproof(old: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [tree(leaves)]
    k = _split(len(leaves))
    if old <= k:
        return [*_subproof(old, leaves[:k], whole=whole), tree(leaves[k:])]
    return [*_subproof(old - k, leaves[k:], whole=False), tree(leaves[:k])]
