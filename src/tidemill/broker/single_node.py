"""The answers of a broker that is alone and knows no rights: no access lists, no partition on its way elsewhere."""

from __future__ import annotations

from tidemill.broker.dispatch import Handlers, RequestContext
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse
from tidemill.broker.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)


class SingleNodeHandlers:
    """Admin tools ask these, and show an error where nobody answers."""

    def handlers(self) -> Handlers:
        return {
            ApiKey.DESCRIBE_ACLS: self.describe_acls,
            ApiKey.LIST_PARTITION_REASSIGNMENTS: self.list_partition_reassignments,
        }

    def describe_acls(self, request: DescribeAclsRequest, context: RequestContext) -> DescribeAclsResponse:
        message = "No Authorizer is configured on the broker"
        return DescribeAclsResponse(error_code=ErrorCode.SECURITY_DISABLED, error_message=message, resources=[])

    def list_partition_reassignments(
        self, request: ListPartitionReassignmentsRequest, context: RequestContext
    ) -> ListPartitionReassignmentsResponse:
        return ListPartitionReassignmentsResponse(topics=[])
