"""What the house rules measure: lengths, docstrings, types, names, and what no file may say."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import SLOW

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("signing", "edge_agent", "headend", "ledger_client", "firmware_sim")

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
MEDIAN_LINES_OF_A_FUNCTION = 12
NINE_OF_TEN_FUNCTIONS = 40

EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "handler", "base", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources() -> tuple[tuple[str, ast.Module], ...]:
    """Every module of the packages, by its path."""
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    assert files
    return tuple((str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))) for file in files)


@cache
def functions() -> tuple[tuple[str, Function], ...]:
    """Every function and method, by module and line."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return tuple(
        (f"{path}:{node.lineno} {node.name}", node)
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    )


def length(node: Function) -> int:
    """Lines from `def` to the end, without decorators and docstring."""
    first = node.body[0]
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1 if is_docstring else 0)


def public(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """The public classes, functions and methods of a body."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield f"{prefix}:{node.lineno} {node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, prefix)


def tracked() -> list[Path]:
    """Every file under version control."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git clone: nothing is tracked")
    return [file for name in listed.stdout.decode().split("\0") if name and (file := ROOT / name).is_file()]


def test_no_file_is_longer_than_400_lines() -> None:
    long = {
        str(file.relative_to(ROOT)): lines
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > MOST_LINES_OF_A_FILE
    }
    assert long == {}


def test_no_function_is_longer_than_60_lines() -> None:
    assert {name: length(node) for name, node in functions() if length(node) > MOST_LINES_OF_A_FUNCTION} == {}


def test_most_functions_are_short() -> None:
    lengths = sorted(length(node) for _, node in functions())
    assert statistics.median(lengths) <= MEDIAN_LINES_OF_A_FUNCTION
    assert lengths[len(lengths) * 9 // 10] <= NINE_OF_TEN_FUNCTIONS


def test_every_module_has_a_docstring() -> None:
    assert [path for path, tree in sources() if not ast.get_docstring(tree)] == []


def test_every_public_class_and_function_has_a_docstring() -> None:
    missing = [
        name for path, tree in sources() for name, node in public(tree.body, path) if not ast.get_docstring(node)
    ]
    assert missing == []


def test_every_function_says_what_it_gives() -> None:
    assert [name for name, node in functions() if node.returns is None] == []


def test_no_boolean_is_passed_by_position() -> None:
    found = [
        f"{name}({argument.arg})"
        for name, node in functions()
        for argument in [*node.args.posonlyargs, *node.args.args]
        if isinstance(argument.annotation, ast.Name) and argument.annotation.id == "bool"
    ]
    assert found == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {part for path, _ in sources() for part in Path(path).with_suffix("").parts}
    words = {word for part in parts for word in part.split("_")}
    assert words & EMPTY_NAMES == set()


def test_every_test_module_that_is_named_slow_is_there() -> None:
    assert [str(file.relative_to(ROOT)) for file in sorted(SLOW) if not file.is_file()] == []


# Spelt in parts, or this file would be the first that says them.
REGISTRIES = [
    ("pypi", "org"),
    ("files", "pythonhosted", "org"),
    ("registry", "npmjs", "org"),
    ("deb", "debian", "org"),
    ("archive", "ubuntu", "com"),
    ("proxy", "golang", "org"),
    ("crates", "io"),
    ("registry-1", "docker", "io"),
]
MACHINES = ["work", "home", "root", "Users", "tmp/bash"]


def hosts() -> re.Pattern[str]:
    return re.compile("|".join(rf"(?<![\w-]){re.escape('.'.join(parts))}(?![\w-])" for parts in REGISTRIES))


def machine_paths() -> re.Pattern[str]:
    """Absolute paths of people's and builders' machines; a folder of that name inside a longer path is none."""
    return re.compile("|".join(rf"(?<![\w.*}}-])/{place}/" for place in MACHINES))


def test_no_tracked_file_names_a_package_registry() -> None:
    assert places(hosts()) == []


def test_no_tracked_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    assert places(machine_paths()) == []


def places(pattern: re.Pattern[str]) -> list[str]:
    """Where it stands in a tracked text file."""
    found = []
    for file in tracked():
        content = file.read_bytes()
        if b"\0" not in content[:8192]:
            for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
                if pattern.search(line):
                    found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    return found


def test_what_is_looked_for_would_be_found() -> None:
    for parts in REGISTRIES:
        host = ".".join(parts)
        for line in (f"https://{host}/simple", f"see {host}.", f'"{host}"'):
            assert hosts().search(line), line
        assert not hosts().search(f"x{host}")
    for place in MACHINES:
        for line in (f"cd /{place}/x", f'"/{place}/x"', f"file:///{place}/x", f"=/{place}/x"):
            assert machine_paths().search(line), line
        assert not machine_paths().search(f"src/{place}/x")
