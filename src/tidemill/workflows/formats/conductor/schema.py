"""`inputSchema` and `outputSchema`: JSON to shapes. What the schema itself says is examined elsewhere."""

from __future__ import annotations

from tidemill.core.codec import to_json
from tidemill.expressions.document import Fields
from tidemill.workflows.plans.shapes import Shape

TYPES = ("JSON", "AVRO", "PROTOBUF")
_NOTED = ("createTime", "updateTime", "createdBy", "updatedBy", "ownerApp", "description", "tags")


def read_shapes(fields: Fields, *, is_enforced: bool) -> tuple[Shape | None, Shape | None]:
    """(input, output); none where `enforceSchema` says that they are not enforced."""
    shapes = _read(fields, "inputSchema"), _read(fields, "outputSchema")
    is_said = fields.raw("enforceSchema") is not None
    if fields.flag("enforceSchema", is_enforced):
        return shapes
    if not is_said and shapes != (None, None):
        fields.warn("enforceSchema", "is missing: inputs and outputs are not held to their schemas", "missing")
    return None, None


def placed(fields: Fields, shapes: tuple[Shape | None, Shape | None]) -> list[tuple[str, Shape]]:
    """With their places in the document."""
    keys = ("inputSchema", "outputSchema")
    return [
        (fields.at(f"{key}.data" if shape.text else key), shape)
        for key, shape in zip(keys, shapes, strict=True)
        if shape is not None
    ]


def _read(fields: Fields, key: str) -> Shape | None:
    if not fields.object(key):
        return None
    schema = fields.fields(key)
    name, version = schema.text("name"), schema.whole("version", 1, at_least=1)
    kind = schema.choice("type", TYPES, "JSON")
    data = schema.object("data")
    reference = schema.text("externalRef")
    schema.finish(_NOTED)
    if data and kind == "JSON":
        return Shape(name, version, to_json(data).decode())
    if kind != "JSON" or data or reference:
        what = f"a schema of type {kind}" if kind != "JSON" else "externalRef"
        message = f"not supported, and without effect: {what}; only JSON Schemas in data, or by name"
        fields.warn(key, message, "not_supported")
        return None
    if not name:
        fields.add(key, "neither data nor the name of a schema: nothing to check by", "missing")
        return None
    return Shape(name, version)
