import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.Readable;
import org.apache.kafka.coordinator.common.runtime.CoordinatorRecord;
import org.apache.kafka.coordinator.group.GroupCoordinatorRecordSerde;
import org.apache.kafka.metadata.MetadataRecordSerde;
import org.apache.kafka.server.common.ApiMessageAndVersion;

/**
 * Answers lines of standard input with one line each: what Apache Kafka's own classes make of the same bytes.
 *
 *     message CLASS VERSION HEX     decode, encode again           HEX JSON
 *     convert CLASS FROM TO HEX     decode, encode as TO           HEX
 *     default CLASS VERSION         encode a fresh object          HEX
 *     metadata HEX                  MetadataRecordSerde            HEX KEY VERSION
 *     group KEYHEX VALUEHEX|-       GroupCoordinatorRecordSerde    KEYHEX VALUEHEX|-
 *     apis | errors                 several lines, then "end"
 *     flush                         no answer, but all answers so far leave
 *
 * What Kafka refuses is answered with "refused EXCEPTION".
 */
public final class MessageOracle {
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8), 1 << 20);
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                answer(line.split(" ", -1), out);
            } catch (ReflectiveOperationException error) {
                Throwable cause = error.getCause() == null ? error : error.getCause();
                out.println("refused " + oneLine(cause));
            } catch (RuntimeException | StackOverflowError error) {
                out.println("refused " + oneLine(error));
            }
        }
        out.flush();
    }

    private static String oneLine(Throwable error) {
        return error.toString().replaceAll("\\s+", " ");
    }

    private static void answer(String[] words, PrintStream out) throws Exception {
        switch (words[0]) {
            case "message" -> message(words[1], Short.parseShort(words[2]), HEX.parseHex(words[3]), out);
            case "convert" -> {
                Readable readable = new ByteBufferAccessor(ByteBuffer.wrap(HEX.parseHex(words[4])));
                Message message = (Message) Class.forName(words[1]).getConstructor(Readable.class, short.class)
                    .newInstance(readable, Short.parseShort(words[2]));
                out.println(HEX.formatHex(encode(message, Short.parseShort(words[3]))));
            }
            case "default" -> {
                Message fresh = (Message) Class.forName(words[1]).getConstructor().newInstance();
                out.println(HEX.formatHex(encode(fresh, Short.parseShort(words[2]))));
            }
            case "metadata" -> metadata(HEX.parseHex(words[1]), out);
            case "group" -> group(HEX.parseHex(words[1]), words[2], out);
            case "apis" -> apis(out);
            case "errors" -> errors(out);
            case "flush" -> out.flush();
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    private static byte[] encode(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) {
            throw new IllegalStateException(buffer.remaining() + " bytes not written");
        }
        return buffer.array();
    }

    private static void message(String name, short version, byte[] bytes, PrintStream out) throws Exception {
        Class<?> type = Class.forName(name);
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        Object message = type.getConstructor(Readable.class, short.class)
            .newInstance(new ByteBufferAccessor(buffer), version);
        if (buffer.hasRemaining()) {
            throw new IllegalStateException(buffer.remaining() + " bytes left over");
        }
        Method write = Class.forName(name + "JsonConverter").getMethod("write", type, short.class, boolean.class);
        JsonNode json = (JsonNode) write.invoke(null, message, version, false);
        out.println(HEX.formatHex(encode((Message) message, version)) + " " + json);
    }

    private static void metadata(byte[] bytes, PrintStream out) {
        MetadataRecordSerde serde = MetadataRecordSerde.INSTANCE;
        ApiMessageAndVersion record = serde.read(new ByteBufferAccessor(ByteBuffer.wrap(bytes)), bytes.length);
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(serde.recordSize(record, cache));
        serde.write(record, cache, new ByteBufferAccessor(buffer));
        out.println(HEX.formatHex(buffer.array()) + " " + record.message().apiKey() + " " + record.version());
    }

    private static void group(byte[] key, String value, PrintStream out) {
        GroupCoordinatorRecordSerde serde = new GroupCoordinatorRecordSerde();
        ByteBuffer valueBuffer = value.equals("-") ? null : ByteBuffer.wrap(HEX.parseHex(value));
        CoordinatorRecord record = serde.deserialize(ByteBuffer.wrap(key), valueBuffer);
        byte[] valueBytes = serde.serializeValue(record);
        out.println(HEX.formatHex(serde.serializeKey(record)) + " "
            + (valueBytes == null ? "-" : HEX.formatHex(valueBytes)));
    }

    private static void apis(PrintStream out) {
        for (ApiKeys key : ApiKeys.values()) {
            ApiMessageType type = key.messageType;
            for (short version = type.lowestSupportedVersion(); version <= type.highestSupportedVersion(true); version++) {
                out.println(key.id + " " + type.name + " " + version
                    + " " + key.requestHeaderVersion(version) + " " + key.responseHeaderVersion(version)
                    + " " + (version > type.highestSupportedVersion(false))
                    + " " + type.listeners());
            }
        }
        out.println("end");
    }

    private static void errors(PrintStream out) {
        for (Errors error : Errors.values()) {
            boolean retriable = error.exception() instanceof org.apache.kafka.common.errors.RetriableException;
            out.println(error.code() + " " + error.name() + " " + retriable);
        }
        out.println("end");
    }
}
