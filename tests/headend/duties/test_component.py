"""What every command of the head-end loads: it starts many times a day, so what only `serve` needs waits until then."""

import subprocess
import sys


def test_no_command_but_serve_waits_for_the_web_to_load() -> None:
    program = "import sys, headend.cli; print(sorted({'fastapi', 'uvicorn', 'jinja2', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
