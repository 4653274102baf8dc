"""From a time to an offset, by way of the indexes. The only search that reads records."""

from __future__ import annotations

from tidemill.broker.log.contents import LogContents
from tidemill.broker.log.records import records
from tidemill.broker.ports import NO_TIMESTAMP, TimedOffset


def offset_for_time(contents: LogContents, timestamp_ms: int, limit_offset: int) -> TimedOffset | None:
    """The first record in the log, below the limit, with this timestamp or a later one. Raises `OSError`."""
    for segment in contents.segments[contents.number_of(contents.start_offset) :]:
        if segment.base_offset >= limit_offset:
            return None
        if segment.summary.newest_ms < timestamp_ms:
            continue
        for found in segment.heads(segment.index.position_of_time(timestamp_ms)):
            head = found.head
            if head.base_offset >= limit_offset:
                return None
            if head.max_timestamp_ms < timestamp_ms or head.last_offset < contents.start_offset:
                continue
            if head.is_control:
                return TimedOffset(head.base_offset, head.max_timestamp_ms)
            for record in records(segment.batch(found)):
                if record.timestamp_ms >= timestamp_ms and record.offset >= contents.start_offset:
                    return TimedOffset(record.offset, record.timestamp_ms)
    return None


def offset_of_max_timestamp(contents: LogContents) -> TimedOffset | None:
    """The first record of those with the largest timestamp. Raises `OSError`."""
    first = contents.number_of(contents.start_offset)
    newest = [segment.summary.newest_ms for segment in contents.segments[first:]]
    if contents.start_offset > contents.segments[first].base_offset:
        newest[0] = _newest_visible(contents)  # the summary still counts what DeleteRecords has hidden
    newest_ms = max(newest)
    return offset_for_time(contents, newest_ms, contents.end_offset) if newest_ms > NO_TIMESTAMP else None


def _newest_visible(contents: LogContents) -> int:
    """In the segment that the log's start is in."""
    segment = contents.segments[contents.number_of(contents.start_offset)]
    heads = segment.heads(segment.position_of(contents.start_offset))
    return max((found.head.max_timestamp_ms for found in heads), default=NO_TIMESTAMP)
