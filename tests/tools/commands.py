"""Every tool in the `bin` directory of Apache Kafka 4.3.1, with the commands that one node can be asked.

Commands are run in this order, on a fresh node of each kind, so that each sees what those before it did. In arguments
`$broker` and `$controller` are addresses, `$B` is --bootstrap-server with the one and `$C` --bootstrap-controller with
the other, `$data` the log directory of the node, `$copy` a directory with a copy of the metadata log in it (a tool that
locks what it reads cannot read the node's), `$files` the directory with FILES.
"""

from __future__ import annotations

from dataclasses import dataclass

FILES = {
    "delete-two.json": '{"version": 1, "partitions": [{"topic": "letters", "partition": 0, "offset": 2}]}',
    "delete-too-much.json": '{"version": 1, "partitions": [{"topic": "letters", "partition": 0, "offset": 99}]}',
    "delete-unknown.json": '{"version": 1, "partitions": [{"topic": "unknown", "partition": 0, "offset": 0}]}',
    "move.json": '{"topics": [{"topic": "orders"}], "version": 1}',
    "to-itself.json": '{"version": 1, "partitions": [{"topic": "orders", "partition": 0, "replicas": [1]}]}',
    "to-nobody.json": '{"version": 1, "partitions": [{"topic": "orders", "partition": 0, "replicas": [7]}]}',
    "elect.json": '{"partitions": [{"topic": "orders", "partition": 1}]}',
    "offsets.csv": '"letters",0,3\n',
    "no.properties": "",
}

LETTERS = "a\nb\nc\nd\ne\n"
PAIRS = "k1:one\nk2:two\nk1:three\n"


@dataclass(frozen=True)
class Tool:
    """`commands`: a line each. A line that begins with "&" goes on in the background until the end."""

    name: str
    main: str
    commands: str = ""
    stdin: str = ""
    anew: bool = False
    """Whether it keeps state in statics, so that it must be loaded again each time."""
    lingers: bool = False
    """Whether it prints after its main method has returned."""

    def lines(self) -> list[str]:
        return [line.strip() for line in self.commands.strip().splitlines() if line.strip()]


_TOOLS = "org.apache.kafka.tools."

