"""JoinGroup, SyncGroup, Heartbeat, LeaveGroup: from the wire to the group and back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import uuid4

from tidemill.broker.dispatch import Answer, Handlers, RequestContext
from tidemill.broker.errors import Refused
from tidemill.broker.groups import requests
from tidemill.broker.groups.coordinator import Groups
from tidemill.broker.groups.members import Joined, Joining, Strategy, Synced
from tidemill.broker.groups.requests import Asking
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from tidemill.broker.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember
from tidemill.broker.protocol.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
    MemberResponse,
)
from tidemill.broker.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

T = TypeVar("T")
NAME_LENGTH_MAX = 1000
"""Of what members call themselves and their protocols: the older versions of the answers can only say so much."""

# The first versions with a meaning of their own.
JOIN_IN_TWO_STEPS = 4
JOIN_WITHOUT_STRATEGY = 7
JOIN_SKIPPING_ASSIGNMENT = 9
SYNC_WITH_PROTOCOL = 5
LEAVE_OF_MANY = 3


class MembershipHandlers:
    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def handlers(self) -> Handlers:
        return {
            ApiKey.JOIN_GROUP: self.join_group,
            ApiKey.SYNC_GROUP: self.sync_group,
            ApiKey.HEARTBEAT: self.heartbeat,
            ApiKey.LEAVE_GROUP: self.leave_group,
        }

    def join_group(self, request: JoinGroupRequest, context: RequestContext) -> Answer | Awaitable[Answer]:
        joining = _joining(request, context)

        def ask(answer: Callable[[Joined], None]) -> None:
            _check_id(request.group_id)
            self._check_session(request.session_timeout_ms)
            _check_names(joining)
            self._check_size(joining)
            if request.member_id == "":
                group = self._groups.mentioned(request.group_id)
            else:
                group = self._groups.known(request.group_id, ErrorCode.UNKNOWN_MEMBER_ID)
            try:
                requests.join(group, joining, answer, self._groups.now_ms())
            finally:
                self._groups.changed(group)

        def refused(code: ErrorCode) -> Joined:
            return Joined(member_id=request.member_id, error=code)

        return _answered(ask, refused, lambda joined: _join_response(joined, context.version))

    def sync_group(self, request: SyncGroupRequest, context: RequestContext) -> Answer | Awaitable[Answer]:
        asking = Asking(request.member_id, request.generation_id, request.group_instance_id)
        assignments = {one.member_id: one.assignment for one in request.assignments}

        def ask(answer: Callable[[Synced], None]) -> None:
            _check_id(request.group_id)
            protocol = (request.protocol_type, request.protocol_name)
            if context.version >= SYNC_WITH_PROTOCOL and None in protocol:
                raise Refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
            group = self._groups.known(request.group_id, ErrorCode.UNKNOWN_MEMBER_ID)
            requests.sync(group, asking, protocol, assignments, answer, self._groups.now_ms())
            self._groups.changed(group)

        return _answered(ask, lambda code: Synced(error=code), _sync_response)

    def heartbeat(self, request: HeartbeatRequest, context: RequestContext) -> HeartbeatResponse:
        asking = Asking(request.member_id, request.generation_id, request.group_instance_id)
        try:
            _check_id(request.group_id)
            group = self._groups.known(request.group_id, ErrorCode.UNKNOWN_MEMBER_ID)
            requests.heartbeat(group, asking, self._groups.now_ms())
        except Refused as refusal:
            return HeartbeatResponse(error_code=refusal.code)
        return HeartbeatResponse()

    def leave_group(self, request: LeaveGroupRequest, context: RequestContext) -> LeaveGroupResponse:
        if request.group_id == "":
            return LeaveGroupResponse(error_code=ErrorCode.INVALID_GROUP_ID)
        leaving = request.members
        if context.version < LEAVE_OF_MANY:
            leaving = [MemberIdentity(member_id=request.member_id)]
        answers = [self._leave(request.group_id, member) for member in leaving]
        if context.version < LEAVE_OF_MANY:
            return LeaveGroupResponse(error_code=answers[0].error_code)
        return LeaveGroupResponse(members=answers)

    def _leave(self, group_id: str, member: MemberIdentity) -> MemberResponse:
        error = ErrorCode.NONE
        try:
            group = self._groups.known(group_id, ErrorCode.UNKNOWN_MEMBER_ID)
            requests.leave(group, member.member_id, member.group_instance_id, self._groups.now_ms())
            self._groups.changed(group)
        except Refused as refusal:
            error = refusal.code
        return MemberResponse(member_id=member.member_id, group_instance_id=member.group_instance_id, error_code=error)

    def _check_session(self, timeout_ms: int) -> None:
        settings = self._groups.settings
        if not settings.group_min_session_timeout_ms <= timeout_ms <= settings.group_max_session_timeout_ms:
            raise Refused(ErrorCode.INVALID_SESSION_TIMEOUT)

    def _check_size(self, joining: Joining) -> None:
        """What members tell about themselves is kept for each, and told to the leader."""
        size = sum(len(strategy.name) + len(strategy.metadata) for strategy in joining.strategies)
        if size > self._groups.settings.group_member_bytes_max:
            raise Refused(ErrorCode.POLICY_VIOLATION)


def _answered(
    ask: Callable[[Callable[[T], None]], None],
    refused: Callable[[ErrorCode], T],
    respond: Callable[[T], Answer],
) -> Answer | Awaitable[Answer]:
    """The response if it is there at once; else what to wait for."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def settle(answer: T) -> None:
        if not future.done():  # cancelled: the broker stops
            future.set_result(answer)

    try:
        ask(settle)
    except Refused as refusal:
        return respond(refused(refusal.code))
    return respond(future.result()) if future.done() else _later(future, respond)


