import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import java.util.function.Supplier;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.DescribeProducersResponseData;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Timer;
import org.apache.kafka.server.common.RequestLocal;
import org.apache.kafka.server.storage.log.FetchIsolation;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.epoch.LeaderEpochFileCache;
import org.apache.kafka.storage.internals.log.AbortedTxn;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.EpochEntry;
import org.apache.kafka.storage.internals.log.FetchDataInfo;
import org.apache.kafka.storage.internals.log.LogAppendInfo;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.LogSegment;
import org.apache.kafka.storage.internals.log.LogStartOffsetIncrementReason;
import org.apache.kafka.storage.internals.log.OffsetResultHolder;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.internals.log.VerificationGuard;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

/** Kafka's own log, driven by lines on standard input; one line of answer for each. */
public class LogOracle {
    static final KafkaScheduler SCHEDULER = new KafkaScheduler(1);
    static UnifiedLog log;

    /** Stands still where the tests' records are, so that no producer expires. */
    static class Clock implements Time {
        public long milliseconds() { return 1_700_000_000_000L; }
        public long nanoseconds() { return SYSTEM.nanoseconds(); }
        public long hiResClockMs() { return SYSTEM.hiResClockMs(); }
        public void sleep(long ms) { SYSTEM.sleep(ms); }
        public void waitObject(Object object, Supplier<Boolean> condition, long deadlineMs) throws InterruptedException {
            SYSTEM.waitObject(object, condition, deadlineMs);
        }
        public Timer timer(long timeoutMs) { return new Clock().timer(timeoutMs); }
    }

    public static void main(String[] args) throws Exception {
        SCHEDULER.startup();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        String line;
        while ((line = in.readLine()) != null) {
            String answer;
            try {
                answer = answer(line.split(" "));
            } catch (Exception e) {
                answer = "error " + e.getClass().getSimpleName() + " " + String.valueOf(e.getMessage()).replace('\n', ' ');
            }
            System.out.println(answer);
            System.out.flush();
        }
        System.exit(0);
    }

    static String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "open": return open(words);
            case "append": return append(words);
            case "assign":
                log.assignEpochStartOffset(Integer.parseInt(words[1]), Long.parseLong(words[2]));
                return "ok";
            case "roll": log.roll(); return "ok";
            case "flush": log.flush(false); return "ok";
            case "hw": return "ok " + log.updateHighWatermark(Long.parseLong(words[1]));
            case "start":
                return "ok " + log.maybeIncrementLogStartOffset(
                    Long.parseLong(words[1]), LogStartOffsetIncrementReason.ClientRecordDeletion);
            case "truncate": return "ok " + log.truncateTo(Long.parseLong(words[1]));
            case "restart": log.truncateFullyAndStartAt(Long.parseLong(words[1]), Optional.empty()); return "ok";
            case "retention": return "ok " + log.deleteOldSegments();
            case "close": log.close(); return "ok";
            case "abandon": log.closeHandlers(); return "ok";
            case "describe": return describe();
            case "time": return byTime(Long.parseLong(words[1]));
            case "epoch": return log.endOffsetForEpoch(Integer.parseInt(words[1]))
                .map(found -> "ok " + found.offset() + " " + found.epoch()).orElse("ok -1 -1");
            case "read": return read(Long.parseLong(words[1]), Integer.parseInt(words[2]));
            default: throw new IllegalArgumentException(words[0]);
        }
    }

    /** open DIRECTORY clean|unclean RECOVERY_POINT LOG_START_OFFSET key=value,... */
    static String open(String[] words) throws Exception {
        Properties properties = new Properties();
        for (String pair : words[5].split(","))
            properties.put(pair.split("=")[0], pair.split("=")[1].replace(';', ','));
        log = UnifiedLog.create(new File(words[1]), new LogConfig(properties), Long.parseLong(words[4]),
            Long.parseLong(words[3]), SCHEDULER, new BrokerTopicStats(), new Clock(), 900000,
            new ProducerStateManagerConfig(Integer.MAX_VALUE, false), 600000, new LogDirFailureChannel(10),
            words[2].equals("clean"), Optional.empty());
        return "ok " + log.logStartOffset() + " " + log.logEndOffset();
    }

    /** append EPOCH client|coordinator|follower BASE64 */
    static String append(String[] words) throws Exception {
        MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(Base64.getDecoder().decode(words[3])));
        int epoch = Integer.parseInt(words[1]);
        LogAppendInfo info;
        if (words[2].equals("follower"))
            info = log.appendAsFollower(records, epoch);
        else
            info = log.appendAsLeader(records, epoch,
                words[2].equals("client") ? AppendOrigin.CLIENT : AppendOrigin.COORDINATOR,
                RequestLocal.noCaching(), VerificationGuard.SENTINEL, (short) 1);
        return "ok " + info.firstOffset() + " " + info.lastOffset();
    }

    static String byTime(long timestamp) throws Exception {
        OffsetResultHolder found = log.fetchOffsetByTimestamp(timestamp, Optional.empty());
        FileRecords.TimestampAndOffset result = found.timestampAndOffsetOpt().orElse(null);
        if (result == null)
            return "ok";
        return "ok " + result.timestamp + " " + result.offset + " " + result.leaderEpoch.orElse(-1);
    }

    static String read(long offset, int maxBytes) throws Exception {
        FetchDataInfo found = log.read(offset, maxBytes, FetchIsolation.LOG_END, true);
        ByteBuffer buffer = ByteBuffer.allocate(found.records.sizeInBytes());
        if (found.records instanceof FileRecords)
            ((FileRecords) found.records).readInto(buffer, 0);
        return "ok " + Base64.getEncoder().encodeToString(buffer.array());
    }

    static String describe() throws Exception {
        List<String> segments = new ArrayList<>();
        for (LogSegment each : log.logSegments())
            segments.add("[" + each.baseOffset() + "," + each.size() + "," + each.maxTimestampSoFar() + "]");
        List<String> epochs = new ArrayList<>();
        for (EpochEntry each : log.leaderEpochCache().epochEntries())
            epochs.add("[" + each.epoch() + "," + each.startOffset() + "]");
        Map<Long, String> producers = new TreeMap<>();
        for (DescribeProducersResponseData.ProducerState each : log.activeProducers())
            producers.put(each.producerId(), "[" + each.producerId() + "," + each.producerEpoch() + ","
                + each.lastSequence() + "," + each.lastTimestamp() + "," + each.coordinatorEpoch() + ","
                + each.currentTxnStartOffset() + "]");
        List<String> aborted = new ArrayList<>();
        for (AbortedTxn each : log.collectAbortedTransactions(log.logStartOffset(), log.logEndOffset()))
            aborted.add("[" + each.producerId() + "," + each.firstOffset() + "," + each.lastOffset() + ","
                + each.lastStableOffset() + "]");
        return "ok {\"start\":" + log.logStartOffset() + ",\"end\":" + log.logEndOffset()
            + ",\"high_watermark\":" + log.highWatermark() + ",\"stable\":" + log.lastStableOffset()
            + ",\"segments\":[" + String.join(",", segments) + "],\"epochs\":[" + String.join(",", epochs)
            + "],\"producers\":[" + String.join(",", producers.values())
            + "],\"aborted\":[" + String.join(",", aborted) + "]}";
    }
}
