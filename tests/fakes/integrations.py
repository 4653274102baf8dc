"""A directory of integrations that a test fills by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from tidemill.ingest.clusters import IntegrationInfo


class FakeDirectory:
    def __init__(self, *names: str) -> None:
        self.infos = {name: info(name) for name in names}

    async def integrations(self) -> Mapping[str, IntegrationInfo]:
        return self.infos


def info(
    name: str, protocol: Literal["String", "JSON"] = "String", group: str = "tidemill", is_enabled: bool = True
) -> IntegrationInfo:
    return IntegrationInfo(name=name, group=group, sending_protocol=protocol, is_enabled=is_enabled)
