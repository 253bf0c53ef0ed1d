"""From a running node to samples: reads what its parts have counted, and what they are at, now.

What is bounded is read at a stretch; topics, partitions and groups in slices, from lists made at the beginning, for
what they come from may change in between. Counterpart: the MBeans of Apache Kafka; kafka_exporter.
"""

from __future__ import annotations

import platform
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client.process_collector import ProcessCollector

from barnabas import __version__
from broker.coordinator.group.classic_group import GroupState
from broker.dispatch import ServedApi
from broker.environment import Environment, disk_bytes, thread_cpu_s
from broker.metadata.partitions import PartitionRegistration
from broker.metrics.counters import BOUNDS_S, Durations, RequestStats, TopicStats
from broker.metrics.disk_space import DiskSpace, Space
from broker.metrics.page import ALL_TOPICS, Samples, Slices, write
from broker.metrics.recent import RecentDurations, RecentRate
from broker.metrics.table import QUANTILES
from broker.replication.replica import Replica
from protocol.apis import APIS, FETCH
from protocol.errors import ErrorCode
from storage.validation import InvalidRecords

if TYPE_CHECKING:
    from broker.node import Node

KAFKA_VERSION: Final = "4.3.1"
NETWORK_PROCESSOR: Final = "0"
"""There is one event loop, and so one of these."""

_QUANTILES: Final = tuple(float(text) for text in QUANTILES)
_HISTOGRAM_STEP: Final = 8
"""Every so many buckets one that Prometheus sees: factors of 4.3, from 10 us on."""
_HISTOGRAM_BUCKETS: Final = tuple(range(0, len(BOUNDS_S), _HISTOGRAM_STEP))
_BOUND_TEXTS: Final = tuple(f"{BOUNDS_S[index]:.3g}" for index in _HISTOGRAM_BUCKETS)

_TOPIC_METRICS: Final = (
    ("kafka_server_brokertopicmetrics_messagesin_total", "messages_in"),
    ("kafka_server_brokertopicmetrics_bytesin_total", "bytes_in"),
    ("kafka_server_brokertopicmetrics_bytesout_total", "bytes_out"),
    ("kafka_server_brokertopicmetrics_bytesrejected_total", "bytes_rejected"),
    ("kafka_server_brokertopicmetrics_totalproducerequests_total", "total_produce_requests"),
    ("kafka_server_brokertopicmetrics_failedproducerequests_total", "failed_produce_requests"),
    ("kafka_server_brokertopicmetrics_totalfetchrequests_total", "total_fetch_requests"),
    ("kafka_server_brokertopicmetrics_failedfetchrequests_total", "failed_fetch_requests"),
)
_INVALID_RECORDS: Final = (
    ("kafka_server_brokertopicmetrics_invalidmagicnumberrecords_total", InvalidRecords.MAGIC),
    ("kafka_server_brokertopicmetrics_invalidmessagecrcrecords_total", InvalidRecords.CHECKSUM),
    ("kafka_server_brokertopicmetrics_invalidoffsetorsequencerecords_total", InvalidRecords.OFFSET_OR_SEQUENCE),
    ("kafka_server_brokertopicmetrics_nokeycompactedtopicrecords_total", InvalidRecords.NO_KEY_ON_COMPACTED_TOPIC),
)
_TIMES: Final = (("total", "totaltimems"), ("queue", "requestqueuetimems"), ("local", "localtimems"))
_PURGATORIES: Final = (("Produce", "Produce"), ("Fetch", "Fetch"), ("Rebalance", "JoinGroup"))
"""(what Kafka calls the wait, the API whose requests wait)"""
_GROUP_STATES: Final = (
    ("numgroupsempty", GroupState.EMPTY),
    ("numgroupspreparingrebalance", GroupState.PREPARING_REBALANCE),
    ("numgroupscompletingrebalance", GroupState.COMPLETING_REBALANCE),
    ("numgroupsstable", GroupState.STABLE),
    ("numgroupsdead", GroupState.DEAD),
)
_PROCESS: Final = "process_"
_FETCHER_CLIENT_ID: Final = "Replica"


