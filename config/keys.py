"""THE table of configuration keys: every key of brokers, topics, groups and client metrics of Apache Kafka 4.3.1, and a
few of our own.

A key is two lines: `name | type | default | allowed | importance | update mode | effect`, and below it, indented, what
it means. Topic and group keys have no update mode: they can always change. The effect says what the key does here now:

    effect          it works
    none            it is read, checked and shown, and leaving it without effect harms nobody; set, it earns a notice
    refuse REASON   without effect, security or durability would suffer; a value off the default stops the start

docs/configuration.md and attributes.py are generated from this table (`make docs`), a test says when they are stale,
and another compares it with Apache Kafka's own. Counterpart: `AbstractKafkaConfig.CONFIG_DEF`, `LogConfig`,
`GroupConfig`, `ClientMetricsConfigs`.
"""

from __future__ import annotations

from typing import Final

from config.definition import ConfigKey, Effect, Type, UpdateMode

REFUSALS: Final = {
    "authorizer": "authorisation is not served yet: everyone who can connect could do everything",
    "sasl": "SASL is not served yet: clients would not be asked who they are",
    "tls": "TLS is not served yet: connections would be neither encrypted nor authenticated",
    "principal-builder": "Java classes are not loaded: users would not get the names that this class gives them",
    "policies": "Java classes are not loaded: the policy would not be applied",
    "config-providers": "Java classes are not loaded: ${provider:...} references would be taken as literal values",
    "security-providers": "Java security providers are not loaded",
    "delegation-tokens": "delegation tokens are not served yet",
    "quota-callback": "Java classes are not loaded: the quotas of this class would not be applied",
    "remote-storage": "remote storage is not served yet: nothing would be copied to it",
}

# Keys of plug-ins, which no table has. Unlike other unknown keys they must not be passed over in silence.
REFUSED_UNKNOWN_KEYS: Final = {
    "super.users": "authorizer",
    "allow.everyone.if.no.acl.found": "authorizer",
    "sasl.": "sasl",
    "ssl.": "tls",
    "delegation.token.": "delegation-tokens",
    "config.providers.": "config-providers",
}

