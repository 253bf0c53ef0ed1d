"""One client's connection: frames in, requests started in order, answers out in order.

Requests overlap: the next one starts once the one before has had its effect and merely waits for its answer
(`Parked`). A request that awaits before its effect (`Held`) lets nothing start until it has ended. Answers leave in
the order of the requests, whichever is ready first. Kafka mutes the channel until the answer has left; the order a
client can observe is the same.

What bounds a connection: answers outstanding (`in_flight_max`), the transport's write buffer, the node's memory for
requests. At any of these it stops reading, so the peer's TCP window closes and nothing piles up here. File ranges of
an answer are read in pieces as the socket takes them. One callback starts a bounded batch of requests and then yields
to the other connections.

A peer that breaks the protocol gets the answers to what came before, and is closed. Counterpart:
SocketServer.Processor, KafkaChannel.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from broker.deferred import Pending
from broker.file_range import FileRange
from broker.server.receiver import Receiver
from protocol.wire import Buffer

if TYPE_CHECKING:
    from broker.server.listeners import Server

log = logging.getLogger(__name__)

BATCH_REQUESTS_MAX = 32
BATCH_BYTES_MAX = 1024 * 1024
"""What one callback starts before it lets others run."""
FILE_PIECE_BYTES = 256 * 1024
GATHERED_BYTES_MAX = 4096
READ_THREADS = 2
"""For what is not in the page cache, a log directory: a slow one holds up nobody else."""

Frame: TypeAlias = bytes | bytearray
Part: TypeAlias = bytes | bytearray | memoryview | FileRange
Parts: TypeAlias = Sequence[Part]


class CloseConnection(Exception):
    """The peer is answered what it asked before, and then disconnected."""


class Parked:
    """A request that has had its effect; `finish` makes its answer (None: there is none) when `future` is done. With
    `retains_request` its bytes are needed until then, and count as memory for requests."""

    __slots__ = ("cancel_when_gone", "finish", "future", "retains_request")

    def __init__(
        self,
        future: Pending,
        finish: Callable[[Any], Parts | None],
        *,
        cancel_when_gone: bool,
        retains_request: bool = False,
    ) -> None:
        self.future = future
        self.finish = finish
        self.cancel_when_gone = cancel_when_gone
        self.retains_request = retains_request


class Held:
    """A request still to have its effect; the coroutine returns the answer, or what has to be waited for after the
    effect, and raises nothing but CloseConnection. The request's bytes count as memory until it returns."""

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, Parts | Parked | None]) -> None:
        self.coroutine = coroutine


Outcome: TypeAlias = "Parts | Parked | Held | None"


class _Slot:
    """The place of an answer in the order of answers."""

    __slots__ = ("close_reason", "is_ready", "parked", "parts", "retained_bytes")

    def __init__(self, retained_bytes: int = 0) -> None:
        self.retained_bytes = retained_bytes
        self.parked: Parked | None = None
        self.is_ready = False
        self.parts: Parts | None = None
        self.close_reason: str | None = None


