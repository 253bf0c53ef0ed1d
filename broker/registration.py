"""A node's standing in the cluster: the broker's life as the controller knows it, and the controller's registration.

    STARTING    registers, and waits until its own registration has come back through the log
    RECOVERY    caught up; still fenced until the node says that it is ready
    RUNNING     unfenced: leads, follows, serves
    PENDING_CONTROLLED_SHUTDOWN    asked to leave; the controller moves its leaderships, then lets it go
    SHUTTING_DOWN    nothing more is sent

All is said in heartbeats, one at a time: at once when something happened (registered, caught up, ready, a directory
failed, shutdown), else every `broker.heartbeat.interval.ms`. Nothing here waits a fixed time on the way up.

Counterpart: BrokerLifecycleManager, ControllerRegistrationManager (KIP-631, KIP-858, KIP-919).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from broker.controller.channel import ControllerChannel
from broker.environment import Clock
from broker.metadata.delta import ClusterDelta, MetadataDelta
from broker.metadata.features import VersionRange
from broker.metadata.image import MetadataImage
from broker.metadata.publishers import LoaderManifest
from broker.metadata.registrations import Endpoint
from protocol.errors import ApiError, ErrorCode
from protocol.ids import Uuid
from protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from protocol.messages.controller_registration import ControllerRegistrationRequest

logger = logging.getLogger(__name__)

NO_EPOCH = -1
# While the leaderships of a broker that leaves are moving, it asks again this soon.
SHUTDOWN_POLL_S = 0.05
# So many heartbeats of a broker that leaves find no controller; the next one to be elected will not know it.
UNHEARD_FAREWELLS_MAX = 2


class BrokerState(Enum):
    """As Kafka's BrokerState metric numbers them."""

    NOT_RUNNING = 0
    STARTING = 1
    RECOVERY = 2
    RUNNING = 3
    PENDING_CONTROLLED_SHUTDOWN = 6
    SHUTTING_DOWN = 7


class RegistrationFailed(Exception):
    """The broker could not register within `initial.broker.registration.timeout.ms`."""


class BrokerIdentity(NamedTuple):
    """What a broker says of itself. `directories` are the ids of its log directories; `previous_epoch` is what its
    last clean shutdown left, -1 if it did not stop cleanly."""

    broker_id: int
    cluster_id: str
    incarnation_id: Uuid
    listeners: Sequence[Endpoint]
    rack: str | None
    features: Mapping[str, VersionRange]
    directories: Sequence[Uuid]
    previous_epoch: int = NO_EPOCH


