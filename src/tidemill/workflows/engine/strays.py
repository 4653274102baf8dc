"""Publications that go by another name than an integration's, and those that can go nowhere. Works on one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from tidemill.ingest.publication import Publication, PublicationRefused
from tidemill.workflows.decider import decider
from tidemill.workflows.engine.draft import Draft
from tidemill.workflows.ports import Plans
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.departed import NotRead


class Strays:
    def __init__(
        self,
        drafts: Mapping[str, Draft],
        plans: Plans,
        change: Callable[[Draft, Callable[[Decision], None]], None],
    ) -> None:
        self._drafts = drafts
        self._plans = plans
        self._change = change

    @property
    def are_there(self) -> bool:
        """Whether an integration that is published to does not exist, as far as is known."""
        named = {each.integration for draft in self._drafts.values() for each in draft.decision.publications}
        return any(not self._plans.has_integration(name) for name in named)

    def refuse(self) -> None:
        """Those that name a cluster go to its integration. The tasks of the others fail as if a broker had refused
        them. What comes next may publish, and stray, again."""
        for draft in self._drafts.values():
            if any(not self._plans.has_integration(each.integration) for each in draft.decision.publications):
                draft.row = None
                with suppress(NotRead):  # then they are still there when it has been read
                    self._change(draft, self._refuse_of)

    def _refuse_of(self, decision: Decision) -> None:
        named = [(each, self._plans.integration_of(each.integration)) for each in decision.publications]
        decision.publications = [_to(each, name) for each, name in named if name is not None]
        for stray in (each for each, name in named if name is None):
            reason = f"there is no integration {stray.integration!r}"
            if ":" in stray.integration:
                reason = f"no integration has the bootstrap servers {stray.integration}"
            decider.publication_refused(decision, PublicationRefused(stray.origin, stray.topic, reason))


def _to(publication: Publication, integration: str) -> Publication:
    if publication.integration == integration:
        return publication
    return msgspec.structs.replace(publication, integration=integration)
