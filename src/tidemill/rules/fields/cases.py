"""Nodes with a list of cases: a condition each, and the relation by which a message goes on where it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang import BadExpression, EvaluationError
from tidemill.graph.component import Config
from tidemill.graph.node import Batch
from tidemill.rules.fields.seen import View
from tidemill.rules.fields.written import expression_of, nodes_of
from tidemill.rules.site import Site


class Case(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    case: str = Field(min_length=1, description="An expression.")
    then: str = Field(min_length=1, description="The relation where it is true.")


class CasesConfig(Config):
    cases: tuple[Case, ...] = Field(description="Conditions, each with a relation.")


class Cases:
    """`asked` gives, for each item, what each case says: a value or an error."""

    def __init__(self, config: CasesConfig, site: Site) -> None:
        self._expressions = [expression_of(each.case) for each in config.cases]
        self._view = View(site, [name for expression in self._expressions for name in expression.names])
        self.relations = [each.then for each in config.cases]

    def asked(self, batch: Batch) -> Iterator[Sequence[Any | EvaluationError]]:
        seen = self._view.of_all(batch)
        return zip(*(expression.evaluate_all(seen) for expression in self._expressions), strict=True)


def case_findings(config: CasesConfig, site: Site) -> Iterator[Finding]:
    if not config.cases:
        yield site.finding("cases", "must have a case", "missing")
    for index, each in enumerate(config.cases):
        try:
            _ = expression_of(each.case)
        except BadExpression as error:
            path = f"{site.path}.cases[{index}].case"
            yield Finding(path, error.message, "expression", "error", error.line, error.column)


def nodes_of_cases(config: CasesConfig) -> Sequence[str]:
    return [node for each in config.cases for node in nodes_of(each.case)]
