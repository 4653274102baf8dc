"""Metadata and DescribeCluster: which topics there are and who leads them. It is always this broker."""

from __future__ import annotations

from uuid import UUID

from tidemill.broker.dispatch import Handlers, RequestContext
from tidemill.broker.errors import Refused
from tidemill.broker.node import Node
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from tidemill.broker.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from tidemill.broker.topics.topics import Topic, Topics

NO_ID = UUID(int=0)
ENDPOINT_BROKERS = 1
NAMELESS_MIN = 12
"""From this version of Metadata on a topic may be asked for by its id alone; before, an answer must have a name."""


class MetadataHandlers:
    def __init__(self, topics: Topics, node: Node) -> None:
        self._topics = topics
        self._node = node

    def handlers(self) -> Handlers:
        return {ApiKey.METADATA: self.metadata, ApiKey.DESCRIBE_CLUSTER: self.describe_cluster}

    def metadata(self, request: MetadataRequest, context: RequestContext) -> MetadataResponse:
        wanted = request.topics
        # Version 0 has no null: there an empty list asks for all.
        if wanted is None or (context.version == 0 and not wanted):
            shown = [self._shown(topic) for topic in self._topics]
        else:
            may_create = request.allow_auto_topic_creation or context.version < 4
            # Each once: a small request must not become a huge answer.
            shown = [self._asked(topic, may_create, context.version) for topic in dict.fromkeys(wanted)]
        node = self._node
        return MetadataResponse(
            brokers=[MetadataResponseBroker(node_id=node.id, host=node.host, port=node.port)],
            cluster_id=node.cluster_id,
            controller_id=node.id,
            topics=shown,
        )

    def describe_cluster(self, request: DescribeClusterRequest, context: RequestContext) -> DescribeClusterResponse:
        node = self._node
        if request.endpoint_type != ENDPOINT_BROKERS:
            return DescribeClusterResponse(
                error_code=ErrorCode.MISMATCHED_ENDPOINT_TYPE,
                error_message="This is a broker's endpoint.",
                cluster_id=node.cluster_id,
                brokers=[],
            )
        return DescribeClusterResponse(
            cluster_id=node.cluster_id,
            controller_id=node.id,
            brokers=[DescribeClusterBroker(broker_id=node.id, host=node.host, port=node.port)],
        )

    def _asked(self, wanted: MetadataRequestTopic, may_create: bool, version: int) -> MetadataResponseTopic:
        if wanted.name is None:
            if version < NAMELESS_MIN:
                return _missing("", wanted.topic_id, ErrorCode.INVALID_REQUEST)
            found = self._topics.of_id(wanted.topic_id)
            return self._shown(found) if found else _missing(None, wanted.topic_id, ErrorCode.UNKNOWN_TOPIC_ID)
        known = self._topics.get(wanted.name)
        try:
            if known is None and not may_create:
                self._topics.check_name(wanted.name)
                raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            return self._shown(known or self._topics.mentioned(wanted.name))
        except Refused as refusal:
            return _missing(wanted.name, NO_ID, refusal.code)

    def _shown(self, topic: Topic) -> MetadataResponseTopic:
        nodes = [self._node.id]
        return MetadataResponseTopic(
            name=topic.name,
            topic_id=topic.id,
            partitions=[
                MetadataResponsePartition(
                    partition_index=index,
                    leader_id=self._node.id,
                    leader_epoch=log.leader_epoch,
                    replica_nodes=nodes,
                    isr_nodes=nodes,
                )
                for index, log in enumerate(topic.logs)
            ],
        )


def _missing(name: str | None, topic_id: UUID, code: ErrorCode) -> MetadataResponseTopic:
    return MetadataResponseTopic(error_code=code, name=name, topic_id=topic_id, partitions=[])
