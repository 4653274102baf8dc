"""The composition root: the only place where concrete classes meet. Starts nothing but what must answer at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from tidemill.access.named_secrets import NamedSecrets
from tidemill.access.service import ADMIN, Access
from tidemill.api.app import create_app
from tidemill.api.services import Services
from tidemill.broker.process import BrokerProcess
from tidemill.core.clock import Clock
from tidemill.core.faults import Faults
from tidemill.core.http import HttpCaller
from tidemill.core.settings import Settings
from tidemill.core.supervisor import Supervisor
from tidemill.core.transaction import Transactions
from tidemill.ingest.batch import BatchWriter
from tidemill.ingest.doors import Doors
from tidemill.ingest.effect import EffectDoor
from tidemill.ingest.gate import Gate
from tidemill.ingest.joined import JoinedSubscriptions
from tidemill.ingest.loops import Flows
from tidemill.ingest.orphans import Orphans
from tidemill.ingest.ports import Places
from tidemill.ingest.pumps import Pumps
from tidemill.ingest.replay import Replayer
from tidemill.ingest.retention import DAY_S, Retention
from tidemill.ingest.settings import PumpSettings
from tidemill.ingest.subscription import GroupKey, Subscriptions
from tidemill.kafka.consumer import KafkaSources
from tidemill.kafka.integrations import Integrations
from tidemill.kafka.publishers import Publishers
from tidemill.kafka.removals import Removals
from tidemill.kafka.rereading import Rereader
from tidemill.rules.endpoints.processors import Processors
from tidemill.rules.endpoints.schedules import Schedules
from tidemill.rules.refused import PublicationRoute
from tidemill.rules.resealing import Resealing
from tidemill.rules.waiting.resuming import Resuming
from tidemill.server.access import build_access
from tidemill.server.gauges import sample_broker, sample_gauges
from tidemill.server.ground import Ground, open_ground
from tidemill.server.plugins import load_plugins
from tidemill.server.readiness import Readiness
from tidemill.server.rules import RuleParts, RuleStores, rule_parts
from tidemill.server.world import open_web, open_world
from tidemill.storage.database import Database
from tidemill.storage.dead_letters import StoredDeadLetters
from tidemill.storage.definitions import StoredDefinitions
from tidemill.storage.executions import StoredExecutions
from tidemill.storage.held_runs import StoredHeldRuns
from tidemill.storage.last_polls import StoredLastPolls
from tidemill.storage.meta import Meta
from tidemill.storage.outbox import StoredOutbox
from tidemill.storage.places import StoredPlaces
from tidemill.storage.rule_cache import StoredRuleCache
from tidemill.storage.task_cache import StoredTaskCache
from tidemill.storage.task_logs import StoredTaskLogs
from tidemill.storage.task_queue import StoredTaskQueue
from tidemill.storage.timers import StoredTimers
from tidemill.storage.turns import StoredTurns
from tidemill.workflows.catalog import Catalog
from tidemill.workflows.control import Control
from tidemill.workflows.engine.engine import Engine, Written
from tidemill.workflows.executions import Executions
from tidemill.workflows.handlers.subscriptions import HandlerSubscriptions
from tidemill.workflows.removals import ExecutionRemovals
from tidemill.workflows.runners.calls import CallRunner
from tidemill.workflows.runners.poll_data import PollData
from tidemill.workflows.runners.timers import TimerRunner
from tidemill.workflows.runners.turn_keeper import TurnKeeper
from tidemill.workflows.schemas import Schemas
from tidemill.workflows.trial import Trials
from tidemill.workflows.waits import ExecutionWaits
from tidemill.workflows.workers import Workers

GRACE_S = 6.0
"""How long a stop waits for the batches in hand."""
PUBLICATION_BATCH_TIMES = 5
"""So many times a pump's batch is one of publications. Most of a Kafka transaction costs the same for any number: the
broker's part of a record falls from 12 µs to 8. Nobody waits for more to come."""


Around = tuple[Subscriptions, Places, EffectDoor, Transactions, Clock, Faults]
"""What batches of records are carried with."""


@dataclass(frozen=True, slots=True)
class FirstStart:
    """Shown to the operator once."""

    user: str
    password: str

    @classmethod
    def of(cls, password: str | None) -> FirstStart | None:
        return cls(ADMIN, password) if password else None


