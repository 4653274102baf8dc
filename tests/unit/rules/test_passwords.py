"""Passwords of Kafka clusters: given once, in the integration from then on, and never again in a chain's document."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet

from tests.fakes.definitions import MemoryDefinitions
from tests.unit.rules.endpoints.kafka_room import OUT, KafkaRoom, chain_with, endpoint
from tidemill.core.cipher import Cipher
from tidemill.core.clock import HeldClock
from tidemill.graph.secret import MASK
from tidemill.kafka.integrations import Integrations
from tidemill.rules.chains.compiled import document_of
from tidemill.rules.ports import Credentials, Stranger


def signed(password: Any) -> dict[str, Any]:
    sasl = {"enable": True, "mechanism": "PLAIN", "username": "me", "password": password}
    return {"server": "a:9092", "sasl": sasl}


async def test_a_password_reaches_the_integration_and_not_the_store() -> None:
    room = KafkaRoom()
    nodes = [{**OUT, "configuration": {**signed("node's secret"), "server": "b:9092", "topic": "t"}}]
    await room.put(chain_with(endpoint(configuration=signed("endpoint's secret")), nodes=nodes))
    given = {each.credentials.password for each in room.directory.derived if each.credentials is not None}
    assert given == {"node's secret", "endpoint's secret"}
    (definition,) = await room.definitions.all("rule_chain")
    assert b"secret" not in definition.document
    kept = document_of(definition)
    assert kept["metadata"]["endpoints"][0]["configuration"]["sasl"]["password"] == MASK
    assert kept["metadata"]["nodes"][0]["configuration"]["sasl"]["username"] == "me"


async def test_what_is_read_can_be_saved_again() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint(configuration=signed("secret"))))
    (definition,) = await room.definitions.all("rule_chain")
    assert {kind for _, kind, _ in await room.put(document_of(definition))} == {"derived_integration"}
    assert len(room.directory.derived) == 1


async def test_one_whose_integration_is_gone_must_be_given_again() -> None:
    integrations = Integrations(MemoryDefinitions(), Cipher(Fernet.generate_key()), HeldClock(), lambda: None)
    masked = Credentials("PLAIN", "me", MASK, is_tls=False, is_any_certificate_trusted=False)
    (finding,) = await integrations.derive(Stranger("metadata.x", "a:9092", masked), "anna")
    assert (finding.path, finding.kind) == ("metadata.x.sasl.password", "not_derived")
    assert await integrations.list() == []
