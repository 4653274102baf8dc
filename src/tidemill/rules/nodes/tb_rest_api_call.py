"""TbRestApiCallNode: a call to a web service for each message; its response becomes the message."""

from __future__ import annotations

import base64
import http
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from pydantic import Field

from tidemill.core.errors import TidemillError
from tidemill.core.findings import Finding
from tidemill.core.http import HttpRequest, HttpResponse
from tidemill.core.ids import derived_id
from tidemill.expressions.patterns import Pattern
from tidemill.graph.component import Component
from tidemill.graph.message import Message
from tidemill.graph.node import Batch
from tidemill.graph.secret import Address, Headers, Password, Secret, by_name
from tidemill.rules.calling import CALL_S_MAX, Caller, CallRefused
from tidemill.rules.nodes.rest_api_call import ERROR_BODY_MAX, KEY_HEADER, METHODS, SHOWN_MAX, UNBOUNDED_MS, data_of
from tidemill.rules.nodes.tb_config import TbConfig, unknown_keys
from tidemill.rules.site import Site

_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class TbRestApiCallConfig(TbConfig):
    url: Address = Field(alias="restEndpointUrlPattern", min_length=1, description="The address; a pattern.")
    method: str = Field("POST", alias="requestMethod", description=f"One of {', '.join(METHODS)}.")
    headers: Headers = Field(default_factory=dict, description="Headers, name to value; both are patterns.", repr=False)
    read_timeout_ms: int = Field(
        0,
        alias="readTimeoutMs",
        ge=0,
        le=round(CALL_S_MAX * 1_000),
        description="How long a call may take, all of it; 0 is one minute.",
    )
    calls_max: int = Field(
        0, alias="maxParallelRequestsCount", ge=0, description="Calls at once; above 100, and 0, are 100."
    )
    is_plain: bool = Field(
        False, alias="parseToPlainText", description="Where the data are a JSON text, send what is in its quotes."
    )
    is_without_body: bool = Field(False, alias="ignoreRequestBody", description="Send no body.")
    credentials: Annotated[dict[str, Any], Secret(by_name)] = Field(
        default_factory=dict,
        description="`{type: anonymous}`, or `{type: basic, username, password}`; `cert.PEM` is not supported.",
        repr=False,
    )
    is_proxied: bool = Field(False, alias="enableProxy", description="Call through a proxy.")
    is_system_proxy: bool = Field(
        False, alias="useSystemProxyProperties", description="Not supported: say the proxy's host and port."
    )
    proxy_scheme: str = Field("http", alias="proxyScheme", description="http or https; http where it is empty.")
    proxy_host: str = Field("", alias="proxyHost", description="The proxy's host.")
    proxy_port: int = Field(0, alias="proxyPort", ge=0, le=65_535, description="The proxy's port.")
    proxy_user: str = Field("", alias="proxyUser", description="The proxy's user.")
    proxy_password: Password = Field("", alias="proxyPassword", description="The proxy's password.", repr=False)
    is_simple: bool = Field(False, alias="useSimpleClientHttpFactory", description="Without effect.")
    buffer_kb: int = Field(
        256, alias="maxInMemoryBufferSizeInKb", description="Without effect: `http_response_mb` of the server counts."
    )


class TbRestApiCall:
    def __init__(self, config: TbRestApiCallConfig, site: Site) -> None:
        self._http = site.ports.world.http
        self._site = site
        self._caller = Caller(config.calls_max)
        self._url = Pattern(config.url)
        self._method = config.method.strip().upper()
        self._headers = [(Pattern(name), Pattern(value)) for name, value in config.headers.items()]
        self._authorization = _authorization(config.credentials)
        self._has_body = self._method in _WITH_BODY and not config.is_without_body
        self._is_plain = config.is_plain
        self._total_s = (config.read_timeout_ms or UNBOUNDED_MS) / 1_000
        self._proxy = _proxy(config)

    async def process(self, batch: Batch) -> None:
        async def call(index: int) -> Sequence[Message]:
            message = batch.items[index].message
            try:
                response = await self._http.call(self._request(message))
            except CallRefused:
                raise
            except TidemillError as error:
                reason = str(error)
                raise CallRefused(reason, message.told(metadata={**message.metadata, "error": reason})) from error
            return [_answer(message, response)]

        await self._caller.call_each(batch, call)

    def _request(self, message: Message) -> HttpRequest:
        values = message.metadata, message.value
        url = self._url.render(*values).strip()
        headers = [(name.render(*values), value.render(*values)) for name, value in self._headers]
        if self._authorization:
            headers.append(("Authorization", self._authorization))
        if any(sign in text for pair in headers for text in pair for sign in "\r\n\0"):
            raise CallRefused("a header of the request has a line break or a NUL character in it", message)
        body = self._body(message) if self._has_body else None
        if not any(name.lower() == KEY_HEADER.lower() for name, _ in headers):
            place = (self._site.chain, self._site.node, message.id, self._method, url, (body or b"").hex())
            headers.append((KEY_HEADER, derived_id(message.ts_ms, *place)))
        times = (self._total_s,) * 3
        return HttpRequest(url, self._method, tuple(headers), body, *times, proxy=self._proxy)

    def _body(self, message: Message) -> bytes:
        value = message.value() if self._is_plain and message.data.startswith(b'"') else None
        return value.encode("utf-8", "replace") if isinstance(value, str) else message.data


