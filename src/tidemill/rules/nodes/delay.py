"""delay: the message goes on later. It waits in the database, not in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang import EvaluationError
from tidemill.expressions.exprlang.template import compile_template
from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS, Batch, Hold, Wake
from tidemill.rules.fields.fields import Sight, field_findings, nodes_asked
from tidemill.rules.site import Site

OFFSET = "_delayOffsetMs"
PENDING_MAX = 1_000
DELAY_MS_MAX = 366 * 86_400_000
_DEFAULT_MS = "60000"


class DelayConfig(Config):
    delay_ms: str | int | None = Field(
        None, alias="delayMs", description="Milliseconds, or a template that gives them; 60000 where nothing is said."
    )
    pending_max: int = Field(
        PENDING_MAX, alias="maxPendingMsgs", description="How many messages may wait here; one more fails."
    )
    overwrite: bool = Field(
        False, description="Only one message waits: a later one takes its place, and goes on at its time."
    )
    seconds: int = Field(0, alias="periodInSeconds", description="Deprecated: seconds.")
    seconds_pattern: str = Field("", alias="periodInSecondsPattern", description="Deprecated: a template of seconds.")

    @property
    def template(self) -> tuple[str, str, int]:
        """The key that counts, its text, and how many milliseconds its unit has."""
        if self.delay_ms is not None and str(self.delay_ms).strip():
            return "delayMs", str(self.delay_ms).strip(), 1
        if self.seconds_pattern.strip():
            return "periodInSecondsPattern", self.seconds_pattern.strip(), 1_000
        return ("periodInSeconds", str(self.seconds), 1_000) if self.seconds else ("delayMs", _DEFAULT_MS, 1)


class Delay:
    def __init__(self, config: DelayConfig, site: Site) -> None:
        _, text, self._unit_ms = config.template
        self._template = compile_template(text)
        self._sight = Sight(site, [self._template])
        self._pending_max = config.pending_max if config.pending_max > 0 else PENDING_MAX
        self._slot = site.node if config.overwrite else None
        self._site = site

    async def process(self, batch: Batch) -> None:
        now_ms = self._site.ports.clock.now_ms()
        room = await self._room()
        for index, item in enumerate(batch.items):
            try:
                delay_ms = self._delay_ms(batch, index, item.message)
            except (EvaluationError, ValueError) as error:
                batch.fail(index, str(error))
                continue
            if delay_ms <= 0:
                batch.tell(index, SUCCESS)
            elif room <= 0:
                batch.fail(index, f"{self._pending_max} messages wait here already")
            else:
                batch.hold(index, Hold(now_ms + delay_ms, slot=self._slot))
                room -= 0 if self._slot else 1

    def wake(self, message: Message, wake: Wake) -> tuple[str, Message]:
        return SUCCESS, message

    async def _room(self) -> int:
        if self._slot is not None:
            return 1
        site = self._site
        return self._pending_max - await site.ports.pending.count(site.chain, site.node, self._pending_max)

    def _delay_ms(self, batch: Batch, index: int, message: Message) -> int:
        """What is left of it. Raises `EvaluationError`, `ValueError`."""
        delay_ms = _whole("the delay", self._template.render(self._sight.of(batch, index))) * self._unit_ms
        if delay_ms > DELAY_MS_MAX:
            raise ValueError(f"a delay of {delay_ms} ms is longer than a year")
        offset = message.metadata.get(OFFSET, "")
        return delay_ms - _whole(OFFSET, offset) if offset.strip() else delay_ms


def _whole(name: str, text: str) -> int:
    try:
        return int(text.strip()[:20])
    except ValueError:
        raise ValueError(f"{name} must be a whole number, not {text[:100]!r}") from None


def _check(config: DelayConfig, site: Site) -> Iterator[Finding]:
    key, text, _ = config.template
    yield from field_findings(site, {key: text})
    if "${" not in text:
        try:
            _ = _whole("it", text)
        except ValueError as error:
            yield site.finding(key, str(error))


def _build(config: Any, site: Site) -> Delay:
    return Delay(config, site)


COMPONENT = Component(
    "delay",
    "action",
    "The message goes on later. It waits in the database: a crash or a restart loses none and repeats none.",
    DelayConfig,
    _build,
    check=_check,
    asks_for=lambda config: nodes_asked([config.template[1]]),
    holds=lambda config: True,
    examples=({"delayMs": 5000}, {"delayMs": "${metadata.delay}", "maxPendingMsgs": 100}),
    notes=(
        f"The metadata `{OFFSET}` says how much of the delay is over already. A join waits for a branch that is"
        " delayed, no longer than its `timeout`; not for one with `overwrite`. So do loops, groups and sub-chains, and"
        " go on when what they run has ended; what is delayed in one with `overwrite` goes on by itself."
    ),
)
