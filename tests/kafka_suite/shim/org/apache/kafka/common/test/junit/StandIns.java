package org.apache.kafka.common.test.junit;

import static org.mockito.Mockito.RETURNS_DEEP_STUBS;
import static org.mockito.Mockito.any;
import static org.mockito.Mockito.anyBoolean;
import static org.mockito.Mockito.doAnswer;
import static org.mockito.Mockito.doReturn;
import static org.mockito.Mockito.mock;
import static org.mockito.Mockito.withSettings;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;

import kafka.cluster.Partition;
import kafka.log.LogManager;
import kafka.network.SocketServer;
import kafka.server.BrokerServer;
import kafka.server.ControllerServer;
import kafka.server.KafkaApis;
import kafka.server.KafkaBroker;
import kafka.server.KafkaConfig;
import kafka.server.ReplicaManager;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.test.api.ClusterConfig;
import org.apache.kafka.controller.Controller;
import org.apache.kafka.metadata.BrokerState;
import org.apache.kafka.metadata.KRaftMetadataCache;
import org.apache.kafka.metadata.LeaderAndIsr;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.mockito.invocation.InvocationOnMock;
import org.mockito.stubbing.Answer;
import org.opentest4j.TestAbortedException;
import scala.Option;

/**
 * Brokers and controllers that the base classes of tests look into: for the port, a few settings, topics and their ids.
 * The answers come from the external broker's admin interface; what it cannot tell aborts the test.
 */
public final class StandIns {
    public static final int CONTROLLER_ID = 3000;

    /** Whoever picks a configuration key of these wants what the broker has, not what the test asked for. */
    private static final List<String> ASKED = List.of(
        "offsets.topic.num.partitions",
        "offsets.topic.replication.factor",
        "transaction.state.log.num.partitions",
        "transaction.state.log.replication.factor",
        "transaction.state.log.min.isr",
        "share.coordinator.state.topic.num.partitions",
        "share.coordinator.state.topic.replication.factor");

    /** What the external broker decides itself. */
    private static final Set<String> OWN = Set.of("broker.id", "log.dir", "metadata.log.dir");

    private static Admin admin;

    private StandIns() {}

    /** Tests index by the ids of the cluster that they expected. */
    private static final class AnyId<V> extends TreeMap<Integer, V> {
        @Override
        public V get(Object id) {
            return containsKey(id) ? super.get(id) : firstEntry().getValue();
        }
    }

    private static synchronized Admin admin() {
        if (admin == null)
            admin = ExternalBroker.admin();
        return admin;
    }

    public static synchronized void close() {
        if (admin != null)
            admin.close();
        admin = null;
    }

    static Map<Integer, KafkaBroker> brokers(ClusterConfig config) {
        Map<Integer, KafkaBroker> brokers = new AnyId<>();
        nodes().forEach(node -> brokers.put(node.id(), broker(kafkaConfig(node.id(), config))));
        return brokers;
    }

    /** A broker that the test starts itself: the external one with these properties, or a further name of it. */
    public static KafkaBroker brokerToStart(KafkaConfig config, Properties controllerProperties) {
        if (config.originals().values().stream().anyMatch(value -> String.valueOf(value).matches(".*(SSL|SASL).*")))
            throw new TestAbortedException("external broker: no TLS or SASL");
        Map<String, String> properties = new TreeMap<>();
        controllerProperties.forEach((key, value) -> properties.put(key.toString(), value.toString()));
        config.originals().forEach((key, value) -> properties.put(key, value.toString()));
        properties.keySet().removeAll(OWN);
        BrokerServer broker = broker(config);
        doAnswer(new Start(properties, config.brokerId() == 0)).when(broker).startup();
        return broker;
    }

    private record Start(Map<String, String> properties, boolean isFirst, AtomicBoolean done) implements Answer<Object> {
        Start(Map<String, String> properties, boolean isFirst) {
            this(properties, isFirst, new AtomicBoolean());
        }

