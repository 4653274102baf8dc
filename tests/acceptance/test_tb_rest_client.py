"""The real `tb-rest-client` against a real server: rule chains as ThingsBoard's users script them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tb_rest_client.models import (
    DebugSettings,
    NodeConnectionInfo,
    RuleChain,
    RuleChainData,
    RuleChainMetaData,
    RuleNode,
)
from tb_rest_client.rest import ApiException
from tb_rest_client.rest_client import RestClient

from tests.fakes.thingsboard import PACKAGE
from tests.parts.server import mark
from tidemill.cli.demo.process import ServerProcess

# What the client leaves behind (connections that nobody closes) is not ours to fail for.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TRANSFORM = "msg.unit = 'C'; return {msg: msg, metadata: metadata, msgType: msgType};"


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[RestClient]:
    """Signed in with a name and a password."""
    user, password = f"tb-{mark()}", "correct horse battery"
    server.api.put(f"/api/users/{user}", {"name": user, "roles": ["ADMIN"]})
    server.api.put(f"/api/tidemill/users/{user}/password", {"password": password})
    client = RestClient(server.url)
    client.login(user, password)
    yield client


def node(type_: str, name: str, **configuration: Any) -> RuleNode:
    return RuleNode(
        type=f"{PACKAGE}.{type_}",
        name=name,
        debug_settings=DebugSettings(failures_enabled=True),
        singleton_mode=False,
        configuration_version=0,
        configuration=configuration,
        additional_info={"layoutX": 10, "layoutY": 20},
    )


def saved(client: RestClient, nodes: list[RuleNode], edges: list[tuple[int, str, int]]) -> tuple[Any, Any]:
    chain = client.save_rule_chain_v1(RuleChain(name=f"Chain {mark()}", type="CORE", debug_mode=False))
    connections = [NodeConnectionInfo(from_index=one, type=how, to_index=other) for one, how, other in edges]
    metadata = RuleChainMetaData(rule_chain_id=chain.id, first_node_index=0, nodes=nodes, connections=connections)
    return chain, client.save_rule_chain_meta_data(metadata)


def readings(client: RestClient) -> tuple[Any, Any]:
    nodes = [
        node("filter.TbMsgTypeSwitchNode", "By type"),
        node("transform.TbTransformMsgNode", "Celsius", scriptLang="JS", jsScript=TRANSFORM),
        node("filter.TbJsFilterNode", "Warm?", scriptLang="TBEL", tbelScript="return msg.temperature > 20;"),
    ]
    return saved(client, nodes, [(0, "Post telemetry", 1), (1, "Success", 2)])


def test_a_chain_is_made_filled_and_run(client: RestClient, server: ServerProcess) -> None:
    chain, metadata = readings(client)
    assert [each.name for each in metadata.nodes] == ["By type", "Celsius", "Warm?"]
    again = client.get_rule_chain_meta_data(chain.id)
    assert again.to_dict() == metadata.to_dict()
    assert client.get_rule_chain_by_id(chain.id).first_rule_node_id.id == metadata.nodes[0].id.id
    ran = server.api.post(f"/api/tidemill/rules/{chain.id.id}/run?type=POST_TELEMETRY_REQUEST", {"temperature": 30})
    (end,) = ran["ends"]
    assert (end["node"], end["relation"], end["data"]) == (
        metadata.nodes[2].id.id,
        "True",
        '{"temperature":30,"unit":"C"}',
    )


def test_what_was_got_is_changed_and_saved(client: RestClient) -> None:
    chain, metadata = readings(client)
    metadata.nodes[1].name = "To Celsius"
    changed = client.save_rule_chain_meta_data(metadata)
    assert [each.id.id for each in changed.nodes] == [each.id.id for each in metadata.nodes]
    assert changed.nodes[1].name == "To Celsius"
    with pytest.raises(ApiException) as past:
        client.save_rule_chain_meta_data(metadata)
    assert past.value.status == 409
    renamed = client.get_rule_chain_by_id(chain.id)
    renamed.name = f"Renamed {mark()}"
    assert client.save_rule_chain_v1(renamed).name == renamed.name


def test_chains_are_listed_and_one_is_the_root(client: RestClient) -> None:
    (one, _), (two, _) = readings(client), readings(client)
    page = client.get_rule_chains(page_size=1, page=0, text_search=one.name)
    assert ([each.id.id for each in page.data], page.total_elements, page.has_next) == ([one.id.id], 1, False)
    listed = client.get_rule_chains_by_ids([one.id.id, two.id.id])
    assert {each.name for each in listed} == {one.name, two.name}
    assert client.set_root_rule_chain(two.id).root is True
    assert client.set_root_rule_chain(one.id).root is True
    assert client.get_rule_chain_by_id(two.id).root is False


def test_chains_go_out_and_come_in(client: RestClient) -> None:
    sub, _ = saved(client, [node("flow.TbRuleChainOutputNode", "Done")], [])
    main, _ = saved(client, [node("flow.TbRuleChainInputNode", "in", ruleChainId=sub.id.id)], [])
    assert client.get_rule_chain_output_labels(sub.id) == ["Done"]
    data = client.export_rule_chains(limit=1_000)
    wanted = [place for place, each in enumerate(data.rule_chains) if each.id.id in (sub.id.id, main.id.id)]
    chosen = RuleChainData([data.rule_chains[each] for each in wanted], [data.metadata[each] for each in wanted])
    ids = {each.rule_chain_name: each.rule_chain_id for each in client.import_rule_chains(chosen, overwrite=False)}
    assert not {each.id for each in ids.values()} & {sub.id.id, main.id.id}
    inner = client.get_rule_chain_meta_data(ids[main.name]).nodes[0]
    assert inner.configuration["ruleChainId"] == ids[sub.name].id


def test_a_chain_is_removed(client: RestClient) -> None:
    chain, _ = readings(client)
    client.delete_rule_chain(chain.id)
    with pytest.raises(ApiException) as gone:
        client.get_rule_chain_by_id(chain.id)
    assert gone.value.status == 404
    assert b'"errorCode":32' in gone.value.body


def test_a_script_is_tried(client: RestClient) -> None:
    names = ["msg", "metadata", "type"]
    asked = {"script": "return msg.t > 1 && type == 'T';", "scriptType": "filter", "argNames": names}
    good = client.test_script({**asked, "msg": '{"t": 2}', "metadata": {}, "msgType": "T"}, script_lang="JS")
    assert good == {"output": "true", "error": ""}
    bad = client.test_script({**asked, "script": "return msg.a.b;", "msg": "{}"}, script_lang="JS")
    assert bad["output"] == "" and bad["error"]
    assert client.is_tbel_enabled() is False


def test_who_is_nobody_is_refused(server: ServerProcess) -> None:
    client = RestClient(server.url)
    client.token_login("no token")
    with pytest.raises(ApiException) as refused:
        client.get_rule_chains(page_size=1, page=0)
    assert refused.value.status == 401
