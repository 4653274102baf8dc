"""restApiCall: a call to a web service for each message; its response becomes the message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.core.http import HttpRequest, HttpResponse
from tidemill.core.ids import derived_id
from tidemill.expressions.exprlang.template import compile_template
from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import Batch
from tidemill.graph.secret import Address, Headers, Password
from tidemill.rules.calling import CALL_S_MAX, Caller, CallRefused
from tidemill.rules.fields.fields import Sight, field_findings, nodes_asked
from tidemill.rules.site import Site

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
KEY_HEADER = "Idempotency-Key"
UNBOUNDED_MS = 60_000
"""What a limit of 0, RuleGo's word for none, means here."""
SHOWN_MAX = 200
ERROR_BODY_MAX = 65_536
_HEADERS = {"Content-Type": "application/json"}
_STREAM = "text/event-stream"


class RestApiCallConfig(Config):
    url: Address = Field("", alias="restEndpointUrlPattern", description="The address; a template.")
    method: str = Field("POST", alias="requestMethod", description=f"One of {', '.join(METHODS)}; a template.")
    headers: Headers = Field(
        default_factory=dict,
        description="Headers, name to value; both are templates. Content-Type is application/json unless said here.",
    )
    body: str = Field("", description="What is sent; a template. Without it, the message's data as they are.")
    is_without_body: bool = Field(False, alias="withoutRequestBody", description="Send no body.")
    read_timeout_ms: int = Field(
        2_000,
        alias="readTimeoutMs",
        ge=0,
        le=round(CALL_S_MAX * 1_000),
        description="How long a call may take, all of it; 0 is one minute.",
    )
    calls_max: int = Field(
        2_000, alias="maxParallelRequestsCount", ge=0, description="Calls at once; above 100, and 0, are 100."
    )
    is_unverified: bool = Field(
        False, alias="insecureSkipVerify", description="Do not verify the service's certificate."
    )
    is_proxied: bool = Field(False, alias="enableProxy", description="Call through a proxy.")
    is_system_proxy: bool = Field(
        False, alias="useSystemProxyProperties", description="Not supported: say the proxy's host and port."
    )
    proxy_scheme: str = Field("http", alias="proxyScheme", description="http or https.")
    proxy_host: str = Field("", alias="proxyHost", description="The proxy's host.")
    proxy_port: int = Field(0, alias="proxyPort", ge=0, le=65_535, description="The proxy's port.")
    proxy_user: str = Field("", alias="proxyUser", description="The proxy's user.")
    proxy_password: Password = Field("", alias="proxyPassword", description="The proxy's password.", repr=False)


class RestApiCall:
    def __init__(self, config: RestApiCallConfig, site: Site) -> None:
        self._http = site.ports.world.http
        self._site = site
        self._caller = Caller(config.calls_max)
        self._url = compile_template(config.url)
        self._method = compile_template(config.method)
        self._body = compile_template(config.body) if config.body else None
        named = {name.lower() for name in config.headers}
        headers = {**{name: value for name, value in _HEADERS.items() if name.lower() not in named}, **config.headers}
        self._headers = [(compile_template(name), compile_template(value)) for name, value in headers.items()]
        templates = [self._url, self._method, *(part for pair in self._headers for part in pair)]
        self._sight = Sight(site, [*templates, self._body] if self._body is not None else templates)
        self._is_bodiless = config.is_without_body
        self._is_verified = not config.is_unverified
        self._total_s = (config.read_timeout_ms or UNBOUNDED_MS) / 1_000
        self._proxy = _proxy(config)
        self._is_stream = any(
            value.startswith(_STREAM) for name, value in headers.items() if name.lower() in ("accept", "content-type")
        )

    async def process(self, batch: Batch) -> None:
        async def call(index: int) -> Sequence[Message]:
            message = batch.items[index].message
            request = self._request(message, self._sight.of(batch, index))
            return self._answer(message, await self._http.call(request))

        await self._caller.call_each(batch, call)

    def _request(self, message: Message, seen: Mapping[str, Any]) -> HttpRequest:
        url, method = self._url.render(seen).strip(), self._method.render(seen).strip().upper()
        if method not in METHODS:
            raise CallRefused(f"the method must be one of {', '.join(METHODS)}, not {method[:50]!r}", message)
        body = None
        if not self._is_bodiless:
            body = message.data if self._body is None else self._body.render(seen).encode("utf-8", "replace")
        headers = [(name.render(seen), value.render(seen)) for name, value in self._headers]
        if any(sign in text for pair in headers for text in pair for sign in "\r\n\0"):
            raise CallRefused("a header of the request has a line break or a NUL character in it", message)
        if not any(name.lower() == KEY_HEADER.lower() for name, _ in headers):
            headers.append((KEY_HEADER, self._key(message, method, url, body)))
        return HttpRequest(
            url,
            method,
            tuple(headers),
            body,
            self._total_s,
            self._total_s,
            self._total_s,
            self._is_verified,
            self._proxy,
        )

    def _key(self, message: Message, method: str, url: str, body: bytes | None) -> str:
        """The same for the same call, also when the record is processed again. What is sent belongs to it: in a loop
        one message makes several calls."""
        loop = message.metadata.get("_loopIndex", "")
        place = (self._site.chain, self._site.node, message.id, loop)
        return derived_id(message.ts_ms, *place, method, url, (body or b"").hex())

    def _answer(self, message: Message, response: HttpResponse) -> Sequence[Message]:
        status = f"{response.status} {response.reason}".strip()
        metadata = {**message.metadata, "status": status, "statusCode": str(response.status)}
        data, is_text = data_of(response)
        if not 200 <= response.status < 300:
            text = data.decode("utf-8", "replace")
            refused = message.told(metadata={**metadata, "errorBody": text[:ERROR_BODY_MAX]})
            raise CallRefused(f"{status}: {text[:SHOWN_MAX]}" if text else status, refused)
        if self._is_stream:
            return list(_events(message, metadata, data))
        return [message.told(data=data, metadata=metadata, data_type=None if is_text else "BINARY")]