@dataclass(frozen=True, slots=True)
class Server:
    """A process that is built and not yet at work: `start` puts the loops under the supervisor."""

    app: Any
    access: Access
    pumps: Pumps
    publishers: Publishers
    removals: Removals
    runners: Sequence[TimerRunner | TurnKeeper | Schedules | Resuming | Resealing]
    calls: CallRunner
    polls: PollData
    waits: ExecutionWaits | None
    """Where others than this process write."""
    executions: StoredExecutions
    retentions: Mapping[str, Retention]
    orphans: Orphans
    broker: BrokerProcess | None
    clock: Clock
    first_start: FirstStart | None

    def start(self, supervisor: Supervisor) -> None:
        _ = supervisor.start("publishers", self.publishers.run())
        _ = supervisor.start("removals", self.removals.run())
        for runner in self.runners:
            _ = supervisor.start(runner.what, runner.run())
        _ = supervisor.start("calls", self.calls.run())
        _ = supervisor.start("poll data", self.polls.run())
        if self.waits is not None:
            _ = supervisor.start("waits", self.waits.run())
        _ = supervisor.start("pumps", self.pumps.run())
        for what, retention in self.retentions.items():
            _ = supervisor.start(f"retention of {what}", retention.run())
        _ = supervisor.start("orphans", self.orphans.run())
        _ = supervisor.start("gauges", sample_gauges(self.executions, self.clock))
        if self.broker is not None:
            _ = supervisor.start("broker gauges", sample_broker(self.broker, self.clock))

    async def stop(self) -> None:
        """All of them at once: whatever is away, the process is to end soon. What one of them leaves half
        done is finished by the next process."""
        await asyncio.gather(self.pumps.stop(GRACE_S), self.publishers.stop(GRACE_S), self.calls.stop(GRACE_S))

    async def admin_token(self) -> str:
        return await self.access.token_for(ADMIN)


async def build(settings: Settings, clock: Clock, stack: AsyncExitStack, broker: BrokerProcess | None) -> Server:
    """Everything is closed by `stack`, last opened first. Raises `TidemillError` where something cannot be had."""
    ground = await open_ground(settings, clock, stack, broker)
    database, web = ground.database, open_web(ground.settings, stack)
    definitions, executions, places = StoredDefinitions(database), StoredExecutions(database), StoredPlaces(database)
    integrations = Integrations(definitions, ground.cipher, clock, ground.embedded_address)
    catalog = Catalog(definitions, ground.sandbox, integrations, clock)
    wakes, polls, faults = Wakes(), PollData(StoredLastPolls(database), clock), Faults.from_environment()
    engine = Engine(executions, catalog, ground.sandbox, clock, wakes, polls.is_polled)
    access = build_access(ground)
    rules = _rules(ground, definitions, integrations, access.secrets, wakes, catalog.flows, web, stack)
    subscriptions = JoinedSubscriptions(HandlerSubscriptions(catalog, definitions, ground.sandbox), rules.subscriptions)
    gate = Gate(door := Doors(engine, rules.taker), database)
    workers = Workers(gate, executions, *_task_stores(database), catalog, access.secrets, polls, clock)
    waits, runners = ExecutionWaits(executions, catalog, clock), _runners(engine, database, clock)
    publishers, sources = _publishers(ground, integrations, door, faults), _sources(ground, integrations, faults)
    around, hops_max = (subscriptions, places, door, database, clock, faults), settings.hops_max
    pumps = Pumps(sources, *around, PumpSettings(settings.batch_records, hops_max=hops_max))
    writer = partial(_writer, around, hops_max)
    wakes.connect(workers, waits, runners, publishers)
    of_rules = _rule_runners(ground, rules, definitions, door, places, faults)
    services = Services(
        executions=Executions(gate, executions, catalog, clock),
        control=Control(gate, executions, ExecutionRemovals(executions, database)),
        waits=waits,
        trials=Trials(catalog, ground.sandbox, clock),
        workers=workers,
        catalog=catalog,
        **rules.services(gate),
        integrations=integrations,
        places=places,
        subscriptions=subscriptions,
        replayer=Replayer(subscriptions, door, database, places, clock, [PublicationRoute(clock)]),
        records=Rereader(integrations, clock),
        **access.services(),
        schemas=Schemas(definitions, ground.sandbox, clock),
        readiness=Readiness(definitions, integrations, sources, pumps, publishers),
        clock=clock,
        definitions_changed=pumps.notify,
        are_metrics_public=settings.metrics_public,
    )
    return Server(
        app=create_app(services),
        access=access.access,
        pumps=pumps,
        publishers=publishers,
        removals=_removals(ground, integrations, door, publishers),
        runners=[*runners, Schedules(rules.subscriptions, places, writer, clock), *of_rules],
        calls=CallRunner(workers, StoredTaskQueue(database), web, clock, ground.worker.text),
        polls=polls,
        waits=None if database.is_sqlite else waits,
        executions=executions,
        retentions=_retentions(ground, places, executions),
        orphans=Orphans(subscriptions, places.parking, writer, clock),
        broker=ground.broker,
        clock=clock,
        first_start=FirstStart.of(await access.access.first_start()),
    )


