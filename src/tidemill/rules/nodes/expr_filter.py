"""exprFilter: an expression says whether a message goes on by `True` or by `False`."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang import EvaluationError
from tidemill.graph.component import Component, Config
from tidemill.graph.node import FALSE, TRUE, Batch
from tidemill.rules.fields.seen import View
from tidemill.rules.fields.written import expression_findings, expression_of, nodes_of
from tidemill.rules.site import Site


class ExprFilterConfig(Config):
    expr: str = Field(min_length=1, description="The expression. Only `true` itself is true.")


class ExprFilter:
    def __init__(self, config: ExprFilterConfig, site: Site) -> None:
        self._expression = expression_of(config.expr)
        self._view = View(site, self._expression.names)

    async def process(self, batch: Batch) -> None:
        seen = self._view.of_all(batch)
        for index, value in enumerate(self._expression.evaluate_all(seen)):
            if isinstance(value, EvaluationError):
                batch.fail(index, str(value))
            else:
                batch.tell(index, TRUE if value is True else FALSE)


def _check(config: ExprFilterConfig, site: Site) -> Iterator[Finding]:
    return expression_findings(site, "expr", config.expr)


COMPONENT = Component(
    "exprFilter",
    "filter",
    "An expression says by which of True and False a message goes on.",
    ExprFilterConfig,
    ExprFilter,
    relations=(TRUE, FALSE, "Failure"),
    check=_check,
    asks_for=lambda config: nodes_of(config.expr),
    is_pure=True,
    examples=({"expr": "msg.temperature > 50 && metadata.deviceType == 'boiler'"},),
)
