package org.apache.kafka.storage.internals.log; // for what Kafka keeps to its package

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Collectors;

import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.CorruptRecordException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.message.SnapshotHeaderRecord;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.PrimitiveRef;
import org.apache.kafka.common.utils.Time;

/** Answers each line of standard input with a line: what Kafka's own classes make of record batches. */
public class RecordsOracle {
    static final HexFormat HEX = HexFormat.of();
    static final TopicPartition PARTITION = new TopicPartition("t", 0);
    static final long NOW = 1_700_000_000_000L;

    static ProducerStateManager producers;

    static class FixedTime implements Time {
        public long milliseconds() { return NOW; }
        public long nanoseconds() { return NOW * 1_000_000; }
        public void sleep(long ms) { }
        public void waitObject(Object object, Supplier<Boolean> condition, long deadlineMs) { }
    }

    static class NoMetrics implements LogValidator.MetricsRecorder {
        public void recordInvalidMagic() { }
        public void recordInvalidOffset() { }
        public void recordInvalidSequence() { }
        public void recordInvalidChecksums() { }
        public void recordNoKeyCompactedTopic() { }
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = "OK\t" + answer(line.split("\t", -1));
            } catch (RecordValidationException e) {
                String places = e.recordErrors().stream().map(x -> "" + x.batchIndex).collect(Collectors.joining(","));
                answer = "ERR\t" + Errors.forException(e.invalidException()).name() + "\t" + places;
            } catch (Throwable e) {
                answer = "ERR\t" + Errors.forException(e).name() + "\t";
            }
            out.println(answer);
        }
        out.flush();
    }

    static String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "read": return read(words);
            case "write": return write(words);
            case "marker": return marker(words);
            case "control": return control(words);
            case "validate": return validate(words);
            case "producers": return openProducers(words);
            case "append": return append(words);
            case "snapshot": return snapshot();
            case "load": return load(words);
            default: throw new IllegalArgumentException(words[0]);
        }
    }

    static MemoryRecords records(String hex) {
        return MemoryRecords.readableRecords(ByteBuffer.wrap(HEX.parseHex(hex)));
    }

    static String hex(ByteBuffer buffer) {
        if (buffer == null)
            return "-";
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return HEX.formatHex(bytes);
    }

    static byte[] bytes(String hex) {
        return hex.equals("-") ? null : HEX.parseHex(hex);
    }

    // read HEX

    static String read(String[] words) {
        List<String> batches = new ArrayList<>();
        for (MutableRecordBatch batch : records(words[1]).batches()) {
            batch.ensureValid();
            List<String> items = new ArrayList<>();
            for (Record record : batch)
                items.add(describe(record));
            batches.add(batch.baseOffset() + "," + batch.lastOffset() + "," + batch.partitionLeaderEpoch() + ","
                + batch.magic() + "," + batch.compressionType().id + "," + batch.timestampType().id + ","
                + batch.maxTimestamp() + "," + batch.producerId() + "," + batch.producerEpoch() + ","
                + batch.baseSequence() + "," + batch.lastSequence() + "," + items.size() + ","
                + (batch.isTransactional() ? 1 : 0) + "," + (batch.isControlBatch() ? 1 : 0) + ","
                + batch.deleteHorizonMs().orElse(-1) + "|" + String.join(" ", items));
        }
        return String.join(";", batches);
    }

    static String describe(Record record) {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers())
            headers.add(HEX.formatHex(header.key().getBytes(StandardCharsets.UTF_8)) + "="
                + (header.value() == null ? "-" : HEX.formatHex(header.value())));
        return record.offset() + ":" + record.timestamp() + ":" + record.sequence() + ":" + hex(record.key()) + ":"
            + hex(record.value()) + ":" + String.join(",", headers);
    }

    // write CODEC LEVEL BASE_OFFSET LOG_APPEND_TIME PRODUCER EPOCH SEQUENCE TRANSACTIONAL LEADER_EPOCH RECORDS

    static Compression compression(String codec, String level) {
        CompressionType type = CompressionType.forId(Integer.parseInt(codec));
        if (!level.isEmpty()) {
            int number = Integer.parseInt(level);
            switch (type) {
                case GZIP: return Compression.gzip().level(number).build();
                case LZ4: return Compression.lz4().level(number).build();
                case ZSTD: return Compression.zstd().level(number).build();
                default: break;
            }
        }
        return Compression.of(type).build();
    }

    static String write(String[] words) {
        long logAppendTime = Long.parseLong(words[4]);
        MemoryRecordsBuilder builder = new MemoryRecordsBuilder(ByteBuffer.allocate(1024), RecordBatch.CURRENT_MAGIC_VALUE,
            compression(words[1], words[2]),
            logAppendTime >= 0 ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME,
            Long.parseLong(words[3]), logAppendTime, Long.parseLong(words[5]), Short.parseShort(words[6]),
            Integer.parseInt(words[7]), words[8].equals("1"), false, Integer.parseInt(words[9]), Integer.MAX_VALUE);
        for (String item : words[10].split(" ")) {
            String[] parts = item.split(":", -1);
            List<Header> headers = new ArrayList<>();
            if (!parts[5].isEmpty())
                for (String header : parts[5].split(",")) {
                    String[] pair = header.split("=", -1);
                    headers.add(new RecordHeader(new String(bytes(pair[0]), StandardCharsets.UTF_8), bytes(pair[1])));
                }
            builder.appendWithOffset(Long.parseLong(parts[0]), Long.parseLong(parts[1]), bytes(parts[3]), bytes(parts[4]),
                headers.toArray(new Header[0]));
        }
        return hex(builder.build().buffer());
    }

    // marker COMMIT COORDINATOR_EPOCH OFFSET TIMESTAMP LEADER_EPOCH PRODUCER EPOCH

    static String marker(String[] words) {
        ControlRecordType type = words[1].equals("1") ? ControlRecordType.COMMIT : ControlRecordType.ABORT;
        return hex(MemoryRecords.withEndTransactionMarker(Long.parseLong(words[3]), Long.parseLong(words[4]),
            Integer.parseInt(words[5]), Long.parseLong(words[6]), Short.parseShort(words[7]),
            new EndTransactionMarker(type, Integer.parseInt(words[2]))).buffer());
    }

    // control TYPE OFFSET TIMESTAMP LEADER_EPOCH

    static String control(String[] words) {
        long offset = Long.parseLong(words[2]);
        long timestamp = Long.parseLong(words[3]);
        int epoch = Integer.parseInt(words[4]);
        ByteBuffer buffer = ByteBuffer.allocate(256);
        MemoryRecords records = words[1].equals("2")
            ? MemoryRecords.withLeaderChangeMessage(offset, timestamp, epoch, buffer, new LeaderChangeMessage().setLeaderId(1))
            : MemoryRecords.withSnapshotHeaderRecord(offset, timestamp, epoch, buffer,
                new SnapshotHeaderRecord().setLastContainedLogTimestamp(7));
        return hex(records.buffer());
    }

    // validate ORIGIN PRODUCE_VERSION MAX_BYTES TARGET_CODEC COMPACTED TIMESTAMP_TYPE BEFORE_MAX AFTER_MAX HEX

    static String validate(String[] words) {
        AppendOrigin origin = AppendOrigin.valueOf(words[1]);
        MemoryRecords records = records(words[9]);
        if (origin == AppendOrigin.CLIENT)
            ProduceRequest.validateRecords(Short.parseShort(words[2]), records);
        CompressionType source = CompressionType.NONE;
        int validBytes = 0;
        for (MutableRecordBatch batch : records.batches()) { // UnifiedLog.analyzeAndValidateRecords
            if (origin == AppendOrigin.CLIENT && batch.baseOffset() != 0)
                throw new org.apache.kafka.common.InvalidRecordException("");
            if (batch.sizeInBytes() > Integer.parseInt(words[3]))
                throw new org.apache.kafka.common.errors.RecordTooLargeException("");
            if (!((org.apache.kafka.common.record.internal.DefaultRecordBatch) batch).isValid())
                throw new CorruptRecordException("");
            if (batch.compressionType() != CompressionType.NONE)
                source = batch.compressionType();
            validBytes += batch.sizeInBytes();
        }
        records = MemoryRecords.readableRecords(records.buffer().limit(validBytes));
        Compression target = words[4].isEmpty() ? Compression.of(source).build() : compression(words[4], "");
        LogValidator validator = new LogValidator(records, PARTITION, new FixedTime(), source, target,
            words[5].equals("1"), RecordBatch.CURRENT_MAGIC_VALUE, TimestampType.forName(words[6]),
            Long.parseLong(words[7]), Long.parseLong(words[8]), 7, origin);
        LogValidator.ValidationResult result = validator.validateMessagesAndAssignOffsets(PrimitiveRef.ofLong(500),
            new NoMetrics(), BufferSupplier.NO_CACHING);
        return result.maxTimestampMs() + "\t" + hex(result.validatedRecords().buffer());
    }

    // producers DIRECTORY, append ORIGIN VERSION HEX, snapshot, load FILE

    static String openProducers(String[] words) throws Exception {
        producers = new ProducerStateManager(PARTITION, new File(words[1]), 900_000,
            new ProducerStateManagerConfig(86_400_000, false), new FixedTime());
        return "";
    }

    static String append(String[] words) {
        AppendOrigin origin = AppendOrigin.valueOf(words[1]);
        Map<Long, ProducerAppendInfo> updated = new HashMap<>();
        List<CompletedTxn> completed = new ArrayList<>();
        long end = 0;
        for (MutableRecordBatch batch : records(words[3]).batches()) { // UnifiedLog.analyzeAndValidateProducerState
            end = batch.nextOffset();
            if (!batch.hasProducerId())
                continue;
            if (origin == AppendOrigin.CLIENT) {
                Optional<BatchMetadata> duplicate =
                    producers.lastEntry(batch.producerId()).flatMap(entry -> entry.findDuplicateBatch(batch));
                if (duplicate.isPresent())
                    return "duplicate " + duplicate.get().firstOffset() + " " + duplicate.get().lastOffset();
            }
            UnifiedLog.updateProducers(producers, batch, updated, Optional.empty(), origin, Short.parseShort(words[2]))
                .ifPresent(completed::add);
        }
        updated.values().forEach(producers::update);
        List<String> stable = new ArrayList<>();
        for (CompletedTxn txn : completed) {
            stable.add(txn.producerId() + "/" + txn.firstOffset() + "/" + txn.lastOffset() + "/" + txn.isAborted() + "/"
                + producers.lastStableOffset(txn));
            producers.completeTxn(txn);
        }
        producers.updateMapEndOffset(end);
        return String.join(",", stable) + " " + producers.firstUnstableOffset().map(x -> x.messageOffset).orElse(-1L) + " "
            + producers.firstUndecidedOffset().orElse(-1);
    }

    static String snapshot() throws Exception {
        File file = producers.takeSnapshot(true).orElseThrow();
        return HEX.formatHex(Files.readAllBytes(file.toPath()));
    }

    static String load(String[] words) throws Exception {
        Map<Long, String> entries = new TreeMap<>();
        for (ProducerStateEntry entry : ProducerStateManager.readSnapshot(Path.of(words[1]).toFile()))
            entries.put(entry.producerId(), entry.producerId() + "," + entry.producerEpoch() + "," + entry.coordinatorEpoch()
                + "," + entry.lastTimestamp() + "," + entry.currentTxnFirstOffset().orElse(-1) + "," + entry.lastSeq() + ","
                + entry.lastDataOffset() + "," + entry.lastOffsetDelta());
        return String.join(" ", entries.values());
    }
}
