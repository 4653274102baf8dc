"""Calls to web services (`core.http.HttpCaller`): bounded in time and size, over connections that are kept.

Nothing is remembered from one call to the next but open connections: no cookies, no credentials, no proxies from
the environment.
"""

from __future__ import annotations

import asyncio
import ssl

import httpcore
import httpx

from tidemill.core.http import CallFailed, HttpRequest, HttpResponse
from tidemill.web.addresses import AddressRefused, PublicOnly
from tidemill.web.content import BadContent, Content, TooLarge
from tidemill.web.transport import SharedTransport

REDIRECTS_MAX = 10
TRANSFER_S = 60.0
"""How long a call may take beyond its two timeouts: those bound silence, and a service can drip for ever."""
CALLS_PER_POOL = 16
_KEPT_MAX = 16
_KEPT_S = 5.0
_BROKEN = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, OSError)
_HEADERS = {"User-Agent": "Tidemill", "Accept-Encoding": "gzip, deflate"}


class WebClient:
    """`is_private_allowed`: whether this machine and private networks may be called, and with them proxies, which go
    wherever they like. `trust` None: the usual authorities, or those that `SSL_CERT_FILE` names."""

    def __init__(self, bytes_max: int, *, is_private_allowed: bool, trust: ssl.SSLContext | None = None) -> None:
        self._bytes_max = bytes_max
        self._is_private_allowed = is_private_allowed
        self._trust = trust or httpx.create_ssl_context()
        self._transports: dict[tuple[bool, str | None], list[SharedTransport]] = {}
        """Connections that may be shared, by whether certificates are verified and by proxy."""

    async def close(self) -> None:
        for transports in self._transports.values():
            for transport in transports:
                await transport.close()

    async def call(self, request: HttpRequest) -> HttpResponse:
        total_s = request.total_s or request.connect_timeout_s + request.read_timeout_s + TRANSFER_S
        try:
            async with asyncio.timeout(total_s):
                transport = self._transport(request)
                with transport.used():
                    return await self._call(request, transport)
        except TimeoutError as error:
            raise CallFailed(f"the call did not end within {total_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpcore.UnsupportedProtocol, httpcore.LocalProtocolError) as error:
            raise _unfit(error) from error
        except _BROKEN as error:
            raise CallFailed(_reason(error, request)) from error
        except TooLarge as error:
            raise CallFailed(f"the response has more than {self._bytes_max:,} bytes") from error
        except BadContent as error:
            raise CallFailed(f"the response cannot be read: {error}") from error

    async def _call(self, request: HttpRequest, transport: SharedTransport) -> HttpResponse:
        # A client per call: cookies live as long as the redirects of one call, and are gone then.
        client = httpx.AsyncClient(
            transport=transport,
            headers=_HEADERS,
            follow_redirects=True,
            max_redirects=REDIRECTS_MAX,
            trust_env=False,
            timeout=httpx.Timeout(request.read_timeout_s, connect=request.connect_timeout_s),
        )
        url = httpx.URL(request.uri)
        if not 0 < (url.port or 80) < 65_536:
            raise httpx.InvalidURL(f"{url.port} is no port")
        headers = [(name.encode(), value.encode()) for name, value in request.headers]
        async with client.stream(request.method, url, content=request.body, headers=headers) as response:
            content = Content(response.headers.get("Content-Encoding", ""), self._bytes_max)
            async for piece in response.aiter_raw():
                content.add(piece)
            return HttpResponse(
                response.status_code,
                response.reason_phrase,
                tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw),
                content.finish(),
                response.charset_encoding,
            )

    def _transport(self, request: HttpRequest) -> SharedTransport:
        """The first one with room: a pool of `httpcore` looks at all of its connections several times per call."""
        kind = request.is_verified, request.proxy
        transports = self._transports.setdefault(kind, [])
        for transport in transports:
            if transport.calls < CALLS_PER_POOL:
                return transport
        transports.append(SharedTransport(self._pool(*kind)))
        return transports[-1]

    def _pool(self, is_verified: bool, proxy: str | None) -> httpcore.AsyncConnectionPool:
        if proxy is not None and not self._is_private_allowed:
            raise AddressRefused("a proxy decides where a call goes, and private networks are not to be called")
        backend: httpcore.AsyncNetworkBackend = httpcore.AnyIOBackend()
        return httpcore.AsyncConnectionPool(
            ssl_context=self._trust if is_verified else _unverified(),
            max_connections=None,  # whoever calls bounds how many calls there are
            max_keepalive_connections=_KEPT_MAX,
            keepalive_expiry=_KEPT_S,
            network_backend=backend if self._is_private_allowed else PublicOnly(backend),
            proxy=None if proxy is None else _proxy(httpx.URL(proxy)),
        )


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _proxy(url: httpx.URL) -> httpcore.Proxy:
    credentials = (url.username.encode(), url.password.encode()) if url.username else None
    return httpcore.Proxy(
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/"), credentials
    )


def _unfit(error: Exception) -> CallFailed:
    """What stands before any connection: the request itself, or a redirect."""
    if isinstance(error, httpx.TooManyRedirects):
        return CallFailed(f"more than {REDIRECTS_MAX} redirects")
    return CallFailed(f"that cannot be called: {str(error).rstrip('.')}", is_terminal=True)


def _reason(error: Exception, request: HttpRequest) -> str:
    match error:
        case httpcore.ConnectTimeout():
            return f"no connection within {request.connect_timeout_s:g} s"
        case httpcore.TimeoutException():
            return f"nothing came back within {request.read_timeout_s:g} s"
        case AddressRefused():
            return str(error)
        case httpcore.ProxyError():
            return f"the proxy refused: {error}"
        case httpcore.ConnectError():
            return f"no connection: {error}"
        case _:
            return f"the connection broke: {str(error).rstrip('.') or type(error).__name__}"
