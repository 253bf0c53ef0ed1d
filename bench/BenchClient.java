import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/**
 * The load of the benchmark: stock clients of Apache Kafka in one JVM that outlives the rounds, so that what is
 * measured is neither the start of a JVM nor its compiler.
 *
 * Reads jobs from standard input, one a line, words separated by tabs: the job, the bootstrap address, its arguments.
 * Answers each with a line: "ok" and name=value pairs, or "error" and a reason. Times are seconds unless named.
 */
public class BenchClient {
    private static final int PAYLOADS = 512;
    private static final long DEADLINE_S = 300;
    private static final Map<Integer, byte[][]> PAYLOADS_BY_SIZE = new HashMap<>();
    private static final AtomicReference<Throwable> SEND_FAILURE = new AtomicReference<>();

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = "ok" + perform(line.split("\t"));
                Throwable failure = SEND_FAILURE.getAndSet(null);
                if (failure != null)
                    throw new Exception(failure);
            } catch (Throwable failure) {
                answer = "error\t" + failure.toString().replace('\n', ' ');
            }
            System.out.println(answer);
        }
    }

    private static String perform(String[] words) throws Exception {
        String bootstrap = words[1];
        switch (words[0]) {
            case "create": return create(bootstrap, words[2], Integer.parseInt(words[3]));
            case "delete": return delete(bootstrap, List.of(words[2].split(",")));
            case "produce": return produce(bootstrap, words[2], Long.parseLong(words[3]), Integer.parseInt(words[4]),
                                           Integer.parseInt(words[5]), properties(words, 6));
            case "consume": return consume(bootstrap, words[2], Long.parseLong(words[3]));
            case "both": return both(bootstrap, words[2], Long.parseLong(words[3]), Integer.parseInt(words[4]));
            case "latency": return latency(bootstrap, words[2], Integer.parseInt(words[3]), Integer.parseInt(words[4]));
            case "topics": return topics(bootstrap, words[2], Integer.parseInt(words[3]));
            case "metadata": return metadata(bootstrap, Integer.parseInt(words[2]));
            case "offsets": return offsets(bootstrap, words[2]);
            default: throw new IllegalArgumentException(words[0]);
        }
    }

    private static Map<String, String> properties(String[] words, int from) {
        return Arrays.stream(words).skip(from).map(word -> word.split("=", 2))
            .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
    }

    private static double secondsSince(long beganNs) {
        return (System.nanoTime() - beganNs) / 1e9;
    }

    // Clients.

    private static Admin admin(String bootstrap) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("default.api.timeout.ms", "180000");
        settings.put("request.timeout.ms", "120000");
        return Admin.create(settings);
    }

    private static KafkaProducer<byte[], byte[]> producer(String bootstrap, Map<String, String> properties) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        settings.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        settings.putAll(properties);
        return new KafkaProducer<>(settings);
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String topic, boolean fromBeginning) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
        settings.put("value.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
        settings.put("enable.auto.commit", "false");
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings);
        List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
            .map(each -> new TopicPartition(topic, each.partition())).collect(Collectors.toList());
        consumer.assign(partitions);
        if (fromBeginning)
            consumer.seekToBeginning(partitions);
        else
            consumer.seekToEnd(partitions);
        for (TopicPartition partition : partitions)
            consumer.position(partition);
        return consumer;
    }

    /** Text-like: letters and digits of few words, so that a codec has something to do and something to gain. */
    private static byte[][] payloads(int size) {
        return PAYLOADS_BY_SIZE.computeIfAbsent(size, length -> {
            Random random = new Random(7);
            byte[][] words = new byte[256][];
            for (int i = 0; i < words.length; i++) {
                words[i] = new byte[2 + random.nextInt(9)];
                for (int j = 0; j < words[i].length; j++)
                    words[i][j] = (byte) ('a' + random.nextInt(26));
            }
            byte[][] made = new byte[PAYLOADS][length];
            for (byte[] payload : made)
                for (int at = 0; at < length; at++) {
                    byte[] word = random.nextInt(3) == 0
                        ? Integer.toString(random.nextInt(1 << 30)).getBytes(StandardCharsets.US_ASCII)
                        : words[random.nextInt(words.length)];
                    int count = Math.min(word.length, length - at);
                    System.arraycopy(word, 0, payload, at, count);
                    at += count;
                    if (at < length)
                        payload[at] = ' ';
                }
            return made;
        });
    }

    // Jobs.

    private static String create(String bootstrap, String topic, int partitions) throws Exception {
        try (Admin admin = admin(bootstrap)) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get(DEADLINE_S, TimeUnit.SECONDS);
        }
        // Kafka's broker answers before it hosts the partitions, and a producer that comes too early may wait for ever.
        return offsets(bootstrap, topic);
    }

    private static String delete(String bootstrap, List<String> topics) throws Exception {
        try (Admin admin = admin(bootstrap)) {
            for (int from = 0; from < topics.size(); from += 500)
                admin.deleteTopics(topics.subList(from, Math.min(from + 500, topics.size())))
                    .all().get(DEADLINE_S, TimeUnit.SECONDS);
        }
        return "";
    }

    /** `producers` connections take turns; the time runs from the first send, with metadata known, to the last answer. */
    private static String produce(String bootstrap, String topic, long records, int size, int producers,
                                  Map<String, String> properties) {
        List<KafkaProducer<byte[], byte[]>> all = new ArrayList<>();
        try {
            for (int i = 0; i < producers; i++) {
                all.add(producer(bootstrap, properties));
                all.get(i).partitionsFor(topic);
            }
            byte[][] payloads = payloads(size);
            long began = System.nanoTime();
            for (long i = 0; i < records; i++)
                send(all.get((int) (i % producers)), topic, payloads[(int) (i % PAYLOADS)]);
            for (KafkaProducer<byte[], byte[]> each : all)
                each.flush();
            return "\tseconds=" + secondsSince(began);
        } finally {
            for (KafkaProducer<byte[], byte[]> each : all)
                each.close();
        }
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, byte[] payload) {
        producer.send(new ProducerRecord<>(topic, payload), (metadata, failure) -> {
            if (failure != null)
                SEND_FAILURE.compareAndSet(null, failure);
        });
    }

    private static String consume(String bootstrap, String topic, long records) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, topic, true)) {
            long began = System.nanoTime();
            drain(consumer, records);
            return "\tseconds=" + secondsSince(began);
        }
    }

    private static void drain(KafkaConsumer<byte[], byte[]> consumer, long records) throws Exception {
        long began = System.nanoTime();
        for (long seen = 0; seen < records; ) {
            seen += consumer.poll(Duration.ofMillis(100)).count();
            if (secondsSince(began) > DEADLINE_S)
                throw new Exception("only " + seen + " records of " + records);
        }
    }

    private static String both(String bootstrap, String topic, long records, int size) throws Exception {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, topic, true)) {
            long began = System.nanoTime();
            Thread reader = new Thread(() -> {
                try {
                    drain(consumer, records);
                } catch (Throwable thrown) {
                    failure.set(thrown);
                }
            });
            reader.start();
            produce(bootstrap, topic, records, size, 1, Map.of());
            reader.join();
            if (failure.get() != null)
                throw new Exception(failure.get());
            return "\tseconds=" + secondsSince(began);
        }
    }

    /** From the moment a record was due to be sent until a consumer has it. */
    private static String latency(String bootstrap, String topic, int records, int aSecond) throws Exception {
        long[] latencies = new long[records];
        AtomicReference<Throwable> failure = new AtomicReference<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, topic, false);
             KafkaProducer<byte[], byte[]> producer = producer(bootstrap, Map.of("acks", "all", "linger.ms", "0"))) {
            producer.partitionsFor(topic);
            Thread reader = new Thread(() -> {
                try {
                    long began = System.nanoTime();
                    for (int seen = 0; seen < records; ) {
                        for (ConsumerRecord<byte[], byte[]> each : consumer.poll(Duration.ofMillis(100)))
                            latencies[seen++] = System.nanoTime() - ByteBuffer.wrap(each.value()).getLong();
                        if (secondsSince(began) > DEADLINE_S)
                            throw new Exception("only " + seen + " records of " + records);
                    }
                } catch (Throwable thrown) {
                    failure.set(thrown);
                }
            });
            reader.start();
            long interval = 1_000_000_000L / aSecond, due = System.nanoTime() + interval;
            for (int i = 0; i < records; i++, due += interval) {
                for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime())
                    LockSupport.parkNanos(left);
                send(producer, topic, ByteBuffer.wrap(new byte[100]).putLong(due).array());
            }
            reader.join();
        }
        if (failure.get() != null)
            throw new Exception(failure.get());
        Arrays.sort(latencies);
        return "\tp50_ms=" + latencies[records / 2] / 1e6 + "\tp99_ms=" + latencies[records * 99 / 100] / 1e6;
    }

    private static String topics(String bootstrap, String prefix, int count) throws Exception {
        try (Admin admin = admin(bootstrap)) {
            admin.describeCluster().nodes().get(DEADLINE_S, TimeUnit.SECONDS);
            long began = System.nanoTime();
            for (int from = 0; from < count; from += 100) {
                List<NewTopic> some = new ArrayList<>();
                for (int i = from; i < Math.min(from + 100, count); i++)
                    some.add(new NewTopic(prefix + i, 1, (short) 1));
                admin.createTopics(some).all().get(DEADLINE_S, TimeUnit.SECONDS);
            }
            return "\tseconds=" + secondsSince(began);
        }
    }

    private static String metadata(String bootstrap, int times) throws Exception {
        try (Admin admin = admin(bootstrap)) {
            int topics = admin.listTopics().names().get(DEADLINE_S, TimeUnit.SECONDS).size();
            long began = System.nanoTime();
            for (int i = 0; i < times; i++)
                admin.listTopics().names().get(DEADLINE_S, TimeUnit.SECONDS);
            return "\tseconds=" + secondsSince(began) + "\ttopics=" + topics;
        }
    }

    /** Ends when every partition has told its end. */
    private static String offsets(String bootstrap, String topic) throws Exception {
        try (Admin admin = admin(bootstrap)) {
            while (true)
                try {
                    int count = admin.describeTopics(Collections.singleton(topic)).allTopicNames()
                        .get(DEADLINE_S, TimeUnit.SECONDS).get(topic).partitions().size();
                    Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
                    for (int i = 0; i < count; i++)
                        asked.put(new TopicPartition(topic, i), OffsetSpec.latest());
                    long records = admin.listOffsets(asked).all().get(DEADLINE_S, TimeUnit.SECONDS).values().stream()
                        .mapToLong(each -> each.offset()).sum();
                    return "\trecords=" + records;
                } catch (ExecutionException failure) {
                    if (!(failure.getCause() instanceof UnknownTopicOrPartitionException))
                        throw failure;
                    Thread.sleep(5);
                }
        }
    }
}