        @Override
        public Object answer(InvocationOnMock call) {
            if (done.getAndSet(true))
                throw new TestAbortedException("external broker: no start that keeps the data");
            if (isFirst)
                ExternalBroker.relaunch(properties);
            return null;
        }
    }

    private static BrokerServer broker(KafkaConfig config) {
        BrokerServer broker =
            mock(BrokerServer.class, withSettings().defaultAnswer(RETURNS_DEEP_STUBS).stubOnly());
        SocketServer sockets = mock(SocketServer.class, withSettings().stubOnly());
        doReturn(ExternalBroker.PORT).when(sockets).boundPort(any());
        doReturn(sockets).when(broker).socketServer();
        doReturn(ExternalBroker.PORT).when(broker).boundPort(any());
        doReturn(config).when(broker).config();
        doReturn(BrokerState.RUNNING).when(broker).brokerState();
        doReturn(replicas()).when(broker).replicaManager();
        doReturn(logs()).when(broker).logManager();
        KRaftMetadataCache cache =
            mock(KRaftMetadataCache.class, withSettings().stubOnly().defaultAnswer(StandIns::fromMetadata));
        doReturn(cache).when(broker).metadataCache();
        KafkaApis apis = mock(KafkaApis.class, withSettings().stubOnly());
        doReturn(cache).when(apis).metadataCache();
        doReturn(apis).when(broker).dataPlaneRequestProcessor();
        return broker;
    }

    public static void createTopic(String topic, int partitions, Properties configs) {
        Map<String, String> settings = new TreeMap<>();
        configs.forEach((key, value) -> settings.put(key.toString(), value.toString()));
        ExternalBroker.createTopic(topic, partitions, settings);
    }

    /** A broker creates it when it is first asked where a group is coordinated. */
    public static void createOffsetsTopic() throws InterruptedException {
        ExternalBroker.await("the topic of offsets", () -> {
            admin().listConsumerGroupOffsets("any").partitionsToOffsetAndMetadata().get();
            return ids().containsKey("__consumer_offsets");
        });
    }

    public static void deleteTopic(String topic) {
        ExternalBroker.deleteTopic(topic);
    }

    /** Enough of it to wait for the end of a topic's deletion. */
    private static ReplicaManager replicas() {
        ReplicaManager replicas =
            mock(ReplicaManager.class, withSettings().defaultAnswer(RETURNS_DEEP_STUBS).stubOnly());
        doAnswer(call -> existing(call.getArgument(0), Partition.class)).when(replicas).onlinePartition(any());
        return replicas;
    }

    private static LogManager logs() {
        LogManager logs = mock(LogManager.class, withSettings().defaultAnswer(RETURNS_DEEP_STUBS).stubOnly());
        doAnswer(call -> existing(call.getArgument(0), UnifiedLog.class)).when(logs).getLog(any(), anyBoolean());
        doReturn(scala.collection.immutable.Nil$.MODULE$).when(logs).liveLogDirs();
        return logs;
    }

    private static <T> Option<T> existing(TopicPartition partition, Class<T> what) {
        if (partitions(partition.topic()).orElse(0) <= partition.partition())
            return Option.empty();
        return Option.apply(mock(what, withSettings().defaultAnswer(RETURNS_DEEP_STUBS).stubOnly()));
    }

    public static Map<Integer, ControllerServer> controllers() {
        Controller controller = mock(Controller.class, call -> {
            if (call.getMethod().getName().equals("findAllTopicIds"))
                return CompletableFuture.completedFuture(ids());
            throw notHere("controller", call);
        });
        ControllerServer server =
            mock(ControllerServer.class, withSettings().defaultAnswer(RETURNS_DEEP_STUBS).stubOnly());
        doReturn(controller).when(server).controller();
        SocketServer sockets = mock(SocketServer.class, withSettings().stubOnly());
        doReturn(ExternalBroker.CONTROLLER_PORT).when(sockets).boundPort(any());
        doReturn(sockets).when(server).socketServer();
        Map<Integer, ControllerServer> controllers = new AnyId<>();
        controllers.put(CONTROLLER_ID, server);
        return controllers;
    }

