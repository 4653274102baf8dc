"""HTTP tasks, from the engine through the runner to a service, and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.fakes.plans import plan, step
from tests.parts.web import Answer, Asked, WebService, reply, web_service
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core import metrics
from tidemill.core.clock import HeldClock, SystemClock
from tidemill.core.errors import Unavailable
from tidemill.core.http import HttpRequest, HttpResponse
from tidemill.expressions.template import compile_template
from tidemill.web.client import WebClient
from tidemill.workflows.effects import StartWorkflow, TerminateExecution
from tidemill.workflows.plans.plan import Plan, Retry
from tidemill.workflows.runners import calls as calls_module
from tidemill.workflows.runners.calls import CallBounds, CallRunner
from tidemill.workflows.state.state import Execution
from tidemill.workflows.tasks.http import HTTP_QUEUE, HttpSettings, HttpTask
from tidemill.workflows.workers import Workers

SETTINGS = HttpSettings(compile_template("${uri}"), headers=compile_template("${headers}"))


class PassingClock(HeldClock):
    """Goes on by itself: what is queued now is due now."""

    def now_ms(self) -> int:
        return SystemClock().now_ms()

    def monotonic_s(self) -> float:
        return SystemClock().monotonic_s()


@pytest.fixture
def mill() -> Mill:
    return Mill(PassingClock())


@pytest.fixture
def held_mill() -> Mill:
    """Its clock stands still."""
    return Mill()


@pytest.fixture
async def client() -> AsyncIterator[WebClient]:
    client = WebClient(1_000_000, is_private_allowed=True)
    yield client
    await client.close()


@pytest.fixture
async def service() -> AsyncIterator[WebService]:
    async with web_service() as service:
        yield service


def _plan(
    uri: str,
    settings: HttpSettings = SETTINGS,
    name: str = "wf",
    headers: dict[str, Any] | None = None,
    retry: Retry | None = None,
) -> Plan:
    return plan(step("call", "http", settings, given={"uri": uri, "headers": headers}, retry=retry), name=name)


def _workers(mill: Mill) -> Workers:
    workers = Workers(
        mill.gate, mill.places, mill.places, mill.places, mill.plans, mill.secrets, mill.polls, mill.clock
    )
    mill.on_written.append(workers.committed)
    return workers


@asynccontextmanager
async def _running(mill: Mill, client: WebClient, bounds: CallBounds | None = None) -> AsyncIterator[CallRunner]:
    runner = CallRunner(_workers(mill), mill.places, client, mill.clock, "runner", bounds)
    running = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - it looks at what real sockets bring about
            await asyncio.sleep(0.005)


async def _ended(mill: Mill, execution_id: str = "x") -> Execution:
    await _until(lambda: mill.execution(execution_id).status != "RUNNING")
    return mill.execution(execution_id)


def _counted(outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value("tidemill_calls_total", {"outcome": outcome}) or 0


async def test_a_call_completes_its_task_with_the_response(mill: Mill, client: WebClient, service: WebService) -> None:
    service.answers["/stock"] = reply(b'{"left": 3}', Content_Type="application/json")
    mill.register(_plan(f"{service.url}/stock"))
    before = _counted("succeeded")
    async with _running(mill, client):
        await mill.start()
        execution = await _ended(mill)
    (task,) = execution.tasks
    assert (execution.status, task.status, task.worker) == ("COMPLETED", "COMPLETED", "runner")
    assert task.output["response"]["statusCode"] == 200 and task.output["response"]["body"] == {"left": 3}
    assert service.asked[0].headers["idempotency-key"] == "x.1"
    assert (mill.places.waiting, _counted("succeeded")) == ({}, before + 1)


async def test_a_call_is_made_at_once(
    mill: Mill, client: WebClient, service: WebService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the commit that queued it: nobody looks into the queue meanwhile."""
    monkeypatch.setattr("tidemill.workflows.runners.polling.LOOK_AGAIN_S", 600.0)
    monkeypatch.setattr(calls_module, "_WAIT_MS", 60_000)
    service.answers["/a"] = reply()
    mill.register(_plan(f"{service.url}/a"))
    async with _running(mill, client):
        await _until(lambda: HTTP_QUEUE in mill.places.claimed)
        await mill.start()
        assert (await _ended(mill)).status == "COMPLETED"


async def test_a_refusal_is_tried_again_as_the_step_says_with_another_key(
    mill: Mill, client: WebClient, service: WebService
) -> None:
    service.answers["/a"] = reply(b"busy", "503 Service Unavailable")
    mill.register(_plan(f"{service.url}/a", retry=Retry(1, delay_s=0)))
    before = _counted("refused")
    async with _running(mill, client):
        await mill.start()
        execution = await _ended(mill)
    assert (execution.status, execution.reason) == ("FAILED", "503 Service Unavailable: busy")
    assert [asked.headers["idempotency-key"] for asked in service.asked] == ["x.1", "x.2"]
    assert _counted("refused") == before + 2


