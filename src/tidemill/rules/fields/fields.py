"""Fields of a node that are templates: examined when the chain is built, rendered for each message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang.errors import BadExpression
from tidemill.expressions.exprlang.template import Template, compile_template
from tidemill.rules.fields.seen import View, nodes_in
from tidemill.rules.site import Site


def field_findings(site: Site, fields: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the templates, by key."""
    for key, text in fields.items():
        try:
            compile_template(text)
        except BadExpression as error:
            path = f"{site.path}.{key}"
            yield Finding(path, error.message, "expression", line=error.line, column=error.column)


def nodes_asked(texts: Iterable[str]) -> tuple[str, ...]:
    """Nodes of the chain that templates read the output of; among them may be names of metadata."""
    return asked_of(compile_template(text) for text in texts)


def asked_of(templates: Iterable[Template]) -> tuple[str, ...]:
    return nodes_in(name for template in templates for name in template.names)


class Sight(View):
    """What the templates of one node see of a message. The metadata can be named without `metadata.`, too."""

    def __init__(self, site: Site, templates: Iterable[Template]) -> None:
        super().__init__(site, [name for template in templates for name in template.names], is_metadata_open=True)
