"""Writes `broker/protocol/messages/`, one module per API, from the schemas of kio: `python -m tests.parts.messages`.

kio is needed here and in the tests only. A test holds what is written against kio again.
"""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from tidemill.broker.protocol.apis import APIS, Api

ROOT = Path(__file__).parents[2]
MESSAGES = ROOT / "src" / "tidemill" / "broker" / "protocol" / "messages"

# kio's types and ours. A time is a number of milliseconds on the wire, and stays one.
WIRE_TYPES = {"error_code": "int16", "timedelta_i32": "int32", "timedelta_i64": "int64", "datetime_i64": "int64"}
PYTHON_TYPES = {
    "bool": "bool",
    "float64": "float",
    "uuid": "UUID",
    "string": "str",
    "bytes": "bytes",
    "records": "bytes | bytearray | memoryview",
}
IMPLICIT = {
    "bool": "False",
    "float64": "0.0",
    "uuid": "UUID(int=0)",
    "string": '""',
    "bytes": 'b""',
    "records": 'b""',
}
# What a handler leaves out unless something is to be said.
QUIET = {"error_code", "error_message", "throttle_time_ms"}


@dataclasses.dataclass
class FieldPlan:
    """What one field is in each version that has it."""

    name: str
    wire_type: str  # a primitive, or the name of a struct
    is_struct: bool
    is_array: bool
    tag: int | None
    default: str | None
    versions: list[int] = dataclasses.field(default_factory=list)
    nullable: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class StructPlan:
    name: str
    versions: set[int] = dataclasses.field(default_factory=set)
    fields: list[FieldPlan] = dataclasses.field(default_factory=list)


def kio_class(api: Api, version: int, kind: str) -> type[Any]:
    """kio's class of a request or response; also used by the tests."""
    module = importlib.import_module(f"kio.schema.{api.module}.v{version}.{kind}")
    found: type[Any] = getattr(module, api.name + kind.capitalize())
    return found


def unwrap(annotation: Any) -> tuple[Any, bool, bool]:
    """The inner type, whether it is an array, whether null is allowed."""
    is_nullable = False
    if get_origin(annotation) is UnionType:
        is_nullable = NoneType in get_args(annotation)
        (annotation,) = (item for item in get_args(annotation) if item is not NoneType)
    is_array = get_origin(annotation) is tuple
    return (get_args(annotation)[0] if is_array else annotation), is_array, is_nullable


def wire_name(field: dataclasses.Field[Any]) -> str:
    """Times get back the unit that kio takes from their names."""
    is_time = field.metadata.get("kafka_type", "").startswith(("timedelta", "datetime"))
    return field.name + "_ms" if is_time and not field.name.endswith("_ms") else field.name


