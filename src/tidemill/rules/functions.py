"""Python functions of the operator's that chains call by name (the node `functions`). They run in the server's process.

A function gets a message (and the node's `param`, where it takes two) and gives back what is told: a message, a pair of
a relation and a message, a list of pairs, or nothing: then it is the message as it came. What it raises fails the
message.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, TypeVar

from tidemill.core.errors import Unavailable
from tidemill.graph.allowance import Allowance, TooLate
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS
from tidemill.rules.plugged import Function, Plugged

GROUP = "tidemill.functions"
CALLS_MAX = 100
"""Of an asynchronous function, at once."""

FUNCTIONS = Plugged("function", GROUP)
F = TypeVar("F", bound=Function)

Told = Sequence[tuple[str, Message]]


def function(name: str) -> Callable[[F], F]:
    """Registers a function for the node `functions`. A plain one runs on a thread and may block; an `async` one must
    not."""
    return FUNCTIONS.register(name)


async def call(
    called: Function, messages: Sequence[Message], param: str, allowances: Sequence[Allowance | None] = ()
) -> Sequence[Told | str]:
    """For each message what it is told as, or why it fails. Raises `Unavailable` where the function does. `allowances`
    of the messages hold for `async` functions: what is on a thread cannot be given up."""
    arguments = [(message, param) if _takes_two(called) else (message,) for message in messages]
    if not inspect.iscoroutinefunction(called):
        return await asyncio.to_thread(lambda: [_called(called, given) for given in arguments])
    room = asyncio.Semaphore(CALLS_MAX)

    async def one(given: tuple[Message] | tuple[Message, str], allowance: Allowance | None = None) -> Told | str:
        async with room:
            try:
                answer = await (called(*given) if allowance is None else allowance.spend(lambda: called(*given)))
                return _told(answer, given[0])
            except TooLate as error:
                return str(error)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - a user's code fails its own message
                return _reason(error)

    return await asyncio.gather(*map(one, arguments, allowances or repeat(None)))


def _called(called: Function, given: tuple[Message] | tuple[Message, str]) -> Told | str:
    try:
        return _told(called(*given), given[0])
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a user's code fails its own message
        return _reason(error)


def _told(result: object, message: Message) -> Told | str:
    if result is None:
        return [(SUCCESS, message)]
    if isinstance(result, Message):
        return [(SUCCESS, result)]
    pairs: list[Any] = result if isinstance(result, list) else [result]
    if all(isinstance(pair, tuple) and len(pair) == 2 and _is_pair(*pair) for pair in pairs):
        return pairs
    return (
        f"the function returned {type(result).__name__}, and no message, pair of relation and message, or list of pairs"
    )


def _is_pair(relation: object, message: object) -> bool:
    return isinstance(relation, str) and isinstance(message, Message)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _takes_two(called: Function) -> bool:
    parameters = inspect.signature(called).parameters.values()
    return sum(each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters) > 1
