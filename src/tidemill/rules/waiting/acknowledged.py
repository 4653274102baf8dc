"""Messages that wait for the broker to acknowledge what was published of them."""

from __future__ import annotations

from tidemill.graph.message import Message, failed
from tidemill.graph.node import FAILURE, SUCCESS, Hold, Wake

WAIT_MS_MAX = 7 * 86_400_000


def until_acknowledged(publication: str, now_ms: int) -> Hold:
    """For the node that says the effect `Publish` of a publication with this id."""
    return Hold(now_ms + WAIT_MS_MAX, publication)


def acknowledged(message: Message, wake: Wake) -> tuple[str, Message]:
    """What such a node's `wake` answers. Where a crash lost the place of the record, the metadata has none."""
    if wake.is_acknowledged:
        place = {"partition": wake.partition, "offset": wake.offset}
        known = {name: str(number) for name, number in place.items() if number is not None}
        return SUCCESS, message.told(metadata={**message.metadata, **known})
    return FAILURE, failed(message, wake.refusal or "the broker has not answered within 7 days")
