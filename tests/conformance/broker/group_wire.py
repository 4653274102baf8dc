"""A group's requests one by one, in any version, as clients send them: for answers that no client shows.

Messages are the embedded broker's own, which `tests/unit/broker/test_codec.py` holds against kio's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.conformance.broker.room import Room
from tests.conformance.broker.socket_frames import SocketFrames
from tidemill.broker.protocol import codec
from tidemill.broker.protocol.apis import APIS, ApiKey
from tidemill.broker.protocol.messages.find_coordinator import FindCoordinatorRequest
from tidemill.broker.protocol.messages.heartbeat import HeartbeatRequest
from tidemill.broker.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from tidemill.broker.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from tidemill.broker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidemill.broker.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from tidemill.broker.protocol.schema import Message

COORDINATOR_IS_COMING = (14, 15, 16)  # a broker that has just started still makes its internal topics


class Line:
    """One connection to the broker."""

    def __init__(self, frames: SocketFrames) -> None:
        self._frames = frames

    def ask(self, key: ApiKey, request: Message, version: int | None = None) -> Any:
        self.send(key, request, version)
        return self.receive(key, version)

    def send(self, key: ApiKey, request: Message, version: int | None = None) -> None:
        api = APIS[key]
        version = api.version_max if version is None else version
        pieces: list[bytes | bytearray | memoryview] = [
            struct.pack(">hhih4s", key, version, 1, 4, b"wire"),
            b"\0" * api.is_flexible(version),
        ]
        codec.encode_request(api, version, request, pieces.append)
        self._frames.send(b"".join(pieces))

    def receive(self, key: ApiKey, version: int | None = None) -> Any:
        api = APIS[key]
        version = api.version_max if version is None else version
        return codec.decode_response(api, version, self._frames.receive(), 5 if api.is_flexible(version) else 4)


class WireMember:
    """A member of a group on a connection of its own; `strategy` is what it says it can."""

    def __init__(self, line: Line, group: str, name: str, instance_id: str | None = None) -> None:
        self.line = line
        self.group = group
        self.instance_id = instance_id
        self.metadata = name.encode()
        self.strategies = ["range"]
        self.member_id = ""
        self.generation = -1

    def start_join(self, version: int | None = None, **more: Any) -> None:
        usual: dict[str, Any] = {
            "session_timeout_ms": 20_000,
            "rebalance_timeout_ms": 20_000,
            "protocol_type": "consumer",
            "group_instance_id": self.instance_id,
        }
        protocols = [JoinGroupRequestProtocol(name=name, metadata=self.metadata) for name in self.strategies]
        request = JoinGroupRequest(
            group_id=self.group, member_id=self.member_id, protocols=protocols, **{**usual, **more}
        )
        self.line.send(ApiKey.JOIN_GROUP, request, version)

    def joined(self, version: int | None = None) -> Any:
        answer = self.line.receive(ApiKey.JOIN_GROUP, version)
        if answer.error_code in (0, 79):
            self.member_id, self.generation = answer.member_id, answer.generation_id
        return answer

    def join(self, version: int | None = None, **more: Any) -> Any:
        self.start_join(version, **more)
        return self.joined(version)

    def sync(self, shares: dict[str, bytes] | None = None, version: int | None = None, **more: Any) -> Any:
        self.start_sync(shares, version, **more)
        return self.line.receive(ApiKey.SYNC_GROUP, version)

    def start_sync(self, shares: dict[str, bytes] | None = None, version: int | None = None, **more: Any) -> None:
        assignments = [
            SyncGroupRequestAssignment(member_id=member_id, assignment=share)
            for member_id, share in (shares or {}).items()
        ]
        protocol = {"protocol_type": "consumer", "protocol_name": "range", **more}
        request = SyncGroupRequest(**self._asking("generation_id"), assignments=assignments, **protocol)
        self.line.send(ApiKey.SYNC_GROUP, request, version)

    def heartbeat(self) -> int:
        answer = self.line.ask(ApiKey.HEARTBEAT, HeartbeatRequest(**self._asking("generation_id")))
        return int(answer.error_code)

    def leave(self) -> int:
        leaving = MemberIdentity(member_id=self.member_id, group_instance_id=self.instance_id)
        answer = self.line.ask(ApiKey.LEAVE_GROUP, LeaveGroupRequest(group_id=self.group, members=[leaving]))
        return int(answer.members[0].error_code)

    def commit(self, topic: str, offset: int = 1) -> int:
        partition = OffsetCommitRequestPartition(
            partition_index=0, committed_offset=offset, committed_metadata=None, committed_leader_epoch=-1
        )
        topics = [OffsetCommitRequestTopic(name=topic, partitions=[partition])]
        request = OffsetCommitRequest(**self._asking("generation_id_or_member_epoch"), topics=topics)
        return int(self.line.ask(ApiKey.OFFSET_COMMIT, request).topics[0].partitions[0].error_code)

    def _asking(self, generation: str) -> dict[str, Any]:
        return {
            "group_id": self.group,
            "member_id": self.member_id,
            "group_instance_id": self.instance_id,
            generation: self.generation,
        }


@contextmanager
def line(room: Room) -> Iterator[Line]:
    with SocketFrames(room.address) as frames:
        line = Line(frames)
        request = FindCoordinatorRequest(coordinator_keys=["any"])
        room.wait_for(lambda: _is_there(line.ask(ApiKey.FIND_COORDINATOR, request)))
        yield line


def _is_there(answer: Any) -> bool:
    return answer.coordinators[0].error_code not in COORDINATOR_IS_COMING
