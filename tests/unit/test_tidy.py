"""The house rules that a machine can check (design: small files, small functions, honest names).

Each rule says what to do instead. `test_rules_can_fail` shows that every rule finds its offender.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tidemill"
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
CLASS_METHODS_MAX = 20
ATTIC = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}

Problems = Iterator[str]


def file_size(path: Path, text: str, tree: ast.Module) -> Problems:
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{path}: {lines} lines. More than {FILE_LINES_MAX} is two things: split it by what they are."


def function_size(path: Path, text: str, tree: ast.Module) -> Problems:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield (
                    f"{path}:{node.lineno}: {node.name} has {lines} lines. Keep the control flow here "
                    f"and move computation into leaves ({FUNCTION_LINES_MAX} at most)."
                )


def class_size(path: Path, text: str, tree: ast.Module) -> Problems:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            methods = sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)
            if methods > CLASS_METHODS_MAX:
                yield f"{path}:{node.lineno}: {node.name} has {methods} methods. It decides too much: make it two."


def module_docstring(path: Path, text: str, tree: ast.Module) -> Problems:
    if text.strip() and not ast.get_docstring(tree):
        yield f"{path}: say in one to five lines what this module is for and what it must not do."


def no_attic(path: Path, text: str, tree: ast.Module) -> Problems:
    if path.stem in ATTIC:
        yield f"{path}: a name that says nothing. Put it beside its one user, or into core under a real name."


def time_from_core(path: Path, text: str, tree: ast.Module) -> Problems:
    if path.match("core/clock.py") or "tests" in path.parts or "bench" in path.parts:
        return
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\btime\.(time|monotonic|sleep|time_ns)\(|datetime\.(now|utcnow)\(", line):
            yield f"{path}:{number}: take a core.clock.Clock, so that a test can hold it."


def no_workplace(path: Path, text: str, tree: ast.Module) -> Problems:
    for number, line in enumerate(text.splitlines(), 1):
        if "index-" + "url" in line or f"{ROOT}/" in line:
            yield f"{path}:{number}: names a registry or a folder of one machine."


Rule = Callable[[Path, str, ast.Module], Problems]
RULES: list[Rule] = [file_size, function_size, class_size, module_docstring, no_attic, time_from_core, no_workplace]


def python_files() -> list[Path]:
    folders = [SOURCE, ROOT / "tests", ROOT / "bench"]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule: Rule) -> None:
    problems = []
    for path in python_files():
        text = path.read_text()
        problems += list(rule(path.relative_to(ROOT), text, ast.parse(text)))
    assert not problems, "\n".join(problems)


OFFENDERS = {
    "file_size": "x = 1\n" * 401,
    "function_size": "def f():\n" + "    x = 1\n" * 60,
    "class_size": "class C:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(21)),
    "module_docstring": "x = 1\n",
    "no_attic": '"""Things."""\n',
    "time_from_core": '"""Doc."""\nimport time\nnow = time.time()\n',
    "no_workplace": '"""Doc."""\nx = "--index-' + 'url"\n',
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rules_can_fail(rule: Rule) -> None:
    text = OFFENDERS[rule.__name__]
    assert list(rule(Path("utils.py"), text, ast.parse(text)))
