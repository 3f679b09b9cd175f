"""Gurux's Python client (GPL-2.0), fetched for the comparison into a virtual environment of its own.

It is no dependency: nothing of ours imports it, no file of requirements names it, and without it everything but one row is the same.
"""

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "gurux-dlms==1.0.203"
_CLIENT = Path(__file__).with_name("gurux_client.py")
_LIMIT_S = 180


@dataclass(frozen=True, slots=True)
class Gurux:
    """Where it is."""

    python: Path

    @property
    def command(self) -> list[str]:
        """How its client is run."""
        # Isolated: neither our packages nor this folder are in sight.
        return [str(self.python), "-I", str(_CLIENT)]


def install(folder: Path, package: str = PACKAGE) -> Gurux | str:
    """The client in a new environment in `folder`, by the ordinary pip; why not, where that does not work."""
    try:
        venv.create(folder, with_pip=True, symlinks=True)
        python = folder / "bin" / "python"
        # One download of one package: pip's own settings say from where.
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return f"{package} could not be installed: {type(error).__name__}"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return f"{package} could not be installed: {last}"
    return Gurux(python)


def found(python: str = sys.executable) -> bool:
    """Whether our own environment holds it: it must not."""
    command = [python, "-c", "import gurux_dlms"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