class NodeSamples:
    """Remembers what the last pages said, for rates and quantiles."""

    def __init__(self, node: Node, environment: Environment) -> None:
        self._node = node
        self._clock = environment.clock
        self._process = ProcessCollector(registry=None)
        self._disk_space = DiskSpace(node.directories, environment.executor)
        self._rates: defaultdict[str, RecentRate] = defaultdict(RecentRate)
        self._durations: defaultdict[tuple[str, str], RecentDurations] = defaultdict(RecentDurations)
        self._now_s = 0.0

    async def page(self) -> tuple[bytes, float]:
        """The page, and for how long the loop was kept from other work for it."""
        spaces = await self._disk_space.of(self._node.directories.directories)
        samples, slices = Samples(), Slices(self._clock, thread_cpu_s)
        await self._gather(samples, slices, spaces)
        page = await write(samples, slices)
        slices.end()
        return page, slices.worked_s

    async def _gather(self, samples: Samples, slices: Slices, spaces: Mapping[str, Space]) -> None:
        """What grows with the cluster comes last: if anything has no room on the page, it is of that."""
        self._now_s = self._clock.monotonic()
        for part in (self._process_samples, self._broker, self._quorum):
            part(samples)
            await slices.pause()
        for path, (size_bytes, available_bytes) in spaces.items():
            samples.add("barnabas_log_directory_size_bytes", size_bytes, path)
            samples.add("barnabas_log_directory_available_bytes", available_bytes, path)
        await self._connections(samples, slices)
        await self._requests(samples, slices)
        await self._topics(samples, slices)
        await self._replicas(samples, slices)
        await self._cluster(samples, slices)
        await self._groups(samples, slices)
        samples.add("barnabas_metrics_dropped_samples", samples.dropped)

    # The process and its loop.

    def _process_samples(self, samples: Samples) -> None:
        node = self._node
        for family in self._process.collect():
            for sample in family.samples:
                samples.add(sample.name, sample.value)
        samples.add("barnabas_build_info", 1, __version__, KAFKA_VERSION, platform.python_version())
        self._histogram(samples, "barnabas_event_loop_lag_seconds", node.loop_watch.lag)
        idle = node.loop_watch.idle
        samples.add("kafka_network_socketserver_networkprocessoravgidle_percent", idle)
        samples.add("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", idle)
        samples.add("kafka_server_kafkaserver_brokerstate", node.lifecycle.state.value)
        for name, count in disk_bytes().items():
            samples.add(f"kafka_server_kafkaserver_linux_disk_{name}", count)

    # Connections.

    async def _connections(self, samples: Samples, slices: Slices) -> None:
        node = self._node
        open_by_listener: Counter[str] = Counter()
        by_software: Counter[tuple[str, str, str]] = Counter()
        queued = 0
        servers = [each for each in (node.server, node.controller_server) if each is not None]
        for endpoint in node.endpoints:
            open_by_listener[endpoint.listener_name] = 0
        for server in servers:
            for each in list(server.connections):
                await slices.pause()
                open_by_listener[each.listener_name] += 1
                by_software[each.client_software_name, each.client_software_version, each.listener_name] += 1
                queued += each.queued_requests
        accepted = sum((each.accepted for each in servers), Counter[str]())
        closed = sum((each.closed_count for each in servers), Counter[str]())
        prefix = "kafka_server_socket_server_metrics_"
        for listener, count in open_by_listener.items():
            labels = (listener, NETWORK_PROCESSOR)
            samples.add(f"{prefix}connection_count", count, *labels)
            samples.add(f"{prefix}connection_creation_total", accepted[listener], *labels)
            samples.add(f"{prefix}connection_close_total", closed[listener], *labels)
            rate = self._rates[f"connections of {listener}"].update(self._now_s, accepted[listener])
            samples.add(f"{prefix}connection_creation_rate", rate, *labels)
        for (name, version, listener), count in by_software.items():
            samples.add(f"{prefix}connections_software", count, name, version, listener, NETWORK_PROCESSOR)
        samples.add("kafka_network_requestchannel_requestqueuesize", queued)
        prefix = "kafka_network_socketserver_"
        samples.add(f"{prefix}expiredconnectionskilledcount", sum(each.wheel.idle_closed for each in servers))
        used = sum(each.memory.used_bytes for each in servers)
        samples.add(f"{prefix}memorypoolused", used)
        samples.add(f"{prefix}memorypoolavailable", sum(each.memory.limit_bytes for each in servers) - used)
        samples.add("barnabas_connections_refused_total", sum(each.quota.refused for each in servers))
        samples.add("barnabas_http_connections_refused_total", node.metrics.http.refused)

    # Requests.

    async def _requests(self, samples: Samples, slices: Slices) -> None:
        node = self._node
        by_key: defaultdict[int, list[ServedApi]] = defaultdict(list)
        for dispatcher in (node.dispatcher, node.controller_dispatcher):
            for key, served in dispatcher.served.items() if dispatcher is not None else ():
                by_key[key].append(served)
        parked: dict[str, int] = {}
        for key, apis in by_key.items():
            name, lowest = APIS[key].name, apis[0].lowest
            own, followers = [api.stats for api in apis], [api.follower_stats for api in apis if api.follower_stats]
            parked[name] = sum(stats.parked for stats in (*own, *followers))
            self._request(samples, name, lowest, [*own, *followers])
            if key == FETCH:
                self._request(samples, "FetchConsumer", lowest, own)
                self._request(samples, "FetchFollower", lowest, followers)
            samples.add("barnabas_request_exceptions_total", sum(api.unexpected_errors for api in apis), name)
            await slices.pause()
        for delayed, api in _PURGATORIES:
            samples.add("kafka_server_delayedoperationpurgatory_purgatorysize", parked[api], delayed)
        sessions = node.services.fetch_sessions
        prefix = "kafka_server_fetchsessioncache_"
        samples.add(f"{prefix}numincrementalfetchsessions", len(sessions))
        samples.add(f"{prefix}numincrementalfetchpartitionscached", sessions.partition_count)
        samples.add(f"{prefix}incrementalfetchsessionevictions_total", sessions.evictions)

    def _request(self, samples: Samples, name: str, lowest: int, all_stats: list[RequestStats]) -> None:
        """Of an API that was asked for at least once, as in Kafka."""
        prefix = "kafka_network_requestmetrics_"
        versions = [sum(counts) for counts in zip(*(stats.by_version for stats in all_stats), strict=True)]
        if not any(versions):
            return
        for version, count in enumerate(versions, lowest):
            if count:
                samples.add(f"{prefix}requests_total", count, name, str(version))
        errors: Counter[int] = Counter()
        for stats in all_stats:
            errors.update(stats.errors)
        for code, count in errors.items():
            samples.add(f"{prefix}errors_total", count, name, ErrorCode(code).name)
        for attribute, time in (*_TIMES, ("remote", "remotetimems")):
            durations = _sum([getattr(stats, attribute) for stats in all_stats])
            if attribute == "total":
                self._histogram(samples, "barnabas_request_duration_seconds", durations, name)
            if durations.count:
                self._quantiles(samples, f"{prefix}{time}", durations, name)

    def _quantiles(self, samples: Samples, name: str, durations: Durations, *labels: str) -> None:
        values = self._durations[name, "".join(labels)].update(self._now_s, durations, _QUANTILES)
        for text, value in zip(QUANTILES, values, strict=True):
            samples.add(name, value * 1000, *labels, text)
        samples.add(f"{name}_count", durations.count, *labels)

    def _histogram(self, samples: Samples, name: str, durations: Durations, *labels: str) -> None:
        cumulative = list(accumulate(durations.counts))
        for index, text in zip(_HISTOGRAM_BUCKETS, _BOUND_TEXTS, strict=True):
            samples.add(name, cumulative[index], *labels, text)
        samples.add(name, cumulative[-1], *labels, "+Inf")
        samples.add(name, cumulative[-1], *labels, "_count")
        samples.add(name, durations.sum_s, *labels, "_sum")

    # The broker, its directories, its metadata.

    def _broker(self, samples: Samples) -> None:
        node = self._node
        offline = node.directories.offline
        samples.add("kafka_log_logmanager_offlinelogdirectorycount", len(offline))
        for path, directory in node.directories.directories.items():
            samples.add("kafka_log_logmanager_logdirectoryoffline", directory in offline, path)
        self._quantiles(samples, "kafka_log_logflushstats_logflushrateandtimems", node.replicas.flush_durations)
        provenance = node.services.metadata.image.provenance
        lag_ms = max(0, self._clock.wall_ms() - provenance.append_timestamp_ms)
        prefix = "kafka_server_brokermetadatametrics_"
        samples.add(f"{prefix}last_applied_record_offset", provenance.offset)
        samples.add(f"{prefix}last_applied_record_timestamp", provenance.append_timestamp_ms)
        samples.add(f"{prefix}last_applied_record_lag_ms", lag_ms)
        samples.add(f"{prefix}metadata_apply_error_count", node.has_fault)

    # The quorum.

    def _quorum(self, samples: Samples) -> None:
        node, raft = self._node, self._node.quorum.raft
        leader_id, epoch = raft.leader_and_epoch
        high_watermark = raft.high_watermark
        prefix = "kafka_server_raftmetrics_"
        samples.add(f"{prefix}current_state", 1, raft.state_name)
        samples.add(f"{prefix}current_leader", -1 if leader_id is None else leader_id)
        samples.add(f"{prefix}current_vote", raft.voted_id)
        samples.add(f"{prefix}current_epoch", epoch)
        samples.add(f"{prefix}high_watermark", -1 if high_watermark is None else high_watermark)
        samples.add(f"{prefix}log_end_offset", raft.log_end_offset)
        samples.add(f"{prefix}number_of_voters", len(raft.voters.ids))
        records = self._rates["records"].update(self._now_s, raft.appended_records)
        samples.add(f"{prefix}append_records_rate", records)
        commits = self._rates["commits"].update(self._now_s, raft.commits)
        latency_s = self._rates["latency"].update(self._now_s, raft.commit_latency_s)
        samples.add(f"{prefix}commit_latency_avg", latency_s / commits * 1000 if commits else float("nan"))
        prefix = "kafka_controller_kafkacontroller_"
        samples.add(f"{prefix}activecontrollercount", node.quorum.is_active_controller)
        samples.add(f"{prefix}metadataerrorcount", node.has_fault)
        samples.add(f"{prefix}lastappliedrecordoffset", node.services.metadata.image.offset)
        samples.add(f"{prefix}lastcommittedrecordoffset", -1 if high_watermark is None else high_watermark - 1)
        counts = node.election_counts
        samples.add("kafka_controller_controllerstats_uncleanleaderelections_total", counts.unclean_elections)
        samples.add("kafka_server_replicamanager_isrshrinks_total", counts.isr_shrinks)
        samples.add("kafka_server_replicamanager_isrexpands_total", counts.isr_expands)

    # Topics.

    async def _topics(self, samples: Samples, slices: Slices) -> None:
        topics_stats = self._node.replicas.topics_stats
        total = topics_stats.total()
        self._topic(samples, total, ALL_TOPICS)
        for topic, stats in list(topics_stats.by_name.items()):
            self._topic(samples, stats, topic)
            await slices.pause()
        prefix = "kafka_server_brokertopicmetrics_"
        samples.add(f"{prefix}replicationbytesin_total", total.replication_bytes_in)
        samples.add(f"{prefix}replicationbytesout_total", total.replication_bytes_out)
        for name, meter in _INVALID_RECORDS:
            samples.add(name, total.invalid_records.get(meter, 0))

    def _topic(self, samples: Samples, stats: TopicStats, topic: str) -> None:
        for name, attribute in _TOPIC_METRICS:
            samples.add(name, getattr(stats, attribute), topic)

    # Replicas.

    async def _replicas(self, samples: Samples, slices: Slices) -> None:
        manager = self._node.replicas
        image = self._node.services.metadata.image
        counts: Counter[str] = Counter()
        for replica in list(manager):
            name = replica.topic_partition
            topic = image.topics.by_name.get(name.topic)
            self._replica(samples, counts, replica, None if topic is None else topic.partitions.get(name.partition))
            await slices.pause()
        prefix = "kafka_server_replicamanager_"
        samples.add(f"{prefix}partitioncount", len(manager))
        samples.add(f"{prefix}offlinereplicacount", manager.offline_count)
        for counted in _REPLICA_COUNTS:
            samples.add(prefix + counted, counts[counted])
        prefix = "kafka_server_replicafetchermanager_"
        samples.add(f"{prefix}maxlag", manager.fetchers.lag_max, _FETCHER_CLIENT_ID)
        samples.add(f"{prefix}failedpartitionscount", manager.fetchers.failed_count, _FETCHER_CLIENT_ID)

    def _replica(
        self, samples: Samples, counts: Counter[str], replica: Replica, registration: PartitionRegistration | None
    ) -> None:
        state, log = replica.state, replica.log
        labels = replica.topic_partition.topic, str(replica.topic_partition.partition)
        leads = state.is_leader
        in_sync, minimum = len(state.isr) if leads else 0, state.effective_min_insync_replicas
        replicas = len(state.replicas) if leads else 0
        at_min, under_min, under = leads and in_sync == minimum, state.is_under_min_isr, in_sync < replicas
        moves = registration is not None and bool(registration.adding_replicas or registration.removing_replicas)
        counts["leadercount"] += leads
        counts["underreplicatedpartitions"] += under
        counts["underminisrpartitioncount"] += under_min
        counts["atminisrpartitioncount"] += at_min
        counts["reassigningpartitions"] += leads and moves
        counts["produceridcount"] += len(log.producer_state.producers)
        prefix = "kafka_cluster_partition_"
        samples.add(f"{prefix}replicascount", replicas, *labels)
        samples.add(f"{prefix}insyncreplicascount", in_sync, *labels)
        samples.add(f"{prefix}underreplicated", under, *labels)
        samples.add(f"{prefix}underminisr", under_min, *labels)
        samples.add(f"{prefix}atminisr", at_min, *labels)
        samples.add(f"{prefix}laststableoffsetlag", log.high_watermark - log.last_stable_offset, *labels)
        prefix = "kafka_log_log_"
        samples.add(f"{prefix}size", log.size_bytes, *labels)
        samples.add(f"{prefix}numlogsegments", len(log.segments), *labels)
        samples.add(f"{prefix}logstartoffset", log.log_start_offset, *labels)
        samples.add(f"{prefix}logendoffset", log.log_end_offset, *labels)
        if leads:
            samples.add("kafka_topic_partition_current_offset", log.high_watermark, *labels)
            samples.add("kafka_topic_partition_oldest_offset", log.log_start_offset, *labels)

    # The cluster, as the metadata has it.

    async def _cluster(self, samples: Samples, slices: Slices) -> None:
        image = self._node.services.metadata.image
        brokers = image.cluster.brokers.values()
        fenced = sum(broker.fenced for broker in brokers)
        prefix = "kafka_controller_kafkacontroller_"
        samples.add(f"{prefix}activebrokercount", len(brokers) - fenced)
        samples.add(f"{prefix}fencedbrokercount", fenced)
        samples.add("kafka_brokers", len(brokers) - fenced)
        for broker in brokers:
            for endpoint in list(broker.listeners.values())[:1]:
                samples.add("kafka_broker_info", 1, str(broker.id), f"{endpoint.host}:{endpoint.port}")
        partitions, offline, imbalanced = 0, 0, 0
        for name, topic in image.topics.by_name.items():
            samples.add("kafka_topic_partitions", len(topic.partitions), name)
            partitions += len(topic.partitions)
            for index, partition in topic.partitions.items():
                is_preferred = partition.leader == partition.replicas[0]
                offline += partition.leader < 0
                imbalanced += not is_preferred
                labels = name, str(index)
                in_sync, replicas = len(partition.isr), len(partition.replicas)
                samples.add("kafka_topic_partition_leader", partition.leader, *labels)
                samples.add("kafka_topic_partition_replicas", replicas, *labels)
                samples.add("kafka_topic_partition_in_sync_replica", in_sync, *labels)
                samples.add("kafka_topic_partition_leader_is_preferred", is_preferred, *labels)
                samples.add("kafka_topic_partition_under_replicated_partition", in_sync < replicas, *labels)
                await slices.pause()
        samples.add(f"{prefix}globaltopiccount", len(image.topics.by_name))
        samples.add(f"{prefix}globalpartitioncount", partitions)
        samples.add(f"{prefix}offlinepartitionscount", offline)
        samples.add(f"{prefix}preferredreplicaimbalancecount", imbalanced)

    # Groups.

    async def _groups(self, samples: Samples, slices: Slices) -> None:
        coordinator = self._node.groups
        shards = coordinator.active_shards()
        states: Counter[GroupState] = Counter()
        for shard in shards:
            for group in list(shard.groups.values()):
                states[group.state] += 1
                samples.add("kafka_consumergroup_members", len(group.members), group.group_id)
                await slices.pause()
        prefix = "kafka_coordinator_group_groupmetadatamanager_"
        samples.add(f"{prefix}numgroups", states.total())
        for name, state in _GROUP_STATES:
            samples.add(prefix + name, states[state])
        samples.add(f"{prefix}numoffsets", coordinator.offsets_count)
        samples.add("barnabas_group_rebalances_total", coordinator.counters.completed_rebalances)
        samples.add("barnabas_group_offset_commits_total", coordinator.counters.offset_commits)
        for shard in shards:
            for group_id, topics in list(shard.store.committed.by_group.items()):
                for topic, offsets in list(topics.items()):
                    committed = [(partition, each.committed_offset) for partition, each in offsets.items()]
                    await self._lag(samples, slices, group_id, topic, committed)

    async def _lag(
        self, samples: Samples, slices: Slices, group_id: str, topic: str, committed: Iterable[tuple[int, int]]
    ) -> None:
        replicas = self._node.replicas
        offset_sum, lag_sum, knows_lag = 0, 0, False
        for partition, offset in committed:
            labels = group_id, topic, str(partition)
            samples.add("kafka_consumergroup_current_offset", offset, *labels)
            offset_sum += offset
            replica = replicas.find(topic, partition)
            if replica is not None and replica.state.is_leader:
                # An offset beyond the end is one of a topic that was there before; it is not behind.
                lag = max(0, replica.log.high_watermark - offset)
                samples.add("kafka_consumergroup_lag", lag, *labels)
                lag_sum += lag
                knows_lag = True
            await slices.pause()
        samples.add("kafka_consumergroup_current_offset_sum", offset_sum, group_id, topic)
        if knows_lag:
            samples.add("kafka_consumergroup_lag_sum", lag_sum, group_id, topic)


_REPLICA_COUNTS: Final = (
    "leadercount",
    "underreplicatedpartitions",
    "underminisrpartitioncount",
    "atminisrpartitioncount",
    "reassigningpartitions",
    "produceridcount",
)


def _sum(all_durations: list[Durations]) -> Durations:
    if len(all_durations) == 1:
        return all_durations[0]
    total = Durations()
    for durations in all_durations:
        total.sum_s += durations.sum_s
        total.counts = [ours + theirs for ours, theirs in zip(total.counts, durations.counts, strict=True)]
    return total
