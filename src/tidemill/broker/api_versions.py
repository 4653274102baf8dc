"""The first question of every client: which requests are served, and in which versions."""

from __future__ import annotations

from collections.abc import Iterable

from tidemill.broker.dispatch import RequestContext
from tidemill.broker.protocol.apis import APIS, ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse


class ApiVersionsHandler:
    """Announces what has a handler, and nothing else."""

    def __init__(self, served: Iterable[ApiKey]) -> None:
        apis = [APIS[key] for key in sorted({*served, ApiKey.API_VERSIONS})]
        self._served = [
            ApiVersion(
                api_key=api.key,
                min_version=api.version_min if api.advertised_min is None else api.advertised_min,
                max_version=api.version_max,
            )
            for api in apis
        ]

    def api_versions(self, request: ApiVersionsRequest, context: RequestContext) -> ApiVersionsResponse:
        is_known = context.version <= context.api.version_max
        error_code = ErrorCode.NONE if is_known else ErrorCode.UNSUPPORTED_VERSION
        return ApiVersionsResponse(error_code=error_code, api_keys=self._served)
