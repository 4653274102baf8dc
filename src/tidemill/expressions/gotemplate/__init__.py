"""Go's text/template, as RuleGo's `text/template` node has it: compiled once to closures, rendered per message.

Bounded like expr-lang beside it, with which it shares values, errors and bounds.

    source ─ tokens ─► texts and actions ─ compiler ─► closures ─ GoTemplate ─► text
"""

from __future__ import annotations

from tidemill.expressions.exprlang.errors import BadExpression, EvaluationError
from tidemill.expressions.gotemplate.template import GoTemplate, compile_go_template

__all__ = ["BadExpression", "EvaluationError", "GoTemplate", "compile_go_template"]
