"""Structured logs on stderr: constant event text, everything else as fields.

A process that is to be small imports this module before any other of ours, so that structlog finds no rich: it would
load all of it, 4 MB and a tenth of a second, for tracebacks that are printed plainly here.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, TextIO, cast

if "rich" in sys.modules or TYPE_CHECKING:
    import structlog
else:
    sys.modules["rich"] = None
    try:
        import structlog
    finally:
        del sys.modules["rich"]

CACHED = True
"""Whether a logger stays what it was at its first line; else it follows what is set up later."""


class _StandardError:
    """What it is when a line is written: whoever runs a command in a process of its own may have put another there."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure_logs(log_format: str, level: str) -> None:
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    tail: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, renderer] if log_format == "json" else [renderer]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *tail,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _StandardError())),
        cache_logger_on_first_use=CACHED,
    )
