"""Receipts, kept for ever: the paths of one message share most of their nodes, so each node is kept once."""

from collections.abc import Sequence
from typing import cast

from edge_agent.outbox.database import Database
from signing.log.merkle import HASH_BYTES
from signing.messages import Inclusion

_NUMBER_SIZE = 2


class Receipts:
    """What proves that the head-end has a batch. Its writes happen inside the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, size: int, found: Sequence[tuple[int, Inclusion]], now_utc: int) -> None:
        """Keeps the receipts of the batches at these places, under the checkpoint of `size`. A batch's first receipt stays."""
        fresh = [(place, receipt) for place, receipt in found if not self._has(place)]
        if not fresh:
            return
        numbers: dict[bytes, int] = {}
        paths = [
            b"".join(numbers.setdefault(node, len(numbers)).to_bytes(_NUMBER_SIZE, "big") for node in receipt.path)
            for _, receipt in fresh
        ]
        (proof,) = self._database.one("SELECT coalesce(max(number), 0) + 1 FROM proof")
        nodes = b"".join(numbers)
        self._database.run(
            "INSERT INTO proof (number, size, at_utc, nodes) VALUES (?, ?, ?, ?)", proof, size, now_utc, nodes
        )
        for (place, receipt), path in zip(fresh, paths, strict=True):
            self._database.run(
                "INSERT INTO receipt (place, proof, leaf, path) VALUES (?, ?, ?, ?)", place, proof, receipt.index, path
            )

    def of(self, place: int) -> tuple[int, Inclusion] | None:
        """The receipt of a batch, and the size of the log under which it leads to the root; None before there is one."""
        row = self._database.first(
            "SELECT digest, size, leaf, path, nodes FROM batch JOIN receipt USING (place) "
            "JOIN proof ON proof.number = receipt.proof WHERE place = ?",
            place,
        )
        if row is None:
            return None
        digest, size, leaf, path, nodes = cast("tuple[bytes, int, int, bytes, bytes]", row)
        numbers = [int.from_bytes(path[at : at + _NUMBER_SIZE], "big") for at in range(0, len(path), _NUMBER_SIZE)]
        found = tuple(nodes[number * HASH_BYTES : (number + 1) * HASH_BYTES] for number in numbers)
        return size, Inclusion(digest=digest, index=leaf, path=found)

    def _has(self, place: int) -> bool:
        return self._database.first("SELECT 1 FROM receipt WHERE place = ?", place) is not None
