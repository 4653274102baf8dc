"""DescribeConfigs, AlterConfigs and IncrementalAlterConfigs, for topics and, to read only, for the broker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from enum import IntEnum
from typing import Any

import msgspec

from tidemill.broker.dispatch import Answer, Handlers, RequestContext
from tidemill.broker.durability import when_durable
from tidemill.broker.errors import Refused
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages import alter_configs, describe_configs, incremental_alter_configs
from tidemill.broker.protocol.messages.describe_configs import DescribeConfigsResource
from tidemill.broker.settings import BrokerSettings
from tidemill.broker.topics.settings import SETTINGS, ConfigType, TopicSettings
from tidemill.broker.topics.topics import Topics


class ResourceType(IntEnum):
    TOPIC = 2
    BROKER = 4


class ConfigSource(IntEnum):
    TOPIC = 1
    STATIC_BROKER = 4
    DEFAULT = 5


class Operation(IntEnum):
    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


def effective(settings: TopicSettings) -> Iterator[tuple[str, str, ConfigSource]]:
    """Every setting of a topic, its value and where that is from."""
    for name in sorted({*SETTINGS, *settings.given}):
        if name in settings.given:
            yield name, settings.given[name], ConfigSource.TOPIC
        else:
            yield name, SETTINGS[name].default, ConfigSource.DEFAULT


class ConfigHandlers:
    def __init__(self, topics: Topics, settings: BrokerSettings) -> None:
        self._topics = topics
        self._settings = settings

    def handlers(self) -> Handlers:
        return {
            ApiKey.DESCRIBE_CONFIGS: self.describe_configs,
            ApiKey.ALTER_CONFIGS: self.alter_configs,
            ApiKey.INCREMENTAL_ALTER_CONFIGS: self.incremental_alter_configs,
        }

    def describe_configs(
        self, request: describe_configs.DescribeConfigsRequest, context: RequestContext
    ) -> describe_configs.DescribeConfigsResponse:
        results = []
        # Each once: a small request must not become a huge answer.
        for resource in {(one.resource_type, one.resource_name): one for one in request.resources}.values():
            result = describe_configs.DescribeConfigsResult(
                resource_type=resource.resource_type, resource_name=resource.resource_name, configs=[]
            )
            try:
                found = self._described(resource)
            except Refused as refusal:
                result = msgspec.structs.replace(result, error_code=refusal.code, error_message=refusal.message)
                results.append(result)
                continue
            wanted = resource.configuration_keys or None  # an empty list is how early clients ask for all
            configs = [_shown(item, request) for item in found if wanted is None or item.name in wanted]
            results.append(msgspec.structs.replace(result, configs=configs))
        return describe_configs.DescribeConfigsResponse(results=results)

    def alter_configs(
        self, request: alter_configs.AlterConfigsRequest, context: RequestContext
    ) -> Answer | Awaitable[Answer]:
        """What is not named goes back to its default."""
        responses = []
        for resource in request.resources:
            response = alter_configs.AlterConfigsResourceResponse(
                resource_type=resource.resource_type, resource_name=resource.resource_name
            )
            try:
                name = _topic_of(resource.resource_type, resource.resource_name)
                given = {config.name: config.value for config in resource.configs}
                self._topics.configure(name, given, validate_only=request.validate_only)
            except Refused as refusal:
                response = msgspec.structs.replace(response, error_code=refusal.code, error_message=refusal.message)
            responses.append(response)
        return self._when_durable(alter_configs.AlterConfigsResponse, responses)

    def incremental_alter_configs(
        self, request: incremental_alter_configs.IncrementalAlterConfigsRequest, context: RequestContext
    ) -> Answer | Awaitable[Answer]:
        responses = []
        for resource in request.resources:
            response = incremental_alter_configs.AlterConfigsResourceResponse(
                resource_type=resource.resource_type, resource_name=resource.resource_name
            )
            try:
                name = _topic_of(resource.resource_type, resource.resource_name)
                topic = self._topics.get(name)
                if topic is None:
                    raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                given: dict[str, str | None] = dict(topic.settings.given)
                for config in resource.configs:
                    given[config.name] = _altered(config, topic.settings)
                self._topics.configure(name, given, validate_only=request.validate_only)
            except Refused as refusal:
                response = msgspec.structs.replace(response, error_code=refusal.code, error_message=refusal.message)
            responses.append(response)
        return self._when_durable(incremental_alter_configs.IncrementalAlterConfigsResponse, responses)

    def _when_durable(self, form: Callable[..., Answer], responses: list[Any]) -> Answer | Awaitable[Answer]:
        def lost(refusal: Refused) -> Answer:
            return form(
                responses=[
                    one if one.error_code else msgspec.structs.replace(one, error_code=refusal.code)
                    for one in responses
                ]
            )

        return when_durable([self._topics.durable], form(responses=responses), lost)

    def _described(self, resource: DescribeConfigsResource) -> list[Described]:
        if resource.resource_type == ResourceType.BROKER:
            if resource.resource_name not in ("", str(self._settings.node_id)):
                raise Refused(ErrorCode.INVALID_REQUEST, f"This is node {self._settings.node_id}.")
            return list(_of_broker(self._settings))
        topic = self._topics.get(_topic_of(resource.resource_type, resource.resource_name))
        if topic is None:
            raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return [_of_topic(*item) for item in effective(topic.settings)]


class Described(msgspec.Struct, frozen=True):
    """One setting, as it is answered."""

    name: str
    value: str
    type: ConfigType
    source: ConfigSource
    default: str | None
    documentation: str
    is_read_only: bool


def _of_topic(name: str, value: str, source: ConfigSource) -> Described:
    setting = SETTINGS.get(name)
    if setting is None:
        return Described(name, value, ConfigType.STRING, source, None, "Kept, without effect here.", False)
    return Described(name, value, setting.type, source, setting.default, setting.documentation, False)


def _of_broker(settings: BrokerSettings) -> Iterator[Described]:
    """Under Kafka's names where Kafka has one."""
    values = {
        "auto.create.topics.enable": (ConfigType.BOOLEAN, str(settings.auto_create_topics).lower()),
        "default.replication.factor": (ConfigType.INT, "1"),
        "group.initial.rebalance.delay.ms": (ConfigType.INT, str(settings.group_initial_rebalance_delay_ms)),
        "group.max.session.timeout.ms": (ConfigType.INT, str(settings.group_max_session_timeout_ms)),
        "group.min.session.timeout.ms": (ConfigType.INT, str(settings.group_min_session_timeout_ms)),
        "log.dirs": (ConfigType.STRING, str(settings.data / "logs")),
        "max.connections": (ConfigType.INT, str(settings.connections_max)),
        "message.max.bytes": (ConfigType.INT, SETTINGS["max.message.bytes"].default),
        "node.id": (ConfigType.INT, str(settings.node_id)),
        "num.partitions": (ConfigType.INT, str(settings.num_partitions)),
        "offsets.retention.minutes": (ConfigType.INT, str(settings.offsets_retention_minutes)),
        "socket.request.max.bytes": (ConfigType.INT, str(settings.frame_bytes_max)),
        "transaction.max.timeout.ms": (ConfigType.INT, str(settings.transaction_max_timeout_ms)),
    }
    for name, (type_, value) in values.items():
        yield Described(name, value, type_, ConfigSource.STATIC_BROKER, None, "Set when the broker starts.", True)


