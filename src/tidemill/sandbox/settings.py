"""What bounds user code: sizes, times and limits of the sandbox. Every queue and every answer has one."""

from __future__ import annotations

import msgspec


class SandboxSettings(msgspec.Struct, frozen=True):
    """Times and sizes are per message unless they say otherwise."""

    javascript_children: int = 1
    jq_children: int = 1
    time_limit_s: float = 4.0
    time_limit_tight_s: float = 0.1
    """For a script that hung in the last `strikes_max` messages, until a batch of it runs clean: one that always
    hangs must not hold up the records of all the others."""
    strikes_max: int = 3
    memory_bytes: int = 128 * 2**20
    result_bytes_max: int = 8 * 2**20
    results_max: int = 100_000
    """Of one jq query."""
    call_messages_max: int = 1_000
    call_bytes_max: int = 8 * 2**20
    calls_waiting_max: int = 1_000
    start_timeout_s: float = 20.0