def data_of(response: HttpResponse) -> tuple[bytes, bool]:
    """Text as UTF-8, whatever it came in."""
    body = response.body
    try:
        if response.charset is not None and response.charset.lower().replace("-", "") not in ("utf8", "usascii"):
            return body.decode(response.charset).encode(), True
        body.decode()
    except (UnicodeDecodeError, LookupError):
        return body, False
    return body, True


def _events(message: Message, metadata: Mapping[str, str], data: bytes) -> Iterator[Message]:
    """One message for each line of the stream that has a name, as RuleGo tells them."""
    for line in data.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if name and colon:
            told = {**metadata, "eventType": name.strip()}
            yield message.told(data=value.strip().encode(), metadata=told)


def _proxy(config: RestApiCallConfig) -> str | None:
    if not config.is_proxied:
        return None
    user = f"{quote(config.proxy_user, '')}:{quote(config.proxy_password, '')}@" if config.proxy_user else ""
    return f"{config.proxy_scheme}://{user}{config.proxy_host}:{config.proxy_port}"


def _texts(config: RestApiCallConfig) -> dict[str, str]:
    """Its templates, by key."""
    texts = {"restEndpointUrlPattern": config.url, "requestMethod": config.method, "body": config.body}
    for name, value in config.headers.items():
        texts |= {f"headers.{name}": value, f"headers.{name} (its name)": name}
    return texts


def _check(config: RestApiCallConfig, site: Site) -> Iterator[Finding]:
    yield from field_findings(site, _texts(config))
    if not config.url.strip():
        yield site.finding("restEndpointUrlPattern", "is empty", "missing")
    if "${" not in config.method and config.method.strip().upper() not in METHODS:
        yield site.finding("requestMethod", f"must be one of {', '.join(METHODS)}")
    if config.is_proxied:
        if config.is_system_proxy:
            message = "the server's environment is not asked for a proxy: say proxyHost and proxyPort"
            yield site.finding("useSystemProxyProperties", message, "not_supported")
        elif not config.proxy_host or not config.proxy_port:
            yield site.finding("proxyHost", "enableProxy needs proxyHost and proxyPort", "missing")
        if config.proxy_scheme not in ("http", "https"):
            yield site.finding("proxyScheme", "must be http or https")
    if config.is_unverified:
        yield site.finding("insecureSkipVerify", "anybody can pose as the service", "insecure", "warning")


def _asks_for(config: RestApiCallConfig) -> Sequence[str]:
    return nodes_asked(_texts(config).values())


def _build(config: Any, site: Site) -> RestApiCall:
    return RestApiCall(config, site)


COMPONENT = Component(
    "restApiCall",
    "external",
    "Calls a web service for each message; the response becomes the message.",
    RestApiCallConfig,
    _build,
    check=_check,
    asks_for=_asks_for,
    examples=(
        {"restEndpointUrlPattern": "https://example.org/devices/${metadata.deviceId}", "requestMethod": "PUT"},
        {
            "restEndpointUrlPattern": "https://example.org/alarms",
            "headers": {"Authorization": "Bearer ${secrets.alarms}"},
            "body": '{"temperature": ${msg.temperature}}',
        },
    ),
    notes=(
        "Any status 2xx is a success: the body becomes the data, and `metadata.status` and `metadata.statusCode` say"
        " what the service said. Any other status goes by `Failure`, with the body in `metadata.errorBody`.\n\n"
        "A call may be made again after a crash: the record counts once, the call may come twice. So each call carries"
        " the header `Idempotency-Key`, which is the same for the same message, node and request; a service that knows"
        " it does the work once. A header of that name in the configuration wins.\n\n"
        "Redirects are followed. Which machines may be called, and how large a response may be, are settings of the"
        " server (`http_private`, `http_response_mb`).\n\n"
        "Where `Accept` or `Content-Type` is `text/event-stream`, the response is read to its end, and each of its"
        " lines becomes a message, with the line's name in `metadata.eventType`."
    ),
)
