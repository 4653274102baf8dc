"""OffsetFetch: where groups are. Offsets that an open transaction is about to change are not told to who must not
see them yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from tidemill.broker.dispatch import Handlers, RequestContext
from tidemill.broker.groups.coordinator import Groups
from tidemill.broker.groups.offsets import Committed
from tidemill.broker.ports import NO_OFFSET
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

SEVERAL_GROUPS = 8
"""The first version that asks for them."""
NO_EPOCH = -1
Found = tuple[int, Committed | None, ErrorCode]
Form = TypeVar("Form", OffsetFetchResponsePartition, OffsetFetchResponsePartitions)
Asked = Iterable[tuple[str, Iterable[int]]]


class OffsetFetchHandler:
    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def handlers(self) -> Handlers:
        return {ApiKey.OFFSET_FETCH: self.offset_fetch}

    def offset_fetch(self, request: OffsetFetchRequest, context: RequestContext) -> OffsetFetchResponse:
        if context.version < SEVERAL_GROUPS:
            asked = None if request.topics is None else [(one.name, one.partition_indexes) for one in request.topics]
            found = self._found(request.group_id, asked, request.require_stable)
            return OffsetFetchResponse(
                topics=[
                    OffsetFetchResponseTopic(
                        name=name,
                        partitions=[_shown(one, OffsetFetchResponsePartition) for one in partitions],
                    )
                    for name, partitions in found
                ]
            )
        names: set[str] = set()
        groups = []
        for group in request.groups:
            # A small request that names a large group over and over must not become a huge answer.
            is_again = group.group_id in names
            names.add(group.group_id)
            groups.append(self._repeated(group) if is_again else self._of_group(group, request.require_stable))
        return OffsetFetchResponse(groups=groups)

    def _of_group(self, wanted: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup:
        asked = None if wanted.topics is None else [(one.name, one.partition_indexes) for one in wanted.topics]
        return OffsetFetchResponseGroup(
            group_id=wanted.group_id,
            topics=[
                OffsetFetchResponseTopics(
                    name=name, partitions=[_shown(one, OffsetFetchResponsePartitions) for one in partitions]
                )
                for name, partitions in self._found(wanted.group_id, asked, require_stable)
            ],
        )

    def _repeated(self, wanted: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup:
        return OffsetFetchResponseGroup(group_id=wanted.group_id, topics=[], error_code=ErrorCode.INVALID_REQUEST)

    def _found(self, group: str, asked: Asked | None, require_stable: bool) -> list[tuple[str, list[Found]]]:
        """`asked` None is everything that is committed."""
        offsets = self._groups.offsets
        committed = offsets.of_group(group)
        found = []
        for topic, partitions in committed.items() if asked is None else asked:
            of_topic: Mapping[int, Committed] = committed.get(topic, {})
            found.append(
                (
                    topic,
                    [
                        (number, None, ErrorCode.UNSTABLE_OFFSET_COMMIT)
                        if require_stable and offsets.is_unstable(group, topic, number)
                        else (number, of_topic.get(number), ErrorCode.NONE)
                        for number in partitions
                    ],
                )
            )
        return found


def _shown(found: Found, form: type[Form]) -> Form:
    number, committed, error = found
    return form(
        partition_index=number,
        committed_offset=committed.offset if committed is not None else NO_OFFSET,
        committed_leader_epoch=committed.leader_epoch if committed is not None else NO_EPOCH,
        metadata=committed.metadata if committed is not None else "",
        error_code=error,
    )
