"""metadataTransform: expressions make keys of the metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang import EvaluationError
from tidemill.expressions.exprlang.template import as_text
from tidemill.graph.component import Component, Config
from tidemill.graph.node import SUCCESS, Batch
from tidemill.rules.fields.seen import View
from tidemill.rules.fields.written import expression_findings, expression_of, nodes_of
from tidemill.rules.site import Site


class MetadataTransformConfig(Config):
    mapping: Mapping[str, str] = Field(min_length=1, description="The new keys: an expression each.")
    is_new: bool = Field(False, alias="isNew", description="The metadata is these alone; else they are added.")


class MetadataTransform:
    def __init__(self, config: MetadataTransformConfig, site: Site) -> None:
        self._is_new = config.is_new
        self._keys = {name: expression_of(text) for name, text in config.mapping.items()}
        self._view = View(site, [name for each in self._keys.values() for name in each.names])

    async def process(self, batch: Batch) -> None:
        seen = self._view.of_all(batch)
        columns = [each.evaluate_all(seen) for each in self._keys.values()]
        for index, values in enumerate(zip(*columns, strict=True)):
            message = batch.items[index].message
            error = next((value for value in values if isinstance(value, EvaluationError)), None)
            if error is not None:
                batch.fail(index, str(error))
                continue
            made = {name: as_text(value) for name, value in zip(self._keys, values, strict=True)}
            metadata = made if self._is_new else {**message.metadata, **made}
            batch.tell(index, SUCCESS, message.told(metadata=metadata))


def _check(config: MetadataTransformConfig, site: Site) -> Iterator[Finding]:
    for name, text in config.mapping.items():
        yield from expression_findings(site, f"mapping.{name}", text)


def _nodes(config: MetadataTransformConfig) -> Sequence[str]:
    return [node for text in config.mapping.values() for node in nodes_of(text)]


COMPONENT = Component(
    "metadataTransform",
    "transform",
    "Expressions make keys of the metadata.",
    MetadataTransformConfig,
    MetadataTransform,
    check=_check,
    asks_for=_nodes,
    is_pure=True,
    examples=({"mapping": {"device": "msg.device.id", "hot": "msg.temperature > 50 ? 'yes' : 'no'"}},),
)
