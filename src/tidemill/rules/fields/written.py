"""What several nodes have in their configuration in RuleGo's way of writing: expressions that are bare or have their
variables in `${...}`, and what a loop is to run."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang import BadExpression, Expression
from tidemill.expressions.exprlang.template import compile_condition
from tidemill.rules.fields.seen import nodes_in
from tidemill.rules.site import Site


def expression_of(text: str) -> Expression:
    """Raises `BadExpression`."""
    return compile_condition(text)


def nodes_of(text: str) -> tuple[str, ...]:
    """The nodes whose output an expression may read; none where it is none."""
    try:
        return nodes_in(expression_of(text).names) if text.strip() else ()
    except BadExpression:
        return ()


def expression_findings(site: Site, key: str, text: str) -> Iterator[Finding]:
    try:
        _ = expression_of(text)
    except BadExpression as error:
        yield Finding(f"{site.path}.{key}", error.message, "expression", "error", error.line, error.column)


def do_entry(text: str) -> str:
    """Of `nodeId`, `node:nodeId` or `chain:chainId`, as `Batch.inside` takes it."""
    kind, colon, id_ = (part.strip() for part in text.partition(":"))
    if not colon:
        return kind
    return f"chain:{id_}" if kind == "chain" else id_


def do_findings(site: Site, text: str) -> Iterator[Finding]:
    if not do_entry(text).removeprefix("chain:") or text.count(":") > 1:
        yield site.finding("do", "must be a node, or chain:id")
