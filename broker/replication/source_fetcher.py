"""The fetcher of what is followed from one leader, over a connection of its own.

It goes round: cut logs that have parted from the leader's, ask for offsets where needed, let what was appended be
synced where that counts, fetch, append. What to do is decided by `fetcher.py`; here it is done, one step after the
other, each partition on its own replica. The leader is found by its id in the metadata, each time anew, so one that
comes back elsewhere is found there.

A fetch may wait at the leader for half a second, and partitions that come to be followed meanwhile must not wait with
it: producers may be waiting for them, since an election is what brings them. Such a fetch is given up, connection and
session with it, unless its answer comes within a moment.

Counterpart: ReplicaFetcherThread, RemoteLeaderEndPoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from broker.grouping import grouped
from broker.metadata.registrations import Endpoint
from broker.replication.fetcher import Cut, Fetcher, FetchState, Verdict, backoff_s
from broker.replication.replica import Replica
from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.ids import TopicPartition
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.list_offsets import ListOffsetsRequest, ListOffsetsResponse
from protocol.schema import Message, UnsupportedVersionError
from storage.log import AppendInfo
from storage.validation import UnexpectedAppendOffset

if TYPE_CHECKING:
    from broker.replication.fetchers import Link, ReplicaFetchers

log = logging.getLogger(__name__)

LATEST: Final = -1
EARLIEST: Final = -2
GRACE_S: Final = 0.005
"""How long an answer may take to come by itself before the fetch is given up for partitions that are new."""
SYNC_WAIT_S: Final = 1.0
"""How long the others wait for partitions that are being synced."""
APPENDED_PER_TURN_BYTES: Final = 2 * 1024 * 1024


class SourceFetcher:
    def __init__(self, fetchers: ReplicaFetchers, leader_id: int, number: int) -> None:
        self._fetchers = fetchers
        self._manager = fetchers.manager
        self._clock = fetchers.manager.clock
        self._settings = fetchers.settings
        self.leader_id = leader_id
        self.number = number
        self.machine = Fetcher(self._settings.max_bytes, self._settings.backoff_max_s)
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._endpoint: Endpoint | None = None
        self._failures = 0
        self._asking: asyncio.Task[Message] | None = None
        self._is_interrupted = False
        self._is_closing = False
        self._idle: asyncio.Future[None] | None = None
        self._task = self._loop.create_task(self._run(), name=str(self))

    def __str__(self) -> str:
        return f"ReplicaFetcher-{self.number}-{self.leader_id}"

    # Which partitions.

    def add(self, replica: Replica) -> None:
        if self.machine.add(replica, replica.state.leader_epoch):
            if replica.settings.is_synced:
                self._manager.request_flush(replica)
            self._wake()

    def remove(self, replica: Replica) -> None:
        self.machine.remove((replica.topic_id, replica.topic_partition.partition))

    def has_synced(self, replica: Replica) -> None:
        if self.machine.synced((replica.topic_id, replica.topic_partition.partition)):
            self._wake()

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
        elif self._asking is not None:
            self._loop.call_later(GRACE_S, self._interrupt, self._asking)

    def _interrupt(self, asking: asyncio.Task[Message]) -> None:
        if asking is self._asking and not asking.done() and self.machine.has_news:
            self._is_interrupted = True
            asking.cancel()

    def close(self) -> asyncio.Task[None]:
        self._is_closing = True
        self._task.cancel()
        return self._task

    # Going round.

    async def _run(self) -> None:
        try:
            await self._go_round()
        finally:
            if self._link is not None:
                self._link.close()

    async def _go_round(self) -> None:
        while not self._is_closing:
            try:
                await self._round()
                self._failures = 0
            except (OSError, ApiError, UnsupportedVersionError) as error:
                self._say_failed(error)
                await self._pause(backoff_s(self._failures, self._settings.backoff_max_s))
                self._failures += 1
            except Exception:
                log.exception("%s: a round of fetching failed", self)
                await self._pause(self._settings.backoff_max_s)

    def _say_failed(self, error: Exception) -> None:
        level = logging.INFO if self._failures == 0 else logging.DEBUG
        log.log(level, "%s: broker %d cannot be fetched from: %s", self, self.leader_id, error or repr(error))

    async def _round(self) -> None:
        machine, now_s = self.machine, self._clock.monotonic()
        for state in machine.cuts(now_s):
            await self._truncate(state)
        states = machine.look_ups(now_s)
        if states:
            await self._look_up(states)
            return
        await self._until_synced()
        request = machine.next_fetch(self._clock.monotonic())
        if request is None:
            await self._pause(None)
            return
        try:
            response = await self._fetch(request)
        except BaseException:
            machine.failed()
            raise
        if response is not None:
            await self._take(response)

    async def _pause(self, pause_s: float | None) -> None:
        """Until something is added, the time is up, or the pause of a partition."""
        due_s = self.machine.next_due_s()
        if pause_s is None and due_s is not None:
            pause_s = max(0.0, due_s - self._clock.monotonic())
        self._idle = self._loop.create_future()
        try:
            await asyncio.wait((self._idle,), timeout=pause_s)
        finally:
            self._idle = None

    async def _until_synced(self) -> None:
        """The partitions are synced together with whatever else there is, and seldom slowly: those that need not wait
        for it do all the same, rather than be fetched by themselves."""
        end_s = self._clock.monotonic() + SYNC_WAIT_S
        while (waiting := self.machine.unsynced) and (left_s := end_s - self._clock.monotonic()) > 0:
            for state in waiting:
                replica = _replica(state)
                if replica.settings.is_synced:
                    self._manager.request_flush(replica)
                else:
                    self.machine.synced(state.key)
            await self._pause(left_s)

    # Asking the leader.

    def _linked(self) -> Link:
        endpoint = self._fetchers.endpoint_of(self.leader_id)
        if endpoint is None:
            raise ConnectionError("the metadata does not say where it is")
        if self._link is None or endpoint != self._endpoint:
            if self._link is not None:
                self._link.close()
            client_id = f"broker-{self._settings.broker_id}-fetcher-{self.number}"
            self._link, self._endpoint = self._fetchers.connect(endpoint, client_id), endpoint
        return self._link

    async def _fetch(self, request: FetchRequest) -> FetchResponse | None:
        """None if it was given up for something new."""
        settings = self._settings
        request.replica_state = FetchRequest.ReplicaState(
            replica_id=settings.broker_id, replica_epoch=self._fetchers.broker_epoch()
        )
        request.max_wait_ms = self._wait_ms()
        request.min_bytes = settings.min_bytes
        request.max_bytes = settings.response_max_bytes
        self._is_interrupted = False
        self._asking = self._loop.create_task(self._linked().send(request))
        try:
            response = await self._asking
        except asyncio.CancelledError:
            if not self._is_interrupted:
                raise
            self.machine.failed()
            return None
        finally:
            self._asking.cancel()
            self._asking = None
        assert isinstance(response, FetchResponse)
        return response

    def _wait_ms(self) -> int:
        """No longer than until the pause of a partition is over."""
        due_s = self.machine.next_due_s()
        if due_s is None:
            return self._settings.wait_max_ms
        return max(0, min(self._settings.wait_max_ms, round((due_s - self._clock.monotonic()) * 1000)))

    async def _look_up(self, states: Sequence[FetchState]) -> None:
        """Where the logs end at the leader, and where they begin: in this order, as what is between them only grows."""
        ends = await self._offsets(states, LATEST)
        starts = await self._offsets(states, EARLIEST)
        now_s = self._clock.monotonic()
        for state in states:
            start, end = starts[state], ends[state]
            code = ErrorCode(end.error_code or start.error_code)
            if code != ErrorCode.NONE:
                log.info("%s: the leader does not tell its offsets: error %d", state.replica.topic_partition, code)
                self.machine.look_up_failed(state, code, now_s)
                continue
            self.machine.looked_up(state, start.offset, end.offset, now_s)
            log.info(
                "%s: offset %d is out of range at the leader, which has [%d, %d)",
                state.replica.topic_partition,
                state.replica.log.log_end_offset,
                start.offset,
                end.offset,
            )

    async def _offsets(
        self, states: Sequence[FetchState], timestamp: int
    ) -> dict[FetchState, ListOffsetsResponse.ListOffsetsPartitionResponse]:
        topics = grouped(states, lambda state: state.replica.topic_partition.topic)
        request = ListOffsetsRequest(
            replica_id=self._settings.broker_id,
            topics=[
                ListOffsetsRequest.ListOffsetsTopic(
                    name=topic,
                    partitions=[
                        ListOffsetsRequest.ListOffsetsPartition(
                            partition_index=state.replica.topic_partition.partition,
                            current_leader_epoch=state.leader_epoch,
                            timestamp=timestamp,
                        )
                        for state in of_topic
                    ],
                )
                for topic, of_topic in topics.items()
            ],
        )
        response = await self._linked().send(request)
        assert isinstance(response, ListOffsetsResponse)
        found = {
            TopicPartition(topic.name, answer.partition_index): answer
            for topic in response.topics
            for answer in topic.partitions
        }
        missing = ListOffsetsResponse.ListOffsetsPartitionResponse(error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return {state: found.get(state.replica.topic_partition, missing) for state in states}

    # Taking what comes.

    async def _take(self, response: FetchResponse) -> None:
        code, partitions = self.machine.answered(response)
        if code != ErrorCode.NONE:
            log.info("%s: the fetch session has ended: error %d", self, code)
            return
        size = 0
        for state, data in partitions:
            now_s = self._clock.monotonic()
            if self.machine.judge(state, data, now_s) is Verdict.APPEND:
                await self._append(state, data)
                size += len(data.records or b"")
                if size >= APPENDED_PER_TURN_BYTES:
                    size = 0
                    await asyncio.sleep(0)
            elif data.error_code:
                self._say_refused(state, data.error_code)

    def _say_refused(self, state: FetchState, code: int) -> None:
        level = logging.DEBUG if state.failures <= 3 else logging.WARNING
        log.log(level, "%s: broker %d answers with error %d", state.replica.topic_partition, self.leader_id, code)

    async def _append(self, state: FetchState, data: FetchResponse.PartitionData) -> None:
        replica, machine = _replica(state), self.machine
        records: Any = data.records
        is_cut_short = False
        try:
            if records:
                is_cut_short = not await self._append_records(state, records)
        except (ApiError, StorageError) as error:
            log.error("%s: what broker %d sent cannot be appended: %s", replica.topic_partition, self.leader_id, error)
            machine.pause(state, self._clock.monotonic())
            return
        except Exception:
            if not replica.is_stopped:
                raise
            return  # It has been told, and the replica is offline.
        if machine.is_current(state):
            replica.learn(data.high_watermark, data.log_start_offset)
            machine.appended(state, data.high_watermark, self._clock.monotonic(), is_cut_short=is_cut_short)

    async def _append_records(self, state: FetchState, records: Any) -> bool:
        """Whether there was anything to append."""
        replica, now_ms = _replica(state), self._clock.wall_ms()
        try:
            return await _size_of(replica.append_as_follower(records, state.leader_epoch, now_ms)) > 0
        except UnexpectedAppendOffset as error:
            # At once, with the records at hand: what comes before the leader's first offset cannot be fetched again.
            self.machine.overlapped(state, error.first_offset)
        await self._truncate(state)
        try:
            return await _size_of(replica.append_as_follower(records, state.leader_epoch, now_ms)) > 0
        except UnexpectedAppendOffset as error:
            raise ApiError(ErrorCode.CORRUPT_MESSAGE, str(error)) from None

    # Truncating.

    async def _truncate(self, state: FetchState) -> None:
        replica, cut = _replica(state), state.cut
        assert cut is not None
        partition_log = replica.log
        log.log(
            logging.WARNING if cut.offset < partition_log.high_watermark else logging.INFO,
            "%s: truncated %s %d, it ended at %d",
            replica.topic_partition,
            "fully, to go on at" if cut.is_whole else "to",
            cut.offset,
            partition_log.log_end_offset,
        )
        try:
            await self._lower_checkpoint(replica, cut)
            if self.machine.is_current(state):
                await replica.truncate_as_follower(cut.offset, state.leader_epoch, is_whole=cut.is_whole)
        except (ApiError, StorageError) as error:
            log.error("%s cannot be truncated: %s", replica.topic_partition, error)
            self.machine.pause(state, self._clock.monotonic())
        else:
            self.machine.truncated(state)

    async def _lower_checkpoint(self, replica: Replica, cut: Cut) -> None:
        """What takes the place of the records that go is not on disk, whatever the recovery point said of them."""
        manager, partition_log = self._manager, replica.log
        job = manager.directories.checkpoint_before_truncation(partition_log, cut.offset)
        while not replica.is_stopped:
            # Without news there may still be one on its way that says the same: to be waited for in the lane.
            await manager.run_in_order(partition_log.log_dir, _nothing if job is None else job.run)
            # Meanwhile another may have been begun, with the recovery point as it is.
            job = manager.directories.checkpoint_before_truncation(partition_log, cut.offset)
            if job is None:
                return


def _replica(state: FetchState) -> Replica:
    assert isinstance(state.replica, Replica)
    return state.replica


async def _size_of(appended: AppendInfo | asyncio.Future[AppendInfo]) -> int:
    return (await appended if isinstance(appended, asyncio.Future) else appended).size


def _nothing() -> None:
    pass
