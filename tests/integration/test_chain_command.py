"""`tidemill chain run` and `check` in this process, over a real sandbox: what goes to which stream, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.fakes.rules import chain
from tidemill.cli.main import command_line

FILTER = {"id": "filter", "type": "jsFilter", "configuration": {"jsScript": "return msg.temperature > 20;"}}
TRANSFORM = {
    "id": "transform",
    "type": "jsTransform",
    "configuration": {"jsScript": "msg.unit = 'C'; return {msg: msg, metadata: metadata, msgType: msgType};"},
}
LOG = {"id": "log", "type": "log", "configuration": {"jsScript": "return 'cold: ' + msg.temperature;"}}
READINGS = chain([FILTER, TRANSFORM, LOG], [("filter", "True", "transform"), ("filter", "False", "log")])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "readings.json").write_text(json.dumps(READINGS))
    (tmp_path / "warm.json").write_text('{"temperature": 30}\n')
    (tmp_path / "cold.json").write_text('{"type": "T", "data": "{\\"temperature\\": 3}", "metadata": {"a": "b"}}')
    (tmp_path / "text.json").write_text("null\n")
    return tmp_path


def tidemill(*arguments: object, given: str | None = None) -> Result:
    return CliRunner().invoke(command_line(["chain"]), ["chain", *map(str, arguments)], input=given)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_end_is_a_line(folder: Path) -> None:
    done = tidemill(
        "run", folder / "readings.json", "--msg", folder / "warm.json", "--type", "T", "--metadata", "a=b=c"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    assert lines(done.stdout) == [
        {
            "node": "transform",
            "relation": "Success",
            "type": "T",
            "dataType": "JSON",
            "data": '{"temperature":30,"unit":"C"}',
            "metadata": {"a": "b=c"},
        }
    ]


def test_what_is_logged_is_beside_the_ends(folder: Path) -> None:
    done = tidemill("run", folder / "readings.json", "--msg", folder / "cold.json")
    assert [(line["node"], line["type"], line["metadata"]) for line in lines(done.stdout)] == [("log", "T", {"a": "b"})]
    assert lines(done.stderr) == [{"log": {"chain": "readings", "node": "log", "line": "cold: 3"}}]


def test_a_message_that_fails_says_why_and_where(folder: Path) -> None:
    done = tidemill("run", folder / "readings.json", "--msg", folder / "text.json")
    (end,) = lines(done.stdout)
    assert (done.exit_code, end["node"], end["relation"]) == (0, "filter", "Failure")
    assert end["error"].startswith("TypeError")
    assert end["metadata"]["errorMsg"] == end["error"]


def test_what_goes_in_and_out_of_each_node(folder: Path) -> None:
    done = tidemill("run", folder / "readings.json", "--msg", folder / "warm.json", "--debug")
    seen = [(name, said["node"], said.get("relation")) for line in lines(done.stderr) for name, said in line.items()]
    assert seen == [
        ("in", "filter", None),
        ("out", "filter", "True"),
        ("in", "transform", None),
        ("out", "transform", "Success"),
    ]
    assert lines(done.stderr)[-1]["out"]["data"] == '{"temperature":30,"unit":"C"}'


def test_it_may_begin_elsewhere(folder: Path) -> None:
    done = tidemill("run", folder / "readings.json", "--msg", "-", "--node", "log", given='{"temperature": 30}')
    assert [line["node"] for line in lines(done.stdout)] == ["log"]


def test_a_chain_that_cannot_run_says_all_that_is_wrong(folder: Path) -> None:
    bad = json.loads(json.dumps(READINGS))
    bad["metadata"]["nodes"][0]["configuration"] = {"jsscript": "return 1"}
    bad["metadata"]["nodes"][1]["configuration"]["jsScript"] = "return {\n  msg: (;\n};"
    bad["metadata"]["connections"][0]["toId"] = "transfrom"
    (folder / "bad.json").write_text(json.dumps(bad))
    done = tidemill("run", folder / "readings.json", "--with", folder / "bad.json", "--msg", folder / "warm.json")
    assert (done.exit_code, done.stdout) == (2, "")
    for said in ("did you mean 'jsScript'?", "did you mean 'transform'?", "(line 2, column 9)"):
        assert said in done.stderr
    checked = tidemill("check", folder / "bad.json")
    assert (checked.exit_code, checked.stdout) == (2, done.stderr)


def test_a_chain_that_is_well_is_said_nothing_of(folder: Path) -> None:
    done = tidemill("check", folder / "readings.json")
    assert (done.exit_code, done.output) == (0, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [('{\n  "metadata": }', "(line 2, column 15)"), ("[]", "a rule chain is a JSON object"), ("\xff", "not JSON")],
)
def test_what_is_no_chain(folder: Path, text: str, said: str) -> None:
    (folder / "bad.json").write_bytes(text.encode("latin-1"))
    done = tidemill("check", folder / "bad.json")
    assert done.exit_code == 2
    assert said in done.stdout


def test_files_that_are_not_there_and_options_that_are_none(folder: Path) -> None:
    done = tidemill("run", folder / "none.json", "--msg", folder / "warm.json")
    assert (done.exit_code, "none.json cannot be read: No such file" in done.stderr) == (1, True)
    done = tidemill("run", folder / "readings.json", "--msg", folder / "warm.json", "--metadata", "a")
    assert (done.exit_code, done.stderr) == (1, "--metadata is NAME=VALUE, not 'a'\n")


def test_a_node_that_is_not_there_is_a_mistake(folder: Path) -> None:
    done = tidemill("run", folder / "readings.json", "--msg", folder / "warm.json", "--node", "transfrom")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "the chain readings has no node 'transfrom'; did you mean 'transform'?" in done.stderr