def literal(value: Any) -> str:
    """A default as source text."""
    if dataclasses.is_dataclass(value):
        return f"{type(value).__name__}()"
    if isinstance(value, tuple):
        return "[]"
    if isinstance(value, timedelta):
        return str(value // timedelta(milliseconds=1))
    return repr(value) if value is None or isinstance(value, bool | str | bytes) else str(int(value))


def default_of(field: dataclasses.Field[Any], name: str, wire_type: str) -> str | None:
    if wire_type == "uuid":
        return IMPLICIT["uuid"] if field.default is not dataclasses.MISSING else None
    if wire_type == "int64" and field.default is None:
        return "-1"  # kio's way to write a time that nobody knows
    if field.default is not dataclasses.MISSING:
        return literal(field.default)
    if name == "error_message":
        return "None"
    return IMPLICIT.get(wire_type, "0") if name in QUIET or "tag" in field.metadata else None


def place(struct: StructPlan, plan: FieldPlan, after: FieldPlan | None) -> FieldPlan:
    """The same field of another version, or the new one, put where the wire has it."""
    for known in struct.fields:
        if known.name == plan.name:
            same = (known.wire_type, known.is_array, known.tag) == (plan.wire_type, plan.is_array, plan.tag)
            assert same, f"{struct.name}.{plan.name} changes its type"
            return known
    struct.fields.insert(struct.fields.index(after) + 1 if after else 0, plan)
    return plan


def gather(cls: type[Any], version: int, structs: dict[str, StructPlan]) -> str:
    """Adds a class of kio's and all that it holds; gives its name."""
    plan = structs.get(cls.__name__) or StructPlan(cls.__name__)
    plan.versions.add(version)
    before: FieldPlan | None = None
    for field in dataclasses.fields(cls):
        inner, is_array, is_nullable = unwrap(field.type)
        is_struct = dataclasses.is_dataclass(inner)
        if is_struct:
            assert is_array or not is_nullable, "a nullable struct: teach the compiler first"
            kafka_type = gather(inner, version, structs)
        else:
            kafka_type = WIRE_TYPES.get(field.metadata["kafka_type"], field.metadata["kafka_type"])
        name = wire_name(field)
        default = default_of(field, name, kafka_type)
        fresh = FieldPlan(name, kafka_type, is_struct, is_array, field.metadata.get("tag"), default)
        before = place(plan, fresh, before)
        before.versions.append(version)
        # kio has None for a zero uuid, and for a time of -1; neither is a null on the wire.
        if is_nullable and kafka_type not in ("uuid", "int64"):
            before.nullable.append(version)
    structs.setdefault(plan.name, plan)
    return plan.name


def annotation_of(field: FieldPlan) -> str:
    one = field.wire_type if field.is_struct else PYTHON_TYPES.get(field.wire_type, "int")
    many = f"list[{one}]" if field.is_array else one
    return f"{many} | None" if field.nullable else many


def span(versions: list[int]) -> str:
    first, last = min(versions), max(versions)
    assert sorted(versions) == list(range(first, last + 1)), "versions with a hole"
    return f"({first}, {last})"


def absent_default(field: FieldPlan) -> str:
    """What a field is for a version that does not have it."""
    if field.nullable:
        return "None"
    if field.is_array:
        return "[]"
    return f"{field.wire_type}()" if field.is_struct else IMPLICIT.get(field.wire_type, "0")


def wire_line(field: FieldPlan, struct: StructPlan) -> str:
    wire_type = field.wire_type if field.is_struct else field.wire_type.upper()
    parts = [repr(field.name), f"Array({wire_type})" if field.is_array else wire_type]
    if len(field.versions) < len(struct.versions):
        parts.append(f"versions={span(field.versions)}")
    if field.nullable:
        parts.append(f"nullable={span(field.nullable)}")
    if field.tag is not None:
        parts.append(f"tag={field.tag}")
    return f"        Field({', '.join(parts)}),"


def struct_text(struct: StructPlan) -> str:
    lines = [f"class {struct.name}(Message, frozen=True, kw_only=True):"]
    for field in struct.fields:
        default = field.default
        if default is None and len(field.versions) < len(struct.versions):
            default = absent_default(field)
        lines.append(f"    {field.name}: {annotation_of(field)}" + (f" = {default}" if default is not None else ""))
    if struct.fields:
        lines.append("    WIRE = (")
        lines += [*(wire_line(field, struct) for field in struct.fields), "    )"]
    if not struct.fields:
        lines.append("    pass")
    return "\n".join(lines)


def in_order(top: str, structs: dict[str, StructPlan]) -> dict[str, StructPlan]:
    """What is held comes before what holds it."""
    ordered: dict[str, StructPlan] = {}
    for field in structs[top].fields:
        if field.is_struct:
            ordered |= in_order(field.wire_type, structs)
    return ordered | {top: structs[top]}


def module_text(api: Api) -> str:
    structs: dict[str, StructPlan] = {}
    for kind in ("request", "response"):
        own: dict[str, StructPlan] = {}
        for version in range(api.version_max, api.version_min - 1, -1):
            gather(kio_class(api, version, kind), version, own)
        assert not structs.keys() & own.keys(), f"{api.name}: {structs.keys() & own.keys()} in both directions"
        structs |= in_order(api.name + kind.capitalize(), own)
    body = "\n\n\n".join(struct_text(struct) for struct in structs.values())
    words = ["BOOL", "BYTES", "FLOAT64", "INT8", "INT16", "INT32", "INT64", "RECORDS", "STRING", "UINT16", "Array"]
    types = [word for word in words if f" {word}," in body or f" {word})" in body or f"({word})" in body]
    types += ["Array"] if "Array(" in body else []
    uuids = "from uuid import UUID\n\n" if "UUID" in body else ""
    body = body.replace(", UUID", ", schema.UUID").replace("Array(UUID", "Array(schema.UUID")
    use_schema = "from tidemill.broker.protocol import schema\n" if "schema.UUID" in body else ""
    versions = f"versions {api.version_min} to {api.version_max}"
    schema_words = ", ".join([*types, "Field", "Message"])
    return (
        f'"""{api.name} (API {api.key:d}), {versions}. Written by `python -m tests.parts.messages`: do not edit."""\n\n'
        f"from __future__ import annotations\n\n{uuids}"
        f"{use_schema}from tidemill.broker.protocol.schema import {schema_words}\n\n\n{body}\n"
    )


def write(folder: Path) -> None:
    for api in APIS.values():
        (folder / f"{api.module}.py").write_text(module_text(api))
    for command in (["check", "--fix", "--select", "I,F401"], ["format"]):
        ruff = [
            sys.executable,
            "-m",
            "ruff",
            *command,
            "--quiet",
            "--config",
            str(ROOT / "pyproject.toml"),
            str(folder),
        ]
        subprocess.run(ruff, check=True)


if __name__ == "__main__":
    write(MESSAGES)
