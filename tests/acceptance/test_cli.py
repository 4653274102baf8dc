"""The commands as a new user types them: what they print, and one sentence with exit code 1 where they cannot."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.shop import Shop, set_variable
from tests.parts.kafka import KafkaServer
from tests.parts.server import start_server, wait_for
from tidemill import __version__
from tidemill.cli.demo.process import ServerProcess


def tidemill(*arguments: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tidemill", *arguments],
        input=given,
        env={**os.environ, "TIDEMILL_LOG_LEVEL": "warning", "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(*arguments: str, **variables: str) -> str:
    """The one thing that it says, on stderr."""
    done = tidemill(*arguments, **variables)
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


@pytest.fixture(scope="module")
def shop(server: ServerProcess) -> Iterator[Shop]:
    with Shop(server) as shop:
        yield shop


@pytest.fixture(scope="module")
def signed_in(server: ServerProcess) -> Mapping[str, str]:
    return {"TIDEMILL_URL": server.url, "TIDEMILL_TOKEN": server.token}


def test_version() -> None:
    assert tidemill("version").stdout.strip() == __version__


def test_produce_and_trace(shop: Shop, signed_in: Mapping[str, str]) -> None:
    shop.handler("note", shop.workflow("note", set_variable(order="${workflow.input.order}")))
    done = tidemill("produce", shop.name, "orders", '{"order": 1}', "no JSON", "--key", "a b", **signed_in)
    assert (done.returncode, done.stderr) == (0, "")
    places = [line.split() for line in done.stdout.splitlines()]
    assert [place[0] for place in places] == ["orders", "orders"]
    lines = tidemill("produce", shop.name, "orders", given='{"order": 2}\n{"order": 3}\n', **signed_in)
    assert len(lines.stdout.splitlines()) == 2

    good, bad = (int(place[2]) for place in places)
    partition = places[0][1]
    path = f"/api/tidemill/trace/{shop.name}/orders/{partition}"
    assert wait_for(lambda: shop.server.api.get(f"{path}/{bad}")["routes"])
    assert wait_for(lambda: shop.server.api.get(f"{path}/{good}")["routes"])
    shown = tidemill("trace", shop.name, "orders", partition, str(good), **signed_in).stdout
    assert "every route that saw it is done with it" in shown
    assert f"event_handler:note-{shop.mark}: done" in shown
    assert "COMPLETED" in shown
    shown = tidemill("trace", shop.name, "orders", partition, str(bad), **signed_in).stdout
    assert "the body is not JSON" in shown
    assert "dead letter" in shown
    as_json = tidemill("trace", shop.name, "orders", partition, str(bad), "--json", **signed_in).stdout
    assert json.loads(as_json)["state"] == "dead_letter"


def test_executions(shop: Shop, signed_in: Mapping[str, str]) -> None:
    name = shop.workflow("noted", set_variable(order="${workflow.input.order}"))
    execution_id = shop.server.api.post("/api/workflow", {"name": name, "input": {"order": 1}})
    shown = tidemill("execution", "show", execution_id, **signed_in)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"execution {execution_id} of {name} 1: COMPLETED")
    listed = tidemill("execution", "list", "--workflow", name, "--status", "COMPLETED,FAILED", **signed_in).stdout
    assert execution_id in listed
    as_json = tidemill("execution", "list", "--workflow", name, "--status", "FAILED", "--json", **signed_in).stdout
    assert json.loads(as_json)["results"] == []
    assert "there is no execution nobody" in refusal("execution", "show", "nobody", **signed_in)


def test_a_wrong_token(server: ServerProcess, shop: Shop) -> None:
    for token in ("", "nonsense"):
        said = refusal("trace", shop.name, "orders", "0", "0", TIDEMILL_URL=server.url, TIDEMILL_TOKEN=token)
        assert said.startswith("The token is missing, wrong or expired: get one with POST /api/token")


def test_a_wrong_address(signed_in: Mapping[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        said = refusal("trace", "shop", "orders", "0", "0", "--url", closed)
    assert said.startswith(f"Nobody answers at {closed}")
    for address in ("localhost:8080", "no address", "http://"):
        assert refusal("trace", "shop", "orders", "0", "0", "--url", address).startswith(f"{address!r} is no address")


def test_an_address_where_something_else_answers(tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{other.server_port}"
        said = [
            refusal("trace", "s", "orders", "0", "0", "--url", url),
            refusal("produce", "s", "t", "x", "--url", url),
        ]
        other.shutdown()
    for sentence in said:
        assert sentence.splitlines()[-1].startswith(f"What answers at {url} is not Tidemill")


def test_an_integration_that_is_not_there(signed_in: Mapping[str, str]) -> None:
    assert "there is no integration 'nobody'" in refusal("produce", "nobody", "orders", "x", **signed_in)
    assert "there is no integration 'nobody'" in refusal("trace", "nobody", "orders", "0", "0", **signed_in)


@pytest.mark.kafka
def test_a_topic_that_is_not_there(server: ServerProcess, kafka: KafkaServer, signed_in: Mapping[str, str]) -> None:
    with Shop(server, kafka.address) as shop:
        said = refusal("produce", shop.name, f"no-{shop.mark}", "x", "y", **signed_in)
    assert said.startswith(f"2 not delivered to no-{shop.mark}: ")
    assert "nknown topic" in said


def test_a_config_with_mistakes(tmp_path: Path) -> None:
    config = tmp_path / "tidemill.toml"
    config.write_text('databse = "x"\nhistory_days = "long"\n')
    said = refusal("serve", "--config", str(config), "--port", "99999", TIDEMILL_LEASE_S="soon")
    assert said.startswith("Tidemill cannot start: ")
    for part in (
        f"{config}: databse: no such setting; did you mean 'database'?",
        f"{config}: history_days: ",
        "--port: ",
        "TIDEMILL_LEASE_S: ",
    ):
        assert part in said
    config.write_text("port = \n")
    assert f"{config} is not TOML: Invalid value (at line 1, column 8)" in refusal("serve", "--config", str(config))
    assert "there is no file nowhere.toml" in refusal("serve", "--config", "nowhere.toml")
    assert f"{tmp_path} cannot be read: Is a directory" in refusal("serve", "--config", str(tmp_path))


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        said = refusal("serve", "--data", str(tmp_path), "--port", str(port))
    assert said == f"Tidemill cannot start: cannot listen on 127.0.0.1:{port}: Address already in use (--host, --port)"


def test_a_data_folder_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for folder in (file, file / "data"):
        said = refusal("serve", "--data", str(folder), "--port", "0")
        assert said.startswith(f"Tidemill cannot start: no place for the database {folder / 'tidemill.db'}: ")
    said = refusal("serve", "--data", "/proc/nowhere", "--port", "0")
    assert said.startswith("Tidemill cannot start: no place for the database /proc/nowhere/tidemill.db: ")


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "tidemill.db").write_text("this is a letter to my aunt, and not a database at all" * 100)
    said = refusal("serve", "--data", str(tmp_path), "--port", "0")
    assert said == "Tidemill cannot start: the database cannot be reached: file is not a database"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://me:secret@127.0.0.1:{closed.getsockname()[1]}/x"
        said = refusal("serve", "--data", str(tmp_path / "other"), "--port", "0", "--database", url)
    assert said.startswith("Tidemill cannot start: the database cannot be reached: ")
    assert "secret" not in said
    said = refusal("serve", "--data", str(tmp_path), "--port", "0", "--database", "mysql://x")
    assert "not a database for Tidemill: mysql; use sqlite:///file or postgresql://" in said


def test_a_secret_key_that_is_another(tmp_path: Path) -> None:
    assert start_server(tmp_path, tmp_path / "log").stop() == 0
    said = refusal("serve", "--data", str(tmp_path), "--port", "0", TIDEMILL_SECRET_KEY="another")
    assert said.startswith("Tidemill cannot start: the secret key is not the one that this database was set up with")
    assert str(tmp_path / "secret.key") in said
    (tmp_path / "secret.key").write_text("broken")
    said = refusal("serve", "--data", str(tmp_path), "--port", "0")
    assert said.startswith(f"Tidemill cannot start: {tmp_path / 'secret.key'}: ")
