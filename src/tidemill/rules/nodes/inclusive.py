"""inclusive: a message goes on by the relations of all cases that hold."""

from __future__ import annotations

from tidemill.expressions.exprlang import EvaluationError
from tidemill.graph.component import Component
from tidemill.graph.node import DEFAULT, Batch
from tidemill.rules.fields.cases import Cases, CasesConfig, case_findings, nodes_of_cases
from tidemill.rules.site import Site


class Inclusive:
    def __init__(self, config: CasesConfig, site: Site) -> None:
        self._cases = Cases(config, site)

    async def process(self, batch: Batch) -> None:
        for index, values in enumerate(self._cases.asked(batch)):
            error = next((value for value in values if isinstance(value, EvaluationError)), None)
            if error is not None:
                batch.fail(index, str(error))
                continue
            found = [each for each, value in zip(self._cases.relations, values, strict=True) if value is True]
            for relation in dict.fromkeys(found or (DEFAULT,)):
                batch.tell(index, relation)


COMPONENT = Component(
    "inclusive",
    "filter",
    "A message goes on by the relations of all cases that hold; by Default where none does.",
    CasesConfig,
    Inclusive,
    relations=None,
    check=case_findings,
    asks_for=nodes_of_cases,
    examples=({"cases": [{"case": "msg.temperature >= 50", "then": "hot"}, {"case": "msg.wet", "then": "wet"}]},),
    notes="A case that cannot be worked out fails the message.",
)
