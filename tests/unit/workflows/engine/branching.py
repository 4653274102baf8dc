"""Random workflows that branch, repeat and start each other, and a plain interpreter of them: one step at a time,
no events, no paths. It shares nothing with the decider; `plans_of` makes the plans that the decider runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from tests.fakes.plans import loop_while, plan, step, switch_on, workflow_of
from tidemill.workflows.plans.plan import Expansion, Plan, Retry, Step
from tidemill.workflows.tasks.join import JoinSettings
from tidemill.workflows.tasks.loop import LoopSettings

Kind = Literal["worker", "set", "switch", "fork", "dynamic", "while", "over", "child"]
Task = tuple[str, str, Any, Any]
"""Ref, status, output and, of a child, what that came to."""


class Node(msgspec.Struct):
    """`parts` are branches, cases (the first is taken if `count` is 1) or a body; `count` are iterations or dynamic
    branches; `is_partial`: the join after a fork names only its first branch."""

    kind: Kind
    outcomes: tuple[bool, ...] = (True,)
    retries: int = 0
    is_optional: bool = False
    count: int = 1
    is_partial: bool = False
    parts: list[list[Node]] = []
    ref: str = ""


class End(msgspec.Struct):
    status: str
    tasks: list[Task] = []


def trees() -> st.SearchStrategy[list[Node]]:
    # One that always fails makes all of a large workflow fail: those that come right in the end are more telling.
    outcomes = st.sampled_from([(True,), (True,), (True,), (False, True), (False, False, True), (False,)])
    worker = st.builds(Node, st.just("worker"), outcomes, st.integers(1, 2), st.booleans())
    leaf = st.one_of(worker, st.builds(Node, st.just("set")))
    return st.recursive(st.lists(leaf, min_size=1, max_size=3), _sequences, max_leaves=10).map(_named)


def _sequences(inner: st.SearchStrategy[list[Node]]) -> st.SearchStrategy[list[Node]]:
    some = st.lists(inner, min_size=1, max_size=3)
    one = st.lists(inner, min_size=1, max_size=1)
    counts = st.integers(0, 3)
    node = st.one_of(
        st.builds(Node, st.just("switch"), count=st.integers(0, 2), parts=st.lists(inner, min_size=2, max_size=2)),
        st.builds(Node, st.just("fork"), parts=some, is_partial=st.booleans()),
        st.builds(
            Node, st.just("dynamic"), count=counts, parts=one, outcomes=st.sampled_from([(True,), (False, True)])
        ),
        st.builds(Node, st.just("while"), count=st.integers(1, 3), parts=one),
        st.builds(Node, st.just("over"), count=counts, parts=one),
        st.builds(Node, st.just("child"), parts=one, is_optional=st.booleans(), retries=st.integers(0, 1)),
    )
    return st.lists(node, min_size=1, max_size=2)


def _named(nodes: list[Node]) -> list[Node]:
    """Copies, since hypothesis may use a node twice, each with a name of its own."""
    counter = iter(range(10_000))

    def copy(items: list[Node]) -> list[Node]:
        return [
            msgspec.structs.replace(item, ref=f"{item.kind}{next(counter)}", parts=[copy(part) for part in item.parts])
            for item in items
        ]

    return copy(nodes)


def all_nodes(nodes: list[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        for part in node.parts:
            yield from all_nodes(part)


def is_well(node: Node, attempt: int) -> bool:
    """Whether the attempt succeeds, counted from 0."""
    return node.outcomes[min(attempt, len(node.outcomes) - 1)]


# --- the interpreter


class _Failed(Exception):
    """A task failed that must not."""


class _Interpreter:
    """`shown` collects the outputs of the iteration that runs; `number` is which one that is."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.shown: dict[str, Any] = {}
        self.flawed: set[str] = set()
        self.number: int | None = None

    def sequence(self, nodes: list[Node]) -> tuple[str, Any]:
        """The last task on this path, and its output."""
        last: tuple[str, Any] = ("", {})
        for node in nodes:
            last = getattr(self, f"_{node.kind}")(node)
        return last

    def _ended(self, ref: str, status: str, output: Any, child: Any = None) -> tuple[str, Any]:
        self.tasks.append((ref, status, output, child))
        self.shown[ref] = output
        (self.flawed.add if status == "COMPLETED_WITH_ERRORS" else self.flawed.discard)(ref)
        return ref, output

    def _worker(self, node: Node, ref: str | None = None) -> tuple[str, Any]:
        name = ref or node.ref
        for attempt in range(node.retries + 1):
            if is_well(node, attempt):
                return self._ended(name, "COMPLETED", {"by": name, "number": self.number})
            if attempt < node.retries:
                self._ended(name, "FAILED", {})
        if not node.is_optional:
            raise _Failed
        return self._ended(name, "COMPLETED_WITH_ERRORS", {})

    def _set(self, node: Node) -> tuple[str, Any]:
        return self._ended(node.ref, "COMPLETED", {})

    def _switch(self, node: Node) -> tuple[str, Any]:
        case = str(node.count)
        last = self._ended(node.ref, "COMPLETED", {"evaluationResult": [case], "selectedCase": case})
        return self.sequence(node.parts[node.count]) if node.count < 2 else last

    def _fork(self, node: Node) -> tuple[str, Any]:
        self._ended(node.ref, "COMPLETED", {})
        lasts = [self.sequence(part) for part in node.parts]
        named = joined(node)
        return self._joined(node, {ref: self.shown[ref] for ref in named} or dict(lasts))

    def _joined(self, node: Node, outputs: dict[str, Any]) -> tuple[str, Any]:
        status = "COMPLETED" if self.flawed.isdisjoint(outputs) else "COMPLETED_WITH_ERRORS"
        return self._ended(f"{node.ref}j", status, outputs)

    def _dynamic(self, node: Node) -> tuple[str, Any]:
        self._ended(node.ref, "COMPLETED", {})
        made = msgspec.structs.replace(node, retries=2)
        lasts = [self._worker(made, ref) for ref in made_refs(node)]
        return self._joined(node, dict(lasts))

    def _while(self, node: Node) -> tuple[str, Any]:
        return self._over(node)

    def _over(self, node: Node) -> tuple[str, Any]:
        outer, number = self.shown, self.number
        output: dict[str, Any] = {}
        for index in range(1, node.count + 1):
            self.shown, self.number = {}, index
            self.sequence(node.parts[0])
            output[str(index)] = self.shown
        self.shown, self.number = outer, number
        return self._ended(node.ref, "COMPLETED", {"iteration": node.count, **output})

    def _child(self, node: Node) -> tuple[str, Any]:
        child = interpreted(node.parts[0])
        output = {"of": node.ref}
        if child.status == "COMPLETED":
            return self._ended(node.ref, "COMPLETED", output, came_to(child))
        for _ in range(node.retries):
            self._ended(node.ref, "FAILED", output, "FAILED")
        if not node.is_optional:
            raise _Failed
        return self._ended(node.ref, "COMPLETED_WITH_ERRORS", output, "FAILED")


