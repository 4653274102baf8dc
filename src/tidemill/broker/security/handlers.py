"""SaslHandshake and SaslAuthenticate. What a connection may do before is the connection's business."""

from __future__ import annotations

import structlog

from tidemill.broker.dispatch import Handlers, RequestContext
from tidemill.broker.errors import Refused
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from tidemill.broker.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from tidemill.broker.security.credentials import MECHANISMS
from tidemill.broker.security.exchanges import PLAIN, exchange
from tidemill.broker.security.users import Users
from tidemill.core.blocking import BlockingThread
from tidemill.core.clock import Clock
from tidemill.core.errors import BadInput

log = structlog.get_logger(__name__)

SERVED = [PLAIN, *MECHANISMS]
FAILURE_PAUSE_S = 0.2
"""Before a refusal, so that guessing is slow."""


class SaslHandlers:
    """Without `is_wanted` nobody is asked who they are, and who tries to say so is told."""

    def __init__(self, users: Users, clock: Clock, *, is_wanted: bool) -> None:
        self._users = users
        self._clock = clock
        self._is_wanted = is_wanted
        self._thread = BlockingThread("broker-passwords")

    def handlers(self) -> Handlers:
        return {ApiKey.SASL_HANDSHAKE: self.handshake, ApiKey.SASL_AUTHENTICATE: self.authenticate}

    def close(self) -> None:
        self._thread.close()

    def handshake(self, request: SaslHandshakeRequest, context: RequestContext) -> SaslHandshakeResponse:
        session = context.session
        if not self._is_wanted or session.is_authenticated:
            return SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE, mechanisms=[])
        if context.version == 0:
            # Its exchange would go on in frames without a header. All clients of today use version 1.
            return SaslHandshakeResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, mechanisms=SERVED)
        session.exchange = exchange(request.mechanism, self._users, self._thread)
        error_code = ErrorCode.NONE if session.exchange else ErrorCode.UNSUPPORTED_SASL_MECHANISM
        return SaslHandshakeResponse(error_code=error_code, mechanisms=SERVED)

    async def authenticate(self, request: SaslAuthenticateRequest, context: RequestContext) -> SaslAuthenticateResponse:
        session, under_way = context.session, context.session.exchange
        if under_way is None or session.is_authenticated:
            message = "SaslAuthenticate needs a SaslHandshake before, once"
            return _refusal(Refused(ErrorCode.ILLEGAL_SASL_STATE, message))
        try:
            step = await under_way.step(bytes(request.auth_bytes))
        except Refused as refusal:
            session.exchange, session.is_refused = None, True
            log.warning("login refused", client=context.client_host, reason=refusal.message)
            await self._clock.sleep(FAILURE_PAUSE_S)
            return _refusal(refusal)
        except (OSError, BadInput) as error:
            session.is_refused = True
            log.error("users cannot be read", error=str(error))
            return _refusal(Refused(ErrorCode.SASL_AUTHENTICATION_FAILED, "Authentication failed: ask the operator"))
        if step.user is not None:
            session.exchange, session.user, session.is_authenticated = None, step.user, True
        return SaslAuthenticateResponse(auth_bytes=step.answer)


def _refusal(refusal: Refused) -> SaslAuthenticateResponse:
    return SaslAuthenticateResponse(error_code=refusal.code, error_message=refusal.message, auth_bytes=b"")
