"""text/template: a text template in Go's language makes the data anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang import BadExpression, EvaluationError
from tidemill.expressions.gotemplate.template import compile_go_template
from tidemill.graph.component import Component, Config
from tidemill.graph.node import SUCCESS, Batch
from tidemill.rules.fields.seen import View, nodes_in
from tidemill.rules.site import Site


class TextTemplateConfig(Config):
    template: str = Field(min_length=1, description="`{{ .msg.temperature }}` and Go's other actions.")


class TextTemplate:
    def __init__(self, config: TextTemplateConfig, site: Site) -> None:
        self._template = compile_go_template(config.template)
        self._view = View(site, self._template.names)

    async def process(self, batch: Batch) -> None:
        seen = self._view.of_all(batch)
        for index, text in enumerate(self._template.render_all(seen)):
            if isinstance(text, EvaluationError):
                batch.fail(index, str(text))
            else:
                data = text.encode("utf-8", "replace")
                batch.tell(index, SUCCESS, batch.items[index].message.told(data=data))


def _check(config: TextTemplateConfig, site: Site) -> Iterator[Finding]:
    if config.template.startswith("file:"):
        yield site.finding("template", "files of the server are not read: write the template here", "not_supported")
        return
    try:
        _ = compile_go_template(config.template)
    except BadExpression as error:
        yield Finding(f"{site.path}.template", error.message, "expression", "error", error.line, error.column)


def _nodes(config: TextTemplateConfig) -> Sequence[str]:
    try:
        return nodes_in(compile_go_template(config.template).names)
    except BadExpression:
        return ()


COMPONENT = Component(
    "text/template",
    "transform",
    "A text template in Go's language makes the data anew.",
    TextTemplateConfig,
    TextTemplate,
    check=_check,
    asks_for=_nodes,
    is_pure=True,
    examples=({"template": '{"device":"{{ .metadata.device }}","hot":{{ gt .msg.temperature 50.0 }}}'},),
)
