"""The drop folder: files of another system's readings, each taken whole or refused whole, with a receipt beside it.

Whoever writes a file writes it under a name that begins with ``.`` or ends in ``.part``, and renames it when it is complete: what has
another name is complete. A file that is done is renamed into ``taken`` or ``refused``, beside ``NAME.receipt.json``. The receipt comes first, so that
a crash between the two is answered by taking the same bytes again, which changes nothing. Source: docs/operating.md, Meters without a gateway.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headend.errors import RefusedError, UnavailableError
from headend.imports.file import MAX_BYTES, Parser
from headend.imports.meter_data import parse_meter_data
from headend.imports.report import ImportOutcome, Verdict, receipt
from headend.imports.table import parse_csv
from headend.meter_data.importing import Importing
from headend.registry.plan import Rejected
from headend.settings.imports import ImportSettings
from signing.errors import SigningError

PARSERS: Mapping[str, Parser] = {".csv": parse_csv, ".json": parse_meter_data}
"""By the end of a file's name."""

TAKEN, REFUSED = "taken", "refused"
_UNFINISHED = (".part", ".tmp")
_MOST = 20
"""Files of one step."""

_MOST_NAME_BYTES = 200
"""Of a file that is done. File systems know 255, and its receipt's name is longer."""


class DropFolderUnavailableError(UnavailableError):
    """The folder cannot be used. The message carries the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What came of one file."""

    name: str
    is_taken: bool
    words: str
    """For the log; no readings."""


class DropFolder:
    """One folder. Owned by the thread that owns `importing`."""

    __slots__ = ("_importing", "_settings")

    def __init__(self, importing: Importing, settings: ImportSettings) -> None:
        """`settings` name the folder, which MUST exist: a typo must not look like a system that sends nothing."""
        self._importing = importing
        self._settings = settings

    def step(self, now_utc: int) -> tuple[Dropped, ...]:
        """Takes some of the files that are complete, by name.

        Raises:
            DropFolderUnavailableError: the folder cannot be read or written.
            StoreUnavailableError: the files stay, and are taken by a later step.
        """
        folder = self._settings.folder
        if folder is None:
            return ()
        done: list[Dropped] = []
        unusable: OSError | None = None
        try:
            for path in sorted(path for path in folder.iterdir() if _is_complete(path)):
                try:
                    done.append(self._take(path, folder, now_utc))
                except OSError as error:
                    # One file that cannot be read must not stand before all others.
                    unusable = error
                if len(done) == _MOST:
                    break
        except OSError as error:
            unusable = error
        if unusable is not None and not done:
            raise DropFolderUnavailableError(
                f"cannot use the drop folder '{unusable.filename or folder}' ({unusable.strerror}): correct imports.folder, or who may use it"
            ) from unusable
        return tuple(done)

    def _take(self, path: Path, folder: Path, now_utc: int) -> Dropped:
        try:
            outcome = self._imported(path, now_utc)
        except (RefusedError, SigningError) as error:
            return self._done(
                path, folder / REFUSED, {"verdict": Verdict.REFUSED.value, "reason": str(error)}, str(error)
            )
        is_taken = outcome.verdict is not Verdict.REFUSED
        return self._done(path, folder / (TAKEN if is_taken else REFUSED), receipt(outcome), outcome.words)

    def _imported(self, path: Path, now_utc: int) -> ImportOutcome:
        parse = PARSERS.get(path.suffix.lower())
        if parse is None:
            raise RefusedError(f"expected a name that ends in {' or '.join(PARSERS)}: rename the file")
        if not path.name.isprintable():
            # It is kept as who brought the file, and no database keeps what is no text.
            raise RefusedError("expected a name of printable characters in UTF-8: rename the file")
        if path.stat().st_size > MAX_BYTES:
            raise RefusedError(f"expected at most {MAX_BYTES} bytes: split the file")
        rejected = Rejected.LEFT_OUT if self._settings.partial else Rejected.REFUSES_ALL
        return self._importing.take(
            path.read_bytes(),
            parse,
            source=self._settings.source,
            by=path.name[:128],
            at_utc=now_utc,
            rejected=rejected,
        )

    def _done(self, path: Path, into: Path, said: Mapping[str, object], words: str) -> Dropped:
        into.mkdir(exist_ok=True)
        name = _free(into, path.name)
        # The receipt is on the disk before the file leaves: a file that has gone has its receipt.
        _written(into / f"{name}.receipt.json", json.dumps({"name": path.name, **said}, indent=1).encode())
        path.rename(into / name)
        _synced(into)
        return Dropped(name=path.name, is_taken=into.name == TAKEN, words=words)


def _is_complete(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and not path.name.startswith(".") and path.suffix not in _UNFINISHED


def _free(folder: Path, name: str) -> str:
    """A name that nothing in the folder has yet, the same may come every day; and with room for its receipt's."""
    if len(os.fsencode(name)) > _MOST_NAME_BYTES:
        name = f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}{Path(name).suffix[:8]}"
    found, number = name, 1
    while (folder / found).exists():
        number += 1
        found = f"{Path(name).stem}.{number}{Path(name).suffix}"
    return found


def _written(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.part")
    with beside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)


def _synced(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
