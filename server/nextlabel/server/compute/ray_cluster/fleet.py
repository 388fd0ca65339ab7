"""The processes of a cluster that compute, replaced when they die."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Any, Literal

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nextlabel.server.compute.ray_cluster.worker import PartWorker, this_version


class UnfitCluster(Exception):  # noqa: N818 -- what it says, not that something failed
    """The cluster cannot be used; the message says why."""


@dataclass(slots=True, eq=False)
class Slot:
    """One actor, ready once it has answered."""

    actor: Any
    answer: Any
    ready: bool = False


class Fleet:
    """Actors of one kind. Safe to use from several threads.

    ``count`` fixes their number; by default there is one for each processor, or GPU, that the cluster has. Those
    ``beside`` the others take nothing of what the cluster has to offer: the others have it all.
    """

    def __init__(self, count: int | None, on: Literal["processors", "gpus", "beside"] = "processors") -> None:
        self._count = count
        self._on = on
        self._slots: list[Slot] = []
        self._lock = threading.Lock()

    def grow(self) -> int:
        """Have as many actors as there should be now; return how many that are."""
        wanted = self._count or int(ray.cluster_resources().get("GPU" if self._on == "gpus" else "CPU", 0))
        with self._lock:
            self._slots += [self._new() for _ in range(wanted - len(self._slots))]
            return len(self._slots)

    def ready(self) -> dict[int, Slot]:
        """Return the actors that have answered, by number.

        Raises:
            UnfitCluster: one is of another version.
        """
        with self._lock:
            waiting = {slot.answer: slot for slot in self._slots if not slot.ready}
            answered = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)[0] if waiting else []
            for reference in answered:
                self._greet(waiting[reference])
            return {number: slot for number, slot in enumerate(self._slots) if slot.ready}

    def replace(self, slot: Slot) -> None:
        """Start another actor in the place of a dead one, if that has not been done yet."""
        with self._lock:
            if slot in self._slots:
                self._slots[self._slots.index(slot)] = self._new()

    def end(self) -> None:
        """End all actors, whatever they are at."""
        with self._lock:
            for slot in self._slots:
                ray.kill(slot.actor)
            self._slots.clear()

    def _greet(self, slot: Slot) -> None:
        try:
            theirs, _ = ray.get(slot.answer)
        except ray.exceptions.RayError:
            self._slots[self._slots.index(slot)] = self._new()
            return
        if theirs != this_version():
            raise UnfitCluster(f"its processes run {theirs}, this server {this_version()}; install the same on all")
        slot.ready = True

    def _new(self) -> Slot:
        asks = _beside() if self._on == "beside" else {"num_gpus" if self._on == "gpus" else "num_cpus": 1}
        actor = ray.remote(PartWorker).options(max_restarts=0, max_task_retries=0, **asks).remote(ray.get)
        return Slot(actor, actor.ping.remote())


def _beside() -> dict[str, Any]:
    """Return options for an actor that takes no processor, on a machine that computes; some heads do not.

    Raises:
        UnfitCluster: no machine does.
    """
    computing = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if not computing:
        raise UnfitCluster("it has no processors to offer")
    [node] = random.choices(computing, [node["Resources"]["CPU"] for node in computing])  # noqa: S311 -- any will do
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)}
