"""A transaction without a database, for what only passes it on."""

from __future__ import annotations


class OpenTransaction:
    """What is written is written at once, so there is nothing to flush."""

    def __init__(self) -> None:
        self.is_open = True

    async def flush(self) -> None:
        pass
