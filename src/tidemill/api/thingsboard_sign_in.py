"""Signing in as ThingsBoard's clients do it."""

from __future__ import annotations

import msgspec
from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import Call
from tidemill.api.router import Routes
from tidemill.api.token import Short

routes = Routes("Token", "/api/auth")


class Login(msgspec.Struct, frozen=True):
    username: Short
    password: Short


@routes.post("/login", actions.PUBLIC, Login, dict[str, str | None])
async def login(call: Call) -> Response:
    """Signs in with a user's name and password, as ThingsBoard's clients do. There is no refresh token: whose token has
    expired signs in again."""
    given = await call.json(Login)
    token = await call.services.access.sign_in_password(given.username, given.password)
    return json_answer({"token": token, "refreshToken": None})
