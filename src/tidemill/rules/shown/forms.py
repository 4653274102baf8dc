"""What an editor must know of a component to show a form for it, in RuleGo's shape. Made from its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from tidemill.graph.component import Component
from tidemill.rules.endpoints.builtin import BUILT_IN
from tidemill.rules.endpoints.config import KafkaConfig
from tidemill.rules.endpoints.http import HttpConfig
from tidemill.rules.endpoints.processors import Processors
from tidemill.rules.endpoints.schedule import ScheduleConfig

_ENDPOINTS: Sequence[tuple[str, type[BaseModel], str]] = (
    ("endpoint/http", HttpConfig, "Requests to this server go through chains, whose response is the answer."),
    ("endpoint/kafka", KafkaConfig, "Records of topics go through chains, each once."),
    ("endpoint/schedule", ScheduleConfig, "Messages go through chains at set times, each once."),
)
_AFTER = frozenset({"metadataToHeaders", "responseToBody"})
_BEFORE = frozenset(BUILT_IN) - _AFTER
_TYPES = {"string": "string", "integer": "int", "number": "float64", "boolean": "bool", "array": "array"}


def component_form(component: Component) -> dict[str, Any]:
    """`relationTypes` is empty where it is the user who names them."""
    return {
        "type": component.name,
        "category": component.group,
        "fields": fields_of(component.config),
        "label": component.name.rpartition("/")[2],
        "desc": component.summary,
        "icon": component.name,
        "relationTypes": list(component.relations or ()),
    }


def endpoint_forms() -> list[dict[str, Any]]:
    return [
        {
            "type": type_,
            "category": "endpoint",
            "fields": fields_of(config),
            "label": type_.rpartition("/")[2],
            "desc": summary,
            "icon": type_,
            "relationTypes": [],
        }
        for type_, config, summary in _ENDPOINTS
    ]


def processor_names(processors: Processors) -> tuple[list[str], list[str]]:
    """Those that make sense before a chain, and after it. Where one's own is of use, only its author knows."""
    names = processors.names()
    return [name for name in names if name not in _AFTER], [name for name in names if name not in _BEFORE]


def fields_of(config: type[BaseModel]) -> Sequence[Mapping[str, Any]]:
    """One per key, in their order; what is an object of its own, or a list of them, has fields inside."""
    schema = config.model_json_schema(by_alias=True)
    return _fields(schema, schema.get("$defs", {}))


def _fields(schema: Mapping[str, Any], known: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        _field(name, _resolved(told, known), known, is_required=name in required)
        for name, told in schema.get("properties", {}).items()
    ]


def _field(name: str, told: Mapping[str, Any], known: Mapping[str, Any], *, is_required: bool) -> dict[str, Any]:
    items = _resolved(told.get("items", {}), known)
    inner = _fields(told, known) or _fields(items, known)
    return {
        "name": name,
        "type": "struct" if "properties" in told else _type(told),
        "defaultValue": told.get("default"),
        "label": name,
        "desc": told.get("description", ""),
        "validate": "required" if is_required else "",
        "required": is_required,
        "fields": inner,
        "options": told.get("enum", []),
    }


def _resolved(told: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference means; of several types the first that is one."""
    if "$ref" in told:
        rest = {key: value for key, value in told.items() if key != "$ref"}
        return {**_resolved(known[told["$ref"].rpartition("/")[2]], known), **rest}
    choices = [each for each in (*told.get("anyOf", ()), *told.get("allOf", ())) if each.get("type") != "null"]
    return {**_resolved(choices[0], known), **told} if choices else told


def _type(told: Mapping[str, Any]) -> str:
    kind = told.get("type", "object" if "additionalProperties" in told else "string")
    return "map" if kind == "object" else _TYPES.get(kind, "string")
