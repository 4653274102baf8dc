"""Who polls for which tasks: kept in memory, and shared with the other processes every few seconds.

For people who look (poll data), and for tasks that may go to one of several domains. Hands out nothing.
"""

from __future__ import annotations

import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.workflows.ports import LastPoll, LastPolls

log = structlog.get_logger(__name__)

SHARE_S = 2.0
ACTIVE_MS = 10_000
"""How long after its last poll a worker counts as being there, as in Conductor."""
KEEP_MS = 24 * 3_600_000
POLLS_MAX = 10_000
"""How many workers a process remembers; whoever invents names for each poll does not fill its memory."""

_Key = tuple[str, str, str]


class PollData:
    def __init__(self, store: LastPolls, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._unshared: dict[_Key, int] = {}
        self._active: dict[tuple[str, str], int] = {}
        """By name and domain, when somebody polled last, here or elsewhere."""
        self._trimmed_ms = 0

    def seen(self, name: str, domain: str | None, worker: str, wait_ms: int = 0) -> None:
        """A worker polls, and waits so long for a task."""
        now_ms = self._clock.now_ms()
        if len(self._unshared) < POLLS_MAX:
            self._unshared[name, domain or "", worker] = now_ms
        key = (name, domain or "")
        self._active[key] = max(now_ms + wait_ms, self._active.get(key, 0))

    def is_polled(self, name: str, domain: str) -> bool:
        """Whether a worker is there for such tasks."""
        return self._clock.now_ms() - self._active.get((name, domain), -ACTIVE_MS) < ACTIVE_MS

    async def of(self, name: str | None = None) -> list[LastPoll]:
        await self.share()
        return list(await self._store.find(name))

    async def run(self) -> None:
        """Never returns."""
        while True:
            try:
                await self.share()
                await self._learn()
            except (Unavailable, StaleWrite) as error:
                log.debug("poll data waits", reason=str(error))
            await self._clock.sleep(SHARE_S)

    async def share(self) -> None:
        unshared, self._unshared = self._unshared, {}
        try:
            if unshared:
                await self._store.put([LastPoll(*key, polled_ms) for key, polled_ms in unshared.items()])
        except (Unavailable, StaleWrite):
            self._unshared = {**unshared, **self._unshared}
            raise

    async def _learn(self) -> None:
        """Of the workers of other processes; and forgets those who are gone for good."""
        now_ms = self._clock.now_ms()
        active = {key: at_ms for key, at_ms in self._active.items() if now_ms - at_ms < ACTIVE_MS}
        for poll in await self._store.find(since_ms=now_ms - ACTIVE_MS):
            key = (poll.name, poll.domain)
            active[key] = max(poll.polled_ms, active.get(key, 0))
        # What has been seen while this waited is newer.
        self._active = {**active, **{key: at_ms for key, at_ms in self._active.items() if at_ms >= now_ms}}
        if now_ms - self._trimmed_ms > KEEP_MS // 24:
            self._trimmed_ms = now_ms
            await self._store.forget(now_ms - KEEP_MS)
