"""The nodes that Tidemill brings along, by the type that definitions say: the module of each. See `graph.registry`."""

from __future__ import annotations

from collections.abc import Mapping

_NODES = "tidemill.rules.nodes"
_TB = "org.thingsboard.rule.engine"

LISTED: Mapping[str, str] = {
    "break": f"{_NODES}.break_loop",
    "cacheDelete": f"{_NODES}.cache_delete",
    "cacheGet": f"{_NODES}.cache_get",
    "cacheSet": f"{_NODES}.cache_set",
    "comment": f"{_NODES}.comment",
    "dbClient": f"{_NODES}.db_client",
    "delay": f"{_NODES}.delay",
    "end": f"{_NODES}.end",
    "exprFilter": f"{_NODES}.expr_filter",
    "exprTransform": f"{_NODES}.expr_transform",
    "fetchNodeOutput": f"{_NODES}.fetch_node_output",
    "fieldFilter": f"{_NODES}.field_filter",
    "flow": f"{_NODES}.flow",
    "for": f"{_NODES}.for_loop",
    "fork": f"{_NODES}.fork",
    "functions": f"{_NODES}.functions",
    "groupAction": f"{_NODES}.group_action",
    "groupFilter": f"{_NODES}.group_filter",
    "inclusive": f"{_NODES}.inclusive",
    "join": f"{_NODES}.join",
    "jsFilter": f"{_NODES}.js_filter",
    "jsSwitch": f"{_NODES}.js_switch",
    "jsTransform": f"{_NODES}.js_transform",
    "log": f"{_NODES}.log",
    "metadataTransform": f"{_NODES}.metadata_transform",
    "mqttClient": f"{_NODES}.mqtt_client",
    "msgTypeSwitch": f"{_NODES}.msg_type_switch",
    "ref": f"{_NODES}.ref",
    "restApiCall": f"{_NODES}.rest_api_call",
    "switch": f"{_NODES}.switch",
    "text/template": f"{_NODES}.text_template",
    "while": f"{_NODES}.while_loop",
    "sendEmail": f"{_NODES}.send_email",
    "x/kafkaProducer": f"{_NODES}.kafka_producer",
    f"{_TB}.action.TbLogNode": f"{_NODES}.tb_log",
    f"{_TB}.filter.TbCheckMessageNode": f"{_NODES}.tb_check_message",
    f"{_TB}.filter.TbJsFilterNode": f"{_NODES}.tb_js_filter",
    f"{_TB}.filter.TbJsSwitchNode": f"{_NODES}.tb_js_switch",
    f"{_TB}.filter.TbMsgTypeFilterNode": f"{_NODES}.tb_msg_type_filter",
    f"{_TB}.filter.TbMsgTypeSwitchNode": f"{_NODES}.tb_msg_type_switch",
    f"{_TB}.flow.TbRuleChainInputNode": f"{_NODES}.tb_rule_chain_input",
    f"{_TB}.flow.TbRuleChainOutputNode": f"{_NODES}.tb_rule_chain_output",
    f"{_TB}.kafka.TbKafkaNode": f"{_NODES}.tb_kafka",
    f"{_TB}.rest.TbRestApiCallNode": f"{_NODES}.tb_rest_api_call",
    f"{_TB}.transform.TbTransformMsgNode": f"{_NODES}.tb_transform_msg",
}
