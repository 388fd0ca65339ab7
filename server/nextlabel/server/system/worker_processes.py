"""Worker processes: forked, begun again when they end, and stopped together, in order."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

import structlog

_log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
# A worker that has lived so long is begun again at once.
_SOUND_S = 10.0
_STOPS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker process knows of its place among the others. `number` counts from 0.

    `lifeline` is a file that becomes readable when the process that watches over the workers is gone.
    """

    number: int
    lifeline: int
    _ready: int

    def ready(self, said: str) -> None:
        """Tell that this worker does its work now, with what its supervisor should say of it."""
        os.write(self._ready, said.encode() or b"\0")


@dataclass(slots=True)
class _Process:
    pid: int
    began: float
    said: int
    ready: bool = False


@dataclass(slots=True)
class Supervisor:
    """Keeps `count` workers going until SIGTERM or SIGINT. `work` is what each does; it returns its exit code.

    The first worker must be ready before the others are forked, so that what keeps all of them from starting is said
    once, and what must be done once, such as bringing a database up to date, is done by then. Use it in a process
    without an event loop and without threads that hold locks: a fork has neither.
    """

    count: int
    work: Callable[[Worker], int]
    _processes: dict[int, _Process] = field(init=False, default_factory=dict)
    _due: dict[int, float] = field(init=False, default_factory=dict)
    _pauses: dict[int, float] = field(init=False, default_factory=dict)
    _stopping: bool = field(init=False, default=False)
    _woken: int = field(init=False, default=-1)
    _lifeline: tuple[int, int] = field(init=False, default=(-1, -1))

    def run(self, on_ready: Callable[[str], None]) -> int:
        """Return when all workers have ended: 0 after a stop in order, else the exit code of who could not start.

        ``on_ready`` is told, once all workers are ready, what the first of them said.
        """
        self._lifeline = os.pipe()
        with self._signals():
            code, said = self._start(range(1))
            if not code and self.count > 1 and not self._stopping:
                code, _ = self._start(range(1, self.count))
            if not code and not self._stopping:
                on_ready(said)
                self._watch()
            return self._stop() or code

    def _start(self, numbers: range) -> tuple[int, str]:
        """Fork workers and wait until they are ready; return an exit code, 0 for all well, and what the first said."""
        for number in numbers:
            self._fork(number)
        first = ""
        while not self._stopping and not all(self._processes[n].ready for n in numbers):
            for number, said in self._news(None):
                if said is None:
                    return max(1, self._ended(number)), first
                first = said if number == numbers[0] else first
        return 0, first

    def _watch(self) -> None:
        """Begin workers that end again, the faster they end the later, until a signal comes."""
        while not self._stopping:
            now = time.monotonic()
            for number in [n for n, due in self._due.items() if due <= now]:
                del self._due[number]
                self._fork(number)
            next_due = min(self._due.values(), default=None)
            for number, said in self._news(None if next_due is None else max(0.0, next_due - now)):
                if said is None:
                    self._begin_again(number)

    def _begin_again(self, number: int) -> None:
        lived = time.monotonic() - self._processes[number].began
        code = self._ended(number)
        before = self._pauses.get(number, 0.0)
        pause = 0.0 if lived >= _SOUND_S else min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, 2 * before))
        self._pauses[number] = pause
        self._due[number] = time.monotonic() + pause
        _log.error("worker_ended", worker=number, exit_code=code, begun_again_in_s=pause)

    def _stop(self) -> int:
        """Ask all workers to end and wait until they have; return the exit code of one that did not end well."""
        for process in self._processes.values():
            os.kill(process.pid, signal.SIGTERM)
        codes = [self._ended(number) for number in list(self._processes)]
        # Who had not got as far as minding the signal ends by it, which is what it was asked for.
        return next((max(1, code) for code in codes if code and -code not in _STOPS), 0)

    def _ended(self, number: int) -> int:
        """Wait for the end of a worker; return its exit code, negative for the signal that killed it."""
        process = self._processes.pop(number)
        os.close(process.said)
        return os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])

    def _news(self, timeout_s: float | None) -> Iterator[tuple[int, str | None]]:
        """Wait for signals and workers; yield workers that became ready with what they said, and None for ends."""
        numbers = {process.said: number for number, process in self._processes.items()}
        readable, _, _ = select.select([self._woken, *numbers], [], [], timeout_s)
        if self._woken in readable:
            self._stopping |= any(number in _STOPS for number in os.read(self._woken, 64))
            return
        for file in readable:
            said = os.read(file, 4_096)
            if said:
                self._processes[numbers[file]].ready = True
            yield numbers[file], said.decode().strip("\0") if said else None

    def _fork(self, number: int) -> None:
        reading, writing = os.pipe()
        sys.stdout.flush()
        # A signal must find a worker that minds it, never one that still has its supervisor's handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        pid = os.fork()
        if pid == 0:
            self._be_worker(number, writing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        os.close(writing)
        self._processes[number] = _Process(pid, time.monotonic(), reading)

    def _be_worker(self, number: int, said: int) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for stop in _STOPS:
                signal.signal(stop, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
            # Closed here, the lifeline breaks when the supervisor dies, and with nobody else.
            os.close(self._lifeline[1])
            code = self.work(Worker(number, self._lifeline[0], said))
        except BaseException:  # noqa: BLE001  (a fork must never go on as its parent)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Have signals written to a pipe, where `select` sees them."""
        self._woken, waking = os.pipe()
        os.set_blocking(waking, False)
        before = signal.set_wakeup_fd(waking)
        handlers = {stop: signal.signal(stop, lambda *_: None) for stop in _STOPS}
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            for stop, handler in handlers.items():
                signal.signal(stop, handler)
            for file in (self._woken, waking, *self._lifeline):
                os.close(file)
