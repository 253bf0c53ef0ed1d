"""Topics that nobody created by hand: those a client merely asked for, and the internal ones of the coordinators.

A request goes to the controller once, however many clients ask meanwhile; nobody waits for it here: clients are told
that the topic is unknown, and ask again. Internal topics get the settings that their coordinators rely on, whoever
asks first.

Counterpart: AutoTopicCreationManager.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from broker.controller.channel import ControllerChannel
from config.node_config import NodeConfig
from protocol.errors import ErrorCode
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse

log = logging.getLogger(__name__)

OFFSETS_TOPIC: Final = "__consumer_offsets"
TRANSACTIONS_TOPIC: Final = "__transaction_state"
SHARE_GROUPS_TOPIC: Final = "__share_group_state"

BROKER_DEFAULT: Final = -1


class AutoTopics:
    def __init__(self, config: Callable[[], NodeConfig], controller: ControllerChannel) -> None:
        """`config` gives the configuration in force at that moment."""
        self._config = config
        self._controller = controller
        self._in_flight: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def create(self, names: Iterable[str]) -> None:
        """Asks for the topics that nobody has asked for yet; the names must be legal."""
        new = [name for name in dict.fromkeys(names) if name not in self._in_flight]
        if not new:
            return
        self._in_flight.update(new)
        task = asyncio.get_running_loop().create_task(self._create(new))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _create(self, names: list[str]) -> None:
        config = self._config()
        request = CreateTopicsRequest(
            topics=[topic_to_create(name, config) for name in names], timeout_ms=config.request_timeout_ms
        )
        try:
            response = await self._controller.send(request)
        except Exception as error:
            log.warning("topics %s could not be created: %s", ", ".join(names), error)
            return
        finally:
            self._in_flight.difference_update(names)
        assert isinstance(response, CreateTopicsResponse)
        for topic in response.topics:
            if topic.error_code not in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS):
                error_name = ErrorCode(topic.error_code).name
                log.warning("topic %s could not be created: %s (%s)", topic.name, topic.error_message, error_name)


def topic_to_create(name: str, config: NodeConfig) -> CreateTopicsRequest.CreatableTopic:
    """The topic as it is to be if nobody says otherwise; -1 leaves the number to the controller's default."""
    settings = {}
    if name == OFFSETS_TOPIC:
        partitions, replication = config.offsets_topic_num_partitions, config.offsets_topic_replication_factor
        settings = {
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": str(config.offsets_topic_segment_bytes),
        }
    elif name == TRANSACTIONS_TOPIC:
        partitions = config.transaction_state_log_num_partitions
        replication = config.transaction_state_log_replication_factor
        settings = {
            "cleanup.policy": "compact",
            "compression.type": "uncompressed",
            "min.insync.replicas": str(config.transaction_state_log_min_isr),
            "segment.bytes": str(config.transaction_state_log_segment_bytes),
            "unclean.leader.election.enable": "false",
        }
    elif name == SHARE_GROUPS_TOPIC:
        partitions = config.share_coordinator_state_topic_num_partitions
        replication = config.share_coordinator_state_topic_replication_factor
        settings = {
            "cleanup.policy": "delete",
            "compression.type": "producer",
            "min.insync.replicas": str(config.share_coordinator_state_topic_min_isr),
            "retention.ms": "-1",
            "segment.bytes": str(config.share_coordinator_state_topic_segment_bytes),
        }
    else:
        written = config.original
        partitions = config.num_partitions if "num.partitions" in written else BROKER_DEFAULT
        is_written = "default.replication.factor" in written
        replication = config.default_replication_factor if is_written else BROKER_DEFAULT
    return CreateTopicsRequest.CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replication,
        configs=[CreateTopicsRequest.CreatableTopicConfig(name=key, value=settings[key]) for key in settings],
    )
