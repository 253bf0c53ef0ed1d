"""Small things that `Log.open` settles besides the segments: topic id, leader epochs, the jitter of rolling."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from protocol.errors import ApiError, DecodeError, ErrorCode
from protocol.ids import Uuid, uuid_to_string
from storage import checkpoints
from storage.failures import CorruptLogError
from storage.files import Files
from storage.leader_epochs import LeaderEpochs
from storage.log_config import LogConfig
from storage.segment import Segment

logger = logging.getLogger(__name__)


RandRange = Callable[[int, int], int]


def draw_jitter_ms(config: LogConfig, randrange: RandRange | None) -> int:
    """Segments of many logs that were created together shall not all be rolled together."""
    limit = min(config.segment_jitter_ms, config.segment_ms)
    return 0 if randrange is None or limit <= 0 else randrange(0, limit)


def settle_topic_id(files: Files, directory: str, topic_id: Uuid | None) -> Uuid | None:
    """What partition.metadata says; if there is none, `topic_id`, which is written there."""
    path = f"{directory}/{checkpoints.PARTITION_METADATA}"
    try:
        known = checkpoints.decode_partition_metadata(files.read_bytes(path))
    except FileNotFoundError:
        if topic_id is not None:
            files.write_atomically(path, checkpoints.encode_partition_metadata(topic_id), sync_directory=False)
        return topic_id
    except DecodeError as e:
        raise CorruptLogError(directory, str(e)) from None
    if topic_id is not None and topic_id != known:
        message = f"{directory} holds topic {uuid_to_string(known)}, not {uuid_to_string(topic_id)}"
        raise ApiError(ErrorCode.INCONSISTENT_TOPIC_ID, message)
    return known


def read_leader_epochs(files: Files, directory: str) -> LeaderEpochs | None:
    """None if the file is missing or damaged: the epochs are to be found in the batches."""
    try:
        data = files.read_bytes(f"{directory}/{checkpoints.LEADER_EPOCH_CHECKPOINT}")
        return LeaderEpochs(checkpoints.decode_leader_epochs(data))
    except FileNotFoundError:
        return None
    except DecodeError as e:
        logger.warning("%s: rebuilding the leader epochs: %s", directory, e)
        return None


def rebuild_leader_epochs(epochs: LeaderEpochs, segments: Sequence[Segment]) -> None:
    """From the headers of all batches; marked to be written even if they tell nothing, so that it happens once."""
    epochs.clear()
    for segment in segments:
        try:
            for batch in segment.batches(0):
                if batch.partition_leader_epoch > epochs.latest:
                    epochs.assign(batch.partition_leader_epoch, batch.base_offset)
        except ApiError as e:
            logger.error("leader epochs: %s", e)
    epochs.dirty = any(segment.size for segment in segments)