    private static KafkaConfig kafkaConfig(int id, ClusterConfig config) {
        Properties properties = new Properties();
        properties.put("process.roles", "broker");
        properties.put("node.id", String.valueOf(id));
        properties.put("controller.quorum.voters", CONTROLLER_ID + "@127.0.0.1:1");
        properties.put("controller.listener.names", "CONTROLLER");
        properties.put("listeners", "PLAINTEXT://" + ExternalBroker.BOOTSTRAP);
        properties.put("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT");
        config.serverProperties().forEach((key, value) -> {
            if (List.of("listener", "persister", "assignors", "class").stream().noneMatch(key::contains))
                properties.put(key, value);
        });
        Map<String, String> real = settings(id);
        for (String key : ASKED)
            properties.put(key, real.getOrDefault(key, properties.getProperty(key, "1")));
        try {
            return KafkaConfig.fromProps(properties);
        } catch (RuntimeException e) {
            properties.keySet().removeIf(key -> key.toString().startsWith("group."));
            return KafkaConfig.fromProps(properties);
        }
    }

    private static Map<String, String> settings(int id) {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(id));
        try {
            return admin().describeConfigs(List.of(broker)).all().get().get(broker).entries().stream()
                .filter(entry -> entry.value() != null)
                .collect(Collectors.toMap(ConfigEntry::name, ConfigEntry::value));
        } catch (Exception e) {
            return Map.of();
        }
    }

    private static Object fromMetadata(InvocationOnMock call) {
        Object first = call.getArguments().length > 0 ? call.getArgument(0) : null;
        return switch (call.getMethod().getName()) {
            case "getAllTopics" -> ids().keySet();
            case "topicNamesToIds" -> ids();
            case "topicIdsToNames" -> names();
            case "getTopicId" -> ids().getOrDefault(first, Uuid.ZERO_UUID);
            case "getTopicName" -> Optional.ofNullable(names().get(first));
            case "numPartitions" -> partitions(first);
            case "contains" -> first instanceof TopicPartition partition
                ? partitions(partition.topic()).orElse(0) > partition.partition()
                : topic(first).isPresent();
            case "getLeaderAndIsr" -> leaderAndIsr(first, call.getArgument(1));
            case "getAliveBrokerNodes", "getBrokerNodes" -> nodes();
            case "getAliveBrokerNode" -> nodes().stream().filter(node -> first.equals(node.id())).findFirst();
            case "getRandomAliveBrokerId" -> Optional.of(nodes().get(0).id());
            case "hasAliveBroker" -> nodes().stream().anyMatch(node -> first.equals(node.id()));
            case "isBrokerFenced", "isBrokerShuttingDown" -> false;
            case "toString" -> "metadata of the external broker";
            default -> throw notHere("metadataCache", call);
        };
    }

    private static TestAbortedException notHere(String whose, InvocationOnMock call) {
        return new TestAbortedException("external broker: no " + whose + "." + call.getMethod().getName());
    }

    private static List<Node> nodes() {
        try {
            return List.copyOf(admin().describeCluster().nodes().get());
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    public static Map<String, Uuid> ids() {
        try {
            return new HashMap<>(ExternalBroker.topicIds(admin()));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static Map<Uuid, String> names() {
        return ids().entrySet().stream().collect(Collectors.toMap(Map.Entry::getValue, Map.Entry::getKey));
    }

    private static Optional<TopicDescription> topic(Object name) {
        try {
            return Optional.of(
                admin().describeTopics(List.of((String) name)).allTopicNames().get().get((String) name));
        } catch (Exception e) {
            return Optional.empty();
        }
    }

    private static Optional<Integer> partitions(Object topic) {
        return topic(topic).map(description -> description.partitions().size());
    }

    private static Optional<LeaderAndIsr> leaderAndIsr(Object topic, int partition) {
        return topic(topic)
            .flatMap(description -> description.partitions().stream()
                .filter(each -> each.partition() == partition && each.leader() != null)
                .findFirst())
            .map(each -> new LeaderAndIsr(each.leader().id(), each.isr().stream().map(Node::id).toList()));
    }
}
