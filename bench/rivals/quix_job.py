"""Topic, filter, transform, topic with Quix Streams.

`python quix_job.py ADDRESS SOURCE TARGET GROUP exactly-once|at-least-once`
"""

from __future__ import annotations

import sys
import tempfile

from quixstreams import Application

address, source, target, group, guarantee = sys.argv[1:]

if __name__ == "__main__":
    app = Application(
        broker_address=address,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee=guarantee,
        commit_interval=0.5,  # its default shows records of a transaction after 5 s only
        auto_create_topics=False,
        state_dir=tempfile.mkdtemp(),
        loglevel=None,
    )
    orders = app.dataframe(app.topic(source, value_deserializer="json"))
    orders = orders[orders["amount"] >= 10]
    orders = orders.apply(lambda order: {**order, "currency": "EUR"})
    orders.to_topic(app.topic(target, value_serializer="json"))
    app.run()