TOOLS: tuple[Tool, ...] = (
    Tool("kafka-storage", "kafka.tools.StorageTool", "random-uuid\ninfo --config $files/server.properties"),
    Tool(
        "kafka-cluster",
        f"{_TOOLS}ClusterTool",
        """
        cluster-id $B
        cluster-id $C
        list-endpoints $B
        list-endpoints $B --include-fenced-brokers
        list-endpoints $C
        unregister $B --id 7
        unregister $C --id 7
        """,
    ),
    Tool("kafka-broker-api-versions", f"{_TOOLS}BrokerApiVersionsCommand", "$B"),
    Tool(
        "kafka-features",
        f"{_TOOLS}FeatureCommand",
        """
        $B describe
        $C describe
        $B upgrade --feature metadata.version=30 --dry-run
        $B upgrade --release-version 4.3 --dry-run
        $B upgrade --feature unknown=1
        $B upgrade --feature metadata.version=99
        $B downgrade --feature metadata.version=20 --dry-run
        $B downgrade --feature metadata.version=20
        $B downgrade --feature kraft.version=0
        $B disable --feature kraft.version
        $B version-mapping --release-version 4.3
        $B version-mapping --release-version 3.9
        $B version-mapping --release-version 1.0
        $B feature-dependencies --feature metadata.version=30
        """,
    ),
    Tool(
        "kafka-metadata-quorum",
        f"{_TOOLS}MetadataQuorumCommand",
        """
        $B describe --status
        $B describe --replication
        $B describe --replication --human-readable
        $C describe --status
        $C describe --replication
        """,
    ),
    Tool(
        "kafka-topics",
        f"{_TOOLS}TopicCommand",
        """
        $B --list
        $B --create --topic orders --partitions 3
        $B --create --topic orders
        $B --create --topic orders --if-not-exists
        $B --create --topic letters --partitions 1 --replication-factor 1 --config retention.ms=100000000
        $B --create --topic assigned --replica-assignment 1,1
        $B --create --topic dotted.name_with
        $B --create --topic too.many --replication-factor 2
        $B --create --topic none --partitions 0
        $B --create --topic bad/name
        $B --create --topic bad --config no.such.key=1
        $B --create --topic bad --config retention.ms=soon
        $B --create --topic bad --replica-assignment 7
        $B --list
        $B --list --exclude-internal
        $B --list --topic ord.*
        $B --describe --topic orders
        $B --describe
        $B --describe --topic unknown
        $B --describe --topic unknown --if-exists
        $B --describe --topic orders --partition-size-limit-per-response 2
        $B --describe --under-replicated-partitions
        $B --describe --unavailable-partitions
        $B --describe --under-min-isr-partitions
        $B --describe --at-min-isr-partitions
        $B --describe --topics-with-overrides
        $B --alter --topic orders --partitions 5
        $B --alter --topic orders --partitions 5
        $B --alter --topic orders --partitions 2
        $B --alter --topic assigned --partitions 3 --replica-assignment 1,1,1
        $B --alter --topic assigned --partitions 4 --replica-assignment 1,1,1,7
        $B --alter --topic unknown --partitions 2
        $B --alter --topic unknown --partitions 2 --if-exists
        $B --delete --topic dotted.name_with
        $B --delete --topic unknown
        $B --delete --topic unknown --if-exists
        $B --describe --topic orders
        $B --describe --topic dotted.name_with
        """,
    ),
    Tool("kafka-console-producer", f"{_TOOLS}ConsoleProducer", "$B --topic letters", LETTERS, anew=True),
    Tool(
        "kafka-console-producer",
        f"{_TOOLS}ConsoleProducer",
        """
        $B --topic pairs --reader-property parse.key=true --reader-property key.separator=: --compression-codec lz4
        $B --topic bad/name
        $B --topic pairs --reader-property parse.key=true --reader-property key.separator=,
        """,
        PAIRS,
        anew=True,
    ),
    Tool(
        "kafka-console-consumer",
        f"{_TOOLS}consumer.ConsoleConsumer",
        """
        $B --topic letters --from-beginning --max-messages 5 --group c1
        $B --topic letters --partition 0 --offset 3 --max-messages 2
        $B --topic letters --partition 0 --offset latest --timeout-ms 1000
        $B --topic pairs --from-beginning --max-messages 3 --formatter-property print.key=true --formatter-property print.offset=true --formatter-property print.partition=true --formatter-property print.timestamp=true --group c4
        $B --topic letters --group readers --from-beginning --max-messages 3
        $B --topic letters --isolation-level read_committed --from-beginning --max-messages 1 --group c5
        $B --topic __consumer_offsets --from-beginning --max-messages 1 --formatter org.apache.kafka.tools.consumer.OffsetsMessageFormatter --group c6
        $B --topic bad/name --timeout-ms 1000 --group c7
        &$B --topic letters --group watchers --consumer-property client.id=watcher
        """,  # noqa: E501
        anew=True,
    ),
    Tool(
        "kafka-get-offsets",
        f"{_TOOLS}GetOffsetShell",
        """
        $B --exclude-internal-topics
        $B --topic letters
        $B --topic letters --time earliest
        $B --topic letters --time latest
        $B --topic assigned --time max-timestamp
        $B --topic letters --time earliest-local
        $B --topic letters --time latest-tiered
        $B --topic letters --time 0
        $B --topic orders --partitions 0,3
        $B --topic-partitions orders:1-3
        $B --topic-partitions orders:1,letters
        $B --topic unknown
        """,
    ),
    Tool(
        "kafka-consumer-groups",
        f"{_TOOLS}consumer.group.ConsumerGroupCommand",
        """
        $B --list
        $B --list --state
        $B --list --type
        $B --list --state Empty
        $B --list --state Wrong
        $B --describe --group readers
        $B --describe --group readers --offsets --verbose
        $B --describe --group readers --members
        $B --describe --group readers --state
        $B --describe --group watchers
        $B --describe --group watchers --members
        $B --describe --group watchers --members --verbose
        $B --describe --group watchers --state --verbose
        $B --describe --all-groups --state
        $B --describe --group unknown
        $B --describe --group unknown --members
        $B --reset-offsets --group readers --topic letters --to-earliest
        $B --reset-offsets --group readers --topic letters --to-earliest --dry-run
        $B --reset-offsets --group readers --topic letters --to-latest --execute
        $B --reset-offsets --group readers --topic letters --to-offset 2 --execute
        $B --reset-offsets --group readers --topic letters --to-offset 99 --execute
        $B --reset-offsets --group readers --topic letters --shift-by -1 --execute
        $B --reset-offsets --group readers --topic letters --shift-by -99 --execute
        $B --reset-offsets --group readers --topic letters --to-datetime 2020-01-01T00:00:00.000 --dry-run
        $B --reset-offsets --group readers --topic letters --to-datetime 2120-01-01T00:00:00.000 --dry-run
        $B --reset-offsets --group readers --topic letters --by-duration P1D --dry-run
        $B --reset-offsets --group readers --topic letters --to-current --execute
        $B --reset-offsets --group readers --all-topics --to-current --dry-run --export
        $B --reset-offsets --group readers --from-file $files/offsets.csv --execute
        $B --reset-offsets --group readers --topic letters:0 --to-earliest --execute
        $B --reset-offsets --group readers --topic letters:7 --to-earliest --execute
        $B --reset-offsets --group readers --topic unknown --to-earliest --execute
        $B --reset-offsets --group watchers --topic letters --to-earliest --execute
        $B --reset-offsets --group fresh --topic letters --to-earliest --execute
        $B --delete-offsets --group readers --topic letters
        $B --delete-offsets --group readers --topic unknown
        $B --delete-offsets --group watchers --topic letters
        $B --delete-offsets --group unknown --topic letters
        $B --delete --group fresh
        $B --delete --group watchers
        $B --delete --group unknown
        $B --list
        """,
    ),
    Tool(
        "kafka-groups",
        f"{_TOOLS}GroupsCommand",
        """
        $B --list
        $B --list --consumer
        $B --list --share
        $B --list --streams
        $B --list --group-type classic
        $B --list --protocol consumer
        """,
    ),
    Tool(
        "kafka-delete-records",
        f"{_TOOLS}DeleteRecordsCommand",
        """
        $B --offset-json-file $files/delete-two.json
        $B --offset-json-file $files/delete-too-much.json
        $B --offset-json-file $files/delete-unknown.json
        """,
    ),
    Tool(
        "kafka-log-dirs",
        f"{_TOOLS}LogDirsCommand",
        """
        $B --describe --topic-list letters,pairs
        $B --describe --topic-list letters --broker-list 1
        $B --describe --topic-list unknown
        $B --describe --broker-list 7
        """,
    ),
    Tool(
        "kafka-leader-election",
        f"{_TOOLS}LeaderElectionCommand",
        """
        $B --election-type preferred --topic orders --partition 0
        $B --election-type preferred --all-topic-partitions
        $B --election-type unclean --topic orders --partition 0
        $B --election-type preferred --path-to-json-file $files/elect.json
        $B --election-type preferred --topic unknown --partition 0
        """,
    ),
    Tool(
        "kafka-reassign-partitions",
        f"{_TOOLS}reassign.ReassignPartitionsCommand",
        """
        $B --generate --topics-to-move-json-file $files/move.json --broker-list 1
        $B --generate --topics-to-move-json-file $files/move.json --broker-list 1,7
        $B --execute --reassignment-json-file $files/to-itself.json
        $B --execute --reassignment-json-file $files/to-nobody.json
        $B --verify --reassignment-json-file $files/to-itself.json
        $B --cancel --reassignment-json-file $files/to-itself.json
        $B --list
        """,
    ),
    Tool(
        "kafka-producer-perf-test",
        f"{_TOOLS}ProducerPerformance",
        "$B --topic perf --num-records 1000 --record-size 100 --throughput -1",
    ),
    Tool(
        "kafka-consumer-perf-test",
        f"{_TOOLS}ConsumerPerformance",
        "$B --topic perf --num-records 1000 --group perf --hide-header",
    ),
    Tool(
        "kafka-e2e-latency",
        f"{_TOOLS}EndToEndLatency",
        "$B --topic e2e --num-records 20 --producer-acks all --record-size 100",
    ),
    Tool(
        "kafka-verifiable-producer",
        f"{_TOOLS}VerifiableProducer",
        "$B --topic verified --max-messages 3",
        lingers=True,
    ),
    Tool(
        "kafka-verifiable-consumer",
        f"{_TOOLS}VerifiableConsumer",
        "$B --topic verified --group-id verifiers --max-messages 3 --reset-policy earliest",
    ),
    Tool(
        "kafka-streams-application-reset",
        f"{_TOOLS}StreamsResetter",
        """
        $B --application-id readers --input-topics letters
        $B --application-id readers --input-topics letters --to-latest --dry-run
        $B --application-id readers --input-topics unknown
        """,
    ),
    Tool(
        "kafka-dump-log",
        f"{_TOOLS}DumpLogSegments",
        """
        --files $data/letters-0/00000000000000000000.log --print-data-log
        --files $data/pairs-0/00000000000000000000.log --deep-iteration
        --files $data/letters-0/00000000000000000000.index --index-sanity-check
        --files $data/letters-0/00000000000000000000.timeindex --verify-index-only
        --files $data/__consumer_offsets-1/00000000000000000000.log --offsets-decoder
        --files $data/__cluster_metadata-0/00000000000000000000.log --cluster-metadata-decoder --skip-record-metadata
        --files $data/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint --cluster-metadata-decoder --skip-record-metadata
        """,  # noqa: E501
    ),
    Tool(
        "kafka-metadata-shell",
        "org.apache.kafka.shell.MetadataShell",
        """
        --snapshot $copy/__cluster_metadata-0/00000000000000000000.log ls /
        --snapshot $copy/__cluster_metadata-0/00000000000000000000.log ls image/topics/byName
        --snapshot $copy/__cluster_metadata-0/00000000000000000000.log cat image/topics/byName/orders/1
        --snapshot $copy/__cluster_metadata-0/00000000000000000000.log find image/features
        """,
    ),
    Tool(
        "kafka-transactions",
        f"{_TOOLS}TransactionsCommand",
        """
        $B describe-producers --topic letters --partition 0
        $B describe-producers --topic unknown --partition 0
        $B list
        $B find-hanging --broker-id 1
        """,
    ),
    Tool(
        "kafka-acls",
        f"{_TOOLS}AclCommand",
        """
        $B --list
        $C --list
        $B --add --allow-principal User:alice --operation Read --topic letters
        $B --remove --allow-principal User:alice --operation Read --topic letters --force
        """,
    ),
    Tool(
        "kafka-delegation-tokens",
        f"{_TOOLS}DelegationTokenCommand",
        """
        $B --command-config $files/no.properties --describe
        $B --command-config $files/no.properties --create --max-life-time-period 1000
        $B --command-config $files/no.properties --renew --renew-time-period 1000 --hmac YQ==
        $B --command-config $files/no.properties --expire --expiry-time-period 1000 --hmac YQ==
        """,
    ),
    Tool(
        "kafka-client-metrics",
        f"{_TOOLS}ClientMetricsCommand",
        """
        $B --list
        $B --describe
        $B --alter --name m --metrics org.apache.kafka.producer. --interval 10000
        """,
    ),
    Tool("kafka-share-groups", f"{_TOOLS}consumer.group.ShareGroupCommand", "$B --list\n$B --describe --group readers"),
    Tool("kafka-streams-groups", f"{_TOOLS}streams.StreamsGroupCommand", "$B --list\n$B --describe --group readers"),
    Tool(
        "kafka-console-share-consumer",
        f"{_TOOLS}consumer.ConsoleShareConsumer",
        "$B --topic letters --timeout-ms 1000",
        anew=True,
    ),
)