async def _later(future: asyncio.Future[T], respond: Callable[[T], Answer]) -> Answer:
    return respond(await future)


def _check_id(group_id: str) -> None:
    if group_id == "":
        raise Refused(ErrorCode.INVALID_GROUP_ID)


def _check_names(joining: Joining) -> None:
    names = (joining.instance_id or "", joining.protocol_type, *(strategy.name for strategy in joining.strategies))
    if any(len(name) > NAME_LENGTH_MAX for name in names):
        raise Refused(ErrorCode.INVALID_REQUEST)


def _joining(request: JoinGroupRequest, context: RequestContext) -> Joining:
    client_id = context.client_id or ""
    name = request.group_instance_id or client_id
    rebalance_timeout_ms = request.rebalance_timeout_ms
    return Joining(
        member_id=request.member_id,
        fresh_id=f"{name[:NAME_LENGTH_MAX]}-{uuid4()}",
        instance_id=request.group_instance_id,
        client_id=client_id,
        client_host="/" + context.client_host,  # as Java prints an address, and tools show it
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=rebalance_timeout_ms if rebalance_timeout_ms > 0 else request.session_timeout_ms,
        protocol_type=request.protocol_type,
        strategies=tuple(Strategy(one.name, one.metadata) for one in request.protocols),
        must_have_id=context.version >= JOIN_IN_TWO_STEPS,
        can_skip_assignment=context.version >= JOIN_SKIPPING_ASSIGNMENT,
    )


def _join_response(joined: Joined, version: int) -> JoinGroupResponse:
    return JoinGroupResponse(
        error_code=joined.error,
        generation_id=joined.generation,
        protocol_type=joined.protocol_type,
        protocol_name=joined.strategy if version >= JOIN_WITHOUT_STRATEGY else joined.strategy or "",
        leader=joined.leader,
        skip_assignment=joined.skip_assignment,
        member_id=joined.member_id,
        members=[
            JoinGroupResponseMember(member_id=member_id, group_instance_id=instance_id, metadata=metadata)
            for member_id, instance_id, metadata in joined.members
        ],
    )


def _sync_response(synced: Synced) -> SyncGroupResponse:
    return SyncGroupResponse(
        error_code=synced.error,
        protocol_type=synced.protocol_type,
        protocol_name=synced.strategy,
        assignment=synced.assignment,
    )