@pytest.mark.parametrize("uri", ["", "ftp://a", "http://[", "${nothing}"])
async def test_what_can_never_be_called_fails_for_good(mill: Mill, client: WebClient, uri: str) -> None:
    mill.register(_plan(uri, retry=Retry(5, delay_s=0)))
    async with _running(mill, client):
        await mill.start()
        execution = await _ended(mill)
    assert [task.status for task in execution.tasks] == ["FAILED_WITH_TERMINAL_ERROR"]


async def test_a_defect_that_one_call_shows_takes_down_no_other(
    mill: Mill, client: WebClient, service: WebService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.answers["/a"] = reply()
    mill.register(_plan("http://defect"), _plan(f"{service.url}/a", name="well"))
    make_call = client.call

    async def call(request: HttpRequest) -> HttpResponse:
        if "defect" in request.uri:
            raise KeyError("ours")
        return await make_call(request)

    monkeypatch.setattr(client, "call", call)
    async with _running(mill, client):
        await mill.start()
        assert (await _ended(mill)).reason == "the call could not be made: KeyError"
        await mill.start("well", "y")
        assert (await _ended(mill, "y")).status == "COMPLETED"


async def test_a_key_of_the_users_own_is_kept(mill: Mill, client: WebClient, service: WebService) -> None:
    service.answers["/a"] = reply()
    mill.register(_plan(f"{service.url}/a", headers={"idempotency-KEY": "mine"}))
    async with _running(mill, client):
        await mill.start()
        await _ended(mill)
    assert service.asked[0].headers["idempotency-key"] == "mine"


async def test_an_asynchronous_call_leaves_its_task_to_others(
    mill: Mill, client: WebClient, service: WebService
) -> None:
    service.answers["/a"] = reply(status="202 Accepted")
    mill.register(_plan(f"{service.url}/a", HttpSettings(compile_template("${uri}"), is_async_complete=True)))
    async with _running(mill, client):
        await mill.start()
        await _until(lambda: mill.execution().tasks[0].output is not None)
    assert (mill.execution().tasks[0].status, mill.places.waiting) == ("IN_PROGRESS", {})


def _after(event: asyncio.Event, then: Answer) -> Answer:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await event.wait()
        await then(asked, writer)

    return answer


async def test_a_call_whose_process_died_is_made_again_with_the_same_key(
    held_mill: Mill, client: WebClient, service: WebService
) -> None:
    mill = held_mill
    service.answers["/a"] = _after(asyncio.Event(), reply())
    mill.register(_plan(f"{service.url}/a"))
    async with _running(mill, client):
        await mill.start()
        await _until(lambda: len(service.asked) == 1)
    service.answers["/a"] = reply()
    async with _running(mill, client):
        mill.clock.advance(HttpTask.lease_ms / 1000 - 0.001)
        await asyncio.sleep(0.05)
        assert len(service.asked) == 1
        mill.clock.advance(0.001)
        execution = await _ended(mill)
    assert (execution.status, execution.tasks[0].poll_count) == ("COMPLETED", 2)
    assert [asked.headers["idempotency-key"] for asked in service.asked] == ["x.1", "x.1"]


async def test_a_lease_lasts_as_long_as_its_call(
    held_mill: Mill, client: WebClient, service: WebService, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill = held_mill
    monkeypatch.setattr(calls_module, "_RENEW_S", 0.005)
    may_answer = asyncio.Event()
    service.answers["/a"] = _after(may_answer, reply())
    mill.register(_plan(f"{service.url}/a"))
    lease_ms = HttpTask.lease_ms
    async with _running(mill, client), _running(mill, client):
        await mill.start()
        await _until(lambda: len(service.asked) == 1)
        for _ in range(3):
            mill.clock.advance(lease_ms / 1000 - 1)
            await _until(lambda: mill.places.waiting["x.1"].due_ms == mill.clock.now_ms() + lease_ms)
        may_answer.set()
        assert (await _ended(mill)).tasks[0].poll_count == 1
    assert len(service.asked) == 1


async def test_an_execution_that_has_ended_wants_no_response(
    mill: Mill, client: WebClient, service: WebService
) -> None:
    may_answer = asyncio.Event()
    service.answers["/a"] = _after(may_answer, reply())
    mill.register(_plan(f"{service.url}/a"))
    async with _running(mill, client) as runner:
        await mill.start()
        await _until(lambda: len(service.asked) == 1)
        await mill.run(TerminateExecution("x"))
        may_answer.set()
        await runner.stop(60)
    assert (mill.execution().status, mill.execution().tasks[0].status) == ("TERMINATED", "CANCELED")


async def test_one_slow_host_takes_no_place_from_the_others(mill: Mill, client: WebClient, service: WebService) -> None:
    may_answer = asyncio.Event()
    service.answers["/slow"] = _after(may_answer, reply())
    async with web_service() as other:
        other.answers["/fast"] = reply()
        mill.register(_plan(f"{service.url}/slow", name="slow"), _plan(f"{other.url}/fast", name="fast"))
        async with _running(mill, client, CallBounds(calls_max=3, calls_per_host_max=2)):
            await mill.run(*(StartWorkflow(f"s{number}", "slow") for number in range(6)))
            await _until(lambda: len(service.asked) == 2)
            await mill.run(*(StartWorkflow(f"f{number}", "fast") for number in range(6)))
            for number in range(6):
                assert (await _ended(mill, f"f{number}")).status == "COMPLETED"
            assert len(service.asked) == 2
            may_answer.set()
            for number in range(6):
                assert (await _ended(mill, f"s{number}")).status == "COMPLETED"


async def test_no_more_tasks_are_taken_than_can_be_held(mill: Mill, client: WebClient, service: WebService) -> None:
    may_answer = asyncio.Event()
    service.answers["/a"] = _after(may_answer, reply())
    mill.register(_plan(f"{service.url}/a"))
    async with _running(mill, client, CallBounds(held_max=4)) as runner:
        await mill.run(*(StartWorkflow(f"x{number}", "wf") for number in range(10)))
        await _until(lambda: len(service.asked) == 4)
        assert sum(mill.execution(f"x{number}").tasks[0].status == "SCHEDULED" for number in range(10)) == 6
        may_answer.set()
        for number in range(10):
            await _ended(mill, f"x{number}")
        await runner.stop(60)


async def test_a_stop_takes_nothing_new_and_lets_calls_end(mill: Mill, client: WebClient, service: WebService) -> None:
    may_answer = asyncio.Event()
    service.answers["/a"] = _after(may_answer, reply())
    mill.register(_plan(f"{service.url}/a"))
    async with _running(mill, client) as runner:
        await mill.start()
        await _until(lambda: len(service.asked) == 1)
        stopping = asyncio.create_task(runner.stop(60))
        await asyncio.sleep(0)
        assert not stopping.done()
        may_answer.set()
        await stopping
    assert mill.execution().status == "COMPLETED"


async def test_a_response_is_not_lost_while_the_database_is_away(
    mill: Mill, client: WebClient, service: WebService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "_BACK_OFF_S", 0.01)
    may_answer = asyncio.Event()
    service.answers["/a"] = _after(may_answer, reply())
    mill.register(_plan(f"{service.url}/a"))
    async with _running(mill, client):
        await mill.start()
        await _until(lambda: len(service.asked) == 1)
        mill.places.away = Unavailable("the database is away")
        may_answer.set()
        await asyncio.sleep(0.05)
        mill.places.away = None
        assert (await _ended(mill)).status == "COMPLETED"
    assert len(service.asked) == 1


async def test_secrets_are_in_what_is_sent_and_nowhere_else(mill: Mill, client: WebClient, service: WebService) -> None:
    service.answers["/stock"] = reply()
    mill.secrets.by_name = {"K": "hunter2"}
    mill.register(_plan(f"{service.url}/stock", headers={"X-Key": "Bearer ${workflow.secrets.K}"}))
    async with _running(mill, client):
        await mill.start()
        ended = await _ended(mill)
    assert service.asked[0].headers["x-key"] == "Bearer hunter2"
    assert ended.status == "COMPLETED"
    assert b"hunter2" not in mill.places.rows["x"].document


async def test_why_a_request_with_secrets_cannot_be_made_is_not_shown(mill: Mill, client: WebClient) -> None:
    """It would quote the request."""
    settings = HttpSettings(compile_template("${uri}"), method=compile_template("${method}"))
    given = {"uri": "http://localhost/", "method": "${workflow.secrets.K}"}
    mill.secrets.by_name = {"K": "hunter2"}
    mill.register(plan(step("call", "http", settings, given=given)))
    async with _running(mill, client):
        await mill.start()
        ended = await _ended(mill)
    assert ended.tasks[0].reason == "that cannot be called; why is not shown, as the request has secrets in it"
    assert b"hunter2" not in mill.places.rows["x"].document.lower()
    assert b"HUNTER2" not in mill.places.rows["x"].document