_BROKER: Final = """
# Node and roles
node.id | INT | REQUIRED | [0,...] | HIGH | read-only | effect
    The number of this node, unique in the cluster and never changed once its directories are formatted.
broker.id | INT | -1 |  | HIGH | read-only | effect
    The older name of node.id; where both are set they must agree.
process.roles | LIST | REQUIRED | [broker, controller] | HIGH | read-only | effect
    What this process does: broker (serves clients), controller (keeps the cluster's metadata), or both.
broker.rack | STRING | null |  | MEDIUM | read-only | effect
    Where this broker stands (a rack, a zone); replicas of one partition are spread over different values.
initial.broker.registration.timeout.ms | INT | 60000 |  | MEDIUM | read-only | effect
    How long a starting broker tries to register with the controller before the process gives up.
broker.heartbeat.interval.ms | INT | 2000 |  | MEDIUM | read-only | effect
    How often a broker tells the controller that it is alive; at most half of broker.session.timeout.ms.
broker.session.timeout.ms | INT | 9000 |  | MEDIUM | read-only | effect
    How long the controller waits for a heartbeat before it fences a broker and moves its leaders away.
controlled.shutdown.enable | BOOLEAN | true |  | MEDIUM | read-only | effect
    Whether a broker that stops asks the controller first to move its leaders to other brokers.
background.threads | INT | 10 | [1,...] | HIGH | cluster-wide | none
    Size of Apache Kafka's pool for housekeeping; here one event loop and a small executor do that work.
num.io.threads | INT | 8 | [1,...] | HIGH | cluster-wide | none
    Size of Apache Kafka's pool of request handlers; here requests are handled on one event loop.
num.network.threads | INT | 3 | [1,...] | HIGH | cluster-wide | none
    Size of Apache Kafka's pool of socket threads per listener; here one event loop serves all sockets.
request.timeout.ms | INT | 30000 |  | HIGH | read-only | effect
    How long this node waits for the answer to a request that it sent to another node.
config.providers | LIST |  |  | LOW | cluster-wide | refuse config-providers
    Names of plug-ins that fetch configuration values, such as passwords, from elsewhere.

# Listeners and connections
listeners | LIST | PLAINTEXT://:9092 | not empty | HIGH | per-broker | effect
    Where this node listens, as NAME://HOST:PORT entries; an empty host means every interface, port 0 takes a free port.
advertised.listeners | LIST | null | not empty | HIGH | read-only | effect
    The addresses that clients are told to connect to; without it, the ones of listeners.
listener.security.protocol.map | STRING | SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT |  | LOW | per-broker | effect
    Which security protocol each listener name stands for, as NAME:PROTOCOL pairs.
inter.broker.listener.name | STRING | null |  | MEDIUM | read-only | effect
    The listener through which brokers reach each other; excludes security.inter.broker.protocol.
security.inter.broker.protocol | STRING | PLAINTEXT | [PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL] | MEDIUM | read-only | effect
    The security protocol between brokers, when inter.broker.listener.name does not name a listener for it.
controller.listener.names | LIST | REQUIRED | not empty | HIGH | read-only | effect
    The listener names that belong to controllers; the first is the one that this node uses to reach them.
early.start.listeners | LIST | null |  | HIGH | read-only | none
    Listeners that should accept requests before the others; here every listener opens once the node can serve.
socket.listen.backlog.size | INT | 50 | [1,...] | MEDIUM | read-only | effect
    How many connections the kernel may hold for a listener until they are accepted; 4096 where it is not set.
socket.request.max.bytes | INT | 104857600 | [1,...] | HIGH | read-only | effect
    The largest request accepted, in bytes; a longer one closes its connection.
socket.receive.buffer.bytes | INT | 102400 |  | HIGH | read-only | effect
    Size of the kernel's receive buffer of a client socket (SO_RCVBUF); -1 keeps the system's default.
socket.send.buffer.bytes | INT | 102400 |  | HIGH | read-only | effect
    Size of the kernel's send buffer of a client socket (SO_SNDBUF); -1 keeps the system's default.
socket.connection.setup.timeout.ms | LONG | 10000 |  | MEDIUM | read-only | none
    How long to wait at first for a connection to another node before trying again.
socket.connection.setup.timeout.max.ms | LONG | 30000 |  | MEDIUM | read-only | none
    The upper bound of the wait for a connection to another node, which doubles with each failure.
queued.max.requests | INT | 500 | [1,...] | HIGH | read-only | none
    Length of Apache Kafka's common request queue; here each connection is held back by limits of its own.
queued.max.request.bytes | LONG | -1 |  | MEDIUM | read-only | effect
    Bytes of requests that may be in memory before reading from connections pauses; -1 sets no limit.
connections.max.idle.ms | LONG | 600000 |  | MEDIUM | read-only | effect
    A connection without traffic for so long is closed; negative keeps idle connections for ever.
max.connections | INT | 2147483647 | [0,...] | MEDIUM | cluster-wide | effect
    The most connections that this node holds open at once.
max.connections.per.ip | INT | 2147483647 | [0,...] | MEDIUM | cluster-wide | effect
    The most connections that one client address may hold open.
max.connections.per.ip.overrides | STRING |  |  | MEDIUM | cluster-wide | effect
    Exceptions to max.connections.per.ip, as a list of host:count entries.
max.connection.creation.rate | INT | 2147483647 | [0,...] | MEDIUM | cluster-wide | effect
    New connections served a second, over all listeners; one too many waits for its turn.
connection.failed.authentication.delay.ms | INT | 100 | [0,...] | LOW | read-only | none
    How long the answer to a failed authentication is delayed, to slow down guessing.
max.request.partition.size.limit | INT | 2000 | [1,...] | MEDIUM | read-only | effect
    The most partitions returned for one DescribeTopicPartitions request.

# Fetch and produce requests
fetch.max.bytes | INT | 57671680 | [1024,...] | MEDIUM | read-only | effect
    The most bytes answered to one fetch request of a client, whatever the client asks for.
max.incremental.fetch.session.cache.slots | INT | 1000 | [0,...] | MEDIUM | read-only | effect
    How many incremental fetch sessions this broker remembers.
fetch.purgatory.purge.interval.requests | INT | 1000 |  | MEDIUM | read-only | none
    How often Apache Kafka sweeps finished waiting fetches; here they are removed at once.
producer.purgatory.purge.interval.requests | INT | 1000 |  | MEDIUM | read-only | none
    How often Apache Kafka sweeps finished waiting produces; here they are removed at once.
delete.records.purgatory.purge.interval.requests | INT | 1 |  | MEDIUM | read-only | none
    How often Apache Kafka sweeps finished waiting deletions; here they are removed at once.
message.max.bytes | INT | 1048588 | [0,...] | HIGH | cluster-wide | effect
    The largest record batch accepted, in bytes after compression; topics override it by max.message.bytes.
compression.type | STRING | producer | [uncompressed, zstd, lz4, snappy, gzip, producer] | HIGH | cluster-wide | effect
    The codec in which topics are stored: a codec's name, uncompressed, or producer to keep what the producer chose.
compression.gzip.level | INT | -1 | [1,...,9] or -1 | MEDIUM | cluster-wide | effect
    The gzip level used where the broker compresses; -1 is the library's default.
compression.lz4.level | INT | 9 | [1,...,17] | MEDIUM | cluster-wide | effect
    The lz4 level used where the broker compresses.
compression.zstd.level | INT | 3 | [-131072,...,22] | MEDIUM | cluster-wide | effect
    The zstd level used where the broker compresses.
producer.id.expiration.ms | INT | 86400000 | [1,...] | LOW | cluster-wide | effect
    How long the state of an idempotent producer that went silent is remembered in a partition.

# Topics
auto.create.topics.enable | BOOLEAN | true |  | HIGH | read-only | effect
    Whether a topic that a client asks for is created when it does not exist.
num.partitions | INT | 1 | [1,...] | MEDIUM | read-only | effect
    The number of partitions of a topic that is created without one.
default.replication.factor | INT | 1 |  | MEDIUM | read-only | effect
    The number of replicas of a topic that is created without one.
min.insync.replicas | INT | 1 | [1,...] | HIGH | cluster-wide | effect
    How many replicas must have a record, with acks=all, before it is acknowledged; fewer in sync refuses the write.
unclean.leader.election.enable | BOOLEAN | false |  | HIGH | cluster-wide | effect
    Whether a replica that was not in sync may lead when no other can, at the price of lost records.
delete.topic.enable | BOOLEAN | true |  | HIGH | read-only | effect
    Whether topics may be deleted by request.
create.topic.policy.class.name | CLASS | null |  | LOW | read-only | refuse policies
    A class that may refuse the creation of a topic.
alter.config.policy.class.name | CLASS | null |  | LOW | read-only | refuse policies
    A class that may refuse a change of configuration.

# Logs
log.dir | LIST | /tmp/kafka-logs | not empty | HIGH | read-only | effect
    The directory of the data, where log.dirs is not set.
log.dirs | LIST | null | not empty | HIGH | read-only | effect
    The directories of the data, separated by commas; partitions are spread over them.
cordoned.log.dirs | LIST |  |  | MEDIUM | per-broker | effect
    Directories that take no new partitions; * means all of them.
log.dir.failure.timeout.ms | LONG | 30000 | [1,...] | LOW | read-only | effect
    How long a broker may fail to report a broken directory to the controller before it stops.
log.segment.bytes | INT | 1073741824 | [1048576,...] | HIGH | cluster-wide | effect
    The size at which a segment file is closed and a new one begun.
log.roll.ms | LONG | null |  | HIGH | cluster-wide | effect
    The age at which a segment is closed even when it is small; without it, log.roll.hours.
log.roll.hours | INT | 168 | [1,...] | HIGH | read-only | effect
    The age in hours at which a segment is closed, where log.roll.ms is not set.
log.roll.jitter.ms | LONG | null |  | HIGH | cluster-wide | effect
    A random time up to this is taken off log.roll.ms, so that not all logs roll at once; else log.roll.jitter.hours.
log.roll.jitter.hours | INT | 0 | [0,...] | HIGH | read-only | effect
    The jitter of rolling in hours, where log.roll.jitter.ms is not set.
log.index.size.max.bytes | INT | 10485760 | [4,...] | MEDIUM | cluster-wide | effect
    The largest size of an index file; a full index closes its segment.
log.index.interval.bytes | INT | 4096 | [0,...] | MEDIUM | cluster-wide | effect
    How many bytes of records lie between two entries of an offset index.
log.preallocate | BOOLEAN | false |  | MEDIUM | cluster-wide | none
    Whether a new segment's file gets its full size at once, for old file systems; here files grow as they are written.
log.flush.interval.messages | LONG | 9223372036854775807 | [1,...] | HIGH | cluster-wide | effect
    Records appended to a partition before they are forced to disk; 1 acknowledges only what is on disk.
log.flush.interval.ms | LONG | null |  | HIGH | cluster-wide | effect
    The longest that a record may wait to be forced to disk; without it, log.flush.scheduler.interval.ms.
log.flush.scheduler.interval.ms | LONG | 9223372036854775807 |  | HIGH | read-only | effect
    How often logs are looked through for records that are due to be forced to disk.
log.flush.offset.checkpoint.interval.ms | INT | 60000 | [0,...] | HIGH | read-only | effect
    How often the recovery points, up to which logs are known to be on disk, are written down.
log.flush.start.offset.checkpoint.interval.ms | INT | 60000 | [0,...] | HIGH | read-only | effect
    How often the first offsets of the logs are written down.
log.retention.ms | LONG | null |  | HIGH | cluster-wide | effect
    How long a record is kept, in milliseconds, -1 for ever; without it, log.retention.minutes.
log.retention.minutes | INT | null |  | HIGH | read-only | effect
    How long a record is kept, in minutes, where log.retention.ms is not set; without it, log.retention.hours.
log.retention.hours | INT | 168 |  | HIGH | read-only | effect
    How long a record is kept, in hours, where neither log.retention.ms nor log.retention.minutes is set.
log.retention.bytes | LONG | -1 |  | HIGH | cluster-wide | effect
    The size that a partition may grow to before its oldest segments are deleted; -1 sets no limit.
log.retention.check.interval.ms | LONG | 300000 | [1,...] | MEDIUM | read-only | effect
    How often logs are looked through for segments to delete.
log.segment.delete.delay.ms | LONG | 60000 | [0,...] | HIGH | cluster-wide | effect
    How long the file of a deleted segment stays, under another name, before it is removed.
log.cleanup.policy | LIST | delete | [compact, delete] | MEDIUM | cluster-wide | effect
    Old segments: delete (by age and size), compact (not served yet: old values stay, and the log grows), or both.
log.message.timestamp.type | STRING | CreateTime | [CreateTime, LogAppendTime] | MEDIUM | cluster-wide | effect
    Whether a record carries the time that its producer gave (CreateTime) or that of the append (LogAppendTime).
log.message.timestamp.before.max.ms | LONG | 9223372036854775807 | [0,...] | MEDIUM | cluster-wide | effect
    How far in the past a record's CreateTime may lie; an older one is refused.
log.message.timestamp.after.max.ms | LONG | 3600000 | [0,...] | MEDIUM | cluster-wide | effect
    How far in the future a record's CreateTime may lie; a later one is refused.
num.recovery.threads.per.data.dir | INT | 2 | [1,...] | HIGH | cluster-wide | effect
    How many logs of one directory are opened or recovered at the same time.
num.replica.alter.log.dirs.threads | INT | null |  | HIGH | read-only | none
    How many replicas may move between directories at the same time.

# Compaction
log.cleaner.enable | BOOLEAN | true |  | MEDIUM | read-only | none
    Whether compaction runs at all; a key that Apache Kafka is about to drop.
log.cleaner.threads | INT | 1 | [0,...] | MEDIUM | cluster-wide | none
    How many logs are compacted at the same time.
log.cleaner.backoff.ms | LONG | 15000 | [0,...] | MEDIUM | cluster-wide | none
    How long the cleaner sleeps when it finds nothing to compact.
log.cleaner.dedupe.buffer.size | LONG | 134217728 |  | MEDIUM | cluster-wide | none
    Memory for the table of keys of all compactions together.
log.cleaner.io.buffer.size | INT | 524288 | [0,...] | MEDIUM | cluster-wide | none
    Memory for the reads and writes of all compactions together.
log.cleaner.io.buffer.load.factor | DOUBLE | 0.9 |  | MEDIUM | cluster-wide | none
    How full the table of keys may become before a compaction pass ends.
log.cleaner.io.max.bytes.per.second | DOUBLE | 1.7976931348623157E308 |  | MEDIUM | cluster-wide | none
    The most bytes that compaction reads and writes a second.
log.cleaner.delete.retention.ms | LONG | 86400000 | [0,...] | MEDIUM | cluster-wide | none
    How long the mark of a deleted key is kept in a compacted log, so that slow readers see it.
log.cleaner.min.compaction.lag.ms | LONG | 0 | [0,...] | MEDIUM | cluster-wide | none
    How long a record stays in a compacted log before it may be removed for a newer one.
log.cleaner.max.compaction.lag.ms | LONG | 9223372036854775807 | [1,...] | MEDIUM | cluster-wide | none
    The longest that a record may escape compaction.
log.cleaner.min.cleanable.ratio | DOUBLE | 0.5 | [0,...,1] | MEDIUM | cluster-wide | none
    The share of a log that must be uncompacted before a pass is worth it.

# Replication
replica.fetch.min.bytes | INT | 1 |  | HIGH | read-only | effect
    Bytes for which a follower's fetch waits at the leader.
replica.fetch.wait.max.ms | INT | 500 |  | HIGH | read-only | effect
    The longest that a follower's fetch waits at the leader; not above replica.lag.time.max.ms.
replica.fetch.max.bytes | INT | 1048576 | [0,...] | MEDIUM | read-only | effect
    Bytes that a follower asks for of each partition.
replica.fetch.response.max.bytes | INT | 10485760 | [0,...] | MEDIUM | read-only | effect
    Bytes that a follower asks for in one fetch, over all partitions.
replica.fetch.backoff.ms | INT | 1000 | [0,...] | MEDIUM | read-only | effect
    How long a follower leaves a partition alone after an error, at most: the first pauses are shorter.
replica.lag.time.max.ms | LONG | 30000 |  | HIGH | read-only | effect
    A follower that has not caught up for so long leaves the set of in-sync replicas.
replica.high.watermark.checkpoint.interval.ms | LONG | 5000 |  | HIGH | read-only | effect
    How often the high watermarks are written down.
replica.selector.class | STRING | null |  | MEDIUM | read-only | effect
    Which replica a consumer is sent to: with Kafka's RackAwareReplicaSelector one in its rack, else the leader.
replica.socket.receive.buffer.bytes | INT | 65536 |  | HIGH | read-only | none
    Size of the kernel's receive buffer of a connection between brokers.
replica.socket.timeout.ms | INT | 30000 |  | HIGH | read-only | effect
    How long a follower waits for a leader's answer; at least replica.fetch.wait.max.ms.
num.replica.fetchers | INT | 1 | [1,...] | HIGH | cluster-wide | effect
    How many connections a follower fetches through from each leader.
follower.fetch.last.tiered.offset.enable | BOOLEAN | false |  | MEDIUM | cluster-wide | none
    Whether an empty follower starts at the end of what lies in remote storage.
auto.leader.rebalance.enable | BOOLEAN | true |  | HIGH | read-only | effect
    Whether leadership goes back to each partition's preferred replica by itself.
leader.imbalance.check.interval.seconds | LONG | 300 | [1,...] | HIGH | read-only | effect
    How often the controller looks for leaders that are not the preferred ones.
controller.socket.timeout.ms | INT | 30000 |  | MEDIUM | read-only | effect
    How long to wait for the controller's answer.
replication.quota.window.num | INT | 11 | [1,...] | LOW | read-only | none
    How many samples a replication quota keeps.
replication.quota.window.size.seconds | INT | 1 | [1,...] | LOW | read-only | none
    The length of a sample of a replication quota.
alter.log.dirs.replication.quota.window.num | INT | 11 | [1,...] | LOW | read-only | none
    How many samples the quota for moves between directories keeps.
alter.log.dirs.replication.quota.window.size.seconds | INT | 1 | [1,...] | LOW | read-only | none
    The length of a sample of the quota for moves between directories.

# Controller quorum and metadata
controller.quorum.voters | LIST |  | non-empty list | HIGH | read-only | effect
    The fixed set of controllers, as ID@HOST:PORT entries; leave it empty for a quorum that can change.
controller.quorum.bootstrap.servers | LIST |  | non-empty list | HIGH | read-only | effect
    Addresses of controllers at which a node begins to look for the quorum's leader.
controller.quorum.auto.join.enable | BOOLEAN | false |  | LOW | read-only | effect
    Whether a controller that is not yet a voter adds itself.
controller.quorum.election.timeout.ms | INT | 1000 | [0,...] | HIGH | read-only | effect
    How long a candidate waits for votes before it tries again.
controller.quorum.election.backoff.max.ms | INT | 1000 | [0,...] | HIGH | read-only | effect
    The upper bound of the random wait between two elections.
controller.quorum.fetch.timeout.ms | INT | 2000 | [0,...] | HIGH | read-only | effect
    How long a voter does without the leader before it calls an election, or a leader without its followers before it resigns.
controller.quorum.fetch.max.bytes | INT | 1048576 | [1,...] | LOW | read-only | effect
    Bytes of metadata asked for in one fetch from the leader.
controller.quorum.fetch.snapshot.max.bytes | INT | 1048576 | [1,...] | LOW | read-only | effect
    Bytes of a snapshot asked for in one request.
controller.quorum.request.timeout.ms | INT | 2000 | [0,...] | MEDIUM | read-only | effect
    How long a controller waits for another controller's answer.
controller.quorum.retry.backoff.ms | INT | 20 | [0,...] | LOW | read-only | effect
    How long a controller waits before it repeats a request that failed.
controller.quorum.append.linger.ms | INT | 25 | [0,...] | MEDIUM | read-only | none
    How long Apache Kafka's leader gathers metadata writes; here all that wait are synced together, without a delay.
metadata.log.dir | STRING | null |  | HIGH | read-only | effect
    The directory of the metadata log; without it, the first of log.dirs.
metadata.log.segment.bytes | INT | 1073741824 | [8388608,...] | HIGH | read-only | effect
    The size at which a segment of the metadata log is closed.
metadata.log.segment.ms | LONG | 604800000 |  | HIGH | read-only | effect
    The age at which a segment of the metadata log is closed.
metadata.log.max.record.bytes.between.snapshots | LONG | 20971520 | [1,...] | HIGH | read-only | effect
    Bytes of new metadata after which a snapshot is taken.
metadata.log.max.snapshot.interval.ms | LONG | 3600000 | [0,...] | HIGH | read-only | effect
    The longest time between two snapshots while there is new metadata; 0 sets no limit.
metadata.max.retention.bytes | LONG | 104857600 |  | HIGH | read-only | effect
    The size that metadata log and snapshots may reach before old ones are deleted.
metadata.max.retention.ms | LONG | 604800000 |  | HIGH | read-only | effect
    How long snapshots and the metadata log before them are kept.
metadata.max.idle.interval.ms | INT | 500 | [0,...] | LOW | read-only | effect
    How often an idle leader writes a record that does nothing, so that followers see the time pass; 0 never.
controller.quota.window.num | INT | 11 | [1,...] | LOW | read-only | none
    How many samples a quota of changes to the cluster keeps.
controller.quota.window.size.seconds | INT | 1 | [1,...] | LOW | read-only | none
    The length of a sample of a quota of changes to the cluster.

# Consumer groups: offsets and the classic protocol
offsets.topic.num.partitions | INT | 50 | [1,...] | HIGH | read-only | effect
    The number of partitions of __consumer_offsets, fixed once the topic exists.
offsets.topic.replication.factor | SHORT | 3 | [1,...] | HIGH | read-only | effect
    The number of replicas of __consumer_offsets.
offsets.topic.segment.bytes | INT | 104857600 | [1,...] | HIGH | read-only | effect
    The segment size of __consumer_offsets; small, so that it loads fast.
offsets.topic.compression.codec | INT | 0 |  | HIGH | read-only | effect
    The codec of the records in __consumer_offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
offsets.load.buffer.size | INT | 5242880 | [1,...] | HIGH | read-only | effect
    Bytes read at a time while a coordinator loads its groups.
offsets.commit.timeout.ms | INT | 5000 | [1,...] | HIGH | read-only | effect
    How long a commit of offsets waits for its replicas.
offsets.retention.minutes | INT | 10080 | [1,...] | HIGH | read-only | effect
    How long the offsets of a group without members are kept.
offsets.retention.check.interval.ms | LONG | 600000 | [1,...] | HIGH | read-only | effect
    How often groups are looked through for offsets that have expired.
offset.metadata.max.bytes | INT | 4096 |  | HIGH | read-only | effect
    The longest note that a client may store with an offset.
group.min.session.timeout.ms | INT | 6000 |  | MEDIUM | read-only | effect
    The shortest session timeout that a member of a classic group may ask for.
group.max.session.timeout.ms | INT | 1800000 |  | MEDIUM | read-only | effect
    The longest session timeout that a member of a classic group may ask for.
group.initial.rebalance.delay.ms | INT | 3000 |  | MEDIUM | read-only | effect
    How long a new group waits for further members before its first rebalance.
group.max.size | INT | 2147483647 | [1,...] | MEDIUM | read-only | effect
    The most members that a classic group takes.
group.coordinator.rebalance.protocols | LIST | classic,consumer,streams | [consumer, classic, share, streams] | MEDIUM | read-only | none
    The group protocols served; classic cannot be left out.
group.coordinator.threads | INT | 4 | [1,...] | HIGH | read-only | none
    Size of Apache Kafka's pool of coordinator threads; here coordinators run on the event loop.
group.coordinator.background.threads | INT | 2 | [1,...] | HIGH | read-only | none
    Size of Apache Kafka's pool for assignments and patterns.
group.coordinator.append.linger.ms | INT | -1 | [-1,...] | MEDIUM | read-only | none
    How long Apache Kafka gathers coordinator writes; here a write is appended at once.
group.coordinator.cached.buffer.max.bytes | INT | 1048588 | [524288,...] | MEDIUM | cluster-wide | none
    The size up to which Apache Kafka keeps a write buffer for the next use.

# Consumer groups: the consumer protocol (KIP-848)
group.consumer.assignors | LIST | uniform,range | not empty | MEDIUM | read-only | none
    The server-side assignors on offer; the first is the default.
group.consumer.migration.policy | STRING | bidirectional | (case insensitive) [DISABLED, DOWNGRADE, UPGRADE, BIDIRECTIONAL] | MEDIUM | read-only | none
    Whether a group may change between the classic and the consumer protocol while it is in use.
group.consumer.max.size | INT | 2147483647 | [1,...] | MEDIUM | read-only | none
    The most members that a consumer group takes.
group.consumer.heartbeat.interval.ms | INT | 5000 | [1,...] | MEDIUM | read-only | none
    How often members of a consumer group are told to send a heartbeat.
group.consumer.min.heartbeat.interval.ms | INT | 5000 | [1,...] | MEDIUM | read-only | none
    The smallest heartbeat interval that a consumer group may be configured with.
group.consumer.max.heartbeat.interval.ms | INT | 15000 | [1,...] | MEDIUM | read-only | none
    The largest heartbeat interval that a consumer group may be configured with.
group.consumer.session.timeout.ms | INT | 45000 | [1,...] | MEDIUM | read-only | none
    How long a member of a consumer group may be silent before it is removed.
group.consumer.min.session.timeout.ms | INT | 45000 | [1,...] | MEDIUM | read-only | none
    The smallest session timeout that a consumer group may be configured with.
group.consumer.max.session.timeout.ms | INT | 60000 | [1,...] | MEDIUM | read-only | none
    The largest session timeout that a consumer group may be configured with.
group.consumer.assignment.interval.ms | INT | 1000 | [0,...] | MEDIUM | cluster-wide | none
    The time that lies at least between two assignments of a consumer group.
group.consumer.min.assignment.interval.ms | INT | 0 | [0,...] | MEDIUM | read-only | none
    The smallest assignment interval that a consumer group may be configured with.
group.consumer.max.assignment.interval.ms | INT | 15000 | [0,...] | MEDIUM | read-only | none
    The largest assignment interval that a consumer group may be configured with.

# Streams groups
group.streams.max.size | INT | 2147483647 | [1,...] | MEDIUM | read-only | none
    The most members that a streams group takes.
group.streams.num.standby.replicas | INT | 0 | [0,...] | MEDIUM | read-only | none
    The number of standby copies of each stateful task.
group.streams.max.standby.replicas | INT | 2 | [0,...] | MEDIUM | read-only | none
    The most standby copies that a streams group may be configured with.
group.streams.initial.rebalance.delay.ms | INT | 3000 | [0,...] | MEDIUM | read-only | none
    How long a new streams group waits for further members before its first assignment.
group.streams.heartbeat.interval.ms | INT | 5000 | [1,...] | MEDIUM | read-only | none
    How often members of a streams group are told to send a heartbeat.
group.streams.min.heartbeat.interval.ms | INT | 5000 | [1,...] | MEDIUM | read-only | none
    The smallest heartbeat interval that a streams group may be configured with.
group.streams.max.heartbeat.interval.ms | INT | 15000 | [1,...] | MEDIUM | read-only | none
    The largest heartbeat interval that a streams group may be configured with.
group.streams.session.timeout.ms | INT | 45000 | [1,...] | MEDIUM | read-only | none
    How long a member of a streams group may be silent before it is removed.
group.streams.min.session.timeout.ms | INT | 45000 | [1,...] | MEDIUM | read-only | none
    The smallest session timeout that a streams group may be configured with.
group.streams.max.session.timeout.ms | INT | 60000 | [1,...] | MEDIUM | read-only | none
    The largest session timeout that a streams group may be configured with.
group.streams.assignment.interval.ms | INT | 1000 | [0,...] | MEDIUM | cluster-wide | none
    The time that lies at least between two assignments of a streams group.
group.streams.min.assignment.interval.ms | INT | 0 | [0,...] | MEDIUM | read-only | none
    The smallest assignment interval that a streams group may be configured with.
group.streams.max.assignment.interval.ms | INT | 15000 | [0,...] | MEDIUM | read-only | none
    The largest assignment interval that a streams group may be configured with.

# Share groups
group.share.assignors | LIST | simple | not empty | MEDIUM | read-only | none
    The assignor of share groups; exactly one.
group.share.max.size | INT | 200 | [1,...,1000] | MEDIUM | read-only | none
    The most members that a share group takes.
group.share.max.share.sessions | INT | 2000 | [1,...] | MEDIUM | read-only | none
    The most share sessions that a broker holds; at least group.share.max.size.
group.share.delivery.count.limit | INT | 5 | [2,...,10] | MEDIUM | read-only | none
    How often a record is delivered to a share group before it is given up.
group.share.min.delivery.count.limit | INT | 2 | [2,...,5] | MEDIUM | read-only | none
    The smallest delivery count that a share group may be configured with.
group.share.max.delivery.count.limit | INT | 10 | [5,...,25] | MEDIUM | read-only | none
    The largest delivery count that a share group may be configured with.
group.share.record.lock.duration.ms | INT | 30000 | [1000,...,3600000] | MEDIUM | read-only | none
    How long a delivered record is held for its consumer.
group.share.min.record.lock.duration.ms | INT | 15000 | [1000,...,30000] | MEDIUM | read-only | none
    The shortest lock that a share group may be configured with.
group.share.max.record.lock.duration.ms | INT | 60000 | [30000,...,3600000] | MEDIUM | read-only | none
    The longest lock that a share group may be configured with.
group.share.partition.max.record.locks | INT | 2000 | [100,...,10000] | MEDIUM | read-only | none
    How many records of one partition a share group may hold locked.
group.share.min.partition.max.record.locks | INT | 100 | [100,...,2000] | MEDIUM | read-only | none
    The smallest number of locks that a share group may be configured with.
group.share.max.partition.max.record.locks | INT | 4000 | [2000,...,10000] | MEDIUM | read-only | none
    The largest number of locks that a share group may be configured with.
group.share.heartbeat.interval.ms | INT | 5000 | [1,...] | MEDIUM | read-only | none
    How often members of a share group are told to send a heartbeat.
group.share.min.heartbeat.interval.ms | INT | 5000 | [1,...] | MEDIUM | read-only | none
    The smallest heartbeat interval that a share group may be configured with.
group.share.max.heartbeat.interval.ms | INT | 15000 | [1,...] | MEDIUM | read-only | none
    The largest heartbeat interval that a share group may be configured with.
group.share.session.timeout.ms | INT | 45000 | [1,...] | MEDIUM | read-only | none
    How long a member of a share group may be silent before it is removed.
group.share.min.session.timeout.ms | INT | 45000 | [1,...] | MEDIUM | read-only | none
    The smallest session timeout that a share group may be configured with.
group.share.max.session.timeout.ms | INT | 60000 | [1,...] | MEDIUM | read-only | none
    The largest session timeout that a share group may be configured with.
group.share.assignment.interval.ms | INT | 1000 | [0,...] | MEDIUM | cluster-wide | none
    The time that lies at least between two assignments of a share group.
group.share.min.assignment.interval.ms | INT | 0 | [0,...] | MEDIUM | read-only | none
    The smallest assignment interval that a share group may be configured with.
group.share.max.assignment.interval.ms | INT | 15000 | [0,...] | MEDIUM | read-only | none
    The largest assignment interval that a share group may be configured with.
share.fetch.purgatory.purge.interval.requests | INT | 1000 |  | MEDIUM | read-only | none
    How often Apache Kafka sweeps finished waiting share fetches.
share.coordinator.state.topic.num.partitions | INT | 50 | [1,...] | HIGH | read-only | none
    The number of partitions of __share_group_state, fixed once the topic exists.
share.coordinator.state.topic.replication.factor | SHORT | 3 | [1,...] | HIGH | read-only | none
    The number of replicas of __share_group_state.
share.coordinator.state.topic.min.isr | SHORT | 2 | [1,...] | HIGH | read-only | none
    The min.insync.replicas of __share_group_state.
share.coordinator.state.topic.segment.bytes | INT | 104857600 | [1,...] | HIGH | read-only | none
    The segment size of __share_group_state.
share.coordinator.state.topic.compression.codec | INT | 0 |  | HIGH | read-only | none
    The codec of the records in __share_group_state, by number.
share.coordinator.load.buffer.size | INT | 5242880 | [1,...] | HIGH | read-only | none
    Bytes read at a time while a share coordinator loads its state.
share.coordinator.snapshot.update.records.per.snapshot | INT | 500 | [0,...,500] | MEDIUM | read-only | none
    How many updates of a share partition are written between two full states.
share.coordinator.write.timeout.ms | INT | 5000 | [1,...] | HIGH | read-only | none
    How long a write of the share coordinator waits for its replicas.
share.coordinator.append.linger.ms | INT | -1 | [-1,...] | MEDIUM | read-only | none
    How long Apache Kafka gathers the writes of a share coordinator.
share.coordinator.cached.buffer.max.bytes | INT | 1048588 | [524288,...] | MEDIUM | cluster-wide | none
    The size up to which a share coordinator's write buffer is kept for the next use.
share.coordinator.threads | INT | 1 | [1,...] | MEDIUM | read-only | none
    Size of Apache Kafka's pool of share coordinator threads.

# Transactions
transaction.max.timeout.ms | INT | 900000 | [1,...] | HIGH | read-only | none
    The longest transaction timeout that a producer may ask for.
transaction.state.log.num.partitions | INT | 50 | [1,...] | HIGH | read-only | none
    The number of partitions of __transaction_state, fixed once the topic exists.
transaction.state.log.replication.factor | SHORT | 3 | [1,...] | HIGH | read-only | none
    The number of replicas of __transaction_state.
transaction.state.log.min.isr | INT | 2 | [1,...] | HIGH | read-only | none
    The min.insync.replicas of __transaction_state.
transaction.state.log.segment.bytes | INT | 104857600 | [1,...] | HIGH | read-only | none
    The segment size of __transaction_state.
transaction.state.log.load.buffer.size | INT | 5242880 | [1,...] | HIGH | read-only | none
    Bytes read at a time while a coordinator loads its transactions.
transaction.abort.timed.out.transaction.cleanup.interval.ms | INT | 10000 | [1,...] | LOW | read-only | none
    How often transactions that took too long are looked for and aborted.
transaction.remove.expired.transaction.cleanup.interval.ms | INT | 3600000 | [1,...] | LOW | read-only | none
    How often transactional ids that went out of use are looked for.
transactional.id.expiration.ms | INT | 604800000 | [1,...] | HIGH | read-only | none
    How long a transactional id without a transaction is remembered.
transaction.partition.verification.enable | BOOLEAN | true |  | LOW | cluster-wide | none
    Whether a partition asks the coordinator, before a transactional append, that the transaction is open.
transaction.two.phase.commit.enable | BOOLEAN | false |  | LOW | read-only | none
    Whether producers may keep transactions open without a timeout, for an outside coordinator.
add.partitions.to.txn.retry.backoff.ms | INT | 20 | [1,...] | HIGH | read-only | none
    How long a broker waits at first before it verifies a transactional append again.
add.partitions.to.txn.retry.backoff.max.ms | INT | 100 | [0,...] | HIGH | read-only | none
    The upper bound of the wait between verifications of a transactional append.

# Authentication and authorisation
authorizer.class.name | STRING |  | non-null string | LOW | read-only | refuse authorizer
    The class that decides who may do what; empty lets everyone do everything.
principal.builder.class | CLASS | org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder |  | MEDIUM | per-broker | refuse principal-builder
    The class that turns an authenticated connection into a user's name.
connections.max.reauth.ms | LONG | 0 |  | MEDIUM | read-only | refuse sasl
    How long a SASL login is good for before the client must log in again; 0 for ever.
security.providers | STRING | null |  | LOW | read-only | refuse security-providers
    Factories of Java security providers.
delegation.token.secret.key | PASSWORD | null |  | MEDIUM | read-only | refuse delegation-tokens
    The secret from which delegation tokens are made; without it there are none.
delegation.token.max.lifetime.ms | LONG | 604800000 | [1,...] | MEDIUM | read-only | none
    How long a delegation token can live, renewed or not.
delegation.token.expiry.time.ms | LONG | 86400000 | [1,...] | MEDIUM | read-only | none
    How long a delegation token is good for until it must be renewed.
delegation.token.expiry.check.interval.ms | LONG | 3600000 | [1,...] | LOW | read-only | none
    How often expired delegation tokens are removed.
sasl.enabled.mechanisms | LIST | GSSAPI |  | MEDIUM | per-broker | refuse sasl
    The SASL mechanisms that clients may log in with.
sasl.mechanism.inter.broker.protocol | STRING | GSSAPI |  | MEDIUM | per-broker | refuse sasl
    The SASL mechanism between brokers.
sasl.mechanism.controller.protocol | STRING | GSSAPI |  | HIGH | read-only | refuse sasl
    The SASL mechanism towards controllers.
sasl.jaas.config | PASSWORD | null |  | MEDIUM | per-broker | refuse sasl
    A login module with its options, in the format of a JAAS file.
sasl.client.callback.handler.class | CLASS | null |  | MEDIUM | read-only | refuse sasl
    The class that answers a SASL client's questions.
sasl.server.callback.handler.class | CLASS | null |  | MEDIUM | read-only | refuse sasl
    The class that checks what a SASL client sent.
sasl.server.max.receive.size | INT | 524288 |  | MEDIUM | read-only | refuse sasl
    The longest message accepted while a client logs in.
sasl.login.callback.handler.class | CLASS | null |  | MEDIUM | read-only | refuse sasl
    The class that supplies credentials to a login.
sasl.login.class | CLASS | null |  | MEDIUM | read-only | refuse sasl
    The class that performs a login.
sasl.login.connect.timeout.ms | INT | null |  | LOW | read-only | refuse sasl
    How long to wait for a connection to the outside login service.
sasl.login.read.timeout.ms | INT | null |  | LOW | read-only | refuse sasl
    How long to wait for an answer of the outside login service.
sasl.login.retry.backoff.ms | LONG | 100 |  | LOW | read-only | refuse sasl
    The first wait before the outside login service is asked again.
sasl.login.retry.backoff.max.ms | LONG | 10000 |  | LOW | read-only | refuse sasl
    The longest wait before the outside login service is asked again.
sasl.login.refresh.window.factor | DOUBLE | 0.8 |  | MEDIUM | per-broker | refuse sasl
    The share of a credential's life after which it is renewed.
sasl.login.refresh.window.jitter | DOUBLE | 0.05 |  | MEDIUM | per-broker | refuse sasl
    The random part that is added to the time of renewal.
sasl.login.refresh.min.period.seconds | SHORT | 60 |  | MEDIUM | per-broker | refuse sasl
    The time that lies at least between two renewals.
sasl.login.refresh.buffer.seconds | SHORT | 300 |  | MEDIUM | per-broker | refuse sasl
    How long before its end a credential must be renewed.
sasl.kerberos.service.name | STRING | null |  | MEDIUM | per-broker | refuse sasl
    The Kerberos name under which brokers run.
sasl.kerberos.kinit.cmd | STRING | /usr/bin/kinit |  | MEDIUM | per-broker | refuse sasl
    The path of the kinit command.
sasl.kerberos.ticket.renew.window.factor | DOUBLE | 0.8 |  | MEDIUM | per-broker | refuse sasl
    The share of a ticket's life after which it is renewed.
sasl.kerberos.ticket.renew.jitter | DOUBLE | 0.05 |  | MEDIUM | per-broker | refuse sasl
    The random part that is added to the time of a ticket's renewal.
sasl.kerberos.min.time.before.relogin | LONG | 60000 |  | MEDIUM | per-broker | refuse sasl
    The time that lies at least between two attempts to renew a ticket.
sasl.kerberos.principal.to.local.rules | LIST | DEFAULT |  | MEDIUM | per-broker | refuse sasl
    Rules that turn a Kerberos principal into a short user name.
sasl.oauthbearer.token.endpoint.url | STRING | null |  | MEDIUM | read-only | refuse sasl
    Where tokens are fetched from.
sasl.oauthbearer.scope | STRING | null |  | MEDIUM | read-only | refuse sasl
    The scope asked for with a token.
sasl.oauthbearer.client.credentials.client.id | STRING | null |  | MEDIUM | read-only | refuse sasl
    The client id with which tokens are fetched.
sasl.oauthbearer.client.credentials.client.secret | PASSWORD | null |  | MEDIUM | read-only | refuse sasl
    The secret with which tokens are fetched.
sasl.oauthbearer.jwt.retriever.class | CLASS | org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever |  | MEDIUM | read-only | refuse sasl
    The class that fetches tokens.
sasl.oauthbearer.jwt.validator.class | CLASS | org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator |  | MEDIUM | read-only | refuse sasl
    The class that checks tokens.
sasl.oauthbearer.expected.audience | LIST |  |  | HIGH | read-only | refuse sasl
    The audiences of which a token must name at least one.
sasl.oauthbearer.expected.issuer | STRING | null |  | HIGH | read-only | refuse sasl
    The issuer that a token must name.
sasl.oauthbearer.clock.skew.seconds | INT | 30 |  | LOW | read-only | refuse sasl
    The difference between two clocks that is forgiven when a token's times are checked.
sasl.oauthbearer.scope.claim.name | STRING | scope |  | LOW | read-only | refuse sasl
    The claim of a token that holds its scope.
sasl.oauthbearer.sub.claim.name | STRING | sub |  | LOW | read-only | refuse sasl
    The claim of a token that holds the user's name.
sasl.oauthbearer.jwks.endpoint.url | STRING | null |  | MEDIUM | read-only | refuse sasl
    Where the keys that tokens are signed with are fetched from.
sasl.oauthbearer.jwks.endpoint.refresh.ms | LONG | 3600000 |  | LOW | read-only | refuse sasl
    How often the signing keys are fetched anew.
sasl.oauthbearer.jwks.endpoint.retry.backoff.ms | LONG | 100 |  | LOW | read-only | refuse sasl
    The first wait before the signing keys are asked for again.
sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms | LONG | 10000 |  | LOW | read-only | refuse sasl
    The longest wait before the signing keys are asked for again.
sasl.oauthbearer.assertion.algorithm | STRING | RS256 | (case insensitive) [ES256, RS256] | MEDIUM | read-only | refuse sasl
    The algorithm that signs the assertion sent to the token endpoint.
sasl.oauthbearer.assertion.claim.aud | STRING | null |  | MEDIUM | read-only | refuse sasl
    The audience of the assertion.
sasl.oauthbearer.assertion.claim.exp.seconds | INT | 300 | [0,...,86400] | LOW | read-only | refuse sasl
    How long the assertion is valid.
sasl.oauthbearer.assertion.claim.iss | STRING | null |  | MEDIUM | read-only | refuse sasl
    The issuer of the assertion.
sasl.oauthbearer.assertion.claim.jti.include | BOOLEAN | false |  | MEDIUM | read-only | refuse sasl
    Whether the assertion carries an id of its own.
sasl.oauthbearer.assertion.claim.nbf.seconds | INT | 60 | [0,...,3600] | LOW | read-only | refuse sasl
    How far before now the assertion's validity begins.
sasl.oauthbearer.assertion.claim.sub | STRING | null |  | MEDIUM | read-only | refuse sasl
    The subject of the assertion.
sasl.oauthbearer.assertion.file | STRING | null |  | MEDIUM | read-only | refuse sasl
    A file that holds a ready assertion.
sasl.oauthbearer.assertion.private.key.file | STRING | null |  | MEDIUM | read-only | refuse sasl
    The private key that signs the assertion.
sasl.oauthbearer.assertion.private.key.passphrase | PASSWORD | null |  | MEDIUM | read-only | refuse sasl
    The passphrase of that private key.
sasl.oauthbearer.assertion.template.file | STRING | null |  | MEDIUM | read-only | refuse sasl
    A file with further headers and claims of the assertion.

# TLS
ssl.client.auth | STRING | none | [required, requested, none] | MEDIUM | per-broker | refuse tls
    Whether a client must show a certificate: required, requested or none.
ssl.protocol | STRING | TLSv1.3 |  | MEDIUM | per-broker | refuse tls
    The TLS protocol that contexts are made for.
ssl.enabled.protocols | LIST | TLSv1.2,TLSv1.3 |  | MEDIUM | per-broker | refuse tls
    The TLS versions that are accepted.
ssl.cipher.suites | LIST |  |  | MEDIUM | per-broker | refuse tls
    The cipher suites that are accepted; empty for the library's choice.
ssl.provider | STRING | null |  | MEDIUM | per-broker | refuse tls
    The Java security provider of TLS.
ssl.engine.factory.class | CLASS | null |  | LOW | per-broker | refuse tls
    The class that makes TLS engines.
ssl.secure.random.implementation | STRING | null |  | LOW | per-broker | refuse tls
    The source of random numbers for TLS.
ssl.endpoint.identification.algorithm | STRING | https |  | LOW | per-broker | refuse tls
    How a server's name is checked against its certificate; empty switches the check off.
ssl.keystore.type | STRING | JKS |  | MEDIUM | per-broker | refuse tls
    The format of the key store: JKS, PKCS12 or PEM.
ssl.keystore.location | STRING | null |  | MEDIUM | per-broker | refuse tls
    The file of the key store.
ssl.keystore.password | PASSWORD | null |  | MEDIUM | per-broker | refuse tls
    The password of the key store.
ssl.keystore.key | PASSWORD | null |  | MEDIUM | per-broker | refuse tls
    The private key itself, in PEM format.
ssl.keystore.certificate.chain | PASSWORD | null |  | MEDIUM | per-broker | refuse tls
    The certificate chain itself, in PEM format.
ssl.key.password | PASSWORD | null |  | MEDIUM | per-broker | refuse tls
    The password of the private key.
ssl.keymanager.algorithm | STRING | SunX509 |  | MEDIUM | per-broker | refuse tls
    The algorithm of Java's key manager.
ssl.truststore.type | STRING | JKS |  | MEDIUM | per-broker | refuse tls
    The format of the trust store: JKS, PKCS12 or PEM.
ssl.truststore.location | STRING | null |  | MEDIUM | per-broker | refuse tls
    The file of the trust store.
ssl.truststore.password | PASSWORD | null |  | MEDIUM | per-broker | refuse tls
    The password of the trust store.
ssl.truststore.certificates | PASSWORD | null |  | MEDIUM | per-broker | refuse tls
    The trusted certificates themselves, in PEM format.
ssl.trustmanager.algorithm | STRING | PKIX |  | MEDIUM | per-broker | refuse tls
    The algorithm of Java's trust manager.
ssl.principal.mapping.rules | STRING | DEFAULT |  | LOW | read-only | refuse tls
    Rules that turn a certificate's distinguished name into a user name.
ssl.allow.dn.changes | BOOLEAN | false |  | LOW | read-only | refuse tls
    Whether a new key store may carry another distinguished name than the one before.
ssl.allow.san.changes | BOOLEAN | false |  | LOW | read-only | refuse tls
    Whether a new key store may carry other alternative names than the one before.

# Quotas
quota.window.num | INT | 11 | [1,...] | LOW | read-only | none
    How many samples a client quota keeps.
quota.window.size.seconds | INT | 1 | [1,...] | LOW | read-only | none
    The length of a sample of a client quota.
client.quota.callback.class | CLASS | null |  | LOW | read-only | refuse quota-callback
    The class that decides which quota applies to a client.

# Remote (tiered) storage
remote.log.storage.system.enable | BOOLEAN | false |  | MEDIUM | read-only | refuse remote-storage
    Whether closed segments are copied to remote storage.
remote.log.storage.manager.class.name | STRING | null | non-empty string | MEDIUM | read-only | none
    The class that reads and writes remote storage.
remote.log.storage.manager.class.path | STRING | null |  | MEDIUM | read-only | none
    Where that class and what it needs are loaded from.
remote.log.storage.manager.impl.prefix | STRING | rsm.config. | non-empty string | MEDIUM | read-only | none
    The prefix of the keys that are handed to the remote storage class.
remote.log.metadata.manager.class.name | STRING | org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager | non-empty string | MEDIUM | read-only | none
    The class that remembers what lies in remote storage.
remote.log.metadata.manager.class.path | STRING | null |  | MEDIUM | read-only | none
    Where that class and what it needs are loaded from.
remote.log.metadata.manager.impl.prefix | STRING | rlmm.config. | non-empty string | MEDIUM | read-only | none
    The prefix of the keys that are handed to the remote metadata class.
remote.log.metadata.manager.listener.name | STRING | null | non-empty string | MEDIUM | read-only | none
    The listener through which the remote metadata class reaches the brokers.
remote.log.metadata.custom.metadata.max.bytes | INT | 128 | [0,...] | LOW | read-only | none
    The most bytes of its own that the remote storage class may have remembered for a segment.
remote.log.index.file.cache.total.size.bytes | LONG | 1073741824 | [1,...] | LOW | cluster-wide | none
    The size of the local cache of indexes of remote segments.
remote.log.manager.thread.pool.size | INT | 2 | [1,...] | MEDIUM | read-only | none
    Size of the pool that schedules work on remote storage.
remote.log.manager.copier.thread.pool.size | INT | 10 | [1,...] | MEDIUM | cluster-wide | none
    Size of the pool that copies segments to remote storage.
remote.log.manager.expiration.thread.pool.size | INT | 10 | [1,...] | MEDIUM | cluster-wide | none
    Size of the pool that deletes expired remote segments.
remote.log.manager.follower.thread.pool.size | INT | 2 | [1,...] | MEDIUM | cluster-wide | none
    Size of the pool that follows remote state for follower partitions.
remote.log.manager.task.interval.ms | LONG | 30000 | [1,...] | LOW | read-only | none
    How often segments are looked for that can be copied or deleted.
remote.log.manager.copy.max.bytes.per.second | LONG | 9223372036854775807 | [1,...] | MEDIUM | cluster-wide | none
    The most bytes copied to remote storage a second.
remote.log.manager.copy.quota.window.num | INT | 11 | [1,...] | MEDIUM | read-only | none
    How many samples the quota of copies to remote storage keeps.
remote.log.manager.copy.quota.window.size.seconds | INT | 1 | [1,...] | MEDIUM | read-only | none
    The length of a sample of the quota of copies to remote storage.
remote.log.manager.fetch.max.bytes.per.second | LONG | 9223372036854775807 | [1,...] | MEDIUM | cluster-wide | none
    The most bytes read from remote storage a second.
remote.log.manager.fetch.quota.window.num | INT | 11 | [1,...] | MEDIUM | read-only | none
    How many samples the quota of reads from remote storage keeps.
remote.log.manager.fetch.quota.window.size.seconds | INT | 1 | [1,...] | MEDIUM | read-only | none
    The length of a sample of the quota of reads from remote storage.
remote.log.reader.threads | INT | 10 | [1,...] | MEDIUM | cluster-wide | none
    Size of the pool that reads remote storage for consumers.
remote.log.reader.max.pending.tasks | INT | 100 | [1,...] | MEDIUM | read-only | none
    How many reads of remote storage may wait.
remote.fetch.max.wait.ms | INT | 500 | [1,...] | MEDIUM | cluster-wide | none
    The longest that a fetch waits for remote storage.
remote.list.offsets.request.timeout.ms | LONG | 30000 | [1,...] | MEDIUM | cluster-wide | none
    The longest that a look-up of an offset waits for remote storage.
log.local.retention.ms | LONG | -2 | [-2,...] | MEDIUM | cluster-wide | none
    How long a segment stays on the local disk once it is in remote storage; -2 as long as log.retention.ms says.
log.local.retention.bytes | LONG | -2 | [-2,...] | MEDIUM | cluster-wide | none
    How much of a partition stays on the local disk once it is in remote storage; -2 as much as log.retention.bytes says.

# Metrics and telemetry
metric.reporters | LIST | org.apache.kafka.common.metrics.JmxReporter |  | LOW | cluster-wide | none
    Classes that receive metrics; Java plug-ins are not loaded.
metrics.num.samples | INT | 2 | [1,...] | LOW | read-only | none
    How many samples a measured rate keeps.
metrics.sample.window.ms | LONG | 30000 | [1,...] | LOW | read-only | none
    The length of a sample of a measured rate.
metrics.recording.level | STRING | INFO |  | LOW | read-only | none
    How much detail is measured: INFO, DEBUG or TRACE.
kafka.metrics.reporters | LIST |  |  | LOW | read-only | none
    Classes that receive the older kind of metrics; Java plug-ins are not loaded.
kafka.metrics.polling.interval.secs | INT | 10 | [1,...] | LOW | read-only | none
    How often those classes are called.
telemetry.max.bytes | INT | 1048576 | [1,...] | LOW | read-only | none
    The most bytes of metrics accepted from a client in one push.

# Barnabas
metrics.port | INT | 9404 | [-1,...,65535] | MEDIUM | read-only | effect
    Where metrics for Prometheus and answers about this node's health are served; 0 takes a free port, -1 or nothing none.
metrics.host | STRING | 127.0.0.1 | non-empty string | MEDIUM | read-only | effect
    The address of metrics.port: whoever reaches it can read them, so it is this host alone unless set (0.0.0.0 for every interface).
barnabas.log.level | LIST | info |  | LOW | read-only | effect
    How much is logged: LEVEL for everything, SUBSYSTEM=LEVEL for one part (info,raft=debug).
barnabas.log.format | STRING | text | [text, json] | LOW | read-only | effect
    How a line of the log is written: text or json.
barnabas.executor.threads | INT | 4 | [1,...,64] | LOW | read-only | effect
    Threads for what can block: syncing, cold reads, opening and deleting files.
barnabas.decompressed.batch.max.bytes | INT | 67108864 | [1,...] | MEDIUM | read-only | effect
    The largest size that one compressed record batch may unpack to; a larger one is refused as corrupt.
barnabas.connection.max.queued.requests | INT | 100 | [1,...] | MEDIUM | read-only | effect
    Requests of one connection that may be under way before reading from it pauses.
barnabas.connection.max.queued.bytes | INT | 262144 | [1,...] | MEDIUM | read-only | effect
    Bytes of answers that may wait on one connection before reading from it pauses.

# For tests only: Apache Kafka has these keys too and shows them nowhere.
log.initial.task.delay.ms | LONG | 30000 | [0,...] | LOW | internal | effect
    How long after the start the periodic work on logs begins.
unclean.leader.election.interval.ms | LONG | 300000 | [1,...] | MEDIUM | internal | effect
    How often the controller looks for partitions that only an unclean election could bring back.
producer.id.expiration.check.interval.ms | INT | 600000 | [1,...] | LOW | internal | effect
    How often the state of producers is looked through for those that went silent.
server.max.startup.time.ms | LONG | 9223372036854775807 | [0,...] | MEDIUM | internal | none
    How long a start may take before the process gives up.
controller.performance.sample.period.ms | LONG | 60000 | [100,...] | MEDIUM | internal | none
    How often the controller logs how long its events took.
controller.performance.always.log.threshold.ms | LONG | 2000 | [0,...] | MEDIUM | internal | none
    The time from which an event of the controller is logged as slow.
unstable.api.versions.enable | BOOLEAN | false | | HIGH | internal | none
    Whether API versions still in development are offered.
unstable.feature.versions.enable | BOOLEAN | false | | HIGH | internal | none
    Whether feature levels still in development can be used.
internal.metadata.log.segment.bytes | INT | null | | LOW | internal | none
    The segment size of the metadata log, free of the lower bound of metadata.log.segment.bytes.
internal.metadata.max.batch.size.in.bytes | INT | 8388608 | | LOW | internal | none
    The largest batch of metadata records.
internal.metadata.delete.delay.millis | LONG | 60000 | | LOW | internal | none
    How long deleted files of the metadata log stay before they are removed.
group.consumer.regex.refresh.interval.ms | INT | 600000 | [10000,...] | MEDIUM | internal | none
    How often the topics that match a subscribed pattern are looked up again.
"""

