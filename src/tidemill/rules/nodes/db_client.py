"""dbClient: a statement to a database of the user for each message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from pydantic import Field, field_validator

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang.template import Template, compile_template
from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import Batch
from tidemill.graph.secret import Address
from tidemill.rules.calling import CALL_S_MAX, Caller
from tidemill.rules.fields.fields import Sight, field_findings, nodes_asked
from tidemill.rules.ports import OutsideFailed, SqlAnswer, SqlDatabase, SqlStatement
from tidemill.rules.site import Site

CONNECTIONS = 10
CONNECTIONS_MAX = 50
KINDS = ("SELECT", "INSERT", "UPDATE", "DELETE", "EXEC", "AUTO")
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


class DbClientConfig(Config):
    driver_name: str = Field(
        "mysql", alias="driverName", description="mysql, postgres or sqlite3. MySQL needs the extra `tidemill[mysql]`."
    )
    dsn: Address = Field(
        "root:root@tcp(127.0.0.1:3306)/test",
        description="mysql: user:password@tcp(host:port)/name. postgres: postgres://user:password@host:port/name, or"
        " host=... user=... sqlite3: a file.",
        repr=False,
    )
    pool_size: int = Field(
        0, alias="poolSize", ge=0, description=f"Connections at most; 0 is {CONNECTIONS}, above 50 is 50."
    )
    op_type: str = Field(
        "", alias="opType", description="SELECT, INSERT, UPDATE, DELETE or EXEC; without it, what the SQL begins with."
    )
    sql: str = Field("select * from test", min_length=1, description="The statement, with `?` or `$1` for parameters.")
    params: list[Any] = Field(
        default_factory=list,
        description="The parameters: any JSON; a text is a template, and one that is all `${...}` keeps its type.",
    )
    get_one: bool = Field(False, alias="getOne", description="The first row alone.")
    timeout_ms: int = Field(
        10_000,
        alias="timeoutMs",
        gt=0,
        le=round(CALL_S_MAX * 1_000),
        description="How long a statement may take, with the wait for a connection. Not of RuleGo.",
    )

    @field_validator("op_type", mode="after")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value.strip().upper()


class DbClient:
    def __init__(self, config: DbClientConfig, site: Site) -> None:
        self._databases = site.ports.world.databases
        self._database = _database(config)
        self._sql = compile_template(config.sql)
        self._params = [compile_template(param) if isinstance(param, str) else param for param in config.params]
        self._sight = Sight(site, [self._sql, *(param for param in self._params if isinstance(param, Template))])
        self._kind = config.op_type
        self._is_one = config.get_one
        self._timeout_s = config.timeout_ms / 1_000
        self._caller = Caller(self._database.connections_max)

    async def process(self, batch: Batch) -> None:
        async def call(index: int) -> Sequence[Message]:
            message = batch.items[index].message
            seen = self._sight.of(batch, index)
            params = [param.value(seen) if isinstance(param, Template) else param for param in self._params]
            sql = self._sql.render(seen)
            statement = SqlStatement(sql, params, kind_of(sql) if self._kind in ("", "AUTO") else self._kind)
            answer = await self._databases.run(self._database, statement, self._timeout_s)
            return [self._told(message, statement.kind, answer)]

        await self._caller.call_each(batch, call)

    def _told(self, message: Message, kind: str, answer: SqlAnswer) -> Message:
        if kind == "SELECT" or (kind == "AUTO" and answer.rows is not None):
            rows = answer.rows or ()
            shown: Any = rows
            if self._is_one:
                shown = rows[0] if rows else None
            try:
                return message.told(data=_encode(_plain(shown)), data_type="JSON")
            except (msgspec.MsgspecError, ValueError) as error:
                raise OutsideFailed(f"the rows cannot be shown as JSON: {error}") from error
        metadata = {**message.metadata, "rowsAffected": str(answer.affected)}
        if kind == "INSERT" and answer.last_id is not None:
            metadata["lastInsertId"] = str(answer.last_id)
        return message.told(metadata=metadata)


def _plain(value: Any) -> Any:
    """Bytes as the text that they are, where they are one."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value


def kind_of(sql: str) -> str:
    """What it begins with, where that is one of the four; else the database will know."""
    words = sql.split(None, 1)
    word = words[0].upper() if words else ""
    return word if word in KINDS[:4] else "AUTO"


def _database(config: DbClientConfig) -> SqlDatabase:
    return SqlDatabase(config.driver_name, config.dsn, min(config.pool_size or CONNECTIONS, CONNECTIONS_MAX))


def _texts(config: DbClientConfig) -> dict[str, str]:
    params = {f"params[{index}]": param for index, param in enumerate(config.params) if isinstance(param, str)}
    return {"sql": config.sql, **params}


def _check(config: DbClientConfig, site: Site) -> Iterator[Finding]:
    yield from field_findings(site, _texts(config))
    if config.op_type and config.op_type not in KINDS:
        yield site.finding("opType", f"must be one of {', '.join(KINDS)}")
    refusal = site.ports.world.databases.refusal(_database(config))
    if refusal is not None:
        field, reason = refusal
        yield site.finding("driverName" if field == "driver" else field, reason, "not_available")
    if "${" in config.sql:
        message = "what a message brings becomes part of the SQL itself: give it as a parameter, with ? or $1"
        yield site.finding("sql", message, "injection", "warning")


def _asks_for(config: DbClientConfig) -> Sequence[str]:
    return nodes_asked(_texts(config).values())


def _build(config: Any, site: Site) -> DbClient:
    return DbClient(config, site)


COMPONENT = Component(
    "dbClient",
    "external",
    "Runs a statement in a database for each message.",
    DbClientConfig,
    _build,
    check=_check,
    asks_for=_asks_for,
    examples=(
        {
            "driverName": "postgres",
            "dsn": "postgres://shop@db.example.org/shop",
            "sql": "INSERT INTO readings (device, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            "params": ["${metadata.deviceId}", "${msg.temperature}"],
        },
        {
            "driverName": "sqlite3",
            "dsn": "devices.db",
            "sql": "SELECT name, site FROM devices WHERE id = ?",
            "params": ["${metadata.deviceId}"],
            "getOne": True,
        },
    ),
    notes=(
        "A SELECT puts its rows into the data, a list of objects, or with `getOne` the first of them, or `null`."
        " Numbers stay numbers. Any other statement leaves the data and says `metadata.rowsAffected`, and after an"
        " INSERT `metadata.lastInsertId` where the database tells it: SQLite and MySQL always, PostgreSQL where the"
        " statement ends with `RETURNING id`. An answer has at most 10,000 rows; more is a failure.\n\n"
        "Parameters are never pasted into the SQL. A list for a `?` stands for its items: `WHERE id IN (?)`. For"
        " PostgreSQL a text, as all metadata are, becomes what the statement asks for there: a number, a time.\n\n"
        "Each statement is a transaction of its own, apart from that of the record. After a crash it may run again: let"
        " it do no harm twice, with `ON CONFLICT DO NOTHING` and a key that the message brings (`${id}` is the same"
        " each time). Tidemill's own database may be named, too, where you want to read of it; to change its tables is"
        " to break it.\n\n"
        "The server setting `http_private` also decides whether databases of this machine and of private networks, and"
        " SQLite files, may be reached."
    ),
)
