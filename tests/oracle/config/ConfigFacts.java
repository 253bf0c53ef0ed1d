import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import kafka.server.KafkaConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

/**
 * What Apache Kafka knows of configuration, as lines of fields separated by tabs.
 *
 * "table": a line a key. "judge": a base64 line of standard input is the text of a .properties file; out comes "ok" with
 * its entries, or "refused" with the reason.
 */
public class ConfigFacts {
    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("table")) {
            Map<String, String> modes = DynamicBrokerConfig.dynamicConfigUpdateModes();
            AbstractKafkaConfig.CONFIG_DEF.configKeys().forEach((name, key) ->
                print("broker", key, modes.getOrDefault(name, "read-only")));
            LogConfig.configKeys().forEach((name, key) -> print("topic", key, "cluster-wide"));
            GroupConfig.CONFIG_DEF.configKeys().forEach((name, key) -> print("group", key, "cluster-wide"));
            ClientMetricsConfigs.configDef().configKeys().forEach((name, key) ->
                print("client-metrics", key, "cluster-wide"));
            return;
        }
        String input = new String(System.in.readAllBytes(), StandardCharsets.US_ASCII);
        for (String line : input.split("\n")) {
            System.out.println(judge(Base64.getDecoder().decode(line)));
        }
    }

    private static void print(String table, ConfigDef.ConfigKey key, String mode) {
        boolean required = ConfigDef.NO_DEFAULT_VALUE.equals(key.defaultValue);
        String value = required ? "REQUIRED" : ConfigDef.convertToString(key.defaultValue, key.type);
        // Apache Kafka's tables end in validators without a text.
        String validator = key.validator == null ? "" : key.validator.toString();
        List<String> fields = Arrays.asList(table, key.name, key.type.name(), value == null ? "null" : value, validator,
            key.importance.name(), mode, Boolean.toString(key.internalConfig));
        System.out.println(String.join("\t", fields));
    }

    private static String judge(byte[] text) {
        Properties properties = new Properties();
        try {
            properties.load(new ByteArrayInputStream(text));
            KafkaConfig config = new KafkaConfig(properties, false);
            List<String> fields = new ArrayList<>(List.of("ok"));
            fields.add(config.logDirs().toString());
            fields.add(Long.toString(config.logRetentionTimeMillis()));
            fields.add(config.logRollTimeMillis().toString());
            fields.add(config.logFlushIntervalMs().toString());
            fields.add(config.interBrokerListenerName().value());
            new TreeMap<>(properties).forEach((key, value) -> fields.add(quoted(key) + "=" + quoted(value)));
            return String.join("\t", fields);
        } catch (Throwable error) {
            return "refused\t" + String.valueOf(error.getMessage()).replaceAll("\\s+", " ");
        }
    }

    private static String quoted(Object text) {
        return Base64.getEncoder().encodeToString(text.toString().getBytes(StandardCharsets.UTF_16BE));
    }
}
