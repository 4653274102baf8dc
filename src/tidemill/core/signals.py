"""SIGTERM and SIGINT ask for a stop; a second one has the default effect, for an operator in a hurry."""

from __future__ import annotations

import asyncio
import signal

ASKING = (signal.SIGTERM, signal.SIGINT)


def stop_on_signal() -> asyncio.Event:
    """The event is set by the first signal. Call it on the loop of the main thread."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def ask() -> None:
        stop.set()
        for number in ASKING:
            loop.remove_signal_handler(number)

    for number in ASKING:
        loop.add_signal_handler(number, ask)
    return stop