def _answer(message: Message, response: HttpResponse) -> Message:
    """Raises `CallRefused`."""
    data, is_text = data_of(response)
    metadata = {**message.metadata, **_told_by(response.headers), "statusCode": str(response.status)}
    metadata |= {"status": _name(response.status), "statusReason": response.reason}
    if 200 <= response.status < 300:
        return message.told(data=data or b"{}", metadata=metadata, data_type=None if is_text else "BINARY")
    text = data.decode("utf-8", "replace")
    reason = f"{response.status} {response.reason}".strip()
    told = {**metadata, "error": reason, "error_body": text[:ERROR_BODY_MAX]}
    raise CallRefused(f"{reason}: {text[:SHOWN_MAX]}" if text else reason, message.told(metadata=told))


def _told_by(headers: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """One that came several times is a JSON list."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return {name: each[0] if len(each) == 1 else msgspec.json.encode(each).decode() for name, each in found.items()}


def _name(status: int) -> str:
    """As Java has it: NOT_FOUND."""
    try:
        return http.HTTPStatus(status).name
    except ValueError:
        return str(status)


def _authorization(credentials: Mapping[str, Any]) -> str:
    if credentials.get("type") != "basic":
        return ""
    user = f"{credentials.get('username', '')}:{credentials.get('password', '')}"
    return f"Basic {base64.b64encode(user.encode()).decode()}"


def _proxy(config: TbRestApiCallConfig) -> str | None:
    if not config.is_proxied:
        return None
    user = f"{quote(config.proxy_user, '')}:{quote(config.proxy_password, '')}@" if config.proxy_user else ""
    return f"{config.proxy_scheme or 'http'}://{user}{config.proxy_host}:{config.proxy_port}"


def _check(config: TbRestApiCallConfig, site: Site) -> Iterator[Finding]:
    yield from unknown_keys(config, site)
    if config.method.strip().upper() not in METHODS:
        yield site.finding("requestMethod", f"must be one of {', '.join(METHODS)}, not {config.method!r}")
    kind = config.credentials.get("type", "anonymous")
    if kind == "cert.PEM":
        message = "Tidemill does not show a certificate of its own to a service"
        yield site.finding("credentials.type", message, "not_supported")
    elif kind not in ("anonymous", "basic"):
        yield site.finding("credentials.type", f"must be anonymous or basic, not {kind!r}")
    if config.is_proxied and config.is_system_proxy:
        message = "the server's environment is not asked for a proxy: say proxyHost and proxyPort"
        yield site.finding("useSystemProxyProperties", message, "not_supported")
    elif config.is_proxied and not (config.proxy_host and config.proxy_port):
        yield site.finding("proxyHost", "enableProxy needs proxyHost and proxyPort", "missing")
    if config.proxy_scheme not in ("http", "https", ""):
        yield site.finding("proxyScheme", "must be http or https")


def _build(config: Any, site: Site) -> TbRestApiCall:
    return TbRestApiCall(config, site)


COMPONENT = Component(
    "org.thingsboard.rule.engine.rest.TbRestApiCallNode",
    "external",
    "Calls a web service for each message; the response becomes the message.",
    TbRestApiCallConfig,
    _build,
    check=_check,
    examples=(
        {
            "restEndpointUrlPattern": "https://example.org/devices/${deviceName}/readings",
            "requestMethod": "POST",
            "headers": {"Content-Type": "application/json", "X-Serial": "$[serial]"},
            "credentials": {"type": "anonymous"},
        },
    ),
    notes=(
        "Any status 2xx is a success: the body becomes the data (`{}` where there is none), the headers metadata, and"
        " `status`, `statusCode` and `statusReason` say what the service said. Any other status goes by `Failure`, with"
        " the body in `error_body` and the reason in `error`.\n\n"
        "A call may be made again after a crash, so each carries the header `Idempotency-Key`, which is the same for"
        " the same message, node and request. Which machines may be called is a setting of the server (`http_private`)."
    ),
)
