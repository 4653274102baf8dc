"""HTTP endpoints of chains, read and checked: which requests go where. They are served by Tidemill's own server."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec
from pydantic import Field

from tidemill.core.findings import errors
from tidemill.graph.component import Config
from tidemill.rules.chains.draft import EndpointDraft, RouterDraft
from tidemill.rules.endpoints.building import Workshop
from tidemill.rules.endpoints.router import Router

TYPES = frozenset({"endpoint/http", "http", "endpoint/rest", "rest", "endpoint/fasthttp", "fasthttp"})
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PREFIX = "/api/v1/endpoints"
OPEN_PREFIX = "/api/v1/open"
"""For callers without a token, and `anonymous` endpoints only."""

ANSWER_S, ANSWER_S_MAX = 30, 600

_NAME = re.compile(r"[:*]([A-Za-z_][\w-]*)|\{([A-Za-z_][\w-]*)\}")


class HttpConfig(Config):
    server: str = Field("", description="Accepted and without effect: requests come in at Tidemill's own address.")
    anonymous: bool = Field(False, description="Serve it under /api/v1/open, too, where nobody is asked for a token.")
    answer_timeout: int = Field(
        ANSWER_S,
        alias="answerTimeout",
        ge=0,
        le=ANSWER_S_MAX,
        description="Seconds that a caller waits for branches that wait; `Prefer: wait=` of a request may say less."
        " Then the answer is 202, and the run goes on.",
    )
    read_timeout: int | None = Field(None, alias="readTimeout", description="Accepted and without effect.")
    write_timeout: int | None = Field(None, alias="writeTimeout", description="Accepted and without effect.")
    idle_timeout: int | None = Field(None, alias="idleTimeout", description="Accepted and without effect.")
    allow_cors: bool | None = Field(None, alias="allowCors", description="Accepted and without effect.")
    cert_file: str = Field("", alias="certFile", description="Accepted and without effect.")
    cert_key_file: str = Field("", alias="certKeyFile", description="Accepted and without effect.")


class HttpRouter(msgspec.Struct, frozen=True):
    """`segments`: text, or `:name` for any one, and at the end `*name` for all that follow."""

    router: Router
    source: str
    methods: frozenset[str]
    segments: tuple[str, ...]
    is_anonymous: bool
    answer_s: int = ANSWER_S

    def match(self, segments: Sequence[str]) -> Mapping[str, str] | None:
        """What the names in the path stand for; None where the path is another."""
        found: dict[str, str] = {}
        for index, own in enumerate(self.segments):
            if own.startswith("*"):
                found[own[1:]] = "/".join(segments[index:])
                return found
            if index >= len(segments) or not (own.startswith(":") or own == segments[index]):
                return None
            if own.startswith(":"):
                found[own[1:]] = segments[index]
        return found if len(segments) == len(self.segments) else None

    @property
    def particular(self) -> tuple[int, ...]:
        """Sorts what is more particular first: text before any one, before all that follow."""
        return tuple({":": 1, "*": 2}.get(segment[:1], 0) for segment in self.segments)


def segments_of(path: str) -> tuple[str, ...]:
    return tuple(segment for segment in path.split("/") if segment)


def http_routers(shop: Workshop, endpoint: EndpointDraft) -> Sequence[HttpRouter]:
    path = f"{endpoint.path}.configuration"
    config = shop.config(HttpConfig, shop.connected(endpoint.config, ("server",), path), path)
    if config is not None and (config.server or config.cert_file):
        key = "server" if config.server else "certFile"
        shop.add(f"{path}.{key}", f"is without effect: requests come in at {PREFIX}/...", "not_supported", "warning")
    found = [_router(shop, endpoint, router, config) for router in endpoint.routers]
    return [router for router in found if router is not None] if config is not None else ()


def _router(
    shop: Workshop, endpoint: EndpointDraft, draft: RouterDraft, config: HttpConfig | None
) -> HttpRouter | None:
    known = len(shop.findings)
    source = shop.text(draft.sources[0]) if draft.sources else ""
    if len(draft.sources) > 1:
        shop.add(f"{draft.path}.from.path", "is one path; make a router for each")
    segments = _segments(shop, source, f"{draft.path}.from.path")
    methods = _methods(shop, draft)
    router = shop.router(endpoint, draft)
    if router is None or config is None or errors(shop.findings[known:]):
        return None
    return HttpRouter(router, source, methods, segments, config.anonymous, config.answer_timeout)


def _segments(shop: Workshop, source: str, at: str) -> tuple[str, ...]:
    found = []
    segments = segments_of(source)
    for index, segment in enumerate(segments):
        if segment[0] not in ":*{":
            found.append(segment)
            continue
        named = _NAME.fullmatch(segment)
        if named is None:
            shop.add(at, f"{segment!r} is no name of a part of the path, as :name, {{name}} or *name")
        elif segment[0] == "*" and index < len(segments) - 1:
            shop.add(at, f"{segment!r} must come last")
        else:
            found.append(("*" if segment[0] == "*" else ":") + (named.group(1) or named.group(2)))
    return tuple(found)


def _methods(shop: Workshop, draft: RouterDraft) -> frozenset[str]:
    found = set()
    for index, param in enumerate(draft.params):
        method = param.upper() if isinstance(param, str) else ""
        if method not in METHODS:
            shop.add(f"{draft.path}.params[{index}]", f"must be one of {', '.join(METHODS)}, not {param!r}")
        found.add(method)
    return frozenset(found or {"POST"})
