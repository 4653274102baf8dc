"""Plans for tests, written in a line or two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.core.codec import to_json
from tidemill.expressions.template import compile_template, examine_template
from tidemill.sandbox.script import Script
from tidemill.workflows.plans.plan import Cache, Limits, Plan, Retry, Step
from tidemill.workflows.plans.shapes import Shape
from tidemill.workflows.secrets import KEEP
from tidemill.workflows.tasks.kind import NoSettings
from tidemill.workflows.tasks.loop import LoopSettings
from tidemill.workflows.tasks.publish import PublishSettings
from tidemill.workflows.tasks.script import ScriptSettings
from tidemill.workflows.tasks.starting import StartSettings
from tidemill.workflows.tasks.switch import SwitchSettings
from tidemill.workflows.tasks.terminate import TerminateSettings
from tidemill.workflows.tasks.wait import WaitSettings


def step(
    ref: str,
    kind: str = "noop",
    settings: Any = None,
    to: str | Mapping[str, str | None] | None = None,
    given: Mapping[str, Any] | None = None,
    *,
    retry: Retry | None = None,
    is_optional: bool = False,
    start_delay_s: float = 0,
    response_timeout_s: float = 0,
    limits: Limits | None = None,
    branches: Sequence[str] = (),
    body: str | None = None,
    within: Sequence[bool] = (),
    cache: Cache | None = None,
    input_shape: Shape | None = None,
    output_shape: Shape | None = None,
) -> Step:
    """`to` is the next step, or the edges; `given` the input with its `${...}`."""
    return Step(
        ref,
        kind,
        ref,
        examine_template(given or {}, keep=KEEP)[0],
        settings or NoSettings(),
        to if isinstance(to, Mapping) else {"next": to},
        retry=retry or Retry(),
        is_optional=is_optional,
        start_delay_s=start_delay_s,
        response_timeout_s=response_timeout_s,
        limits=limits or Limits(),
        branches=branches,
        body=body,
        within=within,
        cache=cache,
        input_shape=input_shape,
        output_shape=output_shape,
    )


def plan(*steps: Step, name: str = "wf", output: Any = None, **options: Any) -> Plan:
    """Starts with the first step."""
    return Plan(
        name,
        1,
        1,
        steps[0].ref if steps else None,
        {item.ref: item for item in steps},
        output=compile_template(output) if output is not None else None,
        **options,
    )


def needs(*names: str) -> Shape:
    """Whatever has members of these names."""
    return Shape(text=to_json({"required": names}).decode())


def publish_to(topic: str = "out", **settings: Any) -> PublishSettings:
    return PublishSettings(compile_template(f"kafka:shop:{topic}"), ("shop", topic), **settings)


def script_of(source: str) -> ScriptSettings:
    return ScriptSettings(Script("javascript", source, "expression"))


def jq_of(source: str) -> ScriptSettings:
    return ScriptSettings(Script("jq", source, "query"))


def switch_on(param: str, *cases: str) -> SwitchSettings:
    return SwitchSettings(frozenset(cases), param=param)


def terminate_with(status: str, reason: str | None = None, output: Any = None) -> TerminateSettings:
    return TerminateSettings(
        compile_template(status),
        compile_template(reason) if reason is not None else None,
        compile_template(output) if output is not None else None,
    )


def wait_for(duration: str | None = None, until: str | None = None) -> WaitSettings:
    return WaitSettings(
        compile_template(duration) if duration is not None else None,
        compile_template(until) if until is not None else None,
    )


def loop_while(condition: str, keep_last: int = 0) -> LoopSettings:
    return LoopSettings(Script("javascript", condition, "expression"), keep_last=keep_last)


def workflow_of(name: str | None, **settings: Any) -> StartSettings:
    """The other settings are templates too."""
    templates = {key: compile_template(value) for key, value in settings.items()}
    return StartSettings(name=compile_template(name), **templates)
