"""The messages and codecs against kio's: the same bytes out, the same values in, for every message and version."""

from __future__ import annotations

import random
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from kio.serial import entity_reader, entity_writer

from tests.parts import messages as generator
from tests.parts.kio_bodies import body
from tidemill.broker.protocol import codec
from tidemill.broker.protocol.apis import APIS, Api
from tidemill.broker.protocol.primitives import ProtocolError
from tidemill.broker.protocol.schema import Message

VERSIONS = [(api, version) for api in APIS.values() for version in range(api.version_min, api.version_max + 1)]
BODIES = 6
MUTATIONS = 40


def ids(value: object) -> str:
    return value.name if isinstance(value, Api) else str(value)


def both_kinds(api: Api, version: int) -> list[tuple[type[Message], type[Any]]]:
    return [
        (codec.request_class(api), generator.kio_class(api, version, "request")),
        (codec.response_class(api), generator.kio_class(api, version, "response")),
    ]


def encoded(message: Message, api: Api, version: int) -> bytes:
    pieces: list[bytes | bytearray | memoryview] = []
    codec.encoder(type(message), version, api.is_flexible(version))(message, pieces.append)
    return b"".join(pieces)


def decoded(cls: type[Message], api: Api, version: int, frame: bytes) -> tuple[Message, int]:
    return codec.decode(codec.decoder(cls, version, api.is_flexible(version)), bytearray(frame))


def test_messages_are_what_kio_says(tmp_path: Path) -> None:
    generator.write(tmp_path)
    for api in APIS.values():
        name = f"{api.module}.py"
        assert (generator.MESSAGES / name).read_text() == (tmp_path / name).read_text()


@pytest.mark.parametrize(("api", "version"), VERSIONS, ids=ids)
def test_same_bytes_and_values_as_kio(api: Api, version: int) -> None:
    rng = random.Random(f"{api.name} {version}")
    assert api.is_flexible(version) == generator.kio_class(api, version, "request").__flexible__
    for cls, kio_cls in both_kinds(api, version):
        for _ in range(BODIES):
            message, kio_message = body(cls, kio_cls, version, rng)
            out = BytesIO()
            entity_writer(kio_cls)(out, kio_message)
            assert encoded(message, api, version) == out.getvalue()
            assert decoded(cls, api, version, out.getvalue()) == (message, len(out.getvalue()))
            assert entity_reader(kio_cls)(encoded(message, api, version), 0) == (kio_message, len(out.getvalue()))


@pytest.mark.parametrize("api", APIS.values(), ids=ids)
def test_rubbish_raises_one_kind_of_error(api: Api) -> None:
    rng = random.Random(api.name)
    for version in (api.version_min, api.version_max):
        for cls, kio_cls in both_kinds(api, version):
            whole = encoded(body(cls, kio_cls, version, rng)[0], api, version)
            for _ in range(MUTATIONS):
                mutated = bytearray(whole[: rng.randrange(len(whole) + 1)]) if rng.random() < 0.5 else bytearray(whole)
                for _ in range(rng.randrange(4)):
                    if mutated:
                        mutated[rng.randrange(len(mutated))] = rng.choice((0, 0x7F, 0x80, 0xFF, rng.randrange(256)))
                with suppress(ProtocolError):
                    decoded(cls, api, version, bytes(mutated))


@pytest.mark.parametrize("api", APIS.values(), ids=ids)
def test_every_cut_is_an_error(api: Api) -> None:
    """A message that ends early is never taken for a whole one."""
    rng = random.Random(api.name)
    for cls, kio_cls in both_kinds(api, api.version_max):
        whole = encoded(body(cls, kio_cls, api.version_max, rng)[0], api, api.version_max)
        for cut in range(len(whole)) if len(whole) < 500 else rng.sample(range(len(whole)), 100):
            with pytest.raises(ProtocolError):
                decoded(cls, api, api.version_max, whole[:cut])
