"""What must be there before the broker listens where others than this machine can reach it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl

from tidemill.broker.security.users import Users
from tidemill.broker.settings import BrokerSettings
from tidemill.core.errors import BadInput


async def check_exposure(settings: BrokerSettings, users: Users) -> None:
    """Raises `BadInput` with all that is missing, as one sentence, and `OSError` where the users cannot be read."""
    missing = []
    if not await _is_loopback(settings.host):
        if not settings.authentication:
            missing.append("authentication (--sasl)")
        if settings.certificate is None:
            missing.append("TLS (--certificate and --key)")
    if missing:
        others = f"others than this machine could reach {settings.host}"
        raise BadInput(f"{others}: that needs {' and '.join(missing)}; or listen on 127.0.0.1")
    if settings.authentication and not users.names():
        command = f"tidemill broker-user add NAME --data {settings.data}"
        raise BadInput(f"nobody could log in, because there are no users: {command}")


def tls_context(settings: BrokerSettings) -> ssl.SSLContext | None:
    """None without TLS. Raises `BadInput`."""
    if settings.certificate is None and settings.key is None:
        return None
    if settings.certificate is None or settings.key is None:
        raise BadInput("TLS needs both files: --certificate and --key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key, password="")
    except (OSError, ValueError) as error:  # among them ssl.SSLError
        reason = getattr(error, "strerror", None) or str(error)
        files = f"{settings.certificate} and {settings.key}"
        raise BadInput(f"{files} are no certificate with its key: {reason}") from error
    return context


async def _is_loopback(host: str) -> bool:
    """Only if all that the name stands for is: a name that is unknown will not be listened on in any case."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host or None, 0, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return bool(host) and all(ipaddress.ip_address(each[4][0]).is_loopback for each in found)
