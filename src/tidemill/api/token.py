"""Signing in, as the SDK does it, and who one is."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import Call
from tidemill.api.router import Routes
from tidemill.core.errors import BadInput

routes = Routes("Token", "/api/token")


Short = Annotated[str, msgspec.Meta(max_length=1_000, pattern=r"^[^\x00]*$")]


class SignIn(msgspec.Struct, frozen=True, rename="camel"):
    """An access key, or a user's name (`email` or `username`) with the password."""

    key_id: Short | None = None
    key_secret: Short | None = None
    email: Short | None = None
    username: Short | None = None
    password: Short | None = None


@routes.post("", actions.PUBLIC, SignIn, dict[str, str])
async def sign_in(call: Call) -> Response:
    """Signs in with an access key or a password; answers a token."""
    given = await call.json(SignIn)
    access = call.services.access
    user = given.username or given.email
    if given.key_id and given.key_secret:
        token = await access.sign_in_key(given.key_id, given.key_secret)
    elif user and given.password:
        token = await access.sign_in_password(user, given.password)
    else:
        raise BadInput("give keyId and keySecret, or email and password")
    return json_answer({"token": token})


@routes.get("/userInfo", actions.SIGNED_IN)
async def user_info(call: Call) -> Response:
    """Who the token belongs to."""
    principal = call.principal
    return json_answer(
        {
            "id": principal.id,
            "name": principal.name,
            "applicationUser": principal.is_application,
            "roles": [{"name": role} for role in principal.roles],
        }
    )
