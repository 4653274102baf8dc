"""Random workflows as trees, and a plain interpreter of them: one step at a time, no events, no state machine.

It shares nothing with the decider; `compiled` makes the plan that the decider runs.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from tests.fakes.plans import plan, publish_to, step, switch_on, terminate_with, wait_for
from tidemill.workflows.plans.plan import Plan, Retry, Step

Outcome = Literal["ok", "fail", "terminal"]


class Node(msgspec.Struct):
    """One step. `outcomes` are what its attempts come to, the last one for ever; `branches` a switch's."""

    kind: Literal["worker", "publish", "wait", "set", "switch", "terminate"]
    outcomes: tuple[Outcome, ...] = ("ok",)
    retries: int = 0
    retry_delay_s: int = 0
    start_delay_s: int = 0
    is_optional: bool = False
    case: str = ""
    status: str = ""
    branches: dict[str, list[Node]] = {}
    ref: str = ""


class End(msgspec.Struct):
    """What an execution came to."""

    status: str = "COMPLETED"
    tasks: list[tuple[str, str]] = []
    variables: dict[str, Any] = {}


def trees() -> st.SearchStrategy[list[Node]]:
    failing = st.lists(st.sampled_from(["ok", "fail", "fail", "terminal"]), min_size=1, max_size=4).map(tuple)
    leaf = st.one_of(
        st.builds(
            Node,
            st.sampled_from(["worker", "publish"]),
            failing,
            st.integers(0, 3),
            st.sampled_from([0, 5]),
            st.sampled_from([0, 0, 3]),
            st.booleans(),
        ),
        st.builds(Node, st.just("wait")),
        st.builds(Node, st.just("set")),
        st.builds(Node, st.just("terminate"), status=st.sampled_from(["COMPLETED", "FAILED", "TERMINATED"])),
    )
    nodes = st.recursive(
        st.lists(leaf, min_size=1, max_size=4),
        lambda inner: st.lists(
            st.builds(
                Node,
                st.just("switch"),
                case=st.sampled_from(["a", "b", "z"]),
                branches=st.fixed_dictionaries({"a": inner, "b": inner, "default": inner}),
            ),
            min_size=1,
            max_size=3,
        ),
        max_leaves=12,
    )
    return nodes.map(_named)


def _named(nodes: list[Node]) -> list[Node]:
    """Copies, since hypothesis may use a node twice, each with a name of its own."""
    counter = iter(range(10_000))

    def copy(items: list[Node]) -> list[Node]:
        return [
            msgspec.structs.replace(
                item,
                ref=f"{item.kind}{next(counter)}",
                branches={case: copy(branch) for case, branch in item.branches.items()},
            )
            for item in items
        ]

    return copy(nodes)


def interpreted(nodes: list[Node]) -> End:
    end = End()
    _interpret(nodes, end)
    return end


def _interpret(nodes: list[Node], end: End) -> bool:
    """False when the execution is over."""
    for node in nodes:
        if node.kind == "switch":
            end.tasks.append((node.ref, "COMPLETED"))
            if not _interpret(node.branches[node.case if node.case in ("a", "b") else "default"], end):
                return False
        elif node.kind == "terminate":
            end.tasks.append((node.ref, "COMPLETED"))
            end.status = node.status
            return False
        elif not _interpret_attempts(node, end):
            end.status = "FAILED"
            return False
    return True


def _interpret_attempts(node: Node, end: End) -> bool:
    for attempt in range(node.retries + 1):
        outcome = outcome_of(node, attempt)
        if outcome == "ok":
            end.tasks.append((node.ref, "COMPLETED"))
            if node.kind == "set":
                end.variables[node.ref] = 1
            return True
        is_last = outcome == "terminal" or attempt == node.retries
        failed = "FAILED_WITH_TERMINAL_ERROR" if outcome == "terminal" else "FAILED"
        end.tasks.append((node.ref, "COMPLETED_WITH_ERRORS" if is_last and node.is_optional else failed))
        if is_last:
            return node.is_optional
    return True


def outcome_of(node: Node, attempt: int) -> Outcome:
    """What the attempt comes to, counted from 0. A broker knows no terminal errors."""
    outcome = node.outcomes[min(attempt, len(node.outcomes) - 1)]
    return "fail" if outcome == "terminal" and node.kind == "publish" else outcome


def compiled(nodes: list[Node]) -> Plan:
    steps: list[Step] = []
    entry = _compile(nodes, None, steps)
    assert entry == steps[0].ref
    return plan(*steps)


def _compile(nodes: list[Node], after: str | None, steps: list[Step]) -> str | None:
    """Adds the steps of a sequence that goes on at `after`; returns where it begins."""
    for index, node in enumerate(nodes):
        following = nodes[index + 1].ref if index + 1 < len(nodes) else after
        place = len(steps)
        edges = {case: _branch(branch, following, steps, place) for case, branch in node.branches.items()}
        steps.insert(place, _step(node, edges or {"next": following}))
    return nodes[0].ref if nodes else after


def _branch(branch: list[Node], following: str | None, steps: list[Step], place: int) -> str | None:
    inner: list[Step] = []
    entry = _compile(branch, following, inner)
    steps[place:place] = inner
    return entry


def _step(node: Node, edges: dict[str, str | None]) -> Step:
    kinds: dict[str, tuple[str, Any, dict[str, Any]]] = {
        "worker": ("worker", None, {}),
        "publish": ("publish", publish_to(), {}),
        "wait": ("wait", wait_for("10s"), {}),
        "set": ("set_variables", None, {node.ref: 1}),
        "switch": ("switch", switch_on("p", "a", "b"), {"p": node.case}),
        "terminate": ("terminate", terminate_with(node.status), {}),
    }
    kind, settings, given = kinds[node.kind]
    return step(
        node.ref,
        kind,
        settings,
        edges,
        given,
        retry=Retry(node.retries, delay_s=node.retry_delay_s),
        is_optional=node.is_optional,
        start_delay_s=node.start_delay_s,
    )
