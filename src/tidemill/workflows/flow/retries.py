"""When a failed attempt is repeated. Pure: the jitter comes from the attempt's own id."""

from __future__ import annotations

from hashlib import blake2b

from tidemill.workflows.plans.plan import Retry

_DELAY_MS_MAX = 365 * 86_400_000
_DOUBLINGS_MAX = 40


def delay_ms(retry: Retry, failures: int, task_id: str) -> int:
    """The wait after the `failures`-th failure of a step (from 1); `task_id` is the attempt that failed."""
    delay_s = retry.delay_s
    if retry.logic == "exponential":
        delay_s *= 2 ** min(failures - 1, _DOUBLINGS_MAX)
    elif retry.logic == "linear":
        delay_s *= retry.backoff_scale * failures
    delay_ms_max = min(round(retry.delay_s_max * 1000) or _DELAY_MS_MAX, _DELAY_MS_MAX)
    return min(round(min(delay_s * 1000, delay_ms_max)) + _jitter_ms(retry.jitter_ms, task_id), delay_ms_max)


def _jitter_ms(jitter_ms: int, task_id: str) -> int:
    if jitter_ms <= 0:
        return 0
    return int.from_bytes(blake2b(task_id.encode(), digest_size=8).digest(), "big") % (jitter_ms + 1)
