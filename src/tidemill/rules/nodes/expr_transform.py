"""exprTransform: an expression, or one for each field, makes the data anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang import EvaluationError
from tidemill.expressions.exprlang.template import as_json, as_text
from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS, Batch
from tidemill.rules.fields.seen import View
from tidemill.rules.fields.written import expression_findings, expression_of, nodes_of
from tidemill.rules.site import Site


class ExprTransformConfig(Config):
    expr: str = Field("", description="The new data. It wins over `mapping`.")
    mapping: Mapping[str, str] = Field({}, description="The fields of the new data: an expression each.")


class ExprTransform:
    def __init__(self, config: ExprTransformConfig, site: Site) -> None:
        texts = {"": config.expr} if config.expr.strip() else config.mapping
        self._is_mapping = not config.expr.strip()
        self._fields = {name: expression_of(text) for name, text in texts.items()}
        self._view = View(site, [name for each in self._fields.values() for name in each.names])

    async def process(self, batch: Batch) -> None:
        seen = self._view.of_all(batch)
        columns = [each.evaluate_all(seen) for each in self._fields.values()]
        names = list(self._fields)
        are_sound = not any(issubclass(kind, EvaluationError) for column in columns for kind in set(map(type, column)))
        for index, values in enumerate(zip(*columns, strict=True)):
            error = None if are_sound else next((each for each in values if isinstance(each, EvaluationError)), None)
            if error is not None:
                batch.fail(index, str(error))
                continue
            made = dict(zip(names, values, strict=True)) if self._is_mapping else values[0]
            try:
                batch.tell(index, SUCCESS, with_value(batch.items[index].message, made))
            except EvaluationError as unwritable:
                batch.fail(index, str(unwritable))


def with_value(message: Message, value: Any) -> Message:
    """A text is the data as it is; any other value is written as JSON, and is JSON from then on. Raises
    `EvaluationError`."""
    if isinstance(value, str):
        return message.told(data=value.encode("utf-8", "replace"))
    if isinstance(value, dict | list):
        return message.told(data=as_json(value), data_type="JSON")
    data = b"null" if value is None else as_text(value).encode("utf-8", "replace")
    return message.told(data=data, data_type="JSON")


def _check(config: ExprTransformConfig, site: Site) -> Iterator[Finding]:
    if config.expr.strip():
        yield from expression_findings(site, "expr", config.expr)
    elif not config.mapping:
        yield site.finding("expr", "is missing, and `mapping` is, too", "missing")
    for name, text in config.mapping.items():
        yield from expression_findings(site, f"mapping.{name}", text)


def _nodes(config: ExprTransformConfig) -> Sequence[str]:
    return [node for text in (config.expr, *config.mapping.values()) for node in nodes_of(text)]


COMPONENT = Component(
    "exprTransform",
    "transform",
    "An expression, or one for each field, makes the data anew.",
    ExprTransformConfig,
    ExprTransform,
    check=_check,
    asks_for=_nodes,
    is_pure=True,
    examples=({"mapping": {"name": "upper(msg.name)", "celsius": "(msg.fahrenheit - 32) * 5 / 9"}},),
)
