"""What the members of a group of consumers read: the start of what each tells its leader.

The format is Kafka's ConsumerProtocolSubscription (version, count of topics, topics; all big-endian). Everything else
that members tell each other is theirs alone.
"""

from __future__ import annotations

import struct

from tidemill.broker.groups.group import Group

CONSUMER = "consumer"
"""The protocol type of consumers; others (Connect, schema registries) speak their own."""
HEAD = struct.Struct(">hi")
LENGTH = struct.Struct(">h")


def subscribed_topics(group: Group) -> set[str] | None:
    """Of all members; None if that cannot be known, so that each topic may be among them."""
    topics: set[str] = set()
    for member in group.roster:
        for strategy in member.strategies:
            try:
                topics |= _topics(strategy.metadata)
            except (struct.error, UnicodeDecodeError, ValueError):
                return None
    return topics


def _topics(metadata: bytes) -> set[str]:
    _, count = HEAD.unpack_from(metadata)
    position, topics = HEAD.size, set()
    for _ in range(count):  # ends with the bytes, whatever the count says
        (length,) = LENGTH.unpack_from(metadata, position)
        end = position + LENGTH.size + length
        if not position + LENGTH.size <= end <= len(metadata):
            raise ValueError("a topic that ends outside")
        topics.add(metadata[position + LENGTH.size : end].decode())
        position = end
    return topics
