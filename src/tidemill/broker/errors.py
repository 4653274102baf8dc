"""How a part of the broker says no: with one of Kafka's codes, which the handler puts into its answer."""

from __future__ import annotations

from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.core.errors import TidemillError


class Refused(TidemillError):
    """The request, or one item of it, is answered with `code`. The text goes where the answer has room for one."""

    def __init__(self, code: ErrorCode, message: str = "") -> None:
        self.code = code
        self.message = message or code.name
        super().__init__(self.message)
