"""One job: parts go to actors, a few at a time, until each has a result."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray

from nextlabel.server.compute.ray_cluster.fleet import Fleet, Slot, UnfitCluster

QUEUED = 2
"""Parts an actor has at a time: one that it computes on, and one so that it need not wait for the next."""

AHEAD = 8
"""Parts for each actor that may be done before the first one that is not: results wait in the server's memory."""

ATTEMPTS = 3
"""Actors that may die over one part before it is left to the server."""

NOBODY_S = 90.0
"""How long no actor may be there: on a machine that is busy, or new, one takes long to start."""

Tell = Callable[[int, bool, bytes], None]


@dataclass(slots=True)
class ClusterJob:
    """Work on parts by a fleet.

    Attributes:
        tell: called with the number of a part, whether it could be computed on, and the pickled result or the reason.
        died: called with the number of a part when the process that computed on it is gone; another one is given it.
        alive: called about once a second while nothing is done.
    """

    name: str
    fleet: Fleet
    work: bytes
    parts: Sequence[bytes]
    homes: Sequence[int]
    tell: Tell
    died: Callable[[int], None]
    alive: Callable[[], None]
    _running: dict[Any, tuple[Slot, int]] = field(init=False, default_factory=dict)
    _attempts: Counter[int] = field(init=False, default_factory=Counter)
    _done: set[int] = field(init=False, default_factory=set)
    _first: int = field(init=False, default=0)

    def run(self) -> None:
        """Return when every part has been told of.

        Raises:
            UnfitCluster: no actor is left or to be had, or they are of another version.
        """
        count = self.fleet.grow()
        if not count:
            raise UnfitCluster("it has no processors to offer")
        reference = ray.put(self.work)
        queues: list[deque[int]] = [deque() for _ in range(count)]
        for number in range(len(self.parts)):
            queues[(self.homes[number] if self.homes else number) % count].append(number)
        seen = time.monotonic()
        while len(self._done) < len(self.parts):
            slots = self.fleet.ready()
            if slots:
                seen = time.monotonic()
            elif time.monotonic() - seen > NOBODY_S:
                raise UnfitCluster(f"none of its processes answered for {NOBODY_S:.0f} s")
            self._hand_out(slots, queues, [reference])
            if not self._running:
                time.sleep(0.05)
                self.alive()
                continue
            finished, _ = ray.wait(list(self._running), num_returns=1, timeout=1.0)
            for found in finished:
                self._take(found, queues)
            if not finished:
                self.alive()

    def _hand_out(self, slots: dict[int, Slot], queues: list[deque[int]], reference: list[Any]) -> None:
        load = Counter(id(slot) for slot, _ in self._running.values())
        for place, slot in slots.items():
            while load[id(slot)] < QUEUED:
                number = self._next(queues, place, len(slots))
                if number is None:
                    break
                answer = slot.actor.run.remote(self.name, reference, self.parts[number])
                self._running[answer] = slot, number
                load[id(slot)] += 1

    def _next(self, queues: list[deque[int]], place: int, actors: int) -> int | None:
        """Take the actor's own next part, or else the earliest of all; none that is too far ahead."""
        while self._first in self._done:
            self._first += 1
        furthest = self._first + AHEAD * actors
        if place < len(queues) and queues[place] and queues[place][0] <= furthest:
            return queues[place].popleft()
        earliest = min((queue for queue in queues if queue), key=lambda queue: queue[0], default=None)
        return earliest.popleft() if earliest and earliest[0] <= furthest else None

    def _take(self, found: Any, queues: list[deque[int]]) -> None:
        slot, number = self._running.pop(found)
        try:
            well, result = ray.get(found)
        except ray.exceptions.RayActorError:
            self.fleet.replace(slot)
            self.died(number)
            self._attempts[number] += 1
            if self._attempts[number] < ATTEMPTS:
                queues[min(range(len(queues)), key=lambda place: len(queues[place]))].appendleft(number)
                return
            well, result = False, b"the processes that computed on it died"
        except ray.exceptions.RayError as error:
            well, result = False, str(error).splitlines()[0].encode()
        self._done.add(number)
        self.tell(number, well, result)