def _shown(
    item: Described, request: describe_configs.DescribeConfigsRequest
) -> describe_configs.DescribeConfigsResourceResult:
    synonyms = [(item.value, item.source)]
    if item.source is ConfigSource.TOPIC and item.default is not None:
        synonyms.append((item.default, ConfigSource.DEFAULT))
    return describe_configs.DescribeConfigsResourceResult(
        name=item.name,
        value=item.value,
        read_only=item.is_read_only,
        config_source=item.source,
        is_sensitive=False,
        synonyms=[
            describe_configs.DescribeConfigsSynonym(name=item.name, value=value, source=source)
            for value, source in (synonyms if request.include_synonyms else [])
        ],
        config_type=item.type,
        documentation=item.documentation if request.include_documentation else None,
    )


def _topic_of(resource_type: int, name: str) -> str:
    if resource_type != ResourceType.TOPIC:
        raise Refused(ErrorCode.INVALID_REQUEST, "Only topics have settings that can be changed.")
    return name


def _altered(config: incremental_alter_configs.AlterableConfig, settings: TopicSettings) -> str | None:
    """The new value, None for the default. Only lists can be added to and taken from."""
    if config.config_operation == Operation.DELETE:
        return None
    if config.value is None:
        raise Refused(ErrorCode.INVALID_REQUEST, f"There is no value for {config.name}.")
    if config.config_operation == Operation.SET:
        return config.value
    if config.name not in SETTINGS or SETTINGS[config.name].type is not ConfigType.LIST:
        raise Refused(ErrorCode.INVALID_CONFIG, f"{config.name} is not a list.")
    words = [word.strip() for word in settings.text(config.name).split(",") if word.strip()]
    named = [word.strip() for word in config.value.split(",") if word.strip()]
    if config.config_operation == Operation.APPEND:
        return ",".join(dict.fromkeys([*words, *named]))
    if config.config_operation == Operation.SUBTRACT:
        return ",".join(word for word in words if word not in named)
    raise Refused(ErrorCode.INVALID_REQUEST, f"Operation {config.config_operation} is not known.")
