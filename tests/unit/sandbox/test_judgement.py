"""Who is to blame when a child ends, and what is run again."""

from __future__ import annotations

from typing import Literal

import pytest

from tidemill.sandbox.call import COMPUTED, STAGED, Call
from tidemill.sandbox.pool import Segment, Strikes, judged
from tidemill.sandbox.script import Computed, ScriptError, Staged
from tidemill.sandbox.settings import SandboxSettings

INPUTS = [b"0", b"1", b"2", b"3"]
End = Literal["answered", "died", "hung", "garbled"]


def ended(end: End, how: str = "", answered: int = 0, inputs: list[bytes] = INPUTS) -> Call[Computed]:
    return Call(b"k", "s", "expression", inputs, 4, COMPUTED, computed=[Computed(1)] * answered, end=end, how=how)


def test_what_the_child_left_over_is_run_as_before() -> None:
    assert judged(Segment(INPUTS), ended("answered", answered=3)) == ([], [Segment(INPUTS[3:])])


@pytest.mark.parametrize(("end", "how"), [("died", "SIGTRAP"), ("died", "SIGKILL"), ("hung", ""), ("garbled", "x")])
def test_a_batch_is_run_again_with_care(end: End, how: str) -> None:
    assert judged(Segment(INPUTS), ended(end, how, answered=1)) == ([], [Segment(INPUTS[1:], True, deaths=1)])


@pytest.mark.parametrize(
    ("end", "how", "kind"), [("died", "SIGABRT", "memory"), ("hung", "", "timeout"), ("garbled", "x", "type")]
)
def test_with_care_the_first_without_an_answer_is_to_blame(end: End, how: str, kind: str) -> None:
    blamed, again = judged(Segment(INPUTS, True, deaths=1), ended(end, how, answered=2))
    assert [item.error.kind for item in blamed if item.error] == [kind]
    assert again == [Segment(INPUTS[3:], True, deaths=1)]


def test_a_crash_in_an_old_child_is_no_proof() -> None:
    blamed, again = judged(Segment(INPUTS, True), ended("died", "SIGABRT", answered=2))
    assert blamed == []
    assert again == [Segment(INPUTS[3:], True, deaths=1), Segment(INPUTS[2:3], True, deaths=1)]
    blamed, again = judged(again[1], ended("died", "SIGABRT", inputs=INPUTS[2:3]))
    assert len(blamed) == 1
    assert again == []


def test_a_child_that_was_killed_is_no_proof_until_the_third_time() -> None:
    segment = Segment(INPUTS, True)
    for deaths in (1, 2):
        blamed, again = judged(segment, ended("died", "SIGKILL", inputs=list(segment.inputs)))
        assert blamed == []
        assert again[-1] == Segment(INPUTS[:1], True, deaths=deaths)
        segment = again[-1]
    blamed, again = judged(segment, ended("died", "SIGKILL", inputs=INPUTS[:1]))
    assert len(blamed) == 1
    assert again == []


def test_a_single_message_that_hangs_needs_no_care() -> None:
    blamed, again = judged(Segment(INPUTS[:1]), ended("hung", inputs=INPUTS[:1]))
    assert len(blamed) == 1
    assert again == []


def test_who_hangs_again_and_again_gets_less_time_until_it_runs_clean() -> None:
    strikes = Strikes(SandboxSettings(time_limit_s=4, time_limit_tight_s=0.1, strikes_max=2))
    timeout = Call(
        b"k",
        "s",
        "expression",
        INPUTS,
        4,
        COMPUTED,
        computed=[Computed(error=ScriptError("timeout", ""))],
        end="answered",
    )
    assert strikes.limit_s(b"k") == 4
    strikes.count(b"k", timeout)
    assert strikes.limit_s(b"k") == 4
    strikes.count(b"k", ended("hung"))
    assert strikes.limit_s(b"k") == 0.1
    assert strikes.limit_s(b"other") == 4
    strikes.count(b"k", ended("died"))
    assert strikes.limit_s(b"k") == 0.1
    strikes.count(b"k", ended("answered", answered=4))
    assert strikes.limit_s(b"k") == 4


def staged(end: End, how: str = "", stage: int = 0) -> Call[Staged]:
    return Call(b"k", "s", "stages", INPUTS[:1], 4, STAGED, stage=stage, end=end, how=how)


@pytest.mark.parametrize(("end", "how"), [("died", "SIGTRAP"), ("hung", ""), ("garbled", "x")])
def test_which_stage_it_was_is_asked_with_care(end: End, how: str) -> None:
    blamed, again = judged(Segment(INPUTS[:1], deaths=1), staged(end, how))
    assert blamed == []
    (careful,) = again
    assert careful.is_careful
    blamed, again = judged(careful, staged(end, how, stage=2))
    assert [(item.stage, item.error is not None) for item in blamed] == [(2, True)]
    assert again == []
