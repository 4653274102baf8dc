"""Scripts of rule nodes tried over one message, as ThingsBoard's editor does it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.core.codec import from_json, to_json
from tidemill.graph.message import Message
from tidemill.rules.scripts.scripts import StageKind, changed
from tidemill.rules.scripts.tbel import plain
from tidemill.sandbox.script import Staged

routes = Routes("Rule chains", "/api/ruleChain")

_KINDS: Mapping[str, StageKind] = {"update": "map", "generate": "map", "filter": "value", "switch": "value"}
_ARGUMENTS = ("msg", "metadata", "msgType")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_WRONG = "the script must return "


class TestedScript(msgspec.Struct, frozen=True, rename="camel"):
    """`msg` is the text of the message's data, `arg_names` how the script calls its arguments."""

    script: str
    script_type: Literal["update", "generate", "filter", "switch", "json", "string"] = "update"
    arg_names: list[str] = []
    msg: str = "{}"
    metadata: dict[str, str] = {}
    msg_type: str = ""


@routes.post("/testScript", actions.RULE_CHAIN_WRITE, TestedScript, dict[str, str])
async def test_script(call: Call, script_lang: Annotated[Text, Query(alias="scriptLang")] = None) -> Response:
    """Runs a script over one message: what it returns is `output`, why it failed is `error`."""
    asked = await call.json(TestedScript)
    code = asked.script
    if (script_lang or "JS").upper() != "JS":
        found = plain(code)
        if found.code is None:
            return _told(error=f"{found.word!r} is more than TBEL and JavaScript have in common; use JavaScript")
        code = found.code
    given = Message("test", call.services.clock.now_ms(), asked.msg_type, asked.msg.encode(), asked.metadata)
    answer = await call.services.rules.try_script(_renamed(asked) + code, _KINDS.get(asked.script_type, "value"), given)
    return _output(asked, given, answer)


def _renamed(asked: TestedScript) -> str:
    """What lets a script call its arguments by names of its own, on its first line."""
    pairs = [(own, name) for own, name in zip(asked.arg_names, _ARGUMENTS, strict=False) if own != name]
    return "".join(f"var {own} = {name}; " for own, name in pairs if _NAME.fullmatch(own))


def _output(asked: TestedScript, given: Message, answer: Staged) -> Response:
    if answer.error is not None:
        return _told(error=str(answer.error))
    value = from_json(bytes(answer.value)) if answer.value is not None else None
    if asked.script_type in ("update", "generate"):
        return _told(value) if isinstance(value, list) else _told(_parts(given, answer))
    if asked.script_type == "filter" and not isinstance(value, bool):
        return _told(error=f"{_WRONG}true or false")
    if asked.script_type == "switch":
        named = [value] if isinstance(value, str) else value
        is_list = isinstance(named, list) and all(isinstance(each, str) for each in named)
        return _told(named) if is_list else _told(error=f"{_WRONG}a relation, or a list of relations")
    if asked.script_type == "string":
        return _told(value) if isinstance(value, str) else _told(error=f"{_WRONG}a text")
    return _told(value)


def _parts(given: Message, answer: Staged) -> dict[str, Any]:
    made = given if answer.changed is None else changed(given, answer.changed)
    return {"msg": made.value(), "metadata": made.metadata, "msgType": made.type}


def _told(output: Any = "", error: str = "") -> Response:
    return json_answer({"output": output if isinstance(output, str) else to_json(output).decode(), "error": error})