_TOPIC: Final = """
cleanup.policy | LIST | delete | [compact, delete] | MEDIUM | effect
    Old segments: delete (by age and size), compact (not served yet: old values stay, and the log grows), or both.
compression.type | STRING | producer | [uncompressed, zstd, lz4, snappy, gzip, producer] | MEDIUM | effect
    The codec in which the topic is stored: a codec's name, uncompressed, or producer to keep what the producer chose.
compression.gzip.level | INT | -1 | [1,...,9] or -1 | MEDIUM | effect
    The gzip level used where the broker compresses; -1 is the library's default.
compression.lz4.level | INT | 9 | [1,...,17] | MEDIUM | effect
    The lz4 level used where the broker compresses.
compression.zstd.level | INT | 3 | [-131072,...,22] | MEDIUM | effect
    The zstd level used where the broker compresses.
delete.retention.ms | LONG | 86400000 | [0,...] | MEDIUM | none
    How long the mark of a deleted key is kept in a compacted topic, so that slow readers see it.
file.delete.delay.ms | LONG | 60000 | [0,...] | MEDIUM | effect
    How long the file of a deleted segment stays, under another name, before it is removed.
flush.messages | LONG | 9223372036854775807 | [1,...] | MEDIUM | effect
    Records appended before they are forced to disk; 1 acknowledges only what is on disk.
flush.ms | LONG | 9223372036854775807 | [0,...] | MEDIUM | effect
    The longest that a record may wait to be forced to disk.
follower.replication.throttled.replicas | LIST |  | [partitionId]:[brokerId],[partitionId]:[brokerId],... | MEDIUM | none
    The replicas, as partition:broker pairs or *, whose fetching as followers is held to the replication quota.
index.interval.bytes | INT | 4096 | [0,...] | MEDIUM | effect
    How many bytes of records lie between two entries of an offset index.
leader.replication.throttled.replicas | LIST |  | [partitionId]:[brokerId],[partitionId]:[brokerId],... | MEDIUM | none
    The replicas, as partition:broker pairs or *, whose serving of followers is held to the replication quota.
local.retention.bytes | LONG | -2 | [-2,...] | MEDIUM | none
    How much stays on the local disk once it is in remote storage; -2 as much as retention.bytes says.
local.retention.ms | LONG | -2 | [-2,...] | MEDIUM | none
    How long a segment stays on the local disk once it is in remote storage; -2 as long as retention.ms says.
max.compaction.lag.ms | LONG | 9223372036854775807 | [1,...] | MEDIUM | none
    The longest that a record may escape compaction.
max.message.bytes | INT | 1048588 | [0,...] | MEDIUM | effect
    The largest record batch accepted, in bytes after compression.
message.timestamp.after.max.ms | LONG | 3600000 | [0,...] | MEDIUM | effect
    How far in the future a record's CreateTime may lie; a later one is refused.
message.timestamp.before.max.ms | LONG | 9223372036854775807 | [0,...] | MEDIUM | effect
    How far in the past a record's CreateTime may lie; an older one is refused.
message.timestamp.type | STRING | CreateTime | [CreateTime, LogAppendTime] | MEDIUM | effect
    Whether a record carries the time that its producer gave (CreateTime) or that of the append (LogAppendTime).
min.cleanable.dirty.ratio | DOUBLE | 0.5 | [0,...,1] | MEDIUM | none
    The share of a log that must be uncompacted before a pass is worth it.
min.compaction.lag.ms | LONG | 0 | [0,...] | MEDIUM | none
    How long a record stays in a compacted topic before it may be removed for a newer one.
min.insync.replicas | INT | 1 | [1,...] | MEDIUM | effect
    How many replicas must have a record, with acks=all, before it is acknowledged; fewer in sync refuses the write.
preallocate | BOOLEAN | false |  | MEDIUM | none
    Whether a new segment's file gets its full size at once, for old file systems; here files grow as they are written.
remote.log.copy.disable | BOOLEAN | false |  | MEDIUM | none
    Whether copying to remote storage stops while what is there stays readable.
remote.log.delete.on.disable | BOOLEAN | false |  | MEDIUM | none
    Whether what lies in remote storage is deleted when remote storage is switched off for the topic.
remote.storage.enable | BOOLEAN | false |  | MEDIUM | refuse remote-storage
    Whether the topic's closed segments are copied to remote storage.
retention.bytes | LONG | -1 |  | MEDIUM | effect
    The size that a partition may grow to before its oldest segments are deleted; -1 sets no limit.
retention.ms | LONG | 604800000 | [-1,...] | MEDIUM | effect
    How long a record is kept; -1 for ever.
segment.bytes | INT | 1073741824 | [1048576,...] | MEDIUM | effect
    The size at which a segment file is closed and a new one begun.
segment.index.bytes | INT | 10485760 | [4,...] | MEDIUM | effect
    The largest size of an index file; a full index closes its segment.
segment.jitter.ms | LONG | 0 | [0,...] | MEDIUM | effect
    A random time up to this is taken off segment.ms, so that not all partitions roll at once.
segment.ms | LONG | 604800000 | [1,...] | MEDIUM | effect
    The age at which a segment is closed even when it is small.
unclean.leader.election.enable | BOOLEAN | false |  | MEDIUM | effect
    Whether a replica that was not in sync may lead when no other can, at the price of lost records.

# For tests only, as in Apache Kafka.
internal.segment.bytes | INT | null |  | MEDIUM | effect
    The segment size of the topic, free of the lower bound of segment.bytes.
"""

