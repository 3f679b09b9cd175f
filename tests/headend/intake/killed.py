"""A head-end that is killed at a named point of its step; run as a program by the tests."""

import os
import signal
import sys
from pathlib import Path

from headend.intake.worker import Step
from tests.headend.premises import Headend, gateway


def main(folder: Path, at: Step) -> None:
    def passed(step: Step) -> None:
        if step is at:
            os.kill(os.getpid(), signal.SIGKILL)

    headend = Headend(folder, passed=passed)
    one = gateway()
    headend.enrol(one)
    headend.take_in(*(one.next() for _ in range(5)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Step(sys.argv[2]))
