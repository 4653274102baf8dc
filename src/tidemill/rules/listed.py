"""The nodes that Tidemill brings along, by the type that definitions say: the module of each. See `graph.registry`."""

from __future__ import annotations

from collections.abc import Mapping

_NODES = "tidemill.rules.nodes"

LISTED: Mapping[str, str] = {
    "jsFilter": f"{_NODES}.js_filter",
    "jsSwitch": f"{_NODES}.js_switch",
    "jsTransform": f"{_NODES}.js_transform",
    "log": f"{_NODES}.log",
    "restApiCall": f"{_NODES}.rest_api_call",
    "x/kafkaProducer": f"{_NODES}.kafka_producer",
}
