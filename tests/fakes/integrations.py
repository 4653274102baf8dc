"""A directory of integrations that a test fills by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from tidemill.core.findings import Finding
from tidemill.ingest.clusters import IntegrationInfo, servers_of
from tidemill.kafka.derived import derived_name
from tidemill.rules.ports import Stranger


class FakeDirectory:
    """What is derived is listed under `derived`, and is there from then on."""

    def __init__(self, *names: str) -> None:
        self.infos = {name: info(name) for name in names}
        self.derived: list[Stranger] = []

    async def integrations(self) -> Mapping[str, IntegrationInfo]:
        return dict(self.infos)

    async def derive(self, stranger: Stranger, author: str) -> Sequence[Finding]:
        self.derived.append(stranger)
        name = derived_name(stranger.servers)
        self.infos[name] = msgspec.structs.replace(info(name), servers=servers_of(stranger.servers))
        return ()


def info(
    name: str, protocol: Literal["String", "JSON"] = "String", group: str = "tidemill", is_enabled: bool = True
) -> IntegrationInfo:
    return IntegrationInfo(name=name, group=group, sending_protocol=protocol, is_enabled=is_enabled)
