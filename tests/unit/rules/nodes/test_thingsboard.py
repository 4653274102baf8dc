"""ThingsBoard's nodes, built from chains in its own form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tests.fakes.rules import RulesRoom, message
from tests.fakes.thingsboard import script, tb_chain, tb_node
from tests.unit.rules.nodes.ends import shown, value
from tidemill.core.findings import Finding
from tidemill.graph.message import Message
from tidemill.graph.node import End
from tidemill.rules.chains.compiled import document_of
from tidemill.rules.effects import Publish
from tidemill.rules.nodes.tb_msg_type_switch import LABELS
from tidemill.rules.ports import Credentials

FILTER, SWITCH, TRANSFORM = "filter.TbJsFilterNode", "filter.TbJsSwitchNode", "transform.TbTransformMsgNode"
LOG, KAFKA, CHECK = "action.TbLogNode", "kafka.TbKafkaNode", "filter.TbCheckMessageNode"
INPUT, OUTPUT = "flow.TbRuleChainInputNode", "flow.TbRuleChainOutputNode"
Node = dict[str, Any]
Edges = Sequence[tuple[int, str, int]]


def room() -> RulesRoom:
    here = RulesRoom()
    here.sandbox.bodies = {
        "warm": lambda msg, metadata, type_, data_type: msg["n"] > 0,
        "one": lambda msg, metadata, type_, data_type: 1,
        "bad": lambda msg, metadata, type_, data_type: msg["missing"],
        "hot": lambda msg, metadata, type_, data_type: "hot",
        "many": lambda msg, metadata, type_, data_type: ["a", "b", "a"],
        "none": lambda msg, metadata, type_, data_type: [],
        "new": lambda msg, metadata, type_, data_type: {"msg": {"m": 2}, "metadata": {"k": "v"}, "msgType": "NEW"},
        "parts": lambda msg, metadata, type_, data_type: [
            {"msg": {"m": 1}},
            {"metadata": {"n": 1, "gone": None}, "msgType": "U"},
            {"msgType": ""},
        ],
        "line": lambda msg, metadata, type_, data_type: f"n is {msg['n']}",
    }
    return here


async def ran(here: RulesRoom, nodes: Sequence[Node], edges: Edges, given: Message) -> list[End]:
    saved = await here.parts.catalog.save("main", tb_chain(nodes, edges), "anna")
    assert not [finding for finding in saved.findings if finding.level == "error"], saved.findings
    (result,) = await here.run("main", given)
    return list(result.ends)


async def findings(*nodes: Node) -> list[Finding]:
    return list((await room().parts.catalog.save("main", tb_chain(nodes), "anna")).findings)


def typed(type_: str) -> Message:
    return msgspec.structs.replace(message(), type=type_)


# --- scripts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "relation"), [(b'{"n":1}', "True"), (b'{"n":0}', "False")])
async def test_a_filter_says_yes_or_no(data: bytes, relation: str) -> None:
    assert shown(await ran(room(), [script(FILTER, "f", "warm")], [], message(data))) == [("node0", relation)]


async def test_what_is_neither_true_nor_false_is_a_failure() -> None:
    (end,) = await ran(room(), [script(FILTER, "f", "one")], [], message())
    assert (end.relation, end.error) == ("Failure", "the script must return true or false")


@pytest.mark.parametrize(
    ("code", "relations"), [("hot", ["hot"]), ("many", ["a", "b"]), ("none", []), ("warm", ["Failure"])]
)
async def test_a_switch_names_relations(code: str, relations: list[str]) -> None:
    ends = await ran(room(), [script(SWITCH, "s", code)], [], message())
    assert [end.relation for end in ends] == relations


async def test_a_switch_goes_by_all_that_it_names_and_by_nothing_else() -> None:
    nodes = [script(SWITCH, "s", "many"), tb_node("filter.TbMsgTypeSwitchNode", "t")]
    ends = await ran(room(), nodes, [(0, "b", 1), (0, "Default", 1)], message())
    assert sorted(shown(ends)) == [("node0", "a"), ("node1", "Other")]


async def test_a_transform_makes_the_message_anew() -> None:
    (end,) = await ran(room(), [script(TRANSFORM, "t", "new")], [], message(old="1"))
    assert (end.relation, value(end), end.message.type, end.message.metadata) == (
        "Success",
        {"m": 2},
        "NEW",
        {"k": "v"},
    )


async def test_of_a_list_each_is_a_message_that_goes_on() -> None:
    nodes = [script(TRANSFORM, "t", "parts"), tb_node("filter.TbMsgTypeFilterNode", "u", messageTypes=["U"])]
    ends = await ran(room(), nodes, [(0, "Success", 1)], message(old="1"))
    seen = [(end.relation, value(end), end.message.type, dict(end.message.metadata)) for end in ends]
    assert seen == [
        ("False", {"m": 1}, "TEST", {"old": "1"}),
        ("True", {"n": 1}, "U", {"n": "1"}),
        ("False", {"n": 1}, "TEST", {"old": "1"}),
    ]


async def test_an_empty_list_ends_the_message() -> None:
    assert await ran(room(), [script(TRANSFORM, "t", "none")], [], message()) == []


async def test_a_list_of_anything_else_is_a_failure() -> None:
    (end,) = await ran(room(), [script(TRANSFORM, "t", "many")], [], message())
    assert end.relation == "Failure"


@pytest.mark.parametrize("type_", [FILTER, SWITCH, TRANSFORM, LOG])
async def test_a_script_that_throws_is_a_failure(type_: str) -> None:
    (end,) = await ran(room(), [script(type_, "x", "bad")], [], message())
    assert end.relation == "Failure"
    assert "missing" in end.message.metadata["errorMsg"]


async def test_scripts_that_follow_each_other_are_one_call() -> None:
    here = room()
    nodes = [script(FILTER, "f", "warm"), script(TRANSFORM, "t", "new"), script(LOG, "l", "hot")]
    ends = await ran(here, nodes, [(0, "True", 1), (1, "Success", 2)], message())
    assert shown(ends) == [("node2", "Success")]
    assert len(here.sandbox.calls) == 1


async def test_a_log_lets_the_message_go_on() -> None:
    (end,) = await ran(room(), [script(LOG, "l", "line")], [], message())
    assert (end.relation, value(end)) == ("Success", {"n": 1})


async def test_tbel_that_is_javascript_runs_and_is_told_of() -> None:
    here = room()
    here.sandbox.bodies["return msg.n ==  1;"] = lambda msg, metadata, type_, data_type: msg["n"] == 1
    nodes = [tb_node(FILTER, "f", scriptLang="TBEL", jsScript="warm", tbelScript="return msg.n === 1;")]
    assert shown(await ran(here, nodes, [], message())) == [("node0", "True")]
    (finding,) = (await here.parts.catalog.chain("main")).findings
    assert (finding.path, finding.kind, finding.level) == (
        "metadata.nodes[0].configuration.tbelScript",
        "tbel",
        "warning",
    )


async def test_more_tbel_than_that_is_refused_though_there_is_javascript_beside_it() -> None:
    node = tb_node(FILTER, "f", scriptLang="TBEL", jsScript="warm", tbelScript="return msg.tags.contains('a');")
    (finding,) = await findings(node)
    assert (finding.path, finding.kind) == ("metadata.nodes[0].configuration.tbelScript", "not_supported")
    assert "'contains('" in finding.message


async def test_mvel_is_tbel_by_its_first_name() -> None:
    text = "return '' + JSON.stringify(msg);"
    by_key = [
        await findings(tb_node(LOG, "l", scriptLang="MVEL", jsScript="", **{key: text}))
        for key in ("mvelScript", "tbelScript")
    ]
    assert [[each.path.rpartition(".")[2] for each in found] for found in by_key] == [["mvelScript"], ["tbelScript"]]


@pytest.mark.parametrize(("language", "key"), [("JS", "jsScript"), ("TBEL", "tbelScript")])
async def test_a_script_that_is_missing(language: str, key: str) -> None:
    (finding,) = await findings(tb_node(FILTER, "f", scriptLang=language))
    assert (finding.path, finding.kind) == (f"metadata.nodes[0].configuration.{key}", "missing")


async def test_without_a_language_it_is_javascript() -> None:
    nodes = [tb_node(FILTER, "f", jsScript="warm", tbelScript="foreach (x : y) {}")]
    assert shown(await ran(room(), nodes, [], message())) == [("node0", "True")]


async def test_a_script_that_does_not_compile_has_its_place() -> None:
    _, (finding,) = await room().parts.catalog.examine(tb_chain([script(FILTER, "f", "return (1;")]), "main")
    assert finding.path == "metadata.nodes[0].configuration.jsScript"


# --- by type and fields -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "label"),
    [
        ("POST_TELEMETRY_REQUEST", "Post telemetry"),
        ("TO_SERVER_RPC_REQUEST", "RPC Request from Device"),
        ("RELATIONS_DELETED", "All Relations Deleted"),
        ("ALARM", "Other"),
        ("TEST", "Other"),
    ],
)
async def test_a_type_goes_by_its_label(type_: str, label: str) -> None:
    ends = await ran(room(), [tb_node("filter.TbMsgTypeSwitchNode", "s", version=0)], [], typed(type_))
    assert shown(ends) == [("node0", label)]


async def test_a_label_that_there_is_not_is_told_of() -> None:
    nodes = [tb_node("filter.TbMsgTypeSwitchNode", "s"), tb_node(OUTPUT, "o")]
    saved = await room().parts.catalog.save("main", tb_chain(nodes, [(0, "Post Telemetry", 1)]), "anna")
    (finding,) = saved.findings
    assert (finding.kind, finding.level) == ("unknown_relation", "warning")
    assert "Post telemetry" in finding.message
    assert len(set(LABELS.values())) == len(LABELS)


@pytest.mark.parametrize(
    ("data", "names", "keys", "is_all", "relation"),
    [
        (b'{"a":1,"b":null}', ["a", "b"], ["k"], True, "True"),
        (b'{"a":1}', ["a", "b"], ["k"], True, "False"),
        (b'{"a":1}', ["a"], ["k", "l"], True, "False"),
        (b'{"a":1}', ["a", "b"], ["l"], False, "True"),
        (b"{}", ["a"], ["k"], False, "True"),
        (b"{}", ["a"], ["l"], False, "False"),
        (b"[]", [], ["k"], True, "Failure"),
    ],
)
async def test_fields_that_are_there(
    data: bytes, names: list[str], keys: list[str], is_all: bool, relation: str
) -> None:
    nodes = [tb_node(CHECK, "c", messageNames=names, metadataNames=keys, checkAllKeys=is_all)]
    assert shown(await ran(room(), nodes, [], message(data, k="1"))) == [("node0", relation)]


async def test_keys_that_nobody_knows_change_nothing() -> None:
    (finding,) = await findings(tb_node(CHECK, "c", messageName=["a"], version=1))
    assert (finding.path, finding.kind, finding.level) == (
        "metadata.nodes[0].configuration.messageName",
        "unknown_key",
        "warning",
    )
    assert "messageNames" in finding.message


# --- chains of chains -------------------------------------------------------------------------------------


async def test_a_chain_comes_back_by_the_names_of_its_outputs() -> None:
    here = room()
    sub = [script(FILTER, "f", "warm"), tb_node(OUTPUT, "Warm"), tb_node(OUTPUT, "Cold")]
    await here.parts.catalog.save("sub", tb_chain(sub, [(0, "True", 1), (0, "False", 2)]), "anna")
    nodes = [tb_node(INPUT, "in", ruleChainId="sub"), script(LOG, "l", "line")]
    assert shown(await ran(here, nodes, [(0, "Warm", 1)], message())) == [("node1", "Success")]
    assert shown(await ran(here, nodes, [(0, "Warm", 1)], message(b'{"n":-1}'))) == [("node0", "Cold")]


async def test_what_ends_elsewhere_does_not_come_back_but_failures_do() -> None:
    here = room()
    await here.parts.catalog.save("sub", tb_chain([script(LOG, "l", "line")]), "anna")
    nodes = [tb_node(INPUT, "in", ruleChainId="sub")]
    assert await ran(here, nodes, [], message()) == []
    (end,) = await ran(here, nodes, [], message(b"{}"))
    assert (end.node, end.relation) == ("node0", "Failure")
    assert "KeyError" in (end.error or "")


async def test_an_output_called_failure_leads_on_by_that() -> None:
    here = room()
    sub = [script(LOG, "l", "bad"), tb_node(OUTPUT, "Failure")]
    await here.parts.catalog.save("sub", tb_chain(sub, [(0, "Failure", 1)]), "anna")
    nodes = [tb_node(INPUT, "in", ruleChainId="sub"), script(LOG, "l", "line")]
    assert shown(await ran(here, nodes, [(0, "Failure", 1)], message())) == [("node1", "Success")]


async def test_a_chain_that_is_not_there_is_told_of() -> None:
    (finding,) = await findings(tb_node(INPUT, "in", ruleChainId="nowhere"))
    assert (finding.path, finding.kind) == ("metadata.nodes[0].configuration.ruleChainId", "unknown_chain")


async def test_there_are_no_device_profiles_to_go_by() -> None:
    given = {"ruleChainId": "main", "forwardMsgToDefaultRuleChain": True}
    found = await findings(tb_node(INPUT, "in", **given))
    assert [each.kind for each in found if each.level == "error"] == ["not_supported"]


# --- kafka ------------------------------------------------------------------------------------------------


async def published(given: Message, **configuration: Any) -> tuple[list[Any], list[End]]:
    here = room()
    nodes = [tb_node(KAFKA, "k", **{"bootstrapServers": "shop", **configuration})]
    saved = await here.parts.catalog.save("main", tb_chain(nodes), "anna")
    assert not [finding for finding in saved.findings if finding.level == "error"], saved.findings
    (result,) = await here.run("main", given)
    return [effect.publication for effect in result.effects if isinstance(effect, Publish)], list(result.ends)


async def test_a_message_is_published_by_its_patterns() -> None:
    patterns = {"topicPattern": "t-${kind}", "keyPattern": "$[n]/${missing}"}
    (publication,), (end,) = await published(message(b'{"n": 1}', kind="a"), **patterns)
    assert (publication.integration, publication.topic, publication.key, publication.value, publication.headers) == (
        "shop",
        "t-a",
        b"1/${missing}",
        b'{"n": 1}',
        (),
    )
    assert (end.relation, end.message.metadata) == ("Success", {"kind": "a", "topic": "t-a"})


@pytest.mark.parametrize("key", [None, ""])
async def test_without_a_key_pattern_there_is_no_key(key: str | None) -> None:
    (publication,), _ = await published(message(), keyPattern=key)
    assert (publication.topic, publication.key) == ("my-topic", None)


@pytest.mark.parametrize(("charset", "written"), [("UTF-8", b"\xc3\xa4"), ("ISO-8859-1", b"\xe4"), ("US-ASCII", b"?")])
async def test_metadata_become_headers(charset: str, written: bytes) -> None:
    (publication,), _ = await published(
        message(k="ä"), addMetadataKeyValuesAsKafkaHeaders=True, kafkaHeadersCharset=charset
    )
    assert publication.headers == (("tb_msg_md_k", written),)


async def test_a_topic_that_cannot_be_is_a_failure_with_its_reason() -> None:
    publications, (end,) = await published(message(), topicPattern="t ${missing}")
    assert not publications
    assert end.relation == "Failure"
    assert end.message.metadata["error"] == "'t ${missing}' is no name of a topic"


async def test_everything_that_the_form_has_is_known() -> None:
    known: dict[str, Any] = {
        "topicPattern": "t",
        "keyPattern": None,
        "bootstrapServers": "shop",
        "retries": 0,
        "batchSize": 16384,
        "linger": 0,
        "bufferMemory": 33554432,
        "acks": -1,
        "keySerializer": "org.apache.kafka.common.serialization.StringSerializer",
        "valueSerializer": "org.apache.kafka.common.serialization.StringSerializer",
        "otherProperties": {},
        "addMetadataKeyValuesAsKafkaHeaders": False,
        "kafkaHeadersCharset": "UTF-8",
    }
    assert await findings(tb_node(KAFKA, "k", **known)) == []


async def test_what_is_wrong_with_the_configuration_is_found_at_once() -> None:
    wrong = {"topicPattern": "no topic", "kafkaHeadersCharset": "EBCDIC?", "bootstrapServers": "nobody"}
    found = await findings(tb_node(KAFKA, "k", **wrong, otherProperties={"compression.type": "zstd"}))
    assert [(each.path.removeprefix("metadata.nodes[0].configuration."), each.level) for each in found] == [
        ("bootstrapServers", "warning"),
        ("topicPattern", "error"),
        ("otherProperties.compression.type", "warning"),
        ("kafkaHeadersCharset", "error"),
    ]


async def test_servers_that_nobody_knows_become_an_integration_with_the_login_of_the_properties() -> None:
    here = room()
    properties = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.jaas.config": 'org.apache.kafka.ScramLoginModule required username="anna" password="s\\"e=c";',
    }
    node = tb_node(KAFKA, "k", bootstrapServers="kafka:9093", otherProperties=properties)
    await here.parts.catalog.save("main", tb_chain([node]), "anna")
    (stranger,) = here.directory.derived
    assert stranger.servers == "kafka:9093"
    assert stranger.credentials == Credentials("SCRAM-SHA-256", "anna", 's"e=c', True, False)
    stored = (await here.parts.catalog.chain("main")).definition.document
    assert b"e=c" not in stored
    shown = document_of((await here.parts.catalog.chain("main")).definition)
    login = shown["metadata"]["nodes"][0]["configuration"]["otherProperties"]["sasl.jaas.config"]
    assert login.endswith('required username="anna" password="***";')
