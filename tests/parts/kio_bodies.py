"""Random messages, the same one as kio's object and as ours, so that the two codecs can be held against each other."""

from __future__ import annotations

import dataclasses
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.parts.messages import unwrap, wire_name
from tidemill.broker.protocol.schema import Array, Message

TIME_TYPES = ("timedelta_i32", "timedelta_i64", "datetime_i64")
INTEGER_BITS = {"int8": 7, "int16": 15, "uint16": 16, "int32": 31, "int64": 63}
TEXTS = ("", "a", "topic-1", "naïve ✓", "x" * 200)


def body(ours: type[Message], kio: type[Any], version: int, rng: random.Random) -> tuple[Message, Any]:
    """One random message in both shapes. Array sizes pass the borders at which compact lengths grow."""
    mine: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    types = {field.name: field.type for field in ours.WIRE}
    for field in dataclasses.fields(kio):
        name = wire_name(field)
        inner, is_array, is_nullable = unwrap(field.type)
        struct = types[name].of if isinstance(types[name], Array) else types[name]  # type: ignore[union-attr]
        kafka_type = field.metadata.get("kafka_type", "")
        may_be_null = is_nullable and kafka_type not in ("uuid", "datetime_i64")
        if may_be_null and rng.random() < 0.25:
            mine[name] = theirs[field.name] = None
        elif is_array:
            count = rng.choice((0, 1, 2, 3, 130 if isinstance(struct, str) else 4))
            pairs = [_one(struct, inner, kafka_type, version, rng) for _ in range(count)]
            mine[name], theirs[field.name] = [pair[0] for pair in pairs], tuple(pair[1] for pair in pairs)
        else:
            mine[name], theirs[field.name] = _one(struct, inner, kafka_type, version, rng)
    return ours(**_without_absent(ours, mine)), kio(**theirs)


def _without_absent(ours: type[Message], values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in ours.__struct_fields__}


def _one(struct: Any, inner: Any, kafka_type: str, version: int, rng: random.Random) -> tuple[Any, Any]:
    if not isinstance(struct, str):
        return body(struct, inner, version, rng)
    if kafka_type == "error_code":
        code = rng.choice((-1, 0, 1, 3, 35, 89))
        return code, inner(code)
    if kafka_type in TIME_TYPES:
        number = rng.randrange(0, 2**31)
        if kafka_type == "datetime_i64":
            return number, datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=number)
        return number, timedelta(milliseconds=number)
    value = _primitive(kafka_type, rng)
    return value, (None if value == UUID(int=0) else value)


def _primitive(kafka_type: str, rng: random.Random) -> Any:
    if kafka_type in INTEGER_BITS:
        bound = 2 ** INTEGER_BITS[kafka_type]
        low = 0 if kafka_type == "uint16" else -bound
        return rng.choice((0, 1, low, bound - 1, rng.randrange(low, bound)))
    makers: dict[str, Any] = {
        "bool": lambda: rng.random() < 0.5,
        "float64": lambda: rng.choice((0.0, 1.5, -2.25)),
        "string": lambda: rng.choice(TEXTS),
        "bytes": lambda: rng.randbytes(rng.choice((0, 1, 127, 128, 300))),
        "records": lambda: rng.randbytes(rng.choice((0, 1, 126, 127, 20_000))),
        "uuid": lambda: rng.choice((UUID(int=0), UUID(bytes=rng.randbytes(16)))),
    }
    return makers[kafka_type]()
