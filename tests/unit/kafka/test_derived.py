"""Integrations made for servers that a chain names: once per cluster; what speaks against one is told in the chain."""

from __future__ import annotations

from cryptography.fernet import Fernet

from tests.fakes.definitions import MemoryDefinitions
from tidemill.core.cipher import Cipher
from tidemill.core.clock import HeldClock
from tidemill.kafka.derived import derived_name
from tidemill.kafka.integrations import Integrations
from tidemill.rules.ports import Credentials, Stranger


def made() -> Integrations:
    return Integrations(MemoryDefinitions(), Cipher(Fernet.generate_key()), HeldClock(), lambda: None)


async def test_is_an_integration_like_any_other() -> None:
    integrations = made()
    assert not await integrations.derive(Stranger("metadata.x", "K1:9092, k2:9093"), "ann")
    (shown,) = await integrations.list()
    assert (shown["name"], shown["createdBy"], shown["enabled"]) == ("inline-k1-9092_k2-9093", "ann", True)
    active = await integrations.active()
    assert active["inline-k1-9092_k2-9093"].settings["bootstrap.servers"] == "K1:9092,k2:9093"


async def test_a_cluster_that_has_one_gets_no_second() -> None:
    integrations = made()
    await integrations.save("main", {"type": "kafka", "configuration": {"endpoint": "k1:9092"}}, "ann")
    assert not await integrations.derive(Stranger("x", "k2:9092,k1:9092"), "bob")
    assert not await integrations.derive(Stranger("x", "k3:9092"), "bob")
    assert not await integrations.derive(Stranger("y", "k3:9092"), "bob")
    assert [each["name"] for each in await integrations.list()] == ["inline-k3-9092", "main"]


async def test_what_speaks_against_it_is_found_where_it_is_written() -> None:
    integrations = made()
    (finding,) = await integrations.derive(Stranger("metadata.x", "a:b:c"), "ann")
    assert (finding.path, finding.kind, finding.level) == ("metadata.x.server", "not_derived", "error")
    assert await integrations.list() == []


async def test_credentials_are_those_of_an_integration() -> None:
    integrations = made()
    credentials = Credentials("PLAIN", "me", "secret", is_tls=True, is_any_certificate_trusted=True)
    assert await integrations.derive(Stranger("metadata.x", "k:9092", credentials), "ann") == ()
    tls = Credentials("", "", "", is_tls=True, is_any_certificate_trusted=False)
    assert await integrations.derive(Stranger("metadata.y", "l:9092", tls), "ann") == ()
    one, other = (await integrations.active()).values()
    assert one.settings == {
        "bootstrap.servers": "k:9092",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "me",
        "sasl.password": "secret",
        "enable.ssl.certificate.verification": False,
    }
    assert other.settings == {"bootstrap.servers": "l:9092", "security.protocol": "ssl"}
    assert "secret" not in str(credentials) + str(await integrations.list())


async def test_credentials_that_no_integration_takes_are_found_where_they_are_written() -> None:
    """With the same words as there."""
    credentials = Credentials("PLAN", "me", "", is_tls=False, is_any_certificate_trusted=False)
    found = await made().derive(Stranger("metadata.x", "k:9092", credentials), "ann")
    assert [(each.path, each.kind) for each in found] == [("metadata.x.sasl", "not_derived")] * 2
    assert found[0].message.endswith("did you mean 'PLAIN'?")


def test_names_are_short_and_tell_long_lists_apart() -> None:
    one, other = (derived_name(",".join(f"broker-{n}.example.org:9092" for n in range(count))) for count in (8, 9))
    assert one != other
    assert max(len(one), len(other)) < 80
    assert derived_name("b:1,a:1") == derived_name("a:1,b:1")
