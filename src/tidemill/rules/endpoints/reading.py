"""All endpoints of a chain, built. What is wrong with one keeps it from its work; the others and the chain go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidemill.core.findings import Finding, near
from tidemill.rules.chains.building import Setup
from tidemill.rules.chains.draft import ChainDraft
from tidemill.rules.endpoints import http, kafka, schedule
from tidemill.rules.endpoints.building import Workshop
from tidemill.rules.endpoints.http import HttpRouter, http_routers
from tidemill.rules.endpoints.kafka import KafkaEndpoint, kafka_endpoint
from tidemill.rules.endpoints.schedule import ScheduleRouter, schedule_routers
from tidemill.rules.ports import Stranger
from tidemill.sandbox.script import Script

PATH = "metadata.endpoints"
LATER = ("ws", "websocket", "ws_client", "mqtt", "net", "tcp", "net_client", "nats", "nsq", "pulsar", "rabbitmq")
LATER_TOO = ("redis", "redis/stream", "grpc/stream", "beanstalkdTubeset", "wukongim", "mysql_cdc")


@dataclass(frozen=True, slots=True)
class BuiltEndpoints:
    kafka: Sequence[KafkaEndpoint] = ()
    http: Sequence[HttpRouter] = ()
    schedules: Sequence[ScheduleRouter] = ()
    findings: Sequence[Finding] = ()
    scripts: Sequence[tuple[str, Script]] = ()
    strangers: Sequence[Stranger] = ()
    servers: Sequence[str] = ()


def build_endpoints(draft: ChainDraft, setup: Setup) -> BuiltEndpoints:
    shop = Workshop(draft, setup)
    found: list[KafkaEndpoint] = []
    routers: list[HttpRouter] = []
    schedules: list[ScheduleRouter] = []
    for endpoint in draft.endpoints:
        if endpoint.type in kafka.TYPES:
            built = kafka_endpoint(shop, endpoint)
            if built is not None:
                found.append(built)
        elif endpoint.type in http.TYPES:
            routers += http_routers(shop, endpoint)
        elif endpoint.type in schedule.TYPES:
            schedules += schedule_routers(shop, endpoint)
        else:
            _refuse(shop, endpoint.type, f"{endpoint.path}.type")
    return BuiltEndpoints(found, routers, schedules, shop.findings, shop.scripts, shop.strangers, shop.servers)


def is_of_endpoint(finding: Finding) -> bool:
    return finding.path.startswith(PATH)


def _refuse(shop: Workshop, type_: str, path: str) -> None:
    if type_.removeprefix("endpoint/") in (*LATER, *LATER_TOO):
        message = f"not supported: endpoints of type {type_}; the rest of the chain runs without it"
        shop.add(path, message, "not_supported", "warning")
    else:
        known = sorted(kafka.TYPES | http.TYPES | schedule.TYPES)
        shop.add(path, f"there is no endpoint type {type_!r}{near(type_, known)}", "unknown_type")