class Connection(asyncio.BufferedProtocol):
    __slots__ = (
        "_answers",
        "_charged_bytes",
        "_closing",
        "_file_offset",
        "_file_read",
        "_frames",
        "_held",
        "_in_batch",
        "_memory_wait",
        "_out",
        "_queued_bytes",
        "_reading",
        "_receiver",
        "_retained_bytes",
        "_run_scheduled",
        "_server",
        "_transport",
        "_watched_receiving",
        "_write_paused",
        "client_host",
        "client_software_name",
        "client_software_version",
        "last_active_s",
        "listener_name",
        "on_lost",
        "principal",
        "received_s",
        "receiving_since_s",
        "started_s",
    )

    def __init__(self, server: Server, listener_name: str) -> None:
        self._server = server
        self._receiver = Receiver(server.scratch, server.max_frame_bytes)
        self._transport: asyncio.Transport | None = None
        self._frames: deque[Frame] = deque()
        self._queued_bytes = 0
        self._retained_bytes = 0
        self._charged_bytes = 0
        self._answers: deque[_Slot] = deque()
        self._held = False
        self._in_batch = False
        self._out: deque[Part] = deque()
        self._file_offset = 0
        self._file_read = False
        self._write_paused = False
        self._memory_wait = False
        self._reading = True
        self._closing: str | None = None
        self._run_scheduled = False
        self._watched_receiving = False
        self.last_active_s = 0.0
        self.receiving_since_s = 0.0
        self.received_s = 0.0
        """When the last bytes of the requests that wait to be started had come."""
        self.started_s = 0.0
        """When the request was started that is being started."""
        self.listener_name = listener_name
        self.principal = "User:ANONYMOUS"
        self.client_host = ""
        self.client_software_name = "unknown"
        self.client_software_version = "unknown"
        self.on_lost: Callable[[], None] | None = None
        """Told when the connection is gone, whoever ended it."""

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        # A socket for both address families sees IPv4 peers as mapped addresses.
        self.client_host = peer[0].removeprefix("::ffff:") if peer else ""
        transport.set_write_buffer_limits(high=self._server.write_buffer_bytes)
        if not self._server.opened(self):
            self._transport = None
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._transport = None
        self._frames.clear()
        self._out.clear()
        for slot in self._answers:
            if slot.parked is not None and slot.parked.cancel_when_gone:
                slot.parked.future.cancel()
        self._answers.clear()
        self._queued_bytes = 0
        self._server.closed(self)
        self._charge(self._retained_bytes)
        if self.on_lost is not None:
            self.on_lost()

    def eof_received(self) -> bool:
        return False

    def get_buffer(self, sizehint: int) -> memoryview:
        server, memory = self._server, self._server.memory
        if self._receiver.has_partial or memory.used_bytes > memory.limit_bytes:
            return self._receiver.buffer(sparing=memory.is_exhausted)
        return server.scratch

    def buffer_updated(self, nbytes: int) -> None:
        server, receiver = self._server, self._receiver
        self.last_active_s = server.wheel.now_s
        if not (
            receiver.has_partial
            or self._answers
            or self._frames
            or self._out
            or self._held
            or self._charged_bytes
            or self._write_paused
            or self._closing is not None
        ):
            # As nearly always: nothing else is under way, so one whole request needs none of the accounts below.
            only = receiver.only_frame(nbytes)
            if only is not None:
                self.received_s = self.started_s = server.monotonic()
                self._start_alone(only)
                return
        frames = receiver.received(nbytes)
        if frames:
            self.received_s = server.monotonic()
            self._frames.extend(frames)
            for frame in frames:
                self._queued_bytes += len(frame)
            self._run_queued()
        if receiver.failure is not None and not self._frames:
            self._refuse(str(receiver.failure))
        if self._watched_receiving or receiver.has_partial:
            self._watch_receiving(bool(frames))
        self._control_reading()

    def pause_writing(self) -> None:
        self._write_paused = True
        self.last_active_s = self._server.wheel.now_s
        self._control_reading()

    def resume_writing(self) -> None:
        self._write_paused = False
        self.last_active_s = self._server.wheel.now_s
        self._pump()
        self._run()

    # For the server.

    @property
    def is_waiting_for_peer(self) -> bool:
        # Where it does not read what it asked for, it is to move, whatever else it has asked.
        return self._write_paused or not self._has_work

    @property
    def _has_work(self) -> bool:
        return bool(self._answers or self._frames or self._out or self._file_read)

    @property
    def received_of_frame_bytes(self) -> int:
        return self._receiver.partial_bytes

    @property
    def queued_requests(self) -> int:
        """Received, and not started yet."""
        return len(self._frames)

    @property
    def is_idle(self) -> bool:
        """Nothing asked is unanswered, nothing answered unsent."""
        return not self._has_work and (self._transport is None or not self._transport.get_write_buffer_size())

    def memory_available(self) -> None:
        self._memory_wait = False
        self._control_reading()

    def wait_for_turn(self) -> None:
        """Starts nothing until `turn_came`: too many connections came at once."""
        self._held = True

    def turn_came(self) -> None:
        self._held = False
        self._run()

    def close_for(self, reason: str) -> None:
        """Disconnects at once."""
        if self._transport is not None:
            self._server.report_closed(self, reason)
            self._transport.abort()

    def stop_requests(self) -> None:
        """Starts nothing more; what is under way will be answered. For a node that stops."""
        self._frames.clear()
        self._queued_bytes = 0
        self._closing = self._closing or "the node stops"
        self._control_reading()

    # Requests.

    def _run(self) -> None:
        self._run_queued()
        self._control_reading()

    def _run_queued(self) -> None:
        """Starts queued requests as far as limits and order allow, a batch at most."""
        frames = self._frames
        budget_requests, budget_bytes = BATCH_REQUESTS_MAX, BATCH_BYTES_MAX
        self._in_batch = True
        while frames and self._can_start():
            if budget_requests == 0 or budget_bytes <= 0:
                self._schedule_run()
                break
            frame = frames.popleft()
            size = len(frame)
            self._queued_bytes -= size
            budget_requests -= 1
            budget_bytes -= size
            self._start(frame)
        self._in_batch = False
        if self._out:
            self._pump()
        if self._receiver.failure is not None and not frames and self._closing is None:
            self._refuse(str(self._receiver.failure))

    def _can_start(self) -> bool:
        return (
            not self._held
            and not self._write_paused
            and self._closing is None
            and len(self._answers) < self._server.in_flight_max
            and self._transport is not None
        )

    def _schedule_run(self) -> None:
        if not self._run_scheduled:
            self._run_scheduled = True
            self._server.loop.call_soon(self._run_again)

    def _run_again(self) -> None:
        self._run_scheduled = False
        self._run()

    def _start_alone(self, frame: Frame) -> None:
        """Starts a request where no other is under way, nor an answer unsent."""
        try:
            outcome = self._server.start_request(frame, self)
        except Exception as error:
            self._not_started(error)
            return
        if isinstance(outcome, list):
            part = outcome[0]
            if len(outcome) == 1 and self._transport is not None and not isinstance(part, FileRange):
                self._transport.write(part)
            else:
                self._send(outcome)
        elif outcome is not None:
            self._answer_later(outcome, len(frame))
            self._control_reading()

    def _start(self, frame: Frame) -> None:
        self.started_s = self._server.monotonic()
        try:
            outcome = self._server.start_request(frame, self)
        except Exception as error:
            self._not_started(error)
            return
        if isinstance(outcome, list):
            if self._answers:
                slot = _Slot()
                slot.is_ready = True
                slot.parts = outcome
                self._answers.append(slot)
            else:
                self._send(outcome)
        elif outcome is not None:
            self._answer_later(outcome, len(frame))

    def _not_started(self, error: Exception) -> None:
        if isinstance(error, CloseConnection):
            self._refuse(str(error))
            return
        log.error("a request of %s could not be started", self.client_host, exc_info=error)
        self._refuse("an error in the server")

    def _answer_later(self, outcome: Outcome, frame_bytes: int) -> None:
        if isinstance(outcome, Parked):
            self._await_parked(self._begin(frame_bytes if outcome.retains_request else 0), outcome)
        elif isinstance(outcome, Held):
            self._hold(self._begin(frame_bytes), outcome)

    def _begin(self, retained_bytes: int) -> _Slot:
        slot = _Slot(retained_bytes)
        self._retained_bytes += retained_bytes
        self._answers.append(slot)
        return slot

    def _release(self, slot: _Slot) -> None:
        """The bytes of the slot's request are needed no more."""
        self._retained_bytes -= slot.retained_bytes
        slot.retained_bytes = 0
        if self._transport is None:
            self._charge(self._retained_bytes)

    def _await_parked(self, slot: _Slot, parked: Parked) -> None:
        slot.parked = parked
        parked.future.add_done_callback(lambda future: self._complete(slot, parked.finish, future))

    def _hold(self, slot: _Slot, held: Held) -> None:
        self._held = True
        task = self._server.loop.create_task(held.coroutine)
        self._server.keep(task)

        def ended(future: asyncio.Future[Any]) -> None:
            self._held = False
            result = None if future.cancelled() or future.exception() is not None else future.result()
            if not isinstance(result, Parked):
                self._complete(slot, _result, future)
                return
            if not result.retains_request:
                self._release(slot)
            self._await_parked(slot, result)
            if self._transport is not None:
                self._run()
            elif result.cancel_when_gone:
                result.future.cancel()

        task.add_done_callback(ended)

    def _complete(
        self,
        slot: _Slot,
        finish: Callable[[Any], Parts | None],
        future: Pending,
    ) -> None:
        slot.parked = None
        slot.is_ready = True
        self._release(slot)
        if self._transport is None:
            if not future.cancelled():
                future.exception()  # Nobody is left to be told.
            return
        try:
            slot.parts = finish(future)
        except CloseConnection as refusal:
            slot.close_reason = str(refusal)
        except Exception:
            log.exception("a request of %s could not be answered", self.client_host)
            slot.close_reason = "an error in the server"
        self._flush_answers()
        if self._frames:
            self._run()
        else:
            self._control_reading()

    def _flush_answers(self) -> None:
        answers = self._answers
        while answers and answers[0].is_ready:
            slot = answers.popleft()
            if slot.close_reason is not None:
                self._refuse(slot.close_reason)
                return
            if slot.parts is not None:
                self._send(slot.parts)
        if self._closing is not None and not answers:
            self._close_when_sent()

    def _refuse(self, reason: str) -> None:
        """No further request; the connection closes behind the answers that are still due."""
        if self._closing is None:
            self._server.report_closed(self, reason)
            self._closing = reason
        self._frames.clear()
        self._queued_bytes = 0
        if not self._answers:
            self._close_when_sent()
        self._control_reading()

    # Answers.

    def _send(self, parts: Parts) -> None:
        """Queues an answer. A small one leaves with the others of this callback: each write is a system call."""
        self._out.extend(parts)
        if not self._in_batch or len(parts) > 1 or len(parts[0]) > GATHERED_BYTES_MAX:
            self._pump()

    def _pump(self) -> None:
        out = self._out
        ready: list[Any] = []
        while out and not self._write_paused and not self._file_read and self._transport is not None:
            part = out[0]
            if isinstance(part, FileRange):
                if ready:
                    self._transport.writelines(ready)
                    ready = []
                else:
                    self._pump_file(part)
            else:
                ready.append(out.popleft())
        if ready and self._transport is not None:
            self._transport.writelines(ready)
        if self._closing is not None and not out and not self._answers:
            self._close_when_sent()

    def _pump_file(self, part: FileRange) -> None:
        offset = self._file_offset
        size = min(FILE_PIECE_BYTES, part.size - offset)
        try:
            piece = part.read_nowait(offset, size)
        except OSError as error:
            self._file_failed(error)
            return
        if piece is not None:
            self._send_piece(part, piece)
            return
        self._file_read = True
        lane = self._server.executor.lane(f"{part.disk}:read", READ_THREADS)
        lane.run(part.read, offset, size).add_done_callback(self._file_was_read)

    def _file_was_read(self, future: asyncio.Future[Buffer]) -> None:
        self._file_read = False
        error = None if future.cancelled() else future.exception()
        if self._transport is None:
            return
        if future.cancelled() or error is not None:
            self._file_failed(error)
            return
        part = self._out[0]
        assert isinstance(part, FileRange)
        self._send_piece(part, future.result())
        self._pump()
        self._run()

    def _send_piece(self, part: FileRange, piece: Buffer) -> None:
        assert self._transport is not None
        if not piece:
            self._file_failed(EOFError("the file ended before the records did"))
            return
        self._file_offset += len(piece)
        if self._file_offset == part.size:
            self._out.popleft()
            self._file_offset = 0
        self._transport.write(piece)

    def _file_failed(self, error: BaseException | None) -> None:
        # The answer's size is on the wire already: there is no way to tell the client but to hang up.
        log.warning("records could not be read while they were sent to %s: %s", self.client_host, error)
        self._out.clear()
        if self._transport is not None:
            self._transport.abort()

    def _close_when_sent(self) -> None:
        if not self._out and not self._file_read and self._transport is not None:
            self._transport.close()

    # Flow control.

    def _watch_receiving(self, is_new_frame: bool) -> None:
        wheel, has_partial = self._server.wheel, self._receiver.has_partial
        if self._watched_receiving and (is_new_frame or not has_partial):
            self._watched_receiving = False
            wheel.finished_receiving(self)
        if has_partial and not self._watched_receiving:
            self._watched_receiving = True
            wheel.started_receiving(self)

    def _control_reading(self) -> None:
        """Accounts for memory, and reads on or stops reading, as the limits say."""
        if self._transport is None:
            return
        memory, charge = self._server.memory, self._receiver.allocated_bytes + self._queued_bytes + self._retained_bytes
        if charge != self._charged_bytes:
            self._charge(charge)
        if charge and not self._memory_wait and memory.is_exhausted:
            self._memory_wait = memory.must_wait(self)
        may_read = not (self._frames or self._memory_wait) and self._can_start()
        if may_read is not self._reading:
            self._reading = may_read
            if may_read:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()
                self._pause_receiving_watch()

    def _charge(self, charge: int) -> None:
        memory, change = self._server.memory, charge - self._charged_bytes
        self._charged_bytes = charge
        memory.change(change)
        if charge:
            return
        if self._memory_wait:
            self._memory_wait = False
            memory.stop_waiting(self)
        memory.request_finished(self)

    def _pause_receiving_watch(self) -> None:
        # While we do not read, slowness is ours.
        if self._watched_receiving:
            self._watched_receiving = False
            self._server.wheel.finished_receiving(self)


def _result(future: asyncio.Future[Any]) -> Parts | None:
    if future.cancelled():
        raise CloseConnection("the node stops")
    result: Parts | None = future.result()
    return result
