import java.io.File;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.raft.ElectionState;
import org.apache.kafka.raft.FileQuorumStateStore;
import org.apache.kafka.raft.ReplicaKey;
import org.apache.kafka.server.common.KRaftVersion;

/** Reads and writes quorum-state files with Kafka's own class: "read FILE" or "write FILE VERSION EPOCH LEADER VOTED DIRECTORY VOTERS". */
public class QuorumOracle {
    public static void main(String[] arguments) {
        FileQuorumStateStore store = new FileQuorumStateStore(new File(arguments[1]));
        if (arguments[0].equals("read")) {
            ElectionState state = store.readElectionState().orElseThrow();
            String voted = state.optionalVotedKey()
                .map(key -> key.id() + ":" + key.directoryId().orElse(Uuid.ZERO_UUID))
                .orElse("none");
            System.out.println(state.epoch() + " " + state.leaderIdOrSentinel() + " " + voted);
            return;
        }
        KRaftVersion version = KRaftVersion.fromFeatureLevel(Short.parseShort(arguments[2]));
        int epoch = Integer.parseInt(arguments[3]);
        int leader = Integer.parseInt(arguments[4]);
        int voted = Integer.parseInt(arguments[5]);
        Set<Integer> voters = Stream.of(arguments[7].split(",")).map(Integer::parseInt)
            .collect(Collectors.toCollection(TreeSet::new));
        Optional<ReplicaKey> key = voted < 0
            ? Optional.empty()
            : Optional.of(ReplicaKey.of(voted, Uuid.fromString(arguments[6])));
        ElectionState state;
        if (leader >= 0) {
            state = ElectionState.withElectedLeader(epoch, leader, key, voters);
        } else if (voted >= 0) {
            state = ElectionState.withVotedCandidate(epoch, key.get(), voters);
        } else {
            state = ElectionState.withUnknownLeader(epoch, voters);
        }
        store.writeElectionState(state, version);
    }
}
