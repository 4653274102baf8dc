"""FindCoordinator, ListGroups, DescribeGroups, DeleteGroups: what tools and clients ask about groups."""

from __future__ import annotations

from collections.abc import Awaitable

from tidemill.broker.dispatch import Answer, Handlers, RequestContext
from tidemill.broker.durability import Durable, when_durable
from tidemill.broker.errors import Refused
from tidemill.broker.groups.coordinator import Groups
from tidemill.broker.groups.group import Group, State
from tidemill.broker.node import Node
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.delete_groups import (
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)
from tidemill.broker.protocol.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from tidemill.broker.protocol.messages.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from tidemill.broker.protocol.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse

CLASSIC = "classic"
DEAD = "Dead"
"""Kafka's word for a group that is not there."""
SEVERAL_KEYS = 4
"""The first version of FindCoordinator that asks for them."""
KEY_TYPES = (0, 1)  # groups, transactions


class GroupAdminHandlers:
    def __init__(self, groups: Groups, node: Node) -> None:
        self._groups = groups
        self._node = node

    def handlers(self) -> Handlers:
        return {
            ApiKey.FIND_COORDINATOR: self.find_coordinator,
            ApiKey.LIST_GROUPS: self.list_groups,
            ApiKey.DESCRIBE_GROUPS: self.describe_groups,
            ApiKey.DELETE_GROUPS: self.delete_groups,
        }

    def find_coordinator(self, request: FindCoordinatorRequest, context: RequestContext) -> FindCoordinatorResponse:
        """It is always this broker."""
        keys = request.coordinator_keys if context.version >= SEVERAL_KEYS else [request.key]
        found = [self._coordinator(key, is_known=request.key_type in KEY_TYPES) for key in keys]
        if context.version >= SEVERAL_KEYS:
            return FindCoordinatorResponse(coordinators=found)
        (one,) = found
        return FindCoordinatorResponse(
            error_code=one.error_code,
            error_message=one.error_message,
            node_id=one.node_id,
            host=one.host,
            port=one.port,
        )

    def list_groups(self, request: ListGroupsRequest, context: RequestContext) -> ListGroupsResponse:
        states = {state.lower() for state in request.states_filter}
        types = {type_.lower() for type_ in request.types_filter}
        return ListGroupsResponse(
            groups=[
                ListedGroup(
                    group_id=group.id,
                    protocol_type=group.protocol_type,
                    group_state=group.state,
                    group_type=CLASSIC,
                )
                for group in self._groups
                if (not states or group.state.lower() in states) and (not types or CLASSIC in types)
            ]
        )

    def describe_groups(self, request: DescribeGroupsRequest, context: RequestContext) -> DescribeGroupsResponse:
        # Each once: a small request must not become a huge answer.
        described = [self._described(group_id) for group_id in dict.fromkeys(request.groups)]
        return DescribeGroupsResponse(groups=described)

    def delete_groups(self, request: DeleteGroupsRequest, context: RequestContext) -> Answer | Awaitable[Answer]:
        durable: set[Durable] = set()
        results = [
            DeletableGroupResult(group_id=group_id, error_code=self._delete(group_id, durable))
            for group_id in request.groups_names
        ]
        response = DeleteGroupsResponse(results=results)
        return when_durable(durable, response, lambda refusal: _lost(response, refusal.code))

    def _coordinator(self, key: str, *, is_known: bool) -> Coordinator:
        if not is_known:
            return Coordinator(
                key=key,
                node_id=-1,
                host="",
                port=-1,
                error_code=ErrorCode.INVALID_REQUEST,
                error_message="Neither a group nor a transactional id.",
            )
        return Coordinator(key=key, node_id=self._node.id, host=self._node.host, port=self._node.port)

    def _described(self, group_id: str) -> DescribedGroup:
        group = self._groups.get(group_id)
        if group is None:
            return DescribedGroup(group_id=group_id, group_state=DEAD, protocol_type="", protocol_data="", members=[])
        is_stable = group.state is State.STABLE
        return DescribedGroup(
            group_id=group_id,
            group_state=group.state,
            protocol_type=group.protocol_type,
            protocol_data=group.strategy or "" if is_stable else "",
            members=_members(group, is_stable),
        )

    def _delete(self, group_id: str, durable: set[Durable]) -> ErrorCode:
        try:
            group = self._groups.known(group_id, ErrorCode.GROUP_ID_NOT_FOUND)
            if group.state is not State.EMPTY:
                raise Refused(ErrorCode.NON_EMPTY_GROUP)
            waits = self._groups.delete(group)
        except Refused as refusal:
            return refusal.code
        durable.add(waits)
        return ErrorCode.NONE


def _members(group: Group, is_stable: bool) -> list[DescribedGroupMember]:
    return [
        DescribedGroupMember(
            member_id=member.id,
            group_instance_id=member.instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            member_metadata=member.metadata(group.strategy) if is_stable else b"",
            member_assignment=member.assignment if is_stable else b"",
        )
        for member in group.roster
    ]


def _lost(response: DeleteGroupsResponse, code: ErrorCode) -> DeleteGroupsResponse:
    return DeleteGroupsResponse(
        results=[DeletableGroupResult(group_id=one.group_id, error_code=code) for one in response.results]
    )