LATER: dict[str, str] = {
    "kafka-replica-verification": "It compares the replicas of several nodes, and goes on until it is stopped.",
    "kafka-share-consumer-perf-test": "Share groups are not served yet.",
    "kafka-verifiable-share-consumer": "Share groups are not served yet.",
    "kafka-metadata-quorum add-controller, remove-controller": "A quorum of several nodes is not served yet.",
    "kafka-configs --alter --add-config 'SCRAM-SHA-256=...', consumer_byte_rate=...": "Users and quotas are not served "
    "yet.",
}
NOT_OURS: dict[str, str] = {
    "kafka-configs": "All of it is compared by `tests/conformance/test_config_tool.py`.",
    "kafka-storage format": "It speaks to no node; `barnabas format` has its flags, and `tests/oracle` opens "
    "directories of the one with the other.",
    "kafka-jmx": "It asks a JVM; a node of ours has none. Its metrics are Prometheus's (docs/metrics.md).",
    "kafka-server-start, kafka-server-stop, kafka-run-class": "They start Apache Kafka; here `barnabas serve` does.",
    "connect-distributed, connect-standalone, connect-mirror-maker, connect-plugin-path": "Programs of their own, "
    "clients of a broker; they do not administer a node.",
    "trogdor": "Apache Kafka's framework for tests under load.",
}

_SERVED = "Features and APIs that are not served yet are not offered (docs/differences.md)."

DIFFERENCES: dict[str, str] = {
    r"^kafka-broker-api-versions": _SERVED,
    r"^kafka-features .* describe$": _SERVED,
    r"^kafka-features .* upgrade --release-version": _SERVED,
    r"^kafka-transactions .* (list|find-hanging)": "Transactions are not served yet.",
    r"^kafka-console-share-consumer": "Share groups are not served yet.",
    r"^kafka-dump-log .*\.(index|timeindex)": "Apache Kafka sets aside the whole of an active index on disk, filled "
    "with zeros; here it grows.",
    r"^kafka-dump-log .*__consumer_offsets": "Positions are written in version 3 of their record, the last that tools "
    "which read this topic themselves know; Apache Kafka writes version 4, with the id of the topic.",
    r"^kafka-dump-log .*__cluster_metadata.*\.log": "The same records but for the features served, the order "
    "in which the node registers as broker and controller and that of a topic's settings, and the no-ops between.",
}
"""Commands (as regular expressions) that print something else here, and why."""
