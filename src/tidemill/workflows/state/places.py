"""Where in a plan a step is: on its main line, in a branch of a fork, in the body of a loop. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tidemill.workflows.plans.plan import Plan, Step


class Place(msgspec.Struct, frozen=True):
    """Inside the step `container`: in which of its branches, or (None) in its body."""

    container: str
    branch: int | None


def places_of(plan: Plan) -> Mapping[str, Place]:
    """Of every step that is inside another one; what is absent is on the main line."""
    places: dict[str, Place] = {}
    for step in plan.steps.values():
        for place, entry in _insides(step):
            ways = [entry]
            while ways:
                ref = ways.pop()
                if ref not in places:
                    places[ref] = place
                    ways.extend(target for target in plan.steps[ref].edges.values() if target is not None)
    return places


def _insides(step: Step) -> Iterator[tuple[Place, str]]:
    for index, ref in enumerate(step.branches):
        yield Place(step.ref, index), ref
    if step.body is not None:
        yield Place(step.ref, None), step.body