def _writer(around: Around, hops_max: int, key: GroupKey) -> BatchWriter:
    return BatchWriter(key, *around, hops_max)


class Wakes:
    """What the engine calls after each commit. The runners need the engine, so they are connected after it."""

    def connect(
        self,
        workers: Workers,
        waits: ExecutionWaits,
        runners: Sequence[TimerRunner | TurnKeeper],
        publishers: Publishers,
    ) -> None:
        self._workers = workers
        self._waits = waits
        self._runners = runners
        self._publishers = publishers

    def __call__(self, written: Written) -> None:
        self._workers.committed(written)
        self._waits.committed(written)
        for runner in self._runners:
            runner.committed(written)
        self.publishers_of(written.integrations)

    def publishers_of(self, integrations: Collection[str]) -> None:
        for integration in integrations:
            self._publishers.wake(integration)


def _rules(
    ground: Ground,
    definitions: StoredDefinitions,
    integrations: Integrations,
    secrets: NamedSecrets,
    wakes: Wakes,
    flows: Flows,
    web: HttpCaller,
    stack: AsyncExitStack,
) -> RuleParts:
    world = open_world(web, ground.clock, stack, is_private_allowed=ground.settings.http_private)
    database, wake, clock = ground.database, wakes.publishers_of, ground.clock
    letters = StoredDeadLetters(database)
    stores = RuleStores(StoredOutbox(database), StoredRuleCache(database), StoredHeldRuns(database), letters)
    processors = Processors(failed_plugins=load_plugins(ground.settings.plugin_names))
    safe = ground.cipher, secrets
    return rule_parts(definitions, integrations, ground.sandbox, stores, wake, clock, world, *safe, processors, flows)


def _rule_runners(
    ground: Ground,
    rules: RuleParts,
    definitions: StoredDefinitions,
    door: EffectDoor,
    places: StoredPlaces,
    faults: Faults,
) -> Sequence[Resuming | Resealing]:
    runs, database = StoredHeldRuns(ground.database), ground.database
    chains, executor, bell = rules.chains, rules.executor, rules.held
    clock, callers = ground.clock, rules.callers
    resuming = Resuming(runs, chains, executor, door, database, places, clock, faults, bell, callers)
    return resuming, Resealing(definitions, Meta(database), chains.vault, clock)


def _task_stores(database: Database) -> tuple[StoredTaskQueue, StoredTaskLogs]:
    return StoredTaskQueue(database), StoredTaskLogs(database)


def _retentions(ground: Ground, places: StoredPlaces, executions: StoredExecutions) -> Mapping[str, Retention]:
    settings, clock = ground.settings, ground.clock
    removals = ExecutionRemovals(executions, ground.database)
    return {
        "history": Retention(places.history, clock, settings.history_days * DAY_S),
        "executions": Retention(removals, clock, settings.executions_days * DAY_S),
        "task cache": Retention(StoredTaskCache(ground.database), clock, keep_s=0),
        "rule cache": Retention(StoredRuleCache(ground.database), clock, keep_s=0),
        "answers to runs": Retention(StoredHeldRuns(ground.database), clock, DAY_S),
    }


def _runners(engine: Engine, database: Database, clock: Clock) -> Sequence[TimerRunner | TurnKeeper]:
    timers = TimerRunner(engine, database, StoredTimers(database), clock)
    return timers, TurnKeeper(engine, database, StoredTurns(database), clock)


def _publishers(ground: Ground, integrations: Integrations, door: EffectDoor, faults: Faults) -> Publishers:
    return Publishers(
        integrations,
        StoredOutbox(ground.database),
        door,
        ground.database,
        ground.clock,
        faults,
        ground.installation_id,
        ground.worker.text,
        rows_max=PUBLICATION_BATCH_TIMES * ground.settings.batch_records,
        lease_ms=round(ground.settings.lease_s * 1000),
    )


def _removals(ground: Ground, integrations: Integrations, door: EffectDoor, publishers: Publishers) -> Removals:
    return Removals(
        integrations,
        StoredOutbox(ground.database),
        door,
        ground.database,
        ground.clock,
        ground.worker.text,
        lambda: publishers.stranded,
        rows_max=ground.settings.batch_records,
        lease_ms=round(ground.settings.lease_s * 1000),
    )


def _sources(ground: Ground, integrations: Integrations, faults: Faults) -> KafkaSources:
    return KafkaSources(
        integrations,
        faults,
        ground.clock,
        session_timeout_ms=round(ground.settings.session_timeout_s * 1000),
        worker=ground.worker.text if ground.worker.is_kept else None,
    )
