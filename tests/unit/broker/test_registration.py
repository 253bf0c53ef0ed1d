"""The broker's life as it is told to the controller, against a controller that answers by a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from broker.metadata.delta import MetadataDelta
from broker.metadata.features import supported_features
from broker.metadata.image import EMPTY_IMAGE
from broker.metadata.publishers import LoaderManifest
from broker.metadata.registrations import Endpoint
from broker.registration import BrokerIdentity, BrokerLifecycle, BrokerState, RegistrationFailed
from protocol.errors import ApiError, ErrorCode
from protocol.ids import Uuid
from protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from protocol.schema import Message
from tests.support.controller import CLUSTER_ID, ManualClock, broker_record, image_of, uuid


class ScriptedController:
    """Answers with what `answer` says: a response, or an error to raise."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answer: Callable[[Any], Message | ErrorCode] = self.benevolent

    def benevolent(self, request: Any) -> Message | ErrorCode:
        if isinstance(request, BrokerRegistrationRequest):
            return BrokerRegistrationResponse(broker_epoch=7)
        return BrokerHeartbeatResponse(
            is_caught_up=True, is_fenced=request.want_fence, should_shut_down=request.want_shut_down
        )

    def send(
        self, request: Message, version: int | None = None, *, timeout_s: float | None = None
    ) -> asyncio.Future[Message]:
        self.requests.append(request)
        answer = self.answer(request)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        if isinstance(answer, ErrorCode):
            future.set_exception(ApiError(answer))
        else:
            future.set_result(answer)
        return future

    @property
    def heartbeats(self) -> list[BrokerHeartbeatRequest]:
        return [request for request in self.requests if isinstance(request, BrokerHeartbeatRequest)]


class Bench:
    def __init__(self, *, heartbeat_interval_s: float = 60.0) -> None:
        self.untold: list[Uuid] = []
        self.controller = ScriptedController()
        self.clock = ManualClock()
        self.offset = 40
        self.cordoned = [uuid(102)]
        self.lifecycle = BrokerLifecycle(
            BrokerIdentity(
                1,
                CLUSTER_ID,
                uuid(501),
                [Endpoint("PLAINTEXT", "h", 9092, 0)],
                "rack",
                supported_features(),
                [uuid(102), uuid(101)],
                5,
            ),
            self.controller,
            self.clock,
            lambda: self.offset,
            heartbeat_interval_s=heartbeat_interval_s,
            registration_timeout_s=10.0,
            directory_failure_timeout_s=30.0,
            on_directory_untold=self.untold.append,
            cordoned_directories=lambda: self.cordoned,
        )

    async def up(self) -> None:
        self.lifecycle.start()
        async with asyncio.timeout(5):
            await self.lifecycle.wait_until_caught_up()
            await self.lifecycle.wait_until_unfenced()

    def publish(self) -> None:
        image = image_of(broker_record(1, incarnation=501))
        self.lifecycle.on_metadata(MetadataDelta(EMPTY_IMAGE), image, LoaderManifest(True))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_a_controller_that_cannot_be_told_of_a_failed_directory() -> None:
    bench = Bench(heartbeat_interval_s=0.001)
    await bench.up()
    bench.lifecycle.on_directory_failure(uuid(101))
    await until(lambda: bench.controller.heartbeats[-1].offline_log_dirs == [uuid(101)])
    benevolent, bench.controller.answer = bench.controller.answer, lambda _: ErrorCode.REQUEST_TIMED_OUT
    bench.lifecycle.on_directory_failure(uuid(102))
    for elapsed_s, untold in ((29.0, []), (1.0, [uuid(102)])):
        bench.clock.now_s += elapsed_s
        told = len(bench.controller.heartbeats)
        await until(lambda told=told: len(bench.controller.heartbeats) > told + 1)  # type: ignore[misc]
        assert bench.untold == untold
    bench.controller.answer = benevolent
    await bench.lifecycle.close()


async def test_up_without_a_wait() -> None:
    bench = Bench()
    await bench.up()
    first, *heartbeats = bench.controller.requests
    assert isinstance(first, BrokerRegistrationRequest)
    assert (first.broker_id, first.cluster_id, first.rack, first.previous_broker_epoch) == (1, CLUSTER_ID, "rack", 5)
    assert first.log_dirs == [uuid(101), uuid(102)] and first.incarnation_id == uuid(501)
    assert [(beat.want_fence, beat.current_metadata_offset) for beat in heartbeats] == [(True, 40), (False, 40)]
    assert bench.lifecycle.state is BrokerState.RUNNING and bench.lifecycle.broker_epoch == 7
    await bench.lifecycle.close()


async def test_catching_up_is_noticed_when_the_registration_comes_back() -> None:
    bench = Bench()
    answers = iter([False, True])

    def lagging(request: Any) -> Message | ErrorCode:
        answer = bench.controller.benevolent(request)
        if isinstance(answer, BrokerHeartbeatResponse) and bench.lifecycle.state is BrokerState.STARTING:
            answer.is_caught_up = next(answers)
        return answer

    bench.controller.answer = lagging
    bench.lifecycle.start()
    await until(lambda: len(bench.controller.heartbeats) == 1)
    assert bench.lifecycle.state is BrokerState.STARTING
    bench.publish()
    async with asyncio.timeout(5):
        await bench.lifecycle.wait_until_caught_up()
    assert bench.lifecycle.state is BrokerState.RECOVERY  # type: ignore[comparison-overlap]
    await bench.lifecycle.close()


