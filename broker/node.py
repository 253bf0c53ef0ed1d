"""The one place of wiring: a node's parts are made here, started in order, and stopped in the opposite order.

Up:    directories locked and identified -> sockets bound (ports are known, nothing accepts) -> Raft and the loader; the
       controller's listener accepts, for the quorum cannot elect anyone before -> beside them the partitions' logs ->
       publishers -> the broker registers, catches up -> its sockets accept -> unfenced
Down:  leaderships handed over, unfenced no more -> coordinators -> requests under way answered -> Raft, which needs the
       controller's listener until another leads, and with it whatever changes replicas -> logs flushed, closed and
       marked clean -> locks given up

A node has the role of a broker, of a controller, or both; without that of a broker there are no partitions here, and
without that of a controller Raft only observes.

What has come up says at once how it goes down again (`_down`), so a start that fails half way undoes itself.

A fault (state that may no longer equal its log, or no usable log directory) sets `failed`; whoever runs the node stops
it then. Counterpart: KafkaRaftServer, SharedServer, BrokerServer, ControllerServer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

from broker.api import ListenerKind
from broker.auto_topics import AutoTopics
from broker.coordinator.group.group_coordinator import GroupCoordinator
from broker.coordinator.group.settings import GroupSettings
from broker.coordinator.partitioning import GROUP_METADATA_TOPIC
from broker.coordinator.publishers import Elections, GroupTopics, Resignations
from broker.coordinator.timers import LoopAlarms
from broker.coordinator_log import CoordinatorLog
from broker.directory_assignments import DirectoryAssignments
from broker.dispatch import Dispatcher
from broker.dynamic_config import DynamicConfig
from broker.environment import Environment, thread_cpu_s
from broker.errors import StartupError
from broker.formatting import METADATA_DIRECTORY
from broker.grouping import grouped, slices
from broker.handlers.context import ControllerServices, NodeServices
from broker.metadata.features import supported_features
from broker.metadata.publishers import RegistrationTracker
from broker.metadata.refusals import MetadataRefused, RefusalPublisher
from broker.metadata.registrations import Endpoint as RegisteredEndpoint
from broker.metadata_news import MetadataNews
from broker.metrics.elections import ElectionCounts
from broker.metrics.listener import MetricsListener
from broker.metrics.loop_watch import LoopWatch
from broker.network.leader_links import LeaderLinks, fetch_settings
from broker.node_listeners import NodeListeners, server_limits
from broker.periodic import PeriodicJobs
from broker.producer_ids import ProducerIds
from broker.quorum_member import QuorumMember
from broker.registration import BrokerIdentity, BrokerLifecycle, RegistrationFailed
from broker.replication.fetch_session import FetchSessions
from broker.replication.isr_changes import IsrChanges
from broker.replication.maintenance import Maintenance
from broker.replication.publisher import ReplicaPublisher
from broker.replication.read_replicas import RACK_AWARE_SELECTOR
from broker.replication.replica_manager import ReplicaManager
from broker.server.listeners import Server
from broker.sockets import own_host_name
from config.dynamic import ConfigLayers
from config.listeners import SECURITY_PROTOCOLS, Endpoint
from config.node_config import NodeConfig
from protocol.errors import DecodeError
from protocol.ids import Uuid, uuid_to_string
from raft.quorum_state import QuorumStateError
from raft.snapshots import SnapshotError
from raft.voters import ReplicaKey
from storage.directory import CloseJob, DirectoryError, LoadJob, LogDirectories, LogDirectory, LogSettings
from storage.open_segments import OpenSegments

T = TypeVar("T")

_logger = logging.getLogger("broker.node")

STOP_GRACE_S = 10.0
"""How long requests under way may take when the node stops."""


class Node:
    def __init__(self, config: NodeConfig, environment: Environment) -> None:
        self._config = config
        self._environment = environment
        self.failed = asyncio.Event()
        """Set when the node cannot go on; stop it then."""
        self.listeners = NodeListeners(config)
        self._fault: BaseException | None = None
        self._faulted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.controller_server: Server | None = None
        self.controller_dispatcher: Dispatcher | None = None
        self._is_loaded = False
        self._is_started = False
        self._is_stopping = False
        self.is_wired = False
        """All parts are there, if not yet at work."""
        self.loop_watch = LoopWatch(environment.clock, thread_cpu_s)
        self.metrics = MetricsListener(self, config, environment)
        self._down = AsyncExitStack()
        self._down.callback(environment.executor.close)

    # ---- up

    async def start(self) -> None:
        """Returns once requests will be answered; after StartupError, StorageError or OSError it is down again."""
        try:
            await self._start()
        except _REFUSALS as error:
            await self.stop()
            raise StartupError(str(error)) from error
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        await self._open_directories()
        self._down.callback(self.listeners.close)
        self.listeners.bind()
        self.loop_watch.start()
        self._down.callback(self.loop_watch.stop)
        self._down.callback(self.metrics.close)
        await self.metrics.start()
        incarnation = self._environment.random.uuid()
        self.quorum = QuorumMember(self._config, self._environment, self._on_fault)
        self._down.push_async_callback(self._stop_controller_server)
        self._down.push_async_callback(self.quorum.close)
        await self.quorum.open(
            self._cluster_id, self._metadata_directory_id(), incarnation, self._registered(is_controller=True)
        )
        self.dynamic_config = DynamicConfig(self._config)
        if self._config.is_broker:
            self._make_broker(incarnation)
        # What has to be recovered waits for the metadata: in compacted logs holes are no damage.
        is_clean = self._config.is_broker and self._previous_broker_epoch >= 0
        loading = asyncio.ensure_future(self._load_logs()) if is_clean else None
        await self._unless_failed(self.quorum.start())
        self._refuse_lost_quorum()
        await self._serve_controller()
        if self._config.is_broker:
            await self._start_broker(loading)
        else:
            self._install_publishers()
        self._is_started = True

    def _refuse_lost_quorum(self) -> None:
        """Alone in a quorum that knows it by another directory, a node would wait for itself for ever."""
        voters = self.quorum.raft.voters
        own_key = ReplicaKey.of(self._config.node_id, self._metadata_directory_id())
        if voters.ids == [self._config.node_id] and not voters.is_only_voter(own_key):
            raise StartupError(
                f"the quorum knows this node with another directory.id than that of {self._config.metadata_log_dir}: "
                "its meta.properties is not the one that the metadata log was made with"
            )

    async def _serve_controller(self) -> None:
        requests = self.quorum.requests
        if requests is None:
            return
        environment = self._environment
        services = ControllerServices(
            dynamic_config=self.dynamic_config,
            clock=environment.clock,
            executor=environment.executor,
            metadata=self.quorum.cache,
            cluster_id=self._cluster_id,
            quorum_leader=lambda: requests.leader_id,
            requests=requests,
        )
        self.controller_dispatcher = Dispatcher(services, ListenerKind.CONTROLLER)
        self.controller_server = Server(
            self.controller_dispatcher.start, server_limits(self._config), environment.clock, environment.executor
        )
        await self.listeners.open_of_controller(self.controller_server)

    async def _start_broker(self, loading: asyncio.Future[None] | None) -> None:
        if loading is None:
            await self._unless_failed(self._until_loaded(lambda: self.quorum.loader.is_replayed))
            self.dynamic_config.take(self.quorum.loader.image)
            self._replica_publisher.foresee(self.quorum.loader.image)
            loading = asyncio.ensure_future(self._load_logs())
        await self._unless_failed(loading)
        self._is_loaded = True
        self._install_publishers()
        self.lifecycle.start()
        await self._unless_failed(self.lifecycle.wait_until_caught_up())
        self.maintenance.start(self._jobs, self._config)
        await self.listeners.open_of_broker(self.server)
        await self._unless_failed(self.lifecycle.wait_until_unfenced())
        self._down.push_async_callback(self._hand_over)
        # The controller's answer may be here before the record that it answers for.
        await self._unless_failed(self._until_loaded(lambda: self.quorum.cache.is_alive(self._config.node_id)))

    async def _until_loaded(self, condition: Callable[[], bool]) -> None:
        """Until the metadata that has been loaded fulfils the condition."""
        fulfilled = asyncio.Event()
        self.quorum.loader.add_rest_listener(lambda: fulfilled.set() if condition() else None)
        if not condition():
            await fulfilled.wait()

    async def _unless_failed(self, work: Awaitable[T]) -> T:
        """The result of `work`, or the fault that came first."""
        task = asyncio.ensure_future(work)
        await asyncio.wait((task, self._faulted), return_when=asyncio.FIRST_COMPLETED)
        if self._fault is not None:
            task.cancel()
            await asyncio.wait((task,))
            raise self._fault
        return await task

    async def _open_directories(self) -> None:
        config, environment = self._config, self._environment
        settings = LogSettings(
            OpenSegments(),
            randrange=environment.random.randrange,
            max_transaction_timeout_ms=config.transaction_max_timeout_ms,
            transaction_verification_enabled=config.transaction_partition_verification_enable,
        )
        files, new_uuid = environment.files, environment.random.uuid
        self.directories = LogDirectories(files, config.log_dirs, settings=settings, new_uuid=new_uuid)
        self._metadata_directories = self.directories
        self._down.push_async_callback(self._close_logs)
        await environment.executor.run(self.directories.open)
        self._cluster_id = self.directories.verify_identity(None, config.node_id)
        if config.metadata_log_dir not in self.directories.directories:
            self._metadata_directories = LogDirectories(files, [config.metadata_log_dir], new_uuid=new_uuid)
            self._down.callback(self._metadata_directories.release_locks)
            await environment.executor.run(self._metadata_directories.open)
            self._metadata_directories.verify_identity(self._cluster_id, config.node_id)
        self._refuse_other_metadata_logs()
        for directories in (self.directories, self._metadata_directories):
            await environment.executor.run(directories.ensure_ids)
        directory = self._metadata_directories.directories[config.metadata_log_dir]
        if directory.failure is not None:
            raise DirectoryError(f"the metadata log's directory cannot be used: {directory.failure}")
        epoch = await environment.executor.run(self.directories.broker_epoch_at_clean_shutdown)
        self._previous_broker_epoch = -1 if epoch is None else epoch

    def _refuse_other_metadata_logs(self) -> None:
        """Where log.dirs has changed its order, say, the node must not begin with new metadata beside the old."""
        metadata_log_dir = self._config.metadata_log_dir
        for directory in self.directories.online:
            elsewhere = directory.file(METADATA_DIRECTORY)
            if directory.path != metadata_log_dir and self._environment.files.is_dir(elsewhere):
                raise DirectoryError(
                    f"the metadata log of this node should lie in {metadata_log_dir} (metadata.log.dir, else the first "
                    f"of log.dirs), but there is {elsewhere}"
                )

    def _metadata_directory_id(self) -> Uuid:
        directory_id = self._metadata_directories.directories[self._config.metadata_log_dir].id
        assert directory_id is not None
        return directory_id

    @property
    def endpoints(self) -> list[Endpoint]:
        """What this node listens on, with its real ports."""
        return self.listeners.endpoints

    def _registered(self, *, is_controller: bool) -> list[RegisteredEndpoint]:
        """Where others are told to find this node: as advertised, with the ports and the host name filled in."""
        config = self._config
        advertised = config.advertised_controller_listeners if is_controller else config.advertised_listeners
        ports = {endpoint.listener_name: endpoint.port for endpoint in self.endpoints}
        return [
            RegisteredEndpoint(
                endpoint.listener_name,
                endpoint.host or own_host_name(),
                endpoint.port or ports[endpoint.listener_name],
                SECURITY_PROTOCOLS.index(endpoint.security_protocol),
            )
            for endpoint in advertised
        ]

    def _make_broker(self, incarnation: Uuid) -> None:
        config, environment, quorum = self._config, self._environment, self.quorum
        clock, executor = environment.clock, environment.executor
        self.lifecycle = BrokerLifecycle(
            BrokerIdentity(
                config.node_id,
                self._cluster_id,
                incarnation,
                self._registered(is_controller=False),
                config.broker_rack,
                supported_features(),
                [each.id for each in self.directories.directories.values() if each.id is not None],
                self._previous_broker_epoch,
            ),
            quorum.channel,
            clock,
            lambda: quorum.loader.published_offset,
            heartbeat_interval_s=config.broker_heartbeat_interval_ms / 1000,
            registration_timeout_s=config.initial_broker_registration_timeout_ms / 1000,
            directory_failure_timeout_s=config.log_dir_failure_timeout_ms / 1000,
            on_directory_untold=self._on_directory_untold,
            cordoned_directories=self._cordoned_directories,
        )
        quorum.loader.add_leader_listener(self.lifecycle.on_leader_change)
        self._isr_changes = IsrChanges(config.node_id, lambda: self.lifecycle.broker_epoch, quorum.channel)
        self.replicas = ReplicaManager(
            image=lambda: quorum.cache.image,
            directories=self.directories,
            clock=clock,
            executor=executor,
            lag_max_s=config.replica_lag_time_max_ms / 1000,
            on_directory_failed=self._on_directory_failed,
            on_fatal=self._on_fault,
            propose_isr=self._isr_changes.propose,
            fetch_settings=fetch_settings(config),
            broker_epoch=lambda: self.lifecycle.broker_epoch,
            endpoint_of=lambda broker_id: quorum.cache.endpoint_of(broker_id, config.inter_broker_listener_name),
            connect=LeaderLinks(config, clock, environment.random).connect,
            selects_by_rack=config.replica_selector_class == RACK_AWARE_SELECTOR,
        )
        self._assignments = DirectoryAssignments(config.node_id, lambda: self.lifecycle.broker_epoch, quorum.channel)
        self._replica_publisher = ReplicaPublisher(
            config.node_id, self.replicas, self.dynamic_config.layers, self._assignments.assign, clock, executor
        )
        for listener in (
            self._replica_publisher.reconfigure,
            self.listeners.reconfigure,
            lambda layers: self.replicas.fetchers.resize(layers.effective.num_replica_fetchers),
            self._cordon,
        ):
            self.dynamic_config.add_listener(listener)
        self._cordon(self.dynamic_config.layers)
        self.groups = GroupCoordinator(
            GroupSettings.of_node(config),
            CoordinatorLog(self.replicas, clock, executor),
            LoopAlarms(clock),
            clock,
            environment.random,
        )
        self.services = NodeServices(
            dynamic_config=self.dynamic_config,
            clock=clock,
            executor=executor,
            metadata=quorum.cache,
            controller=quorum.channel,
            replicas=self.replicas,
            fetch_sessions=FetchSessions(clock, environment.random, config.max_incremental_fetch_session_cache_slots),
            producer_ids=ProducerIds(config.node_id, lambda: self.lifecycle.broker_epoch, quorum.channel, clock),
            auto_topics=AutoTopics(lambda: self.dynamic_config.config, quorum.channel),
            groups=self.groups,
            cluster_id=self._cluster_id,
        )
        self.dispatcher = Dispatcher(self.services)
        self.server = Server(self.dispatcher.start, server_limits(config), clock, executor)
        self.maintenance = Maintenance(self.replicas, clock, executor)
        self._jobs = PeriodicJobs()
        self._down.callback(self._assignments.close)
        self._down.push_async_callback(self.replicas.moves.stop)
        self._down.push_async_callback(self.replicas.fetchers.close)
        self._down.callback(self._isr_changes.close)
        self._down.push_async_callback(self._jobs.stop)
        self._down.push_async_callback(self.lifecycle.close)
        self._down.push_async_callback(self._stop_serving)
        self.election_counts = ElectionCounts(config.node_id)
        self.is_wired = True

    def _install_publishers(self) -> None:
        config, quorum = self._config, self.quorum
        quorum.loader.install(
            RefusalPublisher(config.insecure_ignore, lambda text: _logger.warning("%s", text)),
            quorum.cache,
            self.dynamic_config,
        )
        if config.is_broker:
            self._install_broker_publishers()
        quorum.install_last_publishers()

    def _install_broker_publishers(self) -> None:
        quorum, node_id = self.quorum, self._config.node_id
        quorum.loader.install(
            Resignations(node_id, GROUP_METADATA_TOPIC, self.groups),
            self._replica_publisher,
            GroupTopics(self.groups, lambda: self.dynamic_config.config.offsets_topic_num_partitions),
            Elections(node_id, GROUP_METADATA_TOPIC, self.groups),
            RegistrationTracker(node_id, self.lifecycle.register_again),
            self.lifecycle,
            MetadataNews(),
            self.election_counts,
        )

    def _cordon(self, layers: ConfigLayers) -> None:
        cordoned = frozenset(layers.effective.cordoned_log_dirs)
        if cordoned != self.directories.cordoned:
            self.directories.cordoned = cordoned
            self.lifecycle.on_cordoned_change()

    def _cordoned_directories(self) -> list[Uuid]:
        directories = self.directories
        return [
            each.id
            for path, each in directories.directories.items()
            if each.id is not None and path in directories.cordoned
        ]

    async def _load_logs(self) -> None:
        """Opens, and where needed recovers, the logs of all partitions; beside Raft's own start."""
        executor, directories, now_ms = self._environment.executor, self.directories, self._environment.clock.wall_ms()
        started_s = self._environment.clock.monotonic()
        jobs = await executor.run(directories.begin_load, self._replica_publisher.log_config, now_ms)
        threads = self.dynamic_config.config.num_recovery_threads_per_data_dir
        await asyncio.gather(
            *(
                executor.lane(f"{path}:load", threads).run(run_jobs, part)
                for path, of_directory in grouped(jobs, lambda job: job.directory.path).items()
                for part in slices(of_directory, LOADED_AT_ONCE)
            )
        )
        for job in jobs:
            directories.loaded(job)
        directories.end_load()
        recovered = sum(not job.directory.had_clean_shutdown for job in jobs)
        if recovered:
            took_s = self._environment.clock.monotonic() - started_s
            _logger.info("%d log(s) recovered after an unclean stop, in %.1f s", recovered, took_s)

    # ---- what it is at

    @property
    def has_fault(self) -> bool:
        return self._fault is not None

    def why_not_ready(self) -> str | None:
        """What keeps this node from serving its clients; None if nothing does."""
        if self._fault is not None:
            return f"the node has failed: {self._fault}"
        if self._is_stopping:
            return "the node stops"
        problem = self._why_broker_not_ready() if self._config.is_broker else None
        if problem is not None:
            return problem
        if not self._is_started:
            return "the node is starting"
        if self.quorum.raft.leader_and_epoch.leader_id is None:
            return "the metadata quorum has no leader"
        if not self.quorum.loader.is_replayed:
            return "metadata that is committed has not been replayed yet"
        return None

    def _why_broker_not_ready(self) -> str | None:
        if not self._is_loaded:
            return "the node is starting: metadata and logs are being loaded"
        if not self._is_started:
            return f"the node is starting: the broker is {self.lifecycle.state.name}"
        own = self.quorum.cache.image.cluster.brokers.get(self._config.node_id)
        return "the broker is fenced" if own is None or own.fenced else None

    # ---- down

    async def stop(self) -> None:
        """Down in order; also a node that came up only half way."""
        self._is_stopping = True
        await self._down.aclose()

    async def _hand_over(self) -> None:
        if self._fault is not None:
            return
        await self._assignments.finish()
        if self._config.controlled_shutdown_enable:
            await self.lifecycle.controlled_shutdown(self._config.controller_socket_timeout_ms / 1000)

    async def _stop_serving(self) -> None:
        # Groups first, because their parked joins would hold the connections for as long as a rebalance takes.
        self.groups.shutdown()
        await self.server.stop(STOP_GRACE_S)

    async def _stop_controller_server(self) -> None:
        if self.controller_server is not None:
            await self.controller_server.stop(STOP_GRACE_S)

    async def _close_logs(self) -> None:
        if not self._is_loaded or self._fault is not None:
            self.directories.release_locks()
            return
        executor, directories = self._environment.executor, self.directories
        await self.maintenance.checkpoint_high_watermarks()
        jobs = directories.begin_close(self._environment.clock.wall_ms())
        await asyncio.gather(*(executor.run(run_jobs, part) for part in slices(jobs, LOADED_AT_ONCE)))
        await executor.run(directories.end_close, jobs, self.lifecycle.broker_epoch)

    def _on_directory_failed(self, directory: LogDirectory) -> None:
        if directory.id is not None:
            self.lifecycle.on_directory_failure(directory.id)

    def _on_directory_untold(self, directory: Uuid) -> None:
        # The controller would go on to count on partitions that nobody can reach.
        self._on_fault(
            DirectoryError(f"the controller could not be told that directory {uuid_to_string(directory)} has failed")
        )

    def _on_fault(self, fault: BaseException) -> None:
        if self._fault is not None:
            return
        self._fault = fault
        if not isinstance(fault, MetadataRefused):
            _logger.critical("this node cannot go on: %s", fault, exc_info=fault)
        self.failed.set()
        if not self._faulted.done():
            self._faulted.set_result(None)


_REFUSALS = (MetadataRefused, RegistrationFailed, DirectoryError, QuorumStateError, SnapshotError, DecodeError)
"""Why a node does not start: it says so, and nobody needs to see where in the program that was."""

LOADED_AT_ONCE = 32
"""Logs that one executor call opens or closes."""


def run_jobs(jobs: Sequence[LoadJob | CloseJob]) -> None:
    for job in jobs:
        job.run()
