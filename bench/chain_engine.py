"""The chain engine alone, without Kafka and database: messages a second through nodes, each message's end awaited, in
an interpreter and an event loop like the server's.
`python -m bench.chain_engine`; in `make bench` too.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench.records import value_of
from tests.fakes.rules import RulesRoom
from tidemill.core.clock import SystemClock
from tidemill.graph.message import Message
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.settings import SandboxSettings
from tidemill.server.run import tune_interpreter

SCALE = float(os.environ.get("TIDEMILL_BENCH_SCALE", "1"))
MESSAGES = max(int(200_000 * SCALE), 50_000)
BATCH = 1_000
CALLERS = 2
"""Batches under way at once, as of two endpoints."""
ROUNDS = 3

Chain = tuple[Sequence[dict[str, Any]], Sequence[tuple[str, str, str]]]

CHAINS: Mapping[str, Chain] = {
    "jsFilter → jsTransform": (
        [
            {"id": "a", "type": "jsFilter", "configuration": {"jsScript": "return msg.amount >= 0;"}},
            {
                "id": "b",
                "type": "jsTransform",
                "configuration": {"jsScript": "msg.currency = 'EUR'; return {msg: msg, metadata: metadata};"},
            },
        ],
        [("a", "True", "b")],
    ),
    "exprFilter → exprTransform": (
        [
            {"id": "a", "type": "exprFilter", "configuration": {"expr": "msg.amount >= 0"}},
            {
                "id": "b",
                "type": "exprTransform",
                "configuration": {"mapping": {"order": "msg.order", "amount": "msg.amount", "currency": "'EUR'"}},
            },
        ],
        [("a", "True", "b")],
    ),
    "ten nodes that pass on": (
        [{"id": f"n{number}", "type": "comment"} for number in range(10)],
        [(f"n{number}", "Success", f"n{number + 1}") for number in range(9)],
    ),
}


def measure() -> dict[str, float]:
    """Messages per second, the best of some rounds."""
    thresholds, interval_s = gc.get_threshold(), sys.getswitchinterval()
    tune_interpreter()
    try:
        return uvloop.run(_rates())
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        sys.setswitchinterval(interval_s)


async def _rates() -> dict[str, float]:
    sandbox = SandboxPool(SandboxSettings(), SystemClock())
    await sandbox.start()
    try:
        return {name: await _rate(sandbox, chain) for name, chain in CHAINS.items()}
    finally:
        await sandbox.close()


async def _rate(sandbox: SandboxPool, chain: Chain) -> float:
    room = RulesRoom(sandbox)
    saved = await room.save("bench", *chain)
    assert not isinstance(saved.graph, str), saved.graph
    metadata = {"topic": "orders", "partition": "0", "key": "customer-1"}
    messages = [Message(f"m{number}", number, "orders", value_of(number), metadata) for number in range(BATCH)]
    clock, rates = SystemClock(), []

    async def send() -> None:
        for _ in range(MESSAGES // BATCH // CALLERS):
            results = await room.run("bench", *messages)
            assert all(len(result.ends) == 1 and result.ends[0].error is None for result in results)

    for _ in range(ROUNDS):
        started_s = clock.monotonic_s()
        await asyncio.gather(*(send() for _ in range(CALLERS)))
        rates.append(MESSAGES / (clock.monotonic_s() - started_s))
    return max(rates)


def engine_table(rates: Mapping[str, float]) -> Table:
    table = Table("rule chains, the engine alone", "messages/s")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}")
    return table


def main() -> None:
    Console().print(engine_table(measure()))


if __name__ == "__main__":
    main()