async def test_refused_registrations_are_tried_again_until_time_is_up() -> None:
    bench = Bench(heartbeat_interval_s=0.001)
    bench.controller.answer = lambda request: ErrorCode.DUPLICATE_BROKER_REGISTRATION
    bench.lifecycle.start()
    await until(lambda: len(bench.controller.requests) == 3)
    bench.clock.now_s += 11
    with pytest.raises(RegistrationFailed, match="DUPLICATE_BROKER_REGISTRATION"):
        await bench.lifecycle.wait_until_caught_up()
    await bench.lifecycle.close()


async def test_a_broker_of_another_cluster_gives_up_at_once() -> None:
    bench = Bench()
    bench.controller.answer = lambda request: ErrorCode.INCONSISTENT_CLUSTER_ID
    bench.lifecycle.start()
    with pytest.raises(RegistrationFailed, match="INCONSISTENT_CLUSTER_ID"):
        await bench.lifecycle.wait_until_caught_up()
    await bench.lifecycle.close()


async def test_news_is_told_at_once() -> None:
    bench = Bench()
    await bench.up()
    told = len(bench.controller.heartbeats)
    bench.lifecycle.on_directory_failure(uuid(102))
    await until(lambda: len(bench.controller.heartbeats) > told)
    assert bench.controller.heartbeats[-1].offline_log_dirs == [uuid(102)]
    bench.lifecycle.register_again()
    await until(lambda: isinstance(bench.controller.requests[-2], BrokerRegistrationRequest))
    assert bench.controller.heartbeats[-1].offline_log_dirs == [uuid(102)]
    await bench.lifecycle.close()


async def test_a_new_controller_hears_of_the_broker_at_once() -> None:
    bench = Bench()
    await bench.up()
    told = len(bench.controller.heartbeats)
    bench.lifecycle.on_leader_change(None, 3)
    await asyncio.sleep(0.01)
    assert len(bench.controller.heartbeats) == told, "there is none yet"
    bench.lifecycle.on_leader_change(2, 3)
    await until(lambda: len(bench.controller.heartbeats) > told)
    await bench.lifecycle.close()


async def test_without_a_controller_nobody_hears_the_farewell() -> None:
    bench = Bench(heartbeat_interval_s=0.001)
    await bench.up()
    bench.controller.answer = lambda request: ErrorCode.REQUEST_TIMED_OUT
    async with asyncio.timeout(20):
        await bench.lifecycle.controlled_shutdown(60.0)
    assert bench.lifecycle.state is BrokerState.SHUTTING_DOWN


async def test_cordoned_directories_are_told_once_the_cluster_knows_them() -> None:
    bench = Bench()
    await bench.up()
    assert all(beat.cordoned_log_dirs is None for beat in bench.controller.heartbeats)
    bench.publish()
    told = len(bench.controller.heartbeats)
    bench.lifecycle.on_cordoned_change()
    await until(lambda: len(bench.controller.heartbeats) > told)
    assert bench.controller.heartbeats[-1].cordoned_log_dirs == [uuid(102)]
    await bench.lifecycle.close()


async def test_a_controlled_shutdown_asks_until_it_is_let_go() -> None:
    bench = Bench()
    await bench.up()
    refusals = iter([False, False, True])

    def reluctant(request: Any) -> Message | ErrorCode:
        assert request.want_shut_down
        return BrokerHeartbeatResponse(is_fenced=False, should_shut_down=next(refusals))

    bench.controller.answer = reluctant
    async with asyncio.timeout(5):
        await bench.lifecycle.controlled_shutdown(5.0)
    assert bench.lifecycle.state is BrokerState.SHUTTING_DOWN and next(refusals, None) is None


async def test_a_controller_that_does_not_answer_does_not_keep_the_broker() -> None:
    bench = Bench(heartbeat_interval_s=0.001)
    await bench.up()
    bench.controller.answer = lambda request: ErrorCode.REQUEST_TIMED_OUT
    async with asyncio.timeout(5):
        await bench.lifecycle.controlled_shutdown(0.01)
    assert bench.lifecycle.state is BrokerState.SHUTTING_DOWN


async def test_errors_of_heartbeats_do_not_end_them() -> None:
    bench = Bench(heartbeat_interval_s=0.001)
    await bench.up()
    bench.controller.answer = lambda request: ErrorCode.STALE_BROKER_EPOCH
    told = len(bench.controller.heartbeats)
    await until(lambda: len(bench.controller.heartbeats) > told + 2)
    assert bench.lifecycle.state is BrokerState.RUNNING
    await bench.lifecycle.close()


async def test_a_broker_that_was_unregistered_stops_at_once() -> None:
    bench = Bench()
    await bench.up()
    bench.controller.answer = lambda request: ErrorCode.STALE_BROKER_EPOCH
    async with asyncio.timeout(5):
        await bench.lifecycle.controlled_shutdown(600.0)
    assert bench.lifecycle.state is BrokerState.SHUTTING_DOWN