_GROUP: Final = """
consumer.session.timeout.ms | INT | 45000 | [1,...] | MEDIUM | none
    How long a member may be silent before it is removed (consumer protocol).
consumer.heartbeat.interval.ms | INT | 5000 | [1,...] | MEDIUM | none
    How often members are told to send a heartbeat (consumer protocol).
consumer.assignment.interval.ms | INT | 1000 | [0,...] | MEDIUM | none
    The time that lies at least between two assignments (consumer protocol).
share.session.timeout.ms | INT | 45000 | [1,...] | MEDIUM | none
    How long a member may be silent before it is removed (share group).
share.heartbeat.interval.ms | INT | 5000 | [1,...] | MEDIUM | none
    How often members are told to send a heartbeat (share group).
share.assignment.interval.ms | INT | 1000 | [0,...] | MEDIUM | none
    The time that lies at least between two assignments (share group).
share.auto.offset.reset | STRING | latest | [latest, earliest, by_duration:PnDTnHnMn.nS] | MEDIUM | none
    Where a share group begins in a partition that is new to it: latest, earliest, or by_duration: with an ISO 8601 duration.
share.delivery.count.limit | INT | 5 | [2,...] | MEDIUM | none
    How often a record is delivered before it is given up (share group).
share.isolation.level | STRING | read_uncommitted | [read_committed, read_uncommitted] | MEDIUM | none
    Whether records of open and aborted transactions are delivered too (read_uncommitted) or not (read_committed).
share.partition.max.record.locks | INT | 2000 | [100,...] | MEDIUM | none
    How many records of one partition the share group may hold locked.
share.record.lock.duration.ms | INT | 30000 | [1000,...] | MEDIUM | none
    How long a delivered record is held for its consumer (share group).
share.renew.acknowledge.enable | BOOLEAN | true |  | MEDIUM | none
    Whether a consumer may ask for a new lock on a record instead of finishing it (share group).
streams.session.timeout.ms | INT | 45000 | [1,...] | MEDIUM | none
    How long a member may be silent before it is removed (streams group).
streams.heartbeat.interval.ms | INT | 5000 | [1,...] | MEDIUM | none
    How often members are told to send a heartbeat (streams group).
streams.assignment.interval.ms | INT | 1000 | [0,...] | MEDIUM | none
    The time that lies at least between two assignments (streams group).
streams.initial.rebalance.delay.ms | INT | 3000 | [0,...] | MEDIUM | none
    How long a new group waits for further members before its first assignment (streams group).
streams.num.standby.replicas | INT | 0 | [0,...] | MEDIUM | none
    The number of standby copies of each stateful task (streams group).
"""

