"""THE table of metrics: every series of the page, under the name that dashboards know it by.

A metric is two lines: `name | type | labels | Kafka's own name, or whose it is`, and below it, indented, what it says.
`topic?` is a label that the series for all topics together does not have. docs/metrics.md is generated from this table
(`make docs`), and a test holds the page of a running node against it.

The names of Kafka's own metrics are those that the JMX exporter's customary rules for Kafka make of its MBeans:
`kafka.GROUP:type=TYPE,name=NAME` becomes `kafka_group_type_name`; what ends in PerSec is a counter that ends in
`_total`; a Percent becomes `_percent`; a histogram becomes a gauge with a label `quantile`, and a count. Those of lag
and offsets are kafka_exporter's. Where versions of Kafka or of the rules differ, one name is given.
"""

from __future__ import annotations

from typing import Final, NamedTuple

QUANTILES: Final = ("0.50", "0.75", "0.95", "0.98", "0.99", "0.999")

_TABLE: Final = """
# Topics
kafka_server_brokertopicmetrics_messagesin_total | counter | topic? | BrokerTopicMetrics MessagesInPerSec
    Records appended.
kafka_server_brokertopicmetrics_bytesin_total | counter | topic? | BrokerTopicMetrics BytesInPerSec
    Bytes of record batches appended.
kafka_server_brokertopicmetrics_bytesout_total | counter | topic? | BrokerTopicMetrics BytesOutPerSec
    Bytes of record batches sent to consumers.
kafka_server_brokertopicmetrics_bytesrejected_total | counter | topic? | BrokerTopicMetrics BytesRejectedPerSec
    Bytes of record batches refused for their size.
kafka_server_brokertopicmetrics_totalproducerequests_total | counter | topic? | BrokerTopicMetrics TotalProduceRequestsPerSec
    Appends asked for, one for each partition of a request; those of coordinators count too.
kafka_server_brokertopicmetrics_failedproducerequests_total | counter | topic? | BrokerTopicMetrics FailedProduceRequestsPerSec
    Appends refused because of what was to be appended.
kafka_server_brokertopicmetrics_totalfetchrequests_total | counter | topic? | BrokerTopicMetrics TotalFetchRequestsPerSec
    Reads, one for each partition of a fetch; a fetch that waited reads twice.
kafka_server_brokertopicmetrics_failedfetchrequests_total | counter | topic? | BrokerTopicMetrics FailedFetchRequestsPerSec
    Reads that failed for a reason that nobody expects, such as a damaged batch.
kafka_server_brokertopicmetrics_replicationbytesin_total | counter | | BrokerTopicMetrics ReplicationBytesInPerSec
    Bytes fetched from leaders.
kafka_server_brokertopicmetrics_replicationbytesout_total | counter | | BrokerTopicMetrics ReplicationBytesOutPerSec
    Bytes sent to followers.
kafka_server_brokertopicmetrics_invalidmagicnumberrecords_total | counter | | BrokerTopicMetrics InvalidMagicNumberRecordsPerSec
    Batches refused for their format.
kafka_server_brokertopicmetrics_invalidmessagecrcrecords_total | counter | | BrokerTopicMetrics InvalidMessageCrcRecordsPerSec
    Batches refused for their checksum.
kafka_server_brokertopicmetrics_invalidoffsetorsequencerecords_total | counter | | BrokerTopicMetrics InvalidOffsetOrSequenceRecordsPerSec
    Batches refused for offsets or sequence numbers that cannot be.
kafka_server_brokertopicmetrics_nokeycompactedtopicrecords_total | counter | | BrokerTopicMetrics NoKeyCompactedTopicRecordsPerSec
    Batches refused because a compacted topic wants keys.

# Requests
kafka_network_requestmetrics_requests_total | counter | request, version | RequestMetrics RequestsPerSec
    Requests received.
kafka_network_requestmetrics_errors_total | counter | request, error | RequestMetrics ErrorsPerSec
    Error codes in answers, NONE among them: one for each topic, partition or group that an answer tells of.
kafka_network_requestmetrics_totaltimems | gauge | request, quantile | RequestMetrics TotalTimeMs
    Milliseconds from receiving a request to having its answer, over the last five minutes; NaN where there was none.
kafka_network_requestmetrics_totaltimems_count | untyped | request | RequestMetrics TotalTimeMs
    Requests that this counts.
kafka_network_requestmetrics_requestqueuetimems | gauge | request, quantile | RequestMetrics RequestQueueTimeMs
    Of these, until the request was begun.
kafka_network_requestmetrics_requestqueuetimems_count | untyped | request | RequestMetrics RequestQueueTimeMs
    Requests that this counts.
kafka_network_requestmetrics_localtimems | gauge | request, quantile | RequestMetrics LocalTimeMs
    Of these, the work on the request.
kafka_network_requestmetrics_localtimems_count | untyped | request | RequestMetrics LocalTimeMs
    Requests that this counts.
kafka_network_requestmetrics_remotetimems | gauge | request, quantile | RequestMetrics RemoteTimeMs
    Of these, the wait for others: replicas, data to fetch, members of a group. Only requests that waited count.
kafka_network_requestmetrics_remotetimems_count | untyped | request | RequestMetrics RemoteTimeMs
    Requests that this counts.
kafka_network_requestchannel_requestqueuesize | gauge | | RequestChannel RequestQueueSize
    Requests received and not begun.
kafka_server_delayedoperationpurgatory_purgatorysize | gauge | delayedOperation | DelayedOperationPurgatory PurgatorySize
    Requests that wait for others, by what they wait for.
kafka_server_fetchsessioncache_numincrementalfetchsessions | gauge | | FetchSessionCache NumIncrementalFetchSessions
    Fetch sessions.
kafka_server_fetchsessioncache_numincrementalfetchpartitionscached | gauge | | FetchSessionCache NumIncrementalFetchPartitionsCached
    Partitions of all fetch sessions.
kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total | counter | | FetchSessionCache IncrementalFetchSessionEvictionsPerSec
    Fetch sessions that had to make room for others.

# Connections
kafka_server_socket_server_metrics_connection_count | gauge | listener, networkProcessor | socket-server-metrics connection-count
    Connections open.
kafka_server_socket_server_metrics_connection_creation_total | counter | listener, networkProcessor | socket-server-metrics connection-creation-total
    Connections accepted.
kafka_server_socket_server_metrics_connection_creation_rate | gauge | listener, networkProcessor | socket-server-metrics connection-creation-rate
    Connections accepted a second, over the last minute.
kafka_server_socket_server_metrics_connection_close_total | counter | listener, networkProcessor | socket-server-metrics connection-close-total
    Connections closed.
kafka_server_socket_server_metrics_connections_software | gauge | clientSoftwareName, clientSoftwareVersion, listener, networkProcessor | socket-server-metrics connections
    Connections open, by what the client calls itself.
kafka_network_socketserver_networkprocessoravgidle_percent | gauge | | SocketServer NetworkProcessorAvgIdlePercent
    The share of time, 0 to 1, that the one thread which does the work of Kafka's network threads is idle.
kafka_network_socketserver_expiredconnectionskilledcount | gauge | | SocketServer ExpiredConnectionsKilledCount
    Connections closed because they were silent for too long.
kafka_network_socketserver_memorypoolused | gauge | | SocketServer MemoryPoolUsed
    Bytes held for requests.
kafka_network_socketserver_memorypoolavailable | gauge | | SocketServer MemoryPoolAvailable
    Bytes that may still be held for requests.
kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent | gauge | | KafkaRequestHandlerPool RequestHandlerAvgIdlePercent
    The same thread does the work of Kafka's request handlers: the same number.

# Replicas
kafka_server_replicamanager_partitioncount | gauge | | ReplicaManager PartitionCount
    Partitions hosted here.
kafka_server_replicamanager_leadercount | gauge | | ReplicaManager LeaderCount
    Partitions led from here.
kafka_server_replicamanager_underreplicatedpartitions | gauge | | ReplicaManager UnderReplicatedPartitions
    Partitions led from here with a replica out of sync.
kafka_server_replicamanager_underminisrpartitioncount | gauge | | ReplicaManager UnderMinIsrPartitionCount
    Partitions led from here with fewer in-sync replicas than min.insync.replicas: writes with acks=all are refused.
kafka_server_replicamanager_atminisrpartitioncount | gauge | | ReplicaManager AtMinIsrPartitionCount
    Partitions led from here with just as many.
kafka_server_replicamanager_offlinereplicacount | gauge | | ReplicaManager OfflineReplicaCount
    Replicas in log directories that have failed.
kafka_server_replicamanager_reassigningpartitions | gauge | | ReplicaManager ReassigningPartitions
    Partitions led from here whose replicas are being moved.
kafka_server_replicamanager_produceridcount | gauge | | ReplicaManager ProducerIdCount
    Producers remembered, over all partitions here.
kafka_server_replicamanager_isrshrinks_total | counter | | ReplicaManager IsrShrinksPerSec
    How often a partition led from here lost an in-sync replica.
kafka_server_replicamanager_isrexpands_total | counter | | ReplicaManager IsrExpandsPerSec
    How often one came back.
kafka_server_replicafetchermanager_maxlag | gauge | clientId | ReplicaFetcherManager MaxLag
    The most records that a partition followed here is behind its leader.
kafka_server_replicafetchermanager_failedpartitionscount | gauge | clientId | ReplicaFetcherManager FailedPartitionsCount
    Partitions followed here whose leader answers with errors, or is of an epoch that is not known here yet.

# The broker and its disks
kafka_server_kafkaserver_brokerstate | gauge | | KafkaServer BrokerState
    1 starting, 2 recovering, 3 running, 6 handing over before it stops, 7 stopping.
kafka_server_kafkaserver_linux_disk_read_bytes | gauge | | KafkaServer linux-disk-read-bytes
    Bytes that this process has caused to be read from disks.
kafka_server_kafkaserver_linux_disk_write_bytes | gauge | | KafkaServer linux-disk-write-bytes
    Bytes that it has caused to be written to them.
kafka_log_logmanager_offlinelogdirectorycount | gauge | | LogManager OfflineLogDirectoryCount
    Log directories that have failed.
kafka_log_logmanager_logdirectoryoffline | gauge | logDirectory | LogManager LogDirectoryOffline
    1 for a log directory that has failed.
barnabas_log_directory_size_bytes | gauge | logDirectory | Barnabas
    The size of the file system that the log directory lies on.
barnabas_log_directory_available_bytes | gauge | logDirectory | Barnabas
    What is free of it for this process.
kafka_log_logflushstats_logflushrateandtimems | gauge | quantile | LogFlushStats LogFlushRateAndTimeMs
    Milliseconds that bringing a log to disk took, over the last five minutes.
kafka_log_logflushstats_logflushrateandtimems_count | untyped | | LogFlushStats LogFlushRateAndTimeMs
    How often a log was brought to disk.
kafka_server_brokermetadatametrics_last_applied_record_offset | gauge | | broker-metadata-metrics last-applied-record-offset
    The last record of the metadata log that this broker acts on.
kafka_server_brokermetadatametrics_last_applied_record_timestamp | gauge | | broker-metadata-metrics last-applied-record-timestamp
    When that record was written, in milliseconds since 1970.
kafka_server_brokermetadatametrics_last_applied_record_lag_ms | gauge | | broker-metadata-metrics last-applied-record-lag-ms
    How long ago that was.
kafka_server_brokermetadatametrics_metadata_apply_error_count | gauge | | broker-metadata-metrics metadata-apply-error-count
    1 once metadata could not be acted on; the node stops then.

# Controller and quorum
kafka_controller_kafkacontroller_activecontrollercount | gauge | | KafkaController ActiveControllerCount
    1 on the active controller.
kafka_controller_kafkacontroller_activebrokercount | gauge | | KafkaController ActiveBrokerCount
    Brokers that are registered and not fenced.
kafka_controller_kafkacontroller_fencedbrokercount | gauge | | KafkaController FencedBrokerCount
    Brokers that are registered and fenced.
kafka_controller_kafkacontroller_globaltopiccount | gauge | | KafkaController GlobalTopicCount
    Topics of the cluster.
kafka_controller_kafkacontroller_globalpartitioncount | gauge | | KafkaController GlobalPartitionCount
    Partitions of the cluster.
kafka_controller_kafkacontroller_offlinepartitionscount | gauge | | KafkaController OfflinePartitionsCount
    Partitions without a leader.
kafka_controller_kafkacontroller_preferredreplicaimbalancecount | gauge | | KafkaController PreferredReplicaImbalanceCount
    Partitions that are not led by the first of their replicas.
kafka_controller_kafkacontroller_metadataerrorcount | gauge | | KafkaController MetadataErrorCount
    1 once this controller failed over metadata; the node stops then.
kafka_controller_kafkacontroller_lastappliedrecordoffset | gauge | | KafkaController LastAppliedRecordOffset
    The last record of the metadata log that this controller has applied.
kafka_controller_kafkacontroller_lastcommittedrecordoffset | gauge | | KafkaController LastCommittedRecordOffset
    The last record of the metadata log that is committed.
kafka_controller_controllerstats_uncleanleaderelections_total | counter | | ControllerStats UncleanLeaderElectionsPerSec
    Partitions that got a leader which was not in sync, since this node started.
kafka_server_raftmetrics_current_state | gauge | current_state | raft-metrics current-state
    1 for what this node is in the quorum.
kafka_server_raftmetrics_current_leader | gauge | | raft-metrics current-leader
    The leader of the quorum, -1 while there is none.
kafka_server_raftmetrics_current_vote | gauge | | raft-metrics current-vote
    Whom this node has voted for in the present epoch, -1 for nobody.
kafka_server_raftmetrics_current_epoch | gauge | | raft-metrics current-epoch
    The epoch of the quorum.
kafka_server_raftmetrics_high_watermark | gauge | | raft-metrics high-watermark
    All below is committed; -1 while that is not known.
kafka_server_raftmetrics_log_end_offset | gauge | | raft-metrics log-end-offset
    Where the next record of the metadata log goes.
kafka_server_raftmetrics_append_records_rate | gauge | | raft-metrics append-records-rate
    Records appended to the metadata log by this node as leader, a second, over the last minute.
kafka_server_raftmetrics_commit_latency_avg | gauge | | raft-metrics commit-latency-avg
    Milliseconds that an entry took to be committed, on average over the last minute; NaN where there was none.
kafka_server_raftmetrics_number_of_voters | gauge | | raft-metrics number-of-voters
    Voters of the quorum.

# Groups
kafka_coordinator_group_groupmetadatamanager_numgroups | gauge | | GroupMetadataManager NumGroups
    Consumer groups that this node coordinates.
kafka_coordinator_group_groupmetadatamanager_numgroupsempty | gauge | | GroupMetadataManager NumGroupsEmpty
    Of these, without members.
kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance | gauge | | GroupMetadataManager NumGroupsPreparingRebalance
    Of these, waiting for members to join.
kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance | gauge | | GroupMetadataManager NumGroupsCompletingRebalance
    Of these, waiting for the assignment.
kafka_coordinator_group_groupmetadatamanager_numgroupsstable | gauge | | GroupMetadataManager NumGroupsStable
    Of these, at work.
kafka_coordinator_group_groupmetadatamanager_numgroupsdead | gauge | | GroupMetadataManager NumGroupsDead
    Of these, about to go.
kafka_coordinator_group_groupmetadatamanager_numoffsets | gauge | | GroupMetadataManager NumOffsets
    Committed offsets that this node keeps.
barnabas_group_rebalances_total | counter | | Barnabas
    Rebalances completed.
barnabas_group_offset_commits_total | counter | | Barnabas
    Offsets committed.

# Process
process_cpu_seconds_total | counter | | customary
    Processor time used, user and system.
process_start_time_seconds | gauge | | customary
    When the process started, in seconds since 1970.
process_resident_memory_bytes | gauge | | customary
    Memory in use.
process_virtual_memory_bytes | gauge | | customary
    Addresses in use.
process_open_fds | gauge | | customary
    Open files and sockets.
process_max_fds | gauge | | customary
    How many there may be.
barnabas_build_info | gauge | version, kafka_version, python_version | Barnabas
    1, with the versions of Barnabas, of the Apache Kafka that it follows, and of Python.
barnabas_event_loop_lag_seconds | histogram | | Barnabas
    How late a timer of the event loop rings: what everything else on this node may have to wait.
barnabas_request_duration_seconds | histogram | request | Barnabas
    As TotalTimeMs, and can be added up over nodes.
barnabas_request_exceptions_total | counter | request | Barnabas
    Requests that failed by a mistake of this program; its log tells more.
barnabas_connections_refused_total | counter | | Barnabas
    Connections refused because there were too many.
barnabas_http_connections_refused_total | counter | | Barnabas
    Connections to this page refused, or closed to make room, because there were too many.
barnabas_metrics_dropped_samples | gauge | | Barnabas
    Series that this page has no room for: the last partitions and groups are missing.

# Partitions
kafka_cluster_partition_replicascount | gauge | topic, partition | Partition ReplicasCount
    Replicas, where this node leads; else 0.
kafka_cluster_partition_insyncreplicascount | gauge | topic, partition | Partition InSyncReplicasCount
    Replicas in sync, where this node leads; else 0.
kafka_cluster_partition_underreplicated | gauge | topic, partition | Partition UnderReplicated
    1 where a replica is out of sync.
kafka_cluster_partition_underminisr | gauge | topic, partition | Partition UnderMinIsr
    1 where fewer replicas are in sync than min.insync.replicas.
kafka_cluster_partition_atminisr | gauge | topic, partition | Partition AtMinIsr
    1 where just as many are.
kafka_cluster_partition_laststableoffsetlag | gauge | topic, partition | Partition LastStableOffsetLag
    Records between the last stable offset and the high watermark: of open transactions.
kafka_log_log_size | gauge | topic, partition | Log Size
    Bytes of the log.
kafka_log_log_numlogsegments | gauge | topic, partition | Log NumLogSegments
    Segments of the log.
kafka_log_log_logstartoffset | gauge | topic, partition | Log LogStartOffset
    The first offset of the log.
kafka_log_log_logendoffset | gauge | topic, partition | Log LogEndOffset
    Where the next record goes.

# Offsets and lag
kafka_brokers | gauge | | kafka_exporter
    Brokers that are registered and not fenced.
kafka_broker_info | gauge | id, address | kafka_exporter
    1, with the id and the address of a broker.
kafka_topic_partitions | gauge | topic | kafka_exporter
    Partitions of the topic.
kafka_topic_partition_leader | gauge | topic, partition | kafka_exporter
    The broker that leads the partition, -1 where none does.
kafka_topic_partition_replicas | gauge | topic, partition | kafka_exporter
    Replicas of the partition.
kafka_topic_partition_in_sync_replica | gauge | topic, partition | kafka_exporter
    Replicas in sync.
kafka_topic_partition_leader_is_preferred | gauge | topic, partition | kafka_exporter
    1 where the first replica leads.
kafka_topic_partition_under_replicated_partition | gauge | topic, partition | kafka_exporter
    1 where a replica is out of sync.
kafka_topic_partition_current_offset | gauge | topic, partition | kafka_exporter
    The high watermark, of partitions that this node leads.
kafka_topic_partition_oldest_offset | gauge | topic, partition | kafka_exporter
    The first offset, of partitions that this node leads.
kafka_consumergroup_members | gauge | consumergroup | kafka_exporter
    Members of the group.
kafka_consumergroup_current_offset_sum | gauge | consumergroup, topic | kafka_exporter
    The sum of the group's committed offsets in the topic.
kafka_consumergroup_lag_sum | gauge | consumergroup, topic | kafka_exporter
    The sum of the group's lag in the topic, over partitions that this node leads.
kafka_consumergroup_current_offset | gauge | consumergroup, topic, partition | kafka_exporter
    The group's committed offset.
kafka_consumergroup_lag | gauge | consumergroup, topic, partition | kafka_exporter
    Records between the committed offset and the high watermark, of partitions that this node leads.
"""


class Metric(NamedTuple):
    name: str
    type: str
    labels: tuple[str, ...]
    all_topics: bool  # there is a series without labels as well
    origin: str
    documentation: str
    section: str


def _parse(table: str) -> dict[str, Metric]:
    metrics: dict[str, Metric] = {}
    section = ""
    head: list[str] = []
    for line in table.splitlines():
        if line.startswith("# "):
            section = line[2:]
        elif line.startswith(" "):
            name, kind, labels, origin = head
            split = tuple(label.strip() for label in labels.split(",") if label.strip())
            plain = tuple(label.rstrip("?") for label in split)
            metrics[name] = Metric(name, kind, plain, plain != split, origin, line.strip(), section)
        elif line:
            head = [cell.strip() for cell in line.split("|")]
    return metrics


METRICS: Final = _parse(_TABLE)
