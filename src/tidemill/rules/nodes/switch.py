"""switch: the first case that holds says by which relation a message goes on."""

from __future__ import annotations

from tidemill.graph.component import Component
from tidemill.graph.node import DEFAULT, Batch
from tidemill.rules.fields.cases import Cases, CasesConfig, case_findings, nodes_of_cases
from tidemill.rules.site import Site


class Switch:
    """A case that fails is one that does not hold, as RuleGo has it."""

    def __init__(self, config: CasesConfig, site: Site) -> None:
        self._cases = Cases(config, site)

    async def process(self, batch: Batch) -> None:
        relations = self._cases.relations
        for index, values in enumerate(self._cases.asked(batch)):
            found = (relation for relation, value in zip(relations, values, strict=True) if value is True)
            batch.tell(index, next(found, DEFAULT))


COMPONENT = Component(
    "switch",
    "filter",
    "The first case that holds says by which relation a message goes on; Default where none does.",
    CasesConfig,
    Switch,
    relations=None,
    check=case_findings,
    asks_for=nodes_of_cases,
    is_pure=True,
    examples=({"cases": [{"case": "msg.temperature >= 50", "then": "hot"}, {"case": "true", "then": "fine"}]},),
    notes="A case that cannot be worked out (a field is missing, say) does not hold.",
)