_CLIENT_METRICS: Final = """
metrics | LIST |  |  | MEDIUM | none
    The metrics that clients shall push, as prefixes of their names; * stands for all, nothing for none.
interval.ms | INT | 300000 |  | MEDIUM | none
    How often clients shall push metrics, from 100 ms to an hour.
match | LIST |  |  | MEDIUM | none
    The clients that are meant, as NAME=PATTERN entries that all must match; without any, every client.
"""


def _parse_table(table: str, update_mode: str | None) -> dict[str, ConfigKey]:
    """`update_mode` is that of every key of a table which has no such column."""
    keys: dict[str, ConfigKey] = {}
    lines = [line for line in table.splitlines() if line and not line.startswith("#")]
    for row, documentation in zip(lines[::2], lines[1::2], strict=True):
        name, kind, default, allows, importance, *rest = [cell.strip() for cell in row.split("|")]
        mode = update_mode or rest[0]
        effect, _, reason = rest[-1].partition(" ")
        keys[name] = ConfigKey(
            name=name,
            type=Type[kind],
            default_text=None if default == "null" else default,
            allows=allows,
            importance=importance,
            update_mode=UpdateMode.READ_ONLY if mode == "internal" else UpdateMode(mode),
            internal=mode == "internal" or name.startswith("internal."),
            effect=Effect(effect),
            reason=reason,
            documentation=documentation.strip(),
        )
    return keys


def sections(table: str) -> list[tuple[str, list[str]]]:
    """The titles of a table with the names of the keys below each, for the document."""
    found: list[tuple[str, list[str]]] = []
    for line in table.splitlines():
        if line.startswith("# "):
            found.append((line[2:], []))
        elif line and not line.startswith(" "):
            found[-1][1].append(line.split(" | ", 1)[0])
    return found


BROKER_KEYS: Final = _parse_table(_BROKER, None)
TOPIC_KEYS: Final = _parse_table(_TOPIC, "cluster-wide")
GROUP_KEYS: Final = _parse_table(_GROUP, "cluster-wide")
CLIENT_METRICS_KEYS: Final = _parse_table(_CLIENT_METRICS, "cluster-wide")


OWN_KEYS: Final = frozenset(next(names for title, names in sections(_BROKER) if title == "Barnabas"))
"""Those that Apache Kafka does not have."""


def broker_sections() -> list[tuple[str, list[str]]]:
    return sections(_BROKER)
