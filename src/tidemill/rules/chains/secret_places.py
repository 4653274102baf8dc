"""Where in the document of a chain, or of a shared node, texts may be secret: what the configuration's model marks, and
in what no model knows, what is called like a secret.

Finds places, in the document as its author wrote it; encrypts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tidemill.graph.registry import Registry
from tidemill.graph.secret import Secret, by_name, whole
from tidemill.rules.endpoints.config import KafkaConfig
from tidemill.rules.endpoints.target import COMPONENT

Model = type[BaseModel]
Models = Callable[[str], Model | None]

_UNKNOWN = Secret(by_name)
_ENDPOINTS: Mapping[str, Model] = {"kafka": KafkaConfig, "endpoint/kafka": KafkaConfig}


class Owner(msgspec.Struct, frozen=True):
    type: str
    config: Mapping[str, Any]


class Place(msgspec.Struct, frozen=True):
    """A text (or a number) at `holder[key]`. `path` names nodes and endpoints by their ids, so that it is the same when
    others come and go; `shown` is where it stands in the document. `owner` is the node, endpoint or router that it
    belongs to; None for a secret of the chain itself, called `name`."""

    path: tuple[str, ...]
    shown: str
    holder: Any
    key: Any
    name: str
    secret: Secret
    owner: Owner | None = None

    @property
    def text(self) -> str:
        return str(self.holder[self.key])


def places_of_chain(document: Mapping[str, Any], registry: Registry) -> Iterator[Place]:
    models = _models(registry)
    configuration = _object(_object(document, "ruleChain"), "configuration")
    secrets = _object(configuration, "secrets")
    at = "ruleChain.configuration.secrets"
    for name in secrets:
        yield from _texts(secrets, name, name, Secret(whole), ("secrets", name), f"{at}.{name}")
    metadata = _object(document, "metadata")
    for index, node in enumerate(_listed(metadata, "nodes")):
        id_ = _id(node.get("id")) or f"node{index}"
        yield from _of_one(node, models, ("nodes", id_), f"metadata.nodes[{index}]")
    for index, endpoint in enumerate(_listed(metadata, "endpoints")):
        path, shown = ("endpoints", _id(endpoint.get("id")) or f"endpoint{index}"), f"metadata.endpoints[{index}]"
        yield from _of_one(endpoint, models, path, shown)
        for number, router in enumerate(_listed(endpoint, "routers")):
            id_ = _id(router.get("id")) or str(number)
            yield from _of_router(router, models, (*path, "routers", id_), f"{shown}.routers[{number}]")


def places_of_node(document: Mapping[str, Any], registry: Registry) -> Iterator[Place]:
    """Of a shared node."""
    return _of_one(document, _models(registry), (), "")


def _models(registry: Registry) -> Models:
    def model(type_: str) -> Model | None:
        if type_ in _ENDPOINTS:
            return _ENDPOINTS[type_]
        component = registry.get(type_)
        return component.config if component is not None else None

    return model


def _of_one(item: Mapping[str, Any], models: Models, path: tuple[str, ...], shown: str) -> Iterator[Place]:
    at = f"{shown}.configuration" if shown else "configuration"
    type_, config = str(item.get("type")), _object(item, "configuration")
    yield from _of_config(config, models(type_), path, at, Owner(type_, config))


def _of_router(router: Mapping[str, Any], models: Models, path: tuple[str, ...], shown: str) -> Iterator[Place]:
    source, to = _object(router, "from"), _object(router, "to")
    config = _object(source, "configuration")
    yield from _of_config(config, None, (*path, "from"), f"{shown}.from.configuration", Owner("", config))
    target = str(to.get("path")).strip()
    model = models(target.removeprefix(COMPONENT)) if target.startswith(COMPONENT) else None
    config = _object(to, "configuration")
    yield from _of_config(config, model, (*path, "to"), f"{shown}.to.configuration", Owner(target, config))


def _of_config(
    config: Mapping[str, Any], model: Model | None, path: tuple[str, ...], shown: str, owner: Owner
) -> Iterator[Place]:
    fields = _fields(model) if model is not None else {}
    for key, value in config.items():
        field, at, where = fields.get(key), (*path, key), f"{shown}.{key}"
        if field is None:
            yield from _texts(config, key, key, _UNKNOWN, at, where, owner)
            continue
        mark = next((each for each in field.metadata if isinstance(each, Secret)), None)
        inner = _model_in(field.annotation)
        if mark is not None:
            yield from _texts(config, key, key, mark, at, where, owner)
        elif inner is not None and isinstance(value, dict):
            yield from _of_config(value, inner, at, where, owner)


def _texts(
    holder: Any, key: Any, name: str, mark: Secret, path: tuple[str, ...], shown: str, owner: Owner | None = None
) -> Iterator[Place]:
    """The text at `holder[key]`, or those inside of it, each under its own key."""
    value = holder[key]
    if isinstance(value, dict):
        for each in value:
            yield from _texts(value, each, each, mark, (*path, each), f"{shown}.{each}", owner)
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from _texts(value, index, name, mark, (*path, str(index)), f"{shown}[{index}]", owner)
    elif isinstance(value, str) or (type(value) in (int, float) and (mark.spans is whole or "passw" in name.lower())):
        yield Place(path, shown, holder, key, name, mark, owner)


def _fields(model: Model) -> Mapping[str, FieldInfo]:
    """By every key that a user may write."""
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        choices = getattr(field.validation_alias, "choices", [field.validation_alias])
        found |= {str(key): field for key in (name, field.alias, *choices) if isinstance(key, str)}
    return found


def _model_in(annotation: Any) -> Model | None:
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _id(value: Any) -> str:
    """ThingsBoard's are objects."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _listed(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = value.get(key)
    return [each if isinstance(each, dict) else {} for each in found] if isinstance(found, list) else []