class BrokerLifecycle:
    def __init__(
        self,
        identity: BrokerIdentity,
        channel: ControllerChannel,
        clock: Clock,
        metadata_offset: Callable[[], int],
        *,
        heartbeat_interval_s: float,
        registration_timeout_s: float,
        directory_failure_timeout_s: float,
        on_directory_untold: Callable[[Uuid], None],
        cordoned_directories: Callable[[], Sequence[Uuid]] | None = None,
    ) -> None:
        """`metadata_offset`: up to where this node has published the metadata log. `on_directory_untold`: the
        controller did not hear in time of a directory that failed. `cordoned_directories` is told from when the
        metadata.version knows of them."""
        self._identity = identity
        self._channel = channel
        self._clock = clock
        self._metadata_offset = metadata_offset
        self._heartbeat_interval_s = heartbeat_interval_s
        self._registration_timeout_s = registration_timeout_s
        self._directory_failure_timeout_s = directory_failure_timeout_s
        self._on_directory_untold = on_directory_untold
        self._cordoned_directories = cordoned_directories
        self._state = BrokerState.NOT_RUNNING
        self._epoch = NO_EPOCH
        self._is_registered = False
        self._is_ready = False
        self._tells_cordoned = False
        self._unheard_farewells = 0
        self._offline_directories: list[Uuid] = []
        self._untold: dict[Uuid, float] = {}
        """Failed directories that the controller has not acknowledged, with the time by which it must."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        self._caught_up: asyncio.Future[None] = loop.create_future()
        self._unfenced: asyncio.Future[None] = loop.create_future()
        self._may_stop: asyncio.Future[None] = loop.create_future()

    @property
    def state(self) -> BrokerState:
        return self._state

    @property
    def broker_epoch(self) -> int:
        """-1 before the first registration."""
        return self._epoch

    def start(self) -> None:
        self._state = BrokerState.STARTING
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def wait_until_caught_up(self) -> None:
        """RegistrationFailed if the broker could not register."""
        await asyncio.shield(self._caught_up)

    async def wait_until_unfenced(self) -> None:
        """Says that this node is ready to serve, and waits until the cluster knows."""
        self._is_ready = True
        self._wake.set()
        await asyncio.shield(self._unfenced)

    def register_again(self) -> None:
        """The registration in the log is no longer what it should be."""
        self._is_registered = False
        self._wake.set()

    def on_directory_failure(self, directory: Uuid) -> None:
        if directory not in self._offline_directories:
            self._offline_directories.append(directory)
            self._untold[directory] = self._clock.monotonic() + self._directory_failure_timeout_s
            self._wake.set()

    def on_leader_change(self, leader_id: int | None, epoch: int) -> None:
        """Another controller is active, or soon will be: it is to hear of this broker before it misses it."""
        if leader_id is not None:
            self._wake.set()

    def on_cordoned_change(self) -> None:
        self._wake.set()

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        """A publisher, installed after those whose work has to be done before this broker may count as caught up."""
        self._tells_cordoned = (
            self._cordoned_directories is not None and image.features.metadata_version.is_cordoned_log_dirs_supported
        )
        if delta.cluster_delta is not None and _someone_leaves(delta.cluster_delta):
            self._wake.set()  # it is waiting to be told that all others know
        if self._state is BrokerState.STARTING:
            own = image.cluster.brokers.get(self._identity.broker_id)
            if own is not None and own.incarnation_id == self._identity.incarnation_id:
                self._wake.set()

    async def controlled_shutdown(self, timeout_s: float) -> None:
        """Hands leaderships over and leaves; after `timeout_s` just leaves."""
        if self._state is BrokerState.RUNNING:
            self._state = BrokerState.PENDING_CONTROLLED_SHUTDOWN
            self._wake.set()
            try:
                async with asyncio.timeout(timeout_s):
                    await asyncio.shield(self._may_stop)
            except TimeoutError:
                logger.warning(
                    "The controller did not let this broker go within %.1f s; it stops all the same.", timeout_s
                )
        await self.close()

    async def close(self) -> None:
        self._state = BrokerState.SHUTTING_DOWN
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for future in (self._caught_up, self._unfenced, self._may_stop):
            future.cancel()

    async def _run(self) -> None:
        give_up_s = self._clock.monotonic() + self._registration_timeout_s
        while self._state is not BrokerState.SHUTTING_DOWN:
            self._wake.clear()
            delay_s = self._heartbeat_interval_s
            try:
                delay_s = await self._communicate()
            except ApiError as error:
                logger.warning("The controller refused broker %d: %s.", self._identity.broker_id, error)
                self._maybe_leave_unheard(error)
                is_hopeless = error.code == ErrorCode.INCONSISTENT_CLUSTER_ID
                if self._epoch == NO_EPOCH and (is_hopeless or self._clock.monotonic() >= give_up_s):
                    self._fail(RegistrationFailed(f"Broker {self._identity.broker_id} could not register: {error}"))
                    return
                if error.code == ErrorCode.STALE_BROKER_EPOCH:
                    self._on_registration_lost()
            except Exception:
                logger.exception("Talking to the controller failed.")
            self._check_untold()
            await self._sleep(delay_s)

    def _check_untold(self) -> None:
        now_s = self._clock.monotonic()
        for directory in [directory for directory, deadline_s in self._untold.items() if now_s >= deadline_s]:
            del self._untold[directory]
            self._on_directory_untold(directory)

    def _on_registration_lost(self) -> None:
        """Unregistered, or replaced by another process: whoever wants to stop has nothing left to hand over."""
        if self._state is BrokerState.PENDING_CONTROLLED_SHUTDOWN:
            self._may_stop.set_result(None)
            self._state = BrokerState.SHUTTING_DOWN

    def _maybe_leave_unheard(self, error: ApiError) -> None:
        """The last nodes of a cluster that stops have no quorum to say farewell to."""
        if self._state is not BrokerState.PENDING_CONTROLLED_SHUTDOWN or error.code != ErrorCode.REQUEST_TIMED_OUT:
            return
        self._unheard_farewells += 1
        if self._unheard_farewells >= UNHEARD_FAREWELLS_MAX and not self._may_stop.done():
            logger.warning("There is no controller to take over what this broker leads; it stops all the same.")
            self._may_stop.set_result(None)

    def _fail(self, error: RegistrationFailed) -> None:
        for future in (self._caught_up, self._unfenced):
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits gets it; nobody need

    async def _sleep(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _communicate(self) -> float:
        """One exchange with the controller; how long to wait for the next."""
        if not self._is_registered:
            await self._register()
            return 0.0
        return await self._heartbeat()

    async def _register(self) -> None:
        identity = self._identity
        request = BrokerRegistrationRequest(
            broker_id=identity.broker_id,
            cluster_id=identity.cluster_id,
            incarnation_id=identity.incarnation_id,
            listeners=[
                BrokerRegistrationRequest.Listener(
                    name=each.name, host=each.host, port=each.port, security_protocol=each.security_protocol
                )
                for each in identity.listeners
            ],
            features=[
                BrokerRegistrationRequest.Feature(
                    name=name, min_supported_version=range_.min, max_supported_version=range_.max
                )
                for name, range_ in identity.features.items()
            ],
            rack=identity.rack,
            log_dirs=sorted(identity.directories),
            previous_broker_epoch=identity.previous_epoch,
        )
        response = await self._channel.send(request, timeout_s=self._registration_timeout_s)
        assert isinstance(response, BrokerRegistrationResponse)
        self._is_registered = True
        self._epoch = response.broker_epoch
        logger.info("Broker %d is registered with epoch %d.", identity.broker_id, self._epoch)

    async def _heartbeat(self) -> float:
        told_offline = list(self._offline_directories)
        request = BrokerHeartbeatRequest(
            broker_id=self._identity.broker_id,
            broker_epoch=self._epoch,
            current_metadata_offset=self._metadata_offset(),
            want_fence=not self._is_ready,
            want_shut_down=self._state is BrokerState.PENDING_CONTROLLED_SHUTDOWN,
            offline_log_dirs=told_offline,
        )
        if self._tells_cordoned and self._caught_up.done() and self._cordoned_directories is not None:
            request.cordoned_log_dirs = list(self._cordoned_directories())
        response = await self._channel.send(request, timeout_s=self._heartbeat_interval_s)
        assert isinstance(response, BrokerHeartbeatResponse)
        for directory in told_offline:
            self._untold.pop(directory, None)
        return self._on_heartbeat_response(response)

    def _on_heartbeat_response(self, response: BrokerHeartbeatResponse) -> float:
        match self._state:
            case BrokerState.STARTING:
                if not response.is_caught_up:
                    return self._heartbeat_interval_s  # or as soon as its registration has been published here
                self._state = BrokerState.RECOVERY
                self._caught_up.set_result(None)
                return 0.0 if self._is_ready else self._heartbeat_interval_s
            case BrokerState.RECOVERY:
                if not response.is_fenced:
                    self._state = BrokerState.RUNNING
                    self._unfenced.set_result(None)
                    logger.info("Broker %d is unfenced and serves.", self._identity.broker_id)
            case BrokerState.PENDING_CONTROLLED_SHUTDOWN:
                if not response.should_shut_down:
                    return SHUTDOWN_POLL_S
                self._may_stop.set_result(None)
                self._state = BrokerState.SHUTTING_DOWN
            case _:
                pass
        return self._heartbeat_interval_s


def _someone_leaves(delta: ClusterDelta) -> bool:
    return any(broker is not None and broker.in_controlled_shutdown for broker in delta.brokers.changes.values())


class ControllerIdentity(NamedTuple):
    controller_id: int
    incarnation_id: Uuid
    listeners: Sequence[Endpoint]
    features: Mapping[str, VersionRange]


class ControllerRegistrar:
    """A publisher that sees to it that this controller stands in the log as it is."""

    def __init__(self, identity: ControllerIdentity, channel: ControllerChannel, retry_s: float) -> None:
        self._identity = identity
        self._channel = channel
        self._retry_s = retry_s
        self._is_registered = False
        self._task: asyncio.Task[None] | None = None

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        registration = image.cluster.controllers.get(self._identity.controller_id)
        self._is_registered = registration is not None and registration.incarnation_id == self._identity.incarnation_id
        knows_controllers = image.features.metadata_version.is_controller_registration_supported
        if not self._is_registered and knows_controllers and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._register())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _register(self) -> None:
        identity = self._identity
        request = ControllerRegistrationRequest(
            controller_id=identity.controller_id,
            incarnation_id=identity.incarnation_id,
            zk_migration_ready=False,
            listeners=[
                ControllerRegistrationRequest.Listener(
                    name=each.name, host=each.host, port=each.port, security_protocol=each.security_protocol
                )
                for each in identity.listeners
            ],
            features=[
                ControllerRegistrationRequest.Feature(
                    name=name, min_supported_version=range_.min, max_supported_version=range_.max
                )
                for name, range_ in identity.features.items()
            ],
        )
        try:
            while not self._is_registered:
                try:
                    await self._channel.send(request)
                    return
                except ApiError as error:
                    logger.warning("Controller %d could not register: %s.", identity.controller_id, error)
                    await asyncio.sleep(self._retry_s)
        finally:
            self._task = None
