import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.metadata.PartitionRecord;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.controller.PartitionChangeBuilder;
import org.apache.kafka.image.MetadataDelta;
import org.apache.kafka.image.MetadataImage;
import org.apache.kafka.image.MetadataProvenance;
import org.apache.kafka.image.writer.ImageWriterOptions;
import org.apache.kafka.image.writer.RecordListWriter;
import org.apache.kafka.metadata.LeaderRecoveryState;
import org.apache.kafka.metadata.MetadataRecordSerde;
import org.apache.kafka.metadata.PartitionRegistration;
import org.apache.kafka.metadata.Replicas;
import org.apache.kafka.server.common.ApiMessageAndVersion;
import org.apache.kafka.server.common.MetadataVersion;

/**
 * Asks Apache Kafka's own classes what metadata records mean. One question a line, one answer a line.
 *
 * image:  the records of a log, in base64, separated by blanks -> the records of the image that Kafka makes of them
 * change: a partition and what is to become of it, fields separated by ';' (see partitionChange) -> the record, or "-"
 */
public class MetadataOracle {
    private static final MetadataRecordSerde SERDE = new MetadataRecordSerde();

    public static void main(String[] args) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        StringBuilder output = new StringBuilder();
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            output.append(args[0].equals("image") ? image(line) : partitionChange(line)).append('\n');
        }
        System.out.print(output);
    }

    private static String image(String line) {
        MetadataDelta delta = new MetadataDelta.Builder().setImage(MetadataImage.EMPTY).build();
        for (String record : line.split(" ")) {
            delta.replay(decode(record).message());
        }
        MetadataImage image = delta.apply(new MetadataProvenance(1, 1, 1, true));
        RecordListWriter writer = new RecordListWriter();
        image.write(writer, new ImageWriterOptions.Builder(image).build());
        return writer.records().stream().map(MetadataOracle::encode).collect(Collectors.joining(" "));
    }

    /** partition record; alive; metadata.version; min ISR; ELR enabled; election; ISR; replicas; removing; adding;
     *  recovery state; unclean shutdown */
    private static String partitionChange(String line) {
        String[] fields = line.split(";", -1);
        PartitionRegistration partition = new PartitionRegistration((PartitionRecord) decode(fields[0]).message());
        Set<Integer> alive = Set.copyOf(numbers(fields[1]));
        PartitionChangeBuilder builder = new PartitionChangeBuilder(partition, Uuid.METADATA_TOPIC_ID, 0,
            broker -> alive.contains(broker) && Replicas.contains(partition.replicas, broker), MetadataVersion.fromFeatureLevel(Short.parseShort(fields[2])),
            Integer.parseInt(fields[3]), fields[4].equals("1"));
        builder.setElection(PartitionChangeBuilder.Election.valueOf(fields[5]));
        builder.setTargetIsr(numbers(fields[6]));
        builder.setTargetReplicas(numbers(fields[7]));
        builder.setTargetRemoving(numbers(fields[8]));
        builder.setTargetAdding(numbers(fields[9]));
        builder.setTargetLeaderRecoveryState(LeaderRecoveryState.of(Byte.parseByte(fields[10])));
        if (!fields[11].isEmpty()) {
            builder.setUncleanShutdownReplicas(numbers(fields[11]));
        }
        builder.setDefaultDirProvider(broker -> new Uuid(0, 1100 + broker));
        return builder.build().map(MetadataOracle::encode).orElse("-");
    }

    private static List<Integer> numbers(String text) {
        if (text.isEmpty()) {
            return new ArrayList<>();
        }
        return Arrays.stream(text.split(",")).map(Integer::valueOf).collect(Collectors.toCollection(ArrayList::new));
    }

    private static ApiMessageAndVersion decode(String text) {
        byte[] bytes = Base64.getDecoder().decode(text);
        return SERDE.read(new ByteBufferAccessor(ByteBuffer.wrap(bytes)), bytes.length);
    }

    private static String encode(ApiMessageAndVersion record) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(SERDE.recordSize(record, cache));
        SERDE.write(record, cache, new ByteBufferAccessor(buffer));
        return Base64.getEncoder().encodeToString(buffer.array());
    }
}
