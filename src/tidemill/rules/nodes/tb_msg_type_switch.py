"""TbMsgTypeSwitchNode: the message goes on by the label of its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.graph.component import Component
from tidemill.graph.node import Batch
from tidemill.rules.nodes.tb_config import TbConfig, unknown_keys
from tidemill.rules.site import Site

OTHER = "Other"
LABELS: Mapping[str, str] = {
    "ACTIVITY_EVENT": "Activity Event",
    "ADDED_TO_ENTITY_GROUP": "Added to Group",
    "ALARM_ACK": "Alarm Acknowledged",
    "ALARM_ASSIGNED": "Alarm Assigned",
    "ALARM_CLEAR": "Alarm Cleared",
    "ALARM_UNASSIGNED": "Alarm Unassigned",
    "ATTRIBUTES_DELETED": "Attributes Deleted",
    "ATTRIBUTES_UPDATED": "Attributes Updated",
    "COMMENT_CREATED": "Comment Created",
    "COMMENT_UPDATED": "Comment Updated",
    "CONNECT_EVENT": "Connect Event",
    "DISCONNECT_EVENT": "Disconnect Event",
    "ENTITY_ASSIGNED": "Entity Assigned",
    "ENTITY_ASSIGNED_FROM_TENANT": "Entity Assigned From Tenant",
    "ENTITY_ASSIGNED_TO_TENANT": "Entity Assigned To Tenant",
    "ENTITY_CREATED": "Entity Created",
    "ENTITY_DELETED": "Entity Deleted",
    "ENTITY_UNASSIGNED": "Entity Unassigned",
    "ENTITY_UPDATED": "Entity Updated",
    "INACTIVITY_EVENT": "Inactivity Event",
    "POST_ATTRIBUTES_REQUEST": "Post attributes",
    "POST_TELEMETRY_REQUEST": "Post telemetry",
    "RELATIONS_DELETED": "All Relations Deleted",
    "RELATION_ADD_OR_UPDATE": "Relation Added or Updated",
    "RELATION_DELETED": "Relation Deleted",
    "REMOVED_FROM_ENTITY_GROUP": "Removed from Group",
    "REST_API_REQUEST": "REST API request",
    "RPC_CALL_FROM_SERVER_TO_DEVICE": "RPC Request to Device",
    "RPC_DELETED": "RPC Deleted",
    "RPC_DELIVERED": "RPC Delivered",
    "RPC_EXPIRED": "RPC Expired",
    "RPC_FAILED": "RPC Failed",
    "RPC_QUEUED": "RPC Queued",
    "RPC_SENT": "RPC Sent",
    "RPC_SUCCESSFUL": "RPC Successful",
    "RPC_TIMEOUT": "RPC Timeout",
    "TIMESERIES_DELETED": "Timeseries Deleted",
    "TIMESERIES_UPDATED": "Timeseries Updated",
    "TO_SERVER_RPC_REQUEST": "RPC Request from Device",
}
"""Types that have a relation of their own. `ALARM` has none, and the rest are of no type that ThingsBoard knows."""


class MsgTypeSwitchConfig(TbConfig):
    """Nothing to configure."""


class MsgTypeSwitch:
    async def process(self, batch: Batch) -> None:
        for index, item in enumerate(batch.items):
            batch.tell(index, LABELS.get(item.message.type, OTHER))


def _build(config: Any, site: Site) -> MsgTypeSwitch:
    return MsgTypeSwitch()


COMPONENT = Component(
    "org.thingsboard.rule.engine.filter.TbMsgTypeSwitchNode",
    "filter",
    "The message goes on by the label of its type: Post telemetry, Post attributes and so on.",
    MsgTypeSwitchConfig,
    _build,
    check=unknown_keys,
    relations=(*sorted(LABELS.values()), OTHER),
    is_pure=True,
    examples=({},),
    notes="A type that has no label goes by `Other`. Which type has which label: "
    + ", ".join(f"`{type_}` {label}" for type_, label in LABELS.items())
    + ".",
)
