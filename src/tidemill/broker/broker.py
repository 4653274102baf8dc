"""The embedded broker: puts its parts together, listens, stops. A thread and a child process both run this one."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import msgspec
import structlog

from tidemill.broker.api_versions import ApiVersionsHandler
from tidemill.broker.disk import Disk, SystemDisk
from tidemill.broker.dispatch import Dispatcher, Handler
from tidemill.broker.flusher import Flusher
from tidemill.broker.groups.admin import GroupAdminHandlers
from tidemill.broker.groups.commits import CommitHandlers
from tidemill.broker.groups.coordinator import Groups
from tidemill.broker.groups.fetching import OffsetFetchHandler
from tidemill.broker.groups.membership import MembershipHandlers
from tidemill.broker.groups.offsets import GroupOffsets
from tidemill.broker.journal import Journal
from tidemill.broker.listener import Listener
from tidemill.broker.log.admin import LogAdminHandlers
from tidemill.broker.log.directory import LogFiles
from tidemill.broker.log.fetch import FetchHandler
from tidemill.broker.log.offsets import ListOffsetsHandler
from tidemill.broker.log.produce import ProduceHandler
from tidemill.broker.metrics import BrokerMetrics
from tidemill.broker.node import Node
from tidemill.broker.protocol.apis import APIS, ApiKey
from tidemill.broker.security.exposure import check_exposure, tls_context
from tidemill.broker.security.handlers import SaslHandlers
from tidemill.broker.security.users import Users
from tidemill.broker.settings import BrokerSettings
from tidemill.broker.single_node import SingleNodeHandlers
from tidemill.broker.topics.configs import ConfigHandlers
from tidemill.broker.topics.creation import CreationHandlers
from tidemill.broker.topics.metadata import MetadataHandlers
from tidemill.broker.topics.topics import Topics
from tidemill.broker.transactions.admin import TransactionAdminHandlers
from tidemill.broker.transactions.coordinator import Transactions
from tidemill.broker.transactions.recovery import recover
from tidemill.broker.transactions.requests import TransactionHandlers
from tidemill.core.clock import Clock, SystemClock
from tidemill.core.errors import TidemillError, Unavailable
from tidemill.core.file_lock import FileLock
from tidemill.core.supervisor import Supervisor

log = structlog.get_logger(__name__)

STOP_TIMEOUT_S = 5.0


class ClusterRecord(msgspec.Struct, frozen=True):
    """What this broker is called for as long as its data lives."""

    cluster_id: str
    port: int = 0
    """The last one, so that clients find it again after a restart."""


class Broker:
    """One node. Start it once."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        clock: Clock | None = None,
        disk: Disk | None = None,
        on_death: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        """`on_death` is called with a part that died by a bug: better start again than go on without it."""
        self.settings = settings
        self._clock = clock or SystemClock()
        self._disk = disk or SystemDisk()
        self._lock = FileLock(
            settings.data / "broker", "give this broker a directory of its own, or stop the other one"
        )
        self._supervisor = Supervisor(on_death)
        self.listener = Listener(settings, self._clock)
        self._address: tuple[str, int] | None = None

    @property
    def address(self) -> str | None:
        """`host:port` while it runs."""
        return f"{self._address[0]}:{self._address[1]}" if self._address else None

    @property
    def metrics(self) -> BrokerMetrics:
        """While it runs."""
        traffic, logs = self.listener.traffic, [log for topic in self._topics for log in topic.logs]
        return BrokerMetrics(
            connections=len(self.listener.connections),
            connections_refused=traffic.refused,
            requests={APIS[key].name: count for key, count in traffic.requests.items()},
            bytes_in=traffic.bytes_in,
            bytes_out=traffic.bytes_out,
            topics=sum(1 for _ in self._topics),
            partitions=len(logs),
            log_bytes=sum(log.size_bytes for log in logs),
        )

    async def start(self) -> None:
        """Recovers what is in the data directory, then listens. Raises `Conflict` if another broker works on it,
        `Unavailable` if the directory or the address cannot be had, `BadInput` for settings that cannot be."""
        try:
            self._disk.make_folder(self.settings.data)
            self._lock.take()
            await self._open()
        except OSError as error:
            self._lock.release()
            raise Unavailable(f"no place for the broker's data in {self.settings.data}: {error.strerror}") from error
        except TidemillError:
            self._lock.release()
            raise
        log.info(
            "embedded broker started",
            address=self.address,
            data=str(self.settings.data),
            batches_read=self._logs.batches_scanned,
        )

    async def stop(self) -> None:
        """Takes nothing new, lets the parts write what they hold, frees the data directory."""
        if self._address is None:
            return
        self.listener.close()
        await self._supervisor.stop(STOP_TIMEOUT_S)
        await self._logs.close()
        await self._journal.close()
        await self._flusher.close()
        self._sasl.close()
        self._address = None
        self._lock.release()
        log.info("embedded broker stopped")

    async def _open(self) -> None:
        settings = self.settings
        users = Users(settings.data)
        await check_exposure(settings, users)
        self.listener.tls = tls_context(settings)
        self._sasl = SaslHandlers(users, self._clock, is_wanted=settings.authentication)
        self._flusher = Flusher(settings.fsync, settings.fsync_interval_ms, self._clock)
        self._journal = Journal(settings.data / "journal", self._disk, self._flusher)
        self._logs = LogFiles(settings.data / "logs", self._disk, self._flusher, self._clock)
        self._topics = Topics(settings, self._journal, self._logs)
        self._topics.open()
        offsets = GroupOffsets(self._journal)
        self._groups = Groups(settings, self._journal, offsets, self._clock, self._topics)
        self._transactions = Transactions(settings, self._journal, self._topics, offsets, self._clock)
        # The port is known, and said in Metadata, before the first client can ask.
        cluster = self._cluster()
        port = await self.listener.bind(settings.port or cluster.port, is_wanted=settings.port != 0)
        self._remember(msgspec.structs.replace(cluster, port=port))
        self._address = (settings.advertised_host or settings.host, port)
        node = Node(settings.node_id, *self._address, cluster.cluster_id)
        _ = self._supervisor.start("broker flusher", self._flusher.run())
        _ = self._supervisor.start("broker logs", self._logs.run())
        _ = self._supervisor.start("broker groups", self._groups.run())
        _ = self._supervisor.start("broker group offsets", self._groups.run_sweeps())
        await recover(self._transactions, self._topics, aborts_open=settings.abort_open_transactions_at_start)
        _ = self._supervisor.start("broker transactions", self._transactions.run())
        await self.listener.serve(Dispatcher(self._handlers(node)))

    def _handlers(self, node: Node) -> dict[ApiKey, Handler]:
        """The table of all that is served."""
        table: dict[ApiKey, Handler] = {}
        for part in (
            MetadataHandlers(self._topics, node),
            CreationHandlers(self._topics),
            ConfigHandlers(self._topics, self.settings),
            ProduceHandler(self._topics, self._transactions),
            FetchHandler(self._topics, self.settings),
            ListOffsetsHandler(self._topics),
            GroupAdminHandlers(self._groups, node),
            MembershipHandlers(self._groups),
            CommitHandlers(self._groups, self._topics, self._transactions, self._clock),
            OffsetFetchHandler(self._groups),
            LogAdminHandlers(self._topics, self.settings),
            TransactionHandlers(self._transactions, self._topics),
            TransactionAdminHandlers(self._transactions, self._topics, self._clock),
            self._sasl,
            SingleNodeHandlers(),
        ):
            table.update(part.handlers())
        table[ApiKey.API_VERSIONS] = ApiVersionsHandler(table).api_versions
        return table

    def _cluster(self) -> ClusterRecord:
        self._clusters = self._journal.table("cluster", str, ClusterRecord)
        found: ClusterRecord = self._clusters.get("this", ClusterRecord(uuid4().hex))
        return found

    def _remember(self, cluster: ClusterRecord) -> None:
        if self._clusters.get("this") != cluster:
            self._clusters.put("this", cluster)
