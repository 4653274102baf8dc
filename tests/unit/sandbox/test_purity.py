"""Which bodies surely change nothing and leave nothing behind: what is not sure costs a parse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import py_mini_racer
import pytest

import tidemill.sandbox

_SOURCE = (Path(tidemill.sandbox.__file__).parent / "purity.js").read_text()


@pytest.fixture(scope="module")
def purity() -> Iterator[Callable[[str], str]]:
    racer = py_mini_racer.MiniRacer()
    judge: Any = racer.eval(f"(body) => {{ new Function('msg', body); return JSON.stringify(({_SOURCE})(body)); }}")
    yield lambda body: str(judge(body))
    racer.close()


PURE = [
    "",
    "return msg.temperature > 20;",
    "return msg.temperature > 20 && metadata.type == 'x' || !(msg.a >= 1)",
    "if (msg.a === null) return false; else { return (msg.b + 1) * 2 <= 5 }",
    "var limit = vars.limit; let a = msg['a']; const text = \"it's = 'x' ++\"; return a < limit",
    "// msg.a = 1\nreturn /* msg.b = 2 */ true // delete",
    "return typeof (msg.a?.b) !== 'undefined' && msg.new.delete.if == 5",
    "return msg.a >> 1 < msg.b << 2 || msg.c >>> 1 != 0",
    "return msg.a ? 'is (' : [1, 2][msg.b]",
    "return msg.status.startsWith('o') && Number(metadata.n) > 1 && Array.isArray(msg.list)",
]
TIDY = [
    "msg.a = 1; return true",
    "metadata.seen = '1'; msg.unit = 'C'; return {msg: msg, metadata: metadata, msgType: msgType};",
    "var a = msg.a; msg.b.c = a * 2; return {msg}",
    "return msg.list.includes(msg.n = 1)",
]
UNSURE = [
    "msg.n++; return true",
    "return --msg.n > 1",
    "delete msg.n; return true",
    "msg['n'] = 5",
    "[msg.n] = [5]",
    "({n: msg.n} = {n: 5})",
    "for (msg.n of [5]);",
    "msg.list.push(1)",
    "return msg.list.sort().includes(1)",
    "return msg.list.includes(1)(2)",
    "var m = msg; m.n = 5",
    "return `${lost = 1}`",
    "return msg.list.push`1`",
    "return new (function () { msg.n = 5 })",
    "eval('msg.n = 5')",
    "return (x => msg.n = x)(5)",
    "arguments[0].n = 5",
    "return /'/.test(msg.a) && (msg.a = 1) && /'/",
    "var a = 1, b = lost = 5",
    "lost = 1",
    "this.lost = 1",
    "globalThis.lost = 1",
    "var msg = globalThis; msg.lost = 1",
    "vars.a = 1",
    "metadata.a = lost = 1",
    "msg.a.b[0].c = 1",
    "msg.\\u006e = 5",
    "msg.n += 1",
    "msg.n ??= 1",
    "msg.n >>= 1",
    "msg.n <<= 1",
    "msg.n >>>= 1",
    "msg.n = lost >>>= 1",
    "return msg.a /2/ 1",
    "return async () => 1",
    "class A {}; return true",
    "return import('x')",
    "return msg.a?.(1)",
]


@pytest.mark.parametrize("body", PURE)
def test_what_only_reads_is_pure(purity: Callable[[str], str], body: str) -> None:
    assert purity(body) == '{"isPure":true,"isTidy":true}'


@pytest.mark.parametrize("body", TIDY)
def test_what_changes_parts_of_its_arguments_leaves_nothing_else_behind(
    purity: Callable[[str], str], body: str
) -> None:
    assert purity(body) == '{"isPure":false,"isTidy":true}'


@pytest.mark.parametrize("body", UNSURE)
def test_what_may_do_anything_is_not_trusted(purity: Callable[[str], str], body: str) -> None:
    assert purity(body) == '{"isPure":false,"isTidy":false}'
