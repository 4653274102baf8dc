"""Addresses of databases as Go's drivers read them, since those are what RuleGo's users have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

_MYSQL = re.compile(
    r"(?:(?P<user>[^:@/]*)(?::(?P<password>.*))?@)?(?:(?P<net>tcp|unix)\((?P<address>[^)]*)\))?/(?P<name>[^/?]*)"
    r"(?:\?(?P<options>.*))?",
    re.DOTALL,
)
_PAIR = re.compile(r"\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S*))")


class Address(msgspec.Struct, frozen=True):
    """`socket` is a file, and host and port are nothing then."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    name: str = ""
    options: Mapping[str, str] = {}
    socket: str | None = None


def mysql_address(dsn: str) -> Address:
    """`user:password@tcp(host:port)/name?option=value`. Raises `ValueError`."""
    found = _MYSQL.fullmatch(dsn.strip())
    if found is None:
        raise ValueError("must be user:password@tcp(host:port)/name")
    options = dict(parse_qsl(found["options"] or ""))
    who = found["user"] or "", found["password"] or "", found["name"] or "", options
    if found["net"] == "unix":
        return Address("", 0, *who, socket=found["address"])
    host, port = _host_and_port(found["address"] or "127.0.0.1", 3306)
    return Address(host, port, *who)


def postgres_address(dsn: str) -> Address:
    """`postgres://user:password@host:port/name?option=value`, or `host=... user=...`. Raises `ValueError`."""
    text = dsn.strip()
    if "://" in text:
        url = urlsplit(text)
        if url.scheme not in ("postgres", "postgresql") or not url.path.strip("/"):
            raise ValueError("must be postgres://user:password@host:port/name")
        name = unquote(url.path.strip("/"))
        who = unquote(url.username or ""), unquote(url.password or ""), name, dict(parse_qsl(url.query))
        return Address(url.hostname or "127.0.0.1", url.port or 5432, *who)
    pairs, at = {}, 0
    while found := _PAIR.match(text, at):
        pairs[found[1]] = re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3]
        at = found.end()
    if at != len(text) or not pairs:
        raise ValueError(
            "must be postgres://user:password@host:port/name, or host=... user=... password=... dbname=..."
        )
    host, port = pairs.pop("host", "127.0.0.1"), int(pairs.pop("port", "5432"))
    user, password = pairs.pop("user", ""), pairs.pop("password", "")
    return Address(host, port, user, password, pairs.pop("dbname", user), pairs)


def sqlite_file(dsn: str) -> str:
    """A file's name, or `file:name?mode=ro`. Raises `ValueError`."""
    text = dsn.strip().removeprefix("sqlite:///")
    if not text or ":memory:" in text or "mode=memory" in text:
        raise ValueError("must be a file: what is in memory belongs to one connection, and ends with it")
    return text


def _host_and_port(text: str, port: int) -> tuple[str, int]:
    host, colon, number = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.strip("[]"), port
    return host.strip("[]"), int(number)
