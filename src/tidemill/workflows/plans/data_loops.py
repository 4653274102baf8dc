"""What handlers start and workflows publish, as ways from topic to topic: for finding data loops (`ingest.loops`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tidemill.ingest.loops import Flow
from tidemill.workflows.handlers.definition import Handler
from tidemill.workflows.plans.plan import Plan

DOMAIN = "workflows"
Named = Callable[[str], str]


def handler_owner(name: str) -> str:
    return f"event handler {name}"


def workflow_owner(name: str, version: int) -> str:
    return f"workflow {name} version {version}"


def flows_of(handlers: Iterable[Handler], plans: Iterable[Plan], named: Named = str) -> Iterator[Flow]:
    """A handler, the workflow that it starts, and what that publishes. Workflows that it starts, or that run when it
    fails, publish too. `named` gives the integration's name for what a step calls it."""
    known = _Plans(plans)
    for handler in handlers:
        for name, version, _ in handler.starts():
            for way in known.ways(name, version):
                parts = (
                    handler_owner(handler.name),
                    *(workflow_owner(plan.name, plan.version) for plan in way),
                )
                for cluster, topic in way[-1].publishes_to():
                    target = (named(cluster), topic)
                    yield Flow((handler.integration, handler.topic), parts, frozenset(parts), target)


class _Plans:
    """Plans by name and version, the newest version also by name alone."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._by_version = {(plan.name, plan.version): plan for plan in plans}
        self._newest: dict[str, int] = {}
        for name, version in self._by_version:
            self._newest[name] = max(version, self._newest.get(name, version))

    def ways(self, name: str, version: int | None) -> Sequence[Sequence[Plan]]:
        """The workflow, and for each that it starts (also when it fails), and those that these start, the shortest
        way there."""
        ways: list[list[Plan]] = []
        pending: list[tuple[list[Plan], str, int | None]] = [([], name, version)]
        seen: set[tuple[str, int]] = set()
        for before, of, at in pending:  # grows while it is walked: breadth first
            plan = self._get(of, at)
            if plan is None or (plan.name, plan.version) in seen:
                continue
            seen.add((plan.name, plan.version))
            ways.append([*before, plan])
            pending.extend(([*before, plan], *started) for started in plan.starts())
        return ways

    def _get(self, name: str, version: int | None) -> Plan | None:
        return self._by_version.get((name, version if version is not None else self._newest.get(name, 0)))
