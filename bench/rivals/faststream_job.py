"""Topic, filter, transform, topic with FastStream, in batches: its faster way. At least once.

`python faststream_job.py ADDRESS SOURCE TARGET GROUP`
"""

from __future__ import annotations

import asyncio
import json
import sys

from faststream import FastStream
from faststream.confluent import KafkaBroker

address, source, target, group = sys.argv[1:]
broker = KafkaBroker(address, logger=None)


@broker.subscriber(source, group_id=group, auto_offset_reset="earliest", batch=True, max_records=1000)
async def handle(orders: list[dict]) -> None:
    kept = [{**order, "currency": "EUR"} for order in orders if order["amount"] >= 10]
    if kept:
        await broker.publish_batch(*(json.dumps(order).encode() for order in kept), topic=target)


if __name__ == "__main__":
    asyncio.run(FastStream(broker, logger=None).run())
