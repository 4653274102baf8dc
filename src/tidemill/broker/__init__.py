"""The embedded broker: Kafka's protocol over files, on one node. It knows nothing of the rest of Tidemill.

Imports nothing until it is asked to: pytest loads the plugin beside this, in projects that never start a broker.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

__all__ = ["running"]


def running(data: Path | None = None, **settings: Any) -> AbstractContextManager[str]:
    """A broker in a thread of this process, for tests and notebooks: `with running() as address:`.

    Yields `host:port`. Without `data` it works in a temporary folder that goes with it, and never waits for the disk.
    `settings` are those of `tidemill.broker.settings.BrokerSettings`. Raises what `Broker.start` does.
    """
    from tidemill.broker import thread

    return thread.running(data, **settings)
