"""expr-lang, the language of RuleGo's conditions and templates: compiled once to closures, run per message.

Runs in the server process, so everything is bounded (`bounds.py`), and nothing but the variables can be reached: no
file, no network, no environment, no attribute of a Python object.

    text ─ parser ─► nodes ─ compiler ─► closures ─ Expression ─► value
"""

from __future__ import annotations

from tidemill.expressions.exprlang.errors import BadExpression, EvaluationError
from tidemill.expressions.exprlang.expression import Expression, compile_expression
from tidemill.expressions.exprlang.template import Template, as_json, as_text, compile_condition, compile_template

__all__ = [
    "BadExpression",
    "EvaluationError",
    "Expression",
    "Template",
    "as_json",
    "as_text",
    "compile_condition",
    "compile_expression",
    "compile_template",
]
