"""The power goes at any moment, and the disk forgets what was not synced: with fsync `always` an answered commit is
there, and one that was not answered is everywhere or nowhere.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.fakes.forgetful_disk import ForgetfulDisk
from tests.unit.broker.transactions.node import TIMEOUT_MS, Node, Partition
from tidemill.broker.durability import all_durable
from tidemill.broker.settings import Fsync

FOLDER = Path("/data")
PARTITIONS: tuple[Partition, ...] = (("a", 0), ("a", 1), ("b", 0))
ROUNDS = 6
MOMENTS_MAX = 60


class Writer:
    """One transaction over all partitions and a group, as a client makes it."""

    def __init__(self, node: Node, number: int, *, is_committed: bool) -> None:
        self.node = node
        self.number = number
        self.is_committed = is_committed
        self.is_answered = False

    async def run(self) -> None:
        node, value = self.node, b"%d" % self.number
        producer = await node.begin()
        for partition in PARTITIONS:
            await node.write_durably(producer, value, partition)
        await all_durable([node.commit_offset(producer, self.number)])
        await node.end(producer, is_committed=self.is_committed)
        self.is_answered = True


@pytest.mark.parametrize("seed", range(25))
async def test_power_goes_at_any_moment(seed: int) -> None:
    chance = random.Random(seed)
    disk = ForgetfulDisk()
    values: list[bytes] = []
    offset: int | None = None
    for number in range(1, ROUNDS + 1):
        node = await started(disk)
        writer = Writer(node, number, is_committed=chance.random() < 0.8)
        disk = await cut_off(writer, disk, chance)
        node = await started(disk)
        node.clock.advance(TIMEOUT_MS / 1000 + 1)
        await node.transactions.sweep()
        found = [node.values(*partition) for partition in PARTITIONS]
        assert all(node.is_settled(*partition) for partition in PARTITIONS)
        if writer.is_committed and (writer.is_answered or found[0][len(values) :]):
            values.append(b"%d" % number)
            offset = number
        assert found == [values] * len(PARTITIONS)
        assert node.offset() == offset
        await node.stop()


async def started(disk: ForgetfulDisk) -> Node:
    node = Node(FOLDER, fsync=Fsync.ALWAYS, other_disk=disk)
    await node.start()
    return node


async def cut_off(writer: Writer, disk: ForgetfulDisk, chance: random.Random) -> ForgetfulDisk:
    """The disk that is found after the power went while the writer wrote."""
    task = asyncio.create_task(writer.run())
    for _ in range(chance.randrange(MOMENTS_MAX)):
        await asyncio.sleep(0.0002)
    found = disk.power_cut(chance)
    answered = writer.is_answered
    task.cancel()
    await asyncio.wait([task])
    assert writer.is_answered == answered
    await writer.node.stop()
    return found
