"""This node's part in the metadata quorum: Raft over its log, the loader that turns commits into images, and, with the
role, the controller. Wiring only; node.py puts the broker beside it.

Counterpart: SharedServer, the inner half of ControllerServer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from broker.config_rules import ConfigRulesOfNode
from broker.controller.broker_watch import BrokerWatch
from broker.controller.channel import ClusterControllerChannel
from broker.controller.controller import Controller, Timing
from broker.controller.requests import ControllerRequests
from broker.controller.view import Settings
from broker.environment import Environment
from broker.metadata.bootstrap import read_bootstrap
from broker.metadata.cache import MetadataCache
from broker.metadata.features import supported_features
from broker.metadata.loader import MetadataLoader
from broker.metadata.publishers import Publisher
from broker.metadata.raft_log import DIRECTORY_NAME, KafkaMetadataLog, MetadataLogConfig
from broker.metadata.registrations import Endpoint
from broker.metadata.snapshots import SnapshotGenerator
from broker.network.raft_transport import RaftTransport
from broker.registration import ControllerIdentity, ControllerRegistrar
from config.node_config import NodeConfig
from protocol.ids import Uuid
from raft.driver import RaftDriver
from raft.events import QuorumConfig
from raft.quorum_state import FILE_NAME, QuorumStateFile
from raft.voters import NO_VOTERS, Address, Endpoints, ReplicaKey, VoterNode, VoterSet

Fault = Callable[[BaseException], None]


class QuorumMember:
    """`open` reads the disk; `start` takes part; publishers are installed in between or later."""

    def __init__(self, config: NodeConfig, environment: Environment, on_fault: Fault) -> None:
        self._config = config
        self._environment = environment
        self._on_fault = on_fault
        self._is_open = False
        self._registrar: ControllerRegistrar | None = None
        self.controller: Controller | None = None
        """With the role of one."""
        self.requests: ControllerRequests | None = None

    async def open(self, cluster_id: str, directory_id: Uuid, incarnation: Uuid, endpoints: list[Endpoint]) -> None:
        """`endpoints`: where this node's controller is reached, if it has one; `incarnation` is this process's."""
        config, environment = self._config, self._environment
        clock, executor, files = environment.clock, environment.executor, environment.files
        directory = config.metadata_log_dir
        metadata_log = await executor.run(
            lambda: KafkaMetadataLog.open(files, directory, _log_config(config), now_ms=clock.wall_ms)
        )
        bootstrap = await executor.run(read_bootstrap, files, directory)
        self._transport = RaftTransport(
            config.node_id, config.controller_quorum_request_timeout_ms / 1000, clock, environment.random
        )
        self.raft = RaftDriver(
            _quorum_config(config, cluster_id, directory_id, endpoints),
            metadata_log,
            QuorumStateFile(files, f"{directory}/{DIRECTORY_NAME}/{FILE_NAME}"),
            clock=clock,
            random=environment.random,
            executor=executor,
            on_fault=self._on_fault,
            transport=self._transport,
        )
        self._is_open = True
        rules = ConfigRulesOfNode(config)
        self.loader = MetadataLoader(clock, lambda: self.raft.high_watermark, self._on_fault, rules.is_known)
        self.cache = MetadataCache(lambda: self.raft.kraft_version)
        if config.is_controller:
            self.controller = Controller(
                _settings(config, cluster_id),
                rules,
                self.raft,
                self.loader,
                bootstrap,
                clock,
                environment.random,
                _timing(config),
                self._on_fault,
                local_incarnation=incarnation if config.is_broker else None,
                is_known_config=rules.is_known,
            )
            self._watch = BrokerWatch(self.controller, config.inter_broker_listener_name, _is_refused)
            self.requests = ControllerRequests(self.controller, self.raft, self._watch)
        listener_name = config.controller_listener_names[0]
        self.channel = ClusterControllerChannel(
            config.node_id,
            self.requests,
            lambda: self.raft.leader_node(listener_name),
            clock,
            environment.random,
            config.request_timeout_ms / 1000,
        )
        self.loader.add_leader_listener(lambda leader_id, epoch: self.channel.on_change())
        self.snapshots = SnapshotGenerator(
            self.raft,
            clock,
            self._on_fault,
            max_bytes_between_snapshots=config.metadata_log_max_record_bytes_between_snapshots,
            max_interval_s=config.metadata_log_max_snapshot_interval_ms / 1000,
        )
        if config.is_controller:
            self._registrar = ControllerRegistrar(
                ControllerIdentity(config.node_id, incarnation, endpoints, supported_features()),
                self.channel,
                config.controller_quorum_retry_backoff_ms / 1000,
            )

    @property
    def is_active_controller(self) -> bool:
        return self.controller is not None and self.controller.is_active

    async def start(self) -> None:
        await self.raft.start()
        self.raft.register(self.loader)

    def install_last_publishers(self) -> None:
        """The controller answers those who wait when everybody else on this node knows."""
        last: list[Publisher] = [self.snapshots]
        if self._registrar is not None and self.controller is not None:
            last = [self._registrar, self.snapshots, self.controller]
        self.loader.install(*last)

    async def close(self) -> None:
        if not self._is_open:
            return
        if self._registrar is not None:
            await self._registrar.close()
        if self.controller is not None:
            self._watch.close()
            self.controller.close()
        self.channel.close()
        await self.snapshots.close()
        self.loader.close()
        await self.raft.close()
        self._transport.close()


async def _is_refused(host: str, port: int, timeout_s: float) -> bool:
    from broker.network.connecting import is_refused  # a node by itself never needs it

    return await is_refused(host, port, timeout_s)


def _settings(config: NodeConfig, cluster_id: str) -> Settings:
    return Settings(
        node_id=config.node_id,
        cluster_id=cluster_id,
        default_replication_factor=config.default_replication_factor,
        num_partitions=config.num_partitions,
        delete_topic_enable=config.delete_topic_enable,
        voter_ids=tuple(voter.id for voter in config.controller_quorum_voters),
    )


def _log_config(config: NodeConfig) -> MetadataLogConfig:
    return MetadataLogConfig(
        segment_bytes=config.metadata_log_segment_bytes,
        segment_ms=config.metadata_log_segment_ms,
        retention_bytes=config.metadata_max_retention_bytes,
        retention_ms=config.metadata_max_retention_ms,
    )


def _quorum_config(
    config: NodeConfig, cluster_id: str, directory_id: Uuid, endpoints: Sequence[Endpoint]
) -> QuorumConfig:
    listener_name = config.controller_listener_names[0]
    static_voters = NO_VOTERS
    if config.controller_quorum_voters:
        static_voters = VoterSet(
            VoterNode(ReplicaKey(voter.id), Endpoints({listener_name: Address(voter.host, voter.port)}))
            for voter in config.controller_quorum_voters
        )
    return QuorumConfig(
        node_id=config.node_id,
        directory_id=directory_id,
        cluster_id=cluster_id,
        listener_name=listener_name,
        endpoints=Endpoints({each.name: Address(each.host, each.port) for each in endpoints}),
        can_become_voter=config.is_controller,
        static_voters=static_voters,
        bootstrap_servers=tuple(Address(each.host, each.port) for each in config.controller_quorum_bootstrap_servers),
        election_timeout_ms=config.controller_quorum_election_timeout_ms,
        election_backoff_max_ms=config.controller_quorum_election_backoff_max_ms,
        fetch_timeout_ms=config.controller_quorum_fetch_timeout_ms,
        fetch_max_bytes=config.controller_quorum_fetch_max_bytes,
        fetch_snapshot_max_bytes=config.controller_quorum_fetch_snapshot_max_bytes,
        request_timeout_ms=config.controller_quorum_request_timeout_ms,
        retry_backoff_ms=config.controller_quorum_retry_backoff_ms,
        auto_join=config.controller_quorum_auto_join_enable,
    )


def _timing(config: NodeConfig) -> Timing:
    idle_ms = config.metadata_max_idle_interval_ms
    return Timing(
        broker_session_timeout_s=config.broker_session_timeout_ms / 1000,
        max_idle_interval_s=idle_ms / 1000 if idle_ms else None,
        leader_imbalance_check_interval_s=(
            float(config.leader_imbalance_check_interval_seconds) if config.auto_leader_rebalance_enable else None
        ),
        unclean_election_interval_s=config.unclean_leader_election_interval_ms / 1000,
    )
