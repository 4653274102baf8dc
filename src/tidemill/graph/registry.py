"""The components that there are, by type. Third parties' come in by the entry point `tidemill.nodes`.

A module is loaded when its component is first asked for: a server without chains pays for none of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points

import structlog

from tidemill.graph.component import Component

log = structlog.get_logger(__name__)

NODES_GROUP = "tidemill.nodes"


class Registry:
    """`listed`: type to module; each of the modules has a `COMPONENT`."""

    def __init__(self, listed: Mapping[str, str], group: str = NODES_GROUP) -> None:
        self._listed = dict(listed)
        self._group = group
        self._loaded: dict[str, Component] = {}
        self._foreign: dict[str, Component] | None = None

    def get(self, type_: str) -> Component | None:
        found = self._loaded.get(type_)
        if found is None:
            module = self._listed.get(type_)
            found = import_module(module).COMPONENT if module else self._from_outside().get(type_)
            if found is not None:
                self._loaded[type_] = found
        return found

    def types(self) -> Sequence[str]:
        return [*self._listed, *(name for name in self._from_outside() if name not in self._listed)]

    def _from_outside(self) -> Mapping[str, Component]:
        """One that cannot be loaded is told of, and is not there."""
        if self._foreign is None:
            self._foreign = {}
            for point in entry_points(group=self._group):
                try:
                    component = point.load()
                    self._foreign[component.name] = component
                except Exception:  # somebody else's code
                    log.exception("node not loaded", entry_point=point.value)
        return self._foreign
