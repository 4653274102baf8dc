"""How long one good client waits until a record is taken and given back, as a process of its own: what else a test does
holds it up no more than it would any client. `python -m tests.parts.latency ADDRESS TOPIC COUNT`
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
from aiokafka.protocol.fetch import FetchRequest_v4

from tests.conformance.broker.wire import NO_ERROR, Wire, connected
from tests.unit.broker.log.rig import batch

PATIENCE_S = 100.0
PAUSE_S = 0.002
"""Between two: so that they are spread over what else goes on."""


class Latency(msgspec.Struct, frozen=True):
    median_ms: float
    worst_ms: float


def latency_of(address: str, topic: str, count: int) -> Latency:
    """Of so many records, one after the other, each produced and fetched."""
    command = [sys.executable, "-m", "tests.parts.latency", address, topic, str(count)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=PATIENCE_S).stdout
    found = sorted(json.loads(said))
    assert len(found) == count
    return Latency(found[count // 2], found[-1])


def round_trips_ms(wire: Wire, topic: str, count: int) -> Iterator[float]:
    for number in range(count):
        value = b"%d" % number
        records = bytes(batch(value, timestamp_ms=time.time_ns() // 1_000_000))
        begun_s = time.monotonic()
        error, offset = wire.produce(topic, records)
        assert error == NO_ERROR
        request = FetchRequest_v4(-1, 10_000, 1, 1_000_000, 0, [(topic, [(0, offset, 1_000_000)])])
        ((_, ((_, error, _, _, _, read),)),) = wire.ask(request).topics
        yield (time.monotonic() - begun_s) * 1000
        assert error == NO_ERROR
        assert read[8:] == records[8:12] + read[12:16] + records[16:], "another batch than the last one"
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    with connected(sys.argv[1]) as good:
        print(json.dumps(list(round_trips_ms(good, sys.argv[2], int(sys.argv[3])))))  # noqa: T201
