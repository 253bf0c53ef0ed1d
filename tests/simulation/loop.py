"""An event loop in virtual time, shared by all machines of a simulation: when nothing is ready, the clock jumps to the
next timer.

Whatever runs belongs to a `Life`: one run of a process on one machine, carried by the context that asyncio hands from
callback to callback. A life sees a clock of its own, which drifts, and its timers go by that clock. When a life ends,
by whatever death, none of its callbacks runs any more: this is `kill -9`, at any point between two callbacks.

Order is decided by virtual time and then by the order of the calls, so a run depends on its seed only.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import sys
from asyncio import base_events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tests.simulation.network import Network

T = TypeVar("T")

WALL_START_MS = 1_790_000_000_000
RESOLUTION_S = 1e-6
BURIALS_MAX = 100


class Life:
    """One run of a process. `rate`: how fast its clock goes; `skew_ms`: how far its wall clock is off."""

    def __init__(self, name: str, host: str, rate: float = 1.0, skew_ms: int = 0) -> None:
        self.name = name
        self.host = host
        self.rate = rate
        self.skew_ms = skew_ms
        self.is_dead = False
        self.tasks: list[asyncio.Task[Any]] = []
        self._prune_at = 64

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Held until the end, lest the collector run what a dead process has left to do."""
        self.tasks.append(task)
        if len(self.tasks) > self._prune_at:
            self.tasks = [each for each in self.tasks if not each.done()]
            self._prune_at = 2 * len(self.tasks) + 64


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


def life_context(life: Life | None) -> Context:
    context = copy_context()
    context.run(LIFE.set, life)
    return context


class _Handle(asyncio.TimerHandle):
    """TimerHandle for both kinds: `call_soon` needs the life as well."""

    __slots__ = ("life", "order")
    life: Life | None
    order: int

    def __lt__(self, other: Any) -> bool:
        return (self._when, self.order) < (other._when, other.order)  # type: ignore[attr-defined]


class _Task(asyncio.Task[Any]):
    """Hashed by its number, so that the order of a set of tasks is the same in every run."""

    def __init__(self, number: int, *arguments: Any, **options: Any) -> None:
        self._number = number
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        return self._number


class _Future(asyncio.Future[Any]):
    """The same."""

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number


class Stuck(Exception):
    """Everything waits, and no timer is set; or far more happened than could be meant."""


class VirtualLoop(base_events.BaseEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        """True time, in seconds."""
        self.steps = 0
        self.current: Life | None = None
        self.steps_max = sys.maxsize
        self._order = 0
        self._made = 0
        """Tasks and futures."""
        self._soon: deque[_Handle] = deque()
        self._timers: list[_Handle] = []
        self.lives: list[Life] = []
        self.network: Network | None = None

    # Time.

    def time(self) -> float:
        life = LIFE.get()
        return self.now if life is None else self.now * life.rate

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        caller = LIFE.get()
        life = caller if context is None else context.get(LIFE)
        true = when if caller is None else when / caller.rate
        # A little late, as real loops are: who looks at the clock then must find that its time has come.
        return self._push(max(true, self.now) + RESOLUTION_S, life, callback, args, context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """In true time and for nobody's life: the world's own events."""
        return self._push(max(when, self.now), None, callback, (), life_context(None))

    def _push(
        self, when: float, life: Life | None, callback: Any, args: tuple[Any, ...], context: Context | None
    ) -> _Handle:
        handle = _Handle(when, callback, args, self, context)
        handle.life = life
        self._order += 1
        handle.order = self._order
        heapq.heappush(self._timers, handle)
        return handle

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(self.now, callback, args, self, context)
        handle.life = LIFE.get() if context is None else context.get(LIFE)
        self._soon.append(handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    # Tasks.

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None) -> asyncio.Task[Any]:
        self._made += 1
        task = _Task(self._made, coro, loop=self, name=str(name), context=context)
        life = LIFE.get() if context is None else context.get(LIFE)
        if life is not None:
            life.keep(task)
        return task

    def create_future(self) -> asyncio.Future[Any]:
        self._made += 1
        return _Future(self._made, self)

    def live(self, life: Life, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts something that belongs to the life."""
        if life not in self.lives:
            self.lives.append(life)
        return self.create_task(coroutine, context=life_context(life))

    # Running.

    def _run_once(self) -> None:
        ready = self._soon
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            self._advance()
        for _ in range(len(ready)):
            handle = ready.popleft()
            life = handle.life
            if handle._cancelled or (life is not None and life.is_dead):
                continue
            self.steps += 1
            self.current = life
            handle._run()
        self.current = None
        if self.steps > self.steps_max:
            raise Stuck(f"more than {self.steps_max} callbacks")

    def _advance(self) -> None:
        timers = self._timers
        while timers:
            handle = heapq.heappop(timers)
            if not handle._cancelled and (handle.life is None or not handle.life.is_dead):
                self.now = max(self.now, handle._when)  # type: ignore[attr-defined]
                self._soon.append(handle)
                return
        raise Stuck("everything waits, and for nothing")

    def end(self) -> None:
        """Buries what is left; nothing of it may run."""
        for life in self.lives:
            life.is_dead = True
        self._soon.clear()
        self._timers.clear()
        self.close()
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        self.set_exception_handler(lambda *_: None)
        try:
            for life in self.lives:
                for task in life.tasks:
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    _bury(task)
                life.tasks.clear()
            self.lives.clear()
            gc.collect()
        finally:
            sys.unraisablehook = hook

    # The network.

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        assert self.network is not None
        return await self.network.serve(protocol_factory, options["sock"])

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        assert self.network is not None
        return await self.network.connect(protocol_factory, host, port)

    # What no simulation needs.

    def _process_events(self, event_list: Any) -> None:
        raise NotImplementedError

    def _write_to_self(self) -> None:
        raise AssertionError("there are no threads here")

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        raise AssertionError("there are no threads here")


def _bury(task: asyncio.Task[Any]) -> None:
    """Ends what the task runs, here and now instead of when the collector comes to it."""
    coroutine = task.get_coro()
    for _ in range(BURIALS_MAX):
        try:
            coroutine.close()
            return
        except BaseException:
            continue  # It waits again on its way out, or fails at it.


class LifeClock:
    """A life's Clock."""

    def __init__(self, loop: VirtualLoop, life: Life) -> None:
        self._loop = loop
        self._life = life

    def monotonic(self) -> float:
        return self._loop.now * self._life.rate

    def wall_ms(self) -> int:
        return WALL_START_MS + self._life.skew_ms + int(self._loop.now * self._life.rate * 1000)
