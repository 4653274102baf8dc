"""functions: a Python function of the operator's works on the message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from tidemill.core.findings import Finding, near
from tidemill.expressions.exprlang import BadExpression, EvaluationError
from tidemill.expressions.exprlang.template import compile_template
from tidemill.graph.component import Component, Config
from tidemill.graph.node import Batch
from tidemill.rules.fields.fields import Sight, field_findings, nodes_asked
from tidemill.rules.functions import FUNCTIONS, call
from tidemill.rules.site import Site


class FunctionsConfig(Config):
    function_name: str = Field(
        min_length=1, alias="functionName", description="The name that it is registered by; a template."
    )
    param: str = Field("", description="Its second argument, where it takes two.")


class Functions:
    def __init__(self, config: FunctionsConfig, site: Site) -> None:
        self._name = compile_template(config.function_name)
        self._param = config.param
        self._sight = Sight(site, [self._name])

    async def process(self, batch: Batch) -> None:
        by_name: dict[str, list[int]] = {}
        for index in range(len(batch.items)):
            try:
                by_name.setdefault(self._name.render(self._sight.of(batch, index)), []).append(index)
            except EvaluationError as error:
                batch.fail(index, str(error))
        for name, indexes in by_name.items():
            await self._call(batch, name, indexes)

    async def _call(self, batch: Batch, name: str, indexes: Sequence[int]) -> None:
        function = FUNCTIONS.get(name)
        if function is None:
            for index in indexes:
                batch.fail(index, f"there is no function {name!r}")
            return
        messages = [batch.items[index].message for index in indexes]
        allowances = [batch.allowances.get(index) for index in indexes]
        for index, told in zip(indexes, await call(function, messages, self._param, allowances), strict=True):
            if isinstance(told, str):
                batch.fail(index, told)
                continue
            for relation, message in told:
                batch.tell(index, relation, message)
            if not told:
                batch.take(index)


def _check(config: FunctionsConfig, site: Site) -> Iterator[Finding]:
    yield from field_findings(site, {"functionName": config.function_name})
    if "${" not in config.function_name and FUNCTIONS.get(config.function_name) is None:
        hint = near(config.function_name, FUNCTIONS.names())
        yield site.finding("functionName", f"there is no function {config.function_name!r}{hint}", "unknown_function")


def _nodes(config: FunctionsConfig) -> Sequence[str]:
    try:
        return nodes_asked([config.function_name])
    except BadExpression:
        return ()


COMPONENT = Component(
    "functions",
    "action",
    "A Python function of the operator's works on the message.",
    FunctionsConfig,
    Functions,
    relations=None,
    check=_check,
    asks_for=_nodes,
    examples=({"functionName": "enrich", "param": "eu"},),
    notes=(
        'A function is registered with `@tidemill.function("name")` in a module that `TIDEMILL_PLUGINS` names, or by'
        " an entry point of the group `tidemill.functions`. It gets a `Message` and gives one back, or a pair of a"
        " relation and a message, or a list of pairs; nothing means the message as it came, an empty list ends the"
        " branch. Functions run in the server's process, on a thread unless they are `async`."
    ),
)
