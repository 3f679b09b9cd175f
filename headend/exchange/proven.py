"""Actuals with the proof that the published log holds them: what may leave for the exchange (P18)."""

from dataclasses import dataclass

from headend.errors import FatalError
from headend.store.sqlite import actuals
from headend.store.sqlite.database import Database
from headend.store.sqlite.published_log import PublishedLog
from signing.envelope import Signed
from signing.errors import SigningError
from signing.interval import Interval
from signing.keys import PublicKey
from signing.log.merkle import leaf_hash
from signing.log.proofs import verify_inclusion
from signing.statements.window_actual import WindowActual


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestActual:
    """What is known of a window: nothing, an actual that the published log does not hold yet, or a proven one."""

    is_said: bool
    """Whether anything was attested of it."""
    proven: Signed[WindowActual] | None
    """The newest revision, where the published log holds it."""


class ProvenActuals:
    """The newest actuals of one database. Owned by the thread that owns the database."""

    __slots__ = ("_database", "_key", "_log")

    def __init__(self, *, database: Database, log: PublishedLog, key: PublicKey) -> None:
        """`key` is the discom's statement key."""
        self._database = database
        self._log = log
        self._key = key

    def newest(self, posted_as: str, window: Interval) -> NewestActual:
        """The newest actual of a ledger's meter and window.

        Raises:
            FatalError: the log does not hold what the database says it holds.
            StoreUnavailableError: the checkpoint file cannot be read now.
        """
        connection = self._database.connection
        stored = actuals.newest(connection, self._key, posted_as, window)
        if stored is None:
            return NewestActual(is_said=False, proven=None)
        tree = self._log.tree()
        if tree is None or stored.log != self._log.log or stored.index >= tree.checkpoint.size:
            return NewestActual(is_said=True, proven=None)
        size = tree.checkpoint.size
        try:
            path = self._log.path(connection, stored.index, size)
            leaf = leaf_hash(stored.signed.digest)
            verify_inclusion(leaf=leaf, index=stored.index, size=size, path=path, root=tree.checkpoint.root)
        except (SigningError, LookupError) as error:
            raise FatalError(
                f"the published log does not prove leaf {stored.index} ({error}): run `sakshi-headend fsck`"
            ) from error
        return NewestActual(is_said=True, proven=stored.signed)
