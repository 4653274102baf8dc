"""Executions whose workflow limits how many run at once: they wait for their turn, and give it back when they end.

Pure. Who has his turn next is found by `turn_keeper`.
"""

from __future__ import annotations

from hashlib import blake2b

from tidemill.expressions.template import as_text
from tidemill.workflows.effects import unfit
from tidemill.workflows.ports import Turn
from tidemill.workflows.state.decision import Decision


def ask(decision: Decision) -> bool:
    """Whether the execution has to wait before it begins."""
    if decision.plan.at_once is None:
        return False
    _enter(decision, is_taken=False)
    decision.execution.awaits_turn = True
    return True


def take_unasked(decision: Decision) -> None:
    """An execution that comes back goes on at once, and counts."""
    if decision.plan.at_once is not None:
        _enter(decision, is_taken=True)


def _enter(decision: Decision, *, is_taken: bool) -> None:
    execution, at_once = decision.execution, decision.plan.at_once
    assert at_once is not None
    key = as_text(decision.scope.render(at_once.key))
    # A key goes into an index of the database.
    execution.rate_key = key if unfit(key) is None else blake2b(key.encode("utf-8", "replace")).hexdigest()
    decision.turn = Turn(execution.id, execution.rate_key, decision.now_ms, at_once.most, is_taken)
    decision.is_turn_over = False
    decision.changed("workflow")


def give_back(decision: Decision) -> None:
    """The execution has ended."""
    if decision.execution.rate_key is not None:
        decision.execution.awaits_turn = False
        decision.turn, decision.is_turn_over = None, True
