"""What `docs/reference/broker.md` says of the broker is what the broker says of itself."""

from __future__ import annotations

import re
import socket
import struct
from pathlib import Path

import msgspec
from typer.main import get_command

from tidemill.broker import running
from tidemill.broker.protocol.apis import APIS, ApiKey
from tidemill.broker.settings import BrokerSettings
from tidemill.broker.topics.settings import SETTINGS
from tidemill.cli.main import command_line

TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "broker.md").read_text()
LIMIT = re.compile(r"_max$|_max_size$|_timeout_|_max_timeout_|retention|expiration")


def rows(heading: str) -> dict[str, str]:
    """The table of a chapter: first column to last."""
    chapter = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in chapter.splitlines() if line.startswith("|")][2:]
    return {cells[0].strip().strip("`"): cells[-1].strip().strip("`") for cells in lines}


def announced() -> dict[int, int]:
    """API key to its highest version, as the broker answers."""
    with running() as address:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(struct.pack(">ihhih", 10, ApiKey.API_VERSIONS, 0, 0, -1))
            (size,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
            answer = connection.recv(size, socket.MSG_WAITALL)
    (count,) = struct.unpack_from(">i", answer, 6)
    apis = [struct.unpack_from(">hhh", answer, 10 + 6 * number) for number in range(count)]
    return {key: highest for key, _, highest in apis}


def test_apis_and_versions() -> None:
    served = announced()
    expected = {}
    for key, highest in served.items():
        api = APIS[key]
        assert highest == api.version_max
        lowest = api.version_min
        expected[api.name] = f"{lowest} to {highest}" if lowest != highest else f"{highest}"
    assert rows("What is served") == expected


def test_settings_of_topics() -> None:
    assert rows("Settings of a topic") == {name: setting.default for name, setting in SETTINGS.items()}


def test_limits() -> None:
    fields = {field.name: str(field.default) for field in msgspec.structs.fields(BrokerSettings)}
    assert rows("Limits") == {name: default for name, default in fields.items() if LIMIT.search(name)}


def test_options_of_the_command() -> None:
    command = get_command(command_line(["broker"])).commands["broker"]  # type: ignore[attr-defined]
    options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    named = set(re.findall(r"--[a-z-]+", " ".join(rows("Settings"))))
    assert named == options - {"--help"}
