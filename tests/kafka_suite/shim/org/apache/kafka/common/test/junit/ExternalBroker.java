package org.apache.kafka.common.test.junit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TopicListing;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.TopicExistsException;
import org.opentest4j.TestAbortedException;

/** The broker in a process of its own: how it is started for a test, and asked and told things as an admin. */
final class ExternalBroker {
    static final String BOOTSTRAP = System.getProperty("external.bootstrap");
    static final String CONTROLLER = System.getProperty("external.controller");
    static final int PORT = port(BOOTSTRAP);
    static final int CONTROLLER_PORT = port(CONTROLLER);

    private static final String LAUNCHER = System.getProperty("external.launcher");
    private static final int START_DEADLINE_S = 90;
    private static final int ANSWER_DEADLINE_S = 30;
    private static final long EFFECT_DEADLINE_MS = 20_000;

    private ExternalBroker() {}

    private static int port(String address) {
        return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
    }

    interface Question<T> {
        T ask(Admin admin) throws Exception;
    }

    /** Starts an empty broker with these properties, in place of the one that runs. */
    static void relaunch(Map<String, String> properties) {
        try {
            Path file = Files.createTempFile("external", ".properties");
            Files.write(
                file, properties.entrySet().stream().map(each -> each.getKey() + "=" + each.getValue()).toList());
            Process process = new ProcessBuilder(LAUNCHER, BOOTSTRAP, file.toString())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
            if (!process.waitFor(START_DEADLINE_S, TimeUnit.SECONDS) || process.exitValue() != 0)
                throw new TestAbortedException("external broker: no start with " + properties);
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    static Admin admin() {
        return Admin.create(Map.of(
            AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, BOOTSTRAP,
            AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, ANSWER_DEADLINE_S * 1000));
    }

    /** What an admin client of its own says; errors of the broker come out as themselves. */
    static <T> T with(Question<T> question) {
        try (Admin admin = admin()) {
            return question.ask(admin);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** Fails unless the condition comes true in time; an error counts as "not yet". */
    static void await(String what, Callable<Boolean> condition) throws InterruptedException {
        long deadline = System.currentTimeMillis() + EFFECT_DEADLINE_MS;
        while (!holds(condition)) {
            if (System.currentTimeMillis() > deadline)
                throw new AssertionError("not in " + EFFECT_DEADLINE_MS + " ms: " + what);
            Thread.sleep(50);
        }
    }

    private static boolean holds(Callable<Boolean> condition) {
        try {
            return condition.call();
        } catch (Exception e) {
            return false;
        }
    }

    /** One replica a partition, as there is one broker. */
    static void createTopic(String name, int partitions, Map<String, String> configs) {
        create(new NewTopic(name, partitions, (short) 1).configs(configs), partitions);
    }

    static void createTopic(String name, Map<Integer, List<Integer>> assignment) {
        create(new NewTopic(name, assignment), assignment.size());
    }

    /** Some tests create what is there already; the harness does not mind. */
    private static void create(NewTopic topic, int partitions) {
        with(admin -> {
            try {
                admin.createTopics(List.of(topic)).all().get(ANSWER_DEADLINE_S, TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof TopicExistsException))
                    throw e;
            }
            awaitTopic(admin, topic.name(), partitions);
            return null;
        });
    }

    static void deleteTopic(String topic) {
        with(admin -> {
            admin.deleteTopics(List.of(topic)).all().get(ANSWER_DEADLINE_S, TimeUnit.SECONDS);
            awaitDeletion(admin, topic);
            return null;
        });
    }

    static void awaitDeletion(Admin admin, String topic) throws InterruptedException {
        await("deletion of " + topic, () -> !topicIds(admin).containsKey(topic));
    }

    static void awaitTopic(Admin admin, String name, int partitions) throws InterruptedException {
        await(name + " with " + partitions + " partitions", () -> {
            TopicDescription topic = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
            return topic.partitions().size() >= partitions
                && topic.partitions().stream().allMatch(each -> each.leader() != null && each.leader().id() >= 0);
        });
    }

    static Map<String, Uuid> topicIds(Admin admin) throws Exception {
        ListTopicsOptions options = new ListTopicsOptions().listInternal(true);
        return admin.listTopics(options).listings().get(ANSWER_DEADLINE_S, TimeUnit.SECONDS).stream()
            .collect(Collectors.toMap(TopicListing::name, TopicListing::topicId));
    }
}