def interpreted(nodes: list[Node]) -> End:
    """What has run of a workflow that fails depends on what came first: it is not told."""
    interpreter = _Interpreter()
    try:
        interpreter.sequence(nodes)
    except _Failed:
        return End("FAILED")
    return End("COMPLETED", interpreter.tasks)


def came_to(end: End) -> Any:
    return sorted(end.tasks, key=repr)


# --- the plans


def joined(node: Node) -> list[str]:
    """The refs that the join after a fork names; none means all branches."""
    return [node.parts[0][-1].ref] if node.is_partial else []


def made_refs(node: Node) -> list[str]:
    return [f"{node.ref}b{index}" for index in range(node.count)]


def plans_of(nodes: list[Node], name: str = "wf") -> list[Plan]:
    """The workflow, and those of its children."""
    steps: list[Step] = []
    _compile(nodes, None, steps, "")
    given = plan(*steps, name=name, output=None if name == "wf" else {"of": name}, expand=_expanded(nodes))
    children = [node for node in _inside(nodes) if node.kind == "child"]
    return [given, *(made for child in children for made in plans_of(child.parts[0], child.ref))]


def _inside(nodes: list[Node]) -> Iterator[Node]:
    """Without what is inside children."""
    for node in nodes:
        yield node
        for part in node.parts if node.kind != "child" else []:
            yield from _inside(part)


def _expanded(nodes: list[Node]) -> Callable[[Step, Any], Expansion]:
    dynamic = {node.ref: node for node in _inside(nodes) if node.kind == "dynamic"}

    def expand(made: Step, given: Any) -> Expansion:
        node = dynamic[made.ref]
        retry = Retry(2, delay_s=0)
        steps = {ref: step(ref, "worker", given={"number": given["number"]}, retry=retry) for ref in made_refs(node)}
        return Expansion(steps, tuple(steps))

    return expand


def _compile(nodes: list[Node], after: str | None, steps: list[Step], loop: str) -> str | None:
    """Adds the steps of a sequence that goes on at `after`, the first one first; returns where it begins."""
    following = [*(node.ref for node in nodes[1:]), after]
    for node, to in zip(nodes, following, strict=True):
        _compile_node(node, to, steps, loop)
    return nodes[0].ref if nodes else after


def _compile_node(node: Node, to: str | None, steps: list[Step], loop: str) -> None:
    place = len(steps)
    given = {"number": f"${{{loop}.output.iteration}}" if loop else None}
    if node.kind == "worker":
        retry = Retry(node.retries, delay_s=0)
        made = step(node.ref, "worker", None, to, given, retry=retry, is_optional=node.is_optional)
    elif node.kind == "switch":
        edges = {str(index): _compile(part, to, steps, loop) for index, part in enumerate(node.parts)}
        made = step(node.ref, "switch", switch_on("p", "0", "1"), {**edges, "default": to}, {"p": str(node.count)})
    elif node.kind == "fork":
        branches = [_compile(part, None, steps, loop) or "" for part in node.parts]
        made = step(node.ref, "fork", to=f"{node.ref}j", branches=branches)
        steps.append(step(f"{node.ref}j", "join", JoinSettings(joined(node)), to))
    elif node.kind == "dynamic":
        made = step(node.ref, "fork_dynamic", None, f"{node.ref}j", given)
        steps.append(step(f"{node.ref}j", "join", JoinSettings(), to))
    elif node.kind == "child":
        retry = Retry(node.retries, delay_s=0)
        made = step(node.ref, "sub_workflow", workflow_of(node.ref), to, retry=retry, is_optional=node.is_optional)
    elif node.kind == "set":
        made = step(node.ref, to=to)
    else:
        items = list(range(node.count))
        settings = loop_while(condition_of(node)) if node.kind == "while" else LoopSettings(items="items")
        body = _compile(node.parts[0], None, steps, node.ref)
        made = step(node.ref, "loop", settings, to, {"items": items}, body=body)
    steps.insert(place, made)


def condition_of(node: Node) -> str:
    return f"{node.ref} runs on"
