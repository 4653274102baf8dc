"""Finished tasks leave the document of a long execution, and everything goes on as if they had not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.plans import plan, script_of, step
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.errors import Conflict, NotFound
from tidemill.ingest.effect import EffectGroup
from tidemill.workflows.effects import StartWorkflow, UpdateTask, UpdateVariables
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.ports import Unread
from tidemill.workflows.state import departed
from tidemill.workflows.state.rows import execution_of_row, unpack
from tidemill.workflows.state.state import Execution
from tidemill.workflows.tasks.join import JoinSettings
from tidemill.workflows.tasks.loop import LoopSettings

FIRST = step("first", "worker", to="second")
SECOND = step("second", to="loop")
MANY = step("loop", "loop", LoopSettings(items="items"), "last", {"items": "${workflow.input.items}"}, body="each")
EACH = step("each", "worker", given={"item": "${loop.output.loopItem}"})


def looping(*after: Any, output: Any = None) -> Plan:
    """Two tasks, then as many as the input has items, one after the other, then what comes after."""
    return plan(FIRST, SECOND, MANY, EACH, *after, output=output)


async def run_loop(mill: Mill, times: int, **first: Any) -> None:
    await mill.start(given={"items": list(range(times))})
    await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="first", output=first))
    for number in range(times):
        await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="each", output={"n": number}))


async def test_many_finished_tasks_leave_in_one_go_and_few_stay(mill: Mill) -> None:
    mill.register(looping(step("last", "worker")))
    await run_loop(mill, departed.FINISHED_MAX - 2)
    assert not mill.places.left

    await mill.run(StartWorkflow("y", "wf", input={"items": list(range(200))}))
    await mill.run(UpdateTask("COMPLETED", execution_id="y", ref="first"))
    sizes, departures = [], set()
    for _ in range(200):
        await mill.run(UpdateTask("COMPLETED", execution_id="y", ref="each"))
        sizes.append(len(execution_of_row(mill.places.rows["y"]).tasks))
        departures.add(len(mill.places.left))

    assert max(sizes) <= departed.FINISHED_MAX + 4
    assert len(departures) <= 200 // departed.FINISHED_MAX + 1
    assert [task.seq for task in mill.execution("y").tasks] == list(range(1, 205))
    assert mill.execution("y").tasks[-1].ref == "last"


async def test_what_hangs_on_open_tasks_stays(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departed, "FINISHED_MAX", 0)
    mill.register(
        plan(
            step("fork", "fork", to="join", branches=("a", "b")),
            step("a", "worker", to="a2"),
            step("a2", "worker"),
            step("b", "worker"),
            step("join", "join", JoinSettings(("a2", "b"))),
        )
    )
    await mill.start()
    await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="a"))
    refs = {task.ref for task in execution_of_row(mill.places.rows["x"]).tasks}
    assert refs == {"fork", "a", "b", "join", "a2"}
    await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="a2", output={"of": "a2"}))
    assert {seq for _, seq in mill.places.left} >= {2}
    await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="b", output={"of": "b"}))
    assert mill.execution().output == {"a2": {"of": "a2"}, "b": {"of": "b"}}


async def test_a_step_reads_what_has_left_with_one_question(mill: Mill) -> None:
    last = step("last", "worker", given={"a": "${first.output.a}", "s": "${first.status}", "none": "${nobody.output}"})
    mill.register(looping(last))
    await run_loop(mill, 40, a="kept")

    assert ("x", 1) in mill.places.left
    assert mill.execution().tasks[-1].input == {"a": "kept", "s": "COMPLETED", "none": None}
    assert [asked for asked in mill.places.asked if asked["x"].refs] == [{"x": Unread(refs={"first", "nobody"})}]


async def test_a_template_of_everything_sees_the_newest_of_each_name(mill: Mill) -> None:
    mill.register(looping(step("last", "worker", given={"all": "${$}"})))
    await run_loop(mill, 40, a="kept")

    seen = mill.execution().tasks[-1].input["all"]
    assert seen["first"]["output"] == {"a": "kept"}
    assert seen["each"]["output"] == {"n": 39}


async def test_the_output_of_a_loop_has_all_its_iterations(mill: Mill) -> None:
    mill.register(looping(step("last", "noop"), output={"all": "${loop.output}", "first": "${first.output.a}"}))
    await run_loop(mill, 100, a=1)

    execution = mill.execution()
    assert execution.status == "COMPLETED"
    assert execution.output["first"] == 1
    shown = execution.output["all"]
    assert shown["iteration"] == 100
    assert [shown[str(number + 1)] for number in range(100)] == [{"each": {"n": number}} for number in range(100)]


async def test_an_answer_of_the_sandbox_is_not_asked_for_again(mill: Mill) -> None:
    mill.sandbox.scripts["s"] = lambda bindings: bindings["$"]["n"]
    script = step("last", "script", script_of("s"), "after", {"n": "${workflow.input.items[1]}"})
    mill.register(
        looping(script, step("after", "worker", given={"a": "${first.output.a}", "r": "${last.output.result}"}))
    )
    await run_loop(mill, 40, a="kept")

    assert mill.execution().tasks[-1].input == {"a": "kept", "r": 1}
    assert len(mill.sandbox.calls) == 1


async def test_reports_on_tasks_that_have_left(mill: Mill) -> None:
    mill.register(looping(step("last", "worker")))
    await run_loop(mill, 40, a="kept")
    left = mill.places.left["x", 5]

    again, by_ref, other, none, refused = await mill.run(
        UpdateTask("COMPLETED", task_id="x.5", output={"n": 1}),
        UpdateTask("COMPLETED", execution_id="x", ref="first", output={"a": "kept"}),
        UpdateTask("COMPLETED", task_id="x.5", output={"n": "other"}),
        UpdateTask("COMPLETED", task_id="x.999"),
        UpdateTask("COMPLETED", execution_id="x", ref="nobody"),
    )

    assert (again.results, by_ref.results) == (["x.5"], ["x.1"])
    assert [type(each.error) for each in (other, none, refused)] == [Conflict, NotFound, NotFound]
    assert mill.places.left["x", 5] is left


async def test_a_group_that_waited_for_what_has_left_is_undone_as_a_whole(mill: Mill) -> None:
    mill.register(looping(step("last", "worker", to="end"), step("end", "worker", given={"a": "${first.output.a}"})))
    await run_loop(mill, 40, a="kept")
    last = UpdateTask("COMPLETED", execution_id="x", ref="last")

    refused, alone = await mill.run_groups(
        EffectGroup((UpdateVariables("x", {"v": 1}), last, UpdateTask("COMPLETED", task_id="x.999"))),
        EffectGroup((UpdateVariables("x", {"w": 1}), last)),
    )

    assert isinstance(refused.error, NotFound)
    assert alone.error is None
    assert mill.execution().variables == {"w": 1}
    assert [(task.ref, task.input) for task in mill.execution().tasks[-2:]] == [("last", {}), ("end", {"a": "kept"})]


async def test_large_tasks_leave_while_they_are_few(mill: Mill) -> None:
    mill.register(plan(*(step(f"w{n}", "worker", to=f"w{n + 1}") for n in range(9)), step("w9", "worker")))
    await mill.start()
    for number in range(9):
        text = "x" * 200_000
        await mill.run(UpdateTask("COMPLETED", execution_id="x", ref=f"w{number}", output={"text": text}))

    assert len(mill.places.left) >= 6
    assert len(mill.places.rows["x"].document) < 600_000
    assert all(len(task.output["text"]) == 200_000 for task in mill.execution().tasks[:9])


async def test_what_a_step_writes_does_not_grow_with_the_tasks_before_it(mill: Mill) -> None:
    """Bytes instead of time: of the document and of the rows that leave it."""
    mill.register(looping(step("last", "worker")))
    await mill.start(given={"items": [0] * 1_000})
    await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="first"))
    written = []
    for _ in range(990):
        left = sum(len(task.document) for task in mill.places.left.values())
        await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="each", output={"text": "x" * 300}))
        document = len(mill.places.rows["x"].document) - 2_000  # the items
        written.append(document + sum(len(task.document) for task in mill.places.left.values()) - left)
    tenth, late = written[9], sum(written[-100:]) / 100
    assert late < 2 * tenth, (tenth, late)


async def test_a_document_is_read_again_only_where_something_has_to_be_put_back(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = [f"s{number}" for number in range(3 * departed.FINISHED_MAX)]
    waiting = (step(ref, "worker") for ref in refs)
    mill.register(plan(step("f", "fork", to="j", branches=refs), *waiting, step("j", "join", JoinSettings())))
    await mill.start()
    half = len(refs) // 2
    await mill.run(*(UpdateTask("COMPLETED", execution_id="x", ref=ref) for ref in refs[:half]))
    assert mill.places.left
    read: list[bytes] = []

    def counted(document: bytes) -> Execution:
        read.append(document)
        return unpack(document)

    monkeypatch.setattr("tidemill.workflows.state.decision.unpack", counted)
    await mill.run(*(UpdateTask("COMPLETED", execution_id="x", ref=ref) for ref in refs[half:-1]))
    assert not read
    await mill.run(UpdateTask("COMPLETED", execution_id="x", ref=refs[-1]))
    assert len(read) == 1 and mill.execution().status == "COMPLETED"


async def test_a_task_of_an_early_iteration_is_found_where_it_has_left(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departed, "FINISHED_MAX", 3)
    mill.register(
        plan(
            step("l", "loop", LoopSettings(items="items"), given={"items": list(range(20))}, body="each"),
            step("each", "worker", within=(True,)),
        )
    )
    await mill.start()
    for _ in range(12):
        await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="each", output={"a": 1}))
    assert ("x", 3) in mill.places.left
    again = UpdateTask("COMPLETED", execution_id="x", ref="each__2", output={"a": 1})
    assert [verdict.results for verdict in await mill.run(again)] == [["x.3"]]
    assert [task.status for task in mill.execution().tasks[1:]] == ["COMPLETED"] * 12 + ["SCHEDULED"]
