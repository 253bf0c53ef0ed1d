package org.apache.kafka.common.test.junit;

import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

import kafka.server.ControllerServer;
import kafka.server.KafkaBroker;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.network.ListenerName;
import org.apache.kafka.common.security.auth.SecurityProtocol;
import org.apache.kafka.common.test.ClusterInstance;
import org.apache.kafka.common.test.api.ClusterConfig;
import org.apache.kafka.common.test.api.Type;
import org.apache.kafka.server.authorizer.Authorizer;
import org.apache.kafka.server.fault.FaultHandlerException;
import org.junit.jupiter.api.extension.AfterTestExecutionCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.Extension;
import org.junit.jupiter.api.extension.TestTemplateInvocationContext;
import org.opentest4j.TestAbortedException;

/**
 * Stands, earlier on the class path, in the place of the class of this name in Kafka's harness: a test that asks for a
 * cluster gets the external broker. What would need a broker's internals or a second broker aborts the test.
 */
public class RaftClusterInvocationContext implements TestTemplateInvocationContext {
    private final String name;
    private final ClusterConfig config;
    private final boolean combined;

    public RaftClusterInvocationContext(String name, ClusterConfig config, boolean combined) {
        this.name = name;
        this.config = config;
        this.combined = combined;
    }

    @Override
    public String getDisplayName(int index) {
        return name + " [" + index + "] " + String.join(", ", config.displayTags());
    }

    @Override
    public List<Extension> getAdditionalExtensions() {
        OneBroker cluster = new OneBroker(config);
        return List.of(
            (BeforeEachCallback) context -> prepare(cluster),
            (AfterTestExecutionCallback) context -> cluster.stop(),
            new ClusterInstanceParameterResolver(cluster));
    }

    private void prepare(OneBroker cluster) {
        if (combined && config.clusterTypes().contains(Type.KRAFT))
            throw new TestAbortedException("same test runs as KRAFT");
        if (config.brokerSecurityProtocol() != SecurityProtocol.PLAINTEXT)
            throw new TestAbortedException("needs " + config.brokerSecurityProtocol());
        if (config.isAutoStart())
            cluster.start();
    }

    private static final class OneBroker implements ClusterInstance {
        private final ClusterConfig config;
        private boolean started;
        private boolean stopped;

        OneBroker(ClusterConfig config) {
            this.config = config;
        }

        private static TestAbortedException notHere(String what) {
            return new TestAbortedException("external broker: no " + what);
        }

        @Override
        public void start() {
            if (started)
                return;
            started = true;
            Map<String, String> properties = new TreeMap<>(config.serverProperties());
            properties.putAll(config.perServerOverrideProperties().getOrDefault(0, Map.of()));
            ExternalBroker.relaunch(properties);
        }

        @Override
        public boolean started() {
            return started;
        }

        @Override
        public void stop() {
            stopped = true;
            StandIns.close();
        }

        @Override
        public boolean stopped() {
            return stopped;
        }

        @Override
        public Type type() {
            return Type.KRAFT;
        }

        @Override
        public ClusterConfig config() {
            return config;
        }

        @Override
        public String bootstrapServers() {
            return ExternalBroker.BOOTSTRAP;
        }

        @Override
        public ListenerName clientListener() {
            return ListenerName.normalised("PLAINTEXT");
        }

        @Override
        public String clusterId() {
            return ExternalBroker.with(admin -> admin.describeCluster().clusterId().get());
        }

        @Override
        public Set<Integer> brokerIds() {
            return ExternalBroker.with(admin ->
                admin.describeCluster().nodes().get().stream().map(Node::id).collect(Collectors.toSet()));
        }

        @Override
        public List<Integer> brokerBoundPorts() {
            return List.of(ExternalBroker.PORT);
        }

        @Override
        public Set<Integer> controllerIds() {
            return Set.of(StandIns.CONTROLLER_ID);
        }

        @Override
        public Set<GroupProtocol> supportedGroupProtocols() {
            return Set.of(GroupProtocol.CLASSIC, GroupProtocol.CONSUMER);
        }

        @Override
        public Map<Integer, KafkaBroker> brokers() {
            return StandIns.brokers(config);
        }

        @Override
        public Map<Integer, KafkaBroker> aliveBrokers() {
            return brokers();
        }

        @Override
        public Map<Integer, ControllerServer> controllers() {
            return StandIns.controllers();
        }

        @Override
        public Optional<FaultHandlerException> firstFatalException() {
            return Optional.empty();
        }

        @Override
        public Optional<FaultHandlerException> firstNonFatalException() {
            return Optional.empty();
        }

        @Override
        public void waitForReadyBrokers() {
            brokerIds();
        }

        @Override
        public void createTopic(String topic, int partitions, short replicas) {
            ExternalBroker.createTopic(topic, partitions, Map.of());
        }

        @Override
        public void createTopic(String topic, int partitions, short replicas, Map<String, String> configs) {
            ExternalBroker.createTopic(topic, partitions, configs);
        }

        @Override
        public void createTopicWithAssignment(String topic, Map<Integer, List<Integer>> assignment) {
            Set<Integer> known = brokerIds();
            if (!assignment.values().stream().allMatch(known::containsAll))
                throw notHere("brokers of " + assignment);
            ExternalBroker.createTopic(topic, assignment);
        }

        @Override
        public void waitTopicCreation(String topic, int partitions) {
            ExternalBroker.with(admin -> {
                ExternalBroker.awaitTopic(admin, topic, partitions);
                return null;
            });
        }

        @Override
        public void deleteTopic(String topic) {
            ExternalBroker.deleteTopic(topic);
        }

        /** On a connection that is open: the harness looks at once, before a creation just begun has its effect. */
        @Override
        public void waitTopicDeletion(String topic) throws InterruptedException {
            ExternalBroker.await("deletion of " + topic, () -> !StandIns.ids().containsKey(topic));
        }

        /** A broker answers an admin once it has done what was asked. */
        @Override
        public void ensureConsistentMetadata() {}

        @Override
        public void ensureConsistentMetadata(
                Collection<KafkaBroker> brokers, Collection<ControllerServer> controllers) {}

        @Override
        public void waitAcls(AclBindingFilter filter, Collection<AccessControlEntry> entries)
                throws InterruptedException {
            Set<AccessControlEntry> wanted = new HashSet<>(entries);
            ExternalBroker.with(admin -> {
                ExternalBroker.await(
                    "entries " + entries,
                    () -> admin.describeAcls(filter).values().get().stream()
                        .map(AclBinding::entry)
                        .collect(Collectors.toSet())
                        .equals(wanted));
                return null;
            });
        }

        @Override
        public List<Authorizer> authorizers() {
            throw notHere("authorizers()");
        }

        @Override
        public ListenerName controllerListenerName() {
            return ListenerName.normalised("CONTROLLER");
        }

        @Override
        public String bootstrapControllers() {
            return ExternalBroker.CONTROLLER;
        }

        @Override
        public List<Integer> controllerBoundPorts() {
            return List.of(ExternalBroker.CONTROLLER_PORT);
        }

        @Override
        public void shutdownBroker(int id) {
            throw notHere("shutdownBroker");
        }

        @Override
        public void startBroker(int id) {
            throw notHere("startBroker");
        }
    }
}
