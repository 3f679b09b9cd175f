"""The limit that everything is compared with: what one ES256 verification costs, on the same core, in the same run.

A head-end that checks every signature cannot take in an envelope for less. `openssl speed` measures it without any of our code;
where that program is missing, the library that does our verifications stands in, and the table says so.
"""

import shutil
import statistics
import subprocess
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.cpu import used_s

_SPEED = "+F4:"
"""`openssl speed -mr`: +F4:number:bits:signatures a second:verifications a second."""


@dataclass(slots=True)
class Anchor:
    """Samples of the limit, taken between the rounds of what is measured."""

    seconds: int
    """Length of one sample of `openssl speed`, of CPU time."""
    program: str | None = field(default_factory=lambda: shutil.which("openssl"))
    openssl_s: list[float] = field(default_factory=list)
    library_s: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What the limit was measured with."""
        return "openssl speed ecdsap256" if self.program else "cryptography's verify (no openssl program here)"

    def sample(self) -> float:
        """CPU seconds of one verification, now."""
        self.library_s.append(_library_s(500 * self.seconds))
        if self.program is None:
            return self.library_s[-1]
        self.openssl_s.append(_openssl_s(self.program, self.seconds))
        return self.openssl_s[-1]

    def median_s(self) -> float:
        """CPU seconds of one verification over the run so far."""
        return statistics.median(self.openssl_s or self.library_s)


def _openssl_s(program: str, seconds: int) -> float:
    done = subprocess.run(
        [program, "speed", "-mr", "-seconds", str(seconds), "ecdsap256"], capture_output=True, text=True, check=True
    )
    return parse_speed(done.stdout)


def parse_speed(output: str) -> float:
    """Seconds of one verification in what `openssl speed -mr … ecdsap256` prints.

    Raises:
        ValueError: it holds no such line.
    """
    line = next((line for line in output.splitlines() if line.startswith(_SPEED)), None)
    if line is None:
        raise ValueError(f"expected a line {_SPEED}… from `openssl speed -mr`, got {output!r:.200}")
    return 1 / float(line.split(":")[4])


def _library_s(count: int) -> float:
    """One verification by the library that intake uses, its key loaded before."""
    key = ec.generate_private_key(ec.SECP256R1())
    public, kind = key.public_key(), ec.ECDSA(hashes.SHA256())
    message = bytes(300)
    signature = key.sign(message, kind)
    public.verify(signature, message, kind)
    before = used_s()
    for _ in range(count):
        public.verify(signature, message, kind)
    return (used_s() - before) / count
