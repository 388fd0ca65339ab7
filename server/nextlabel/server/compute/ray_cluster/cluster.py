"""A Ray cluster as a `Cluster`: joined in the background, done without while it is away."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar

import structlog
from typing_extensions import override

from nextlabel.server.compute.alone import Alone
from nextlabel.server.compute.ray_cluster.link import ClusterLost, Died, Link, PickledWork, Unfinished
from nextlabel.server.ports.cluster import Cluster, Elsewhere, NotComputed
from nextlabel.server.values.errors import Unavailable

Part = TypeVar("Part")
Result = TypeVar("Result")

_log = structlog.get_logger(__name__)
_LOOK_S = 2.0
_AGAIN_S = 30.0


class RayCluster(Cluster, Elsewhere):
    """Work goes to the cluster at ``address``, or to one on this machine for ''.

    While there is none, this process computes itself, or refuses to with ``without`` "refuse".
    """

    def __init__(
        self, address: str, workers: int | None, without: Literal["compute", "refuse"], again_s: float = _AGAIN_S
    ) -> None:
        self._address = address
        self._workers = workers
        self._refuses = without == "refuse"
        self._again_s = again_s
        self._alone = Alone()
        self._link: Link | None = None
        self._joining: Link | None = None
        self._changing = threading.Lock()
        self._closed = False

    @property
    @override
    def width(self) -> int:
        link = self._link
        return link.width if link else 1

    @override
    def map(
        self, work: Callable[[Part], Result], parts: Sequence[Part], homes: Sequence[int] = (), *, on_gpus: bool = False
    ) -> Iterator[Result]:
        if len(parts) < 2:
            yield from map(work, parts)
            return
        job = _travelling(work, parts, homes)
        done = 0
        link = self._link
        if job is not None:
            try:
                for result in _in_order(_joined(link).run(job, "gpus" if on_gpus else "processors"), work):
                    yield work(parts[done]) if isinstance(result, Unfinished) else result
                    done += 1
            except ClusterLost as lost:
                self._lose(link, lost)
        yield from self._alone.map(work, parts[done:])

    @override
    def compute(self, work: Callable[[], Result], wanted: Callable[[], bool]) -> Result:
        job = _travelling(_called, [work])
        if job is None:
            raise NotComputed("it cannot travel")
        link = self._link
        try:
            for result in _in_order(_joined(link).run(job, "one", wanted), work):
                if isinstance(result, Unfinished):
                    raise NotComputed(result.reason)
                found: Result = result
                return found
        except ClusterLost as lost:
            self._lose(link, lost)
            raise NotComputed(str(lost)) from lost
        raise NotComputed("it is not wanted any more")

    def join(self) -> None:
        """Join or start the cluster, if that is not done. Blocks.

        Raises:
            ClusterLost: it is not there.
        """
        with self._changing:
            if self._closed or (self._link is not None and self._link.alive):
                return
            if self._link is not None:
                self._link.close()
            self._link = None
            self._joining = link = Link(self._address, self._workers)
            try:
                link.join()
            except ClusterLost:
                link.close()
                raise
            finally:
                self._joining = None
            self._link = link
            _log.info("ray_joined", address=self._address or "started here", processes=self._link.width)

    async def watch(self, on_error: Callable[[BaseException], None]) -> None:
        """Keep the cluster joined until cancelled; say when it cannot be."""
        while True:
            try:
                await asyncio.to_thread(self.join)
                pause = _LOOK_S
            except ClusterLost as lost:
                on_error(Unavailable(f"no Ray cluster: {lost}", reason="CLUSTER_UNREACHABLE"))
                pause = self._again_s
            await asyncio.sleep(pause)

    def close(self) -> None:
        """Leave the cluster; end one that was started here."""
        self._closed = True
        if (joining := self._joining) is not None:
            joining.stop()
        with self._changing:
            if self._link is not None:
                self._link.close()
            self._link = None

    def _lose(self, link: Link | None, lost: ClusterLost) -> None:
        """Give up the link; raise where this process may not compute without one."""
        if link is not None:
            self._leave(link, lost)
        if self._refuses:
            raise Unavailable(
                "the Ray cluster cannot be reached, and compute.ray.without says not to compute without it; "
                "try again when it is back",
                reason="CLUSTER_UNREACHABLE",
            ) from lost

    def _leave(self, link: Link, lost: ClusterLost) -> None:
        _log.warning("ray_lost", reason=str(lost), then="refused" if self._refuses else "computed here")
        # Whoever joins holds the lock for long, and joins another one anyway.
        if self._changing.acquire(blocking=False):
            try:
                if self._link is link:
                    self._link = None
                    link.close()
            finally:
                self._changing.release()


def _joined(link: Link | None) -> Link:
    if link is None:
        raise ClusterLost("it is not joined")
    return link


def _in_order(told: Iterator[Any], work: object) -> Iterator[Any]:
    name = type(work).__name__
    early: dict[int, object] = {}
    following = 0
    for number, result in told:
        if isinstance(result, Died):
            _log.warning("ray_process_died", work=name, part=number)
            continue
        early[number] = result
        if isinstance(result, Unfinished):
            _log.warning("ray_process_failed", work=name, part=number, reason=result.reason)
        while following in early:
            yield early.pop(following)
            following += 1


def _called(work: Callable[[], Result]) -> Result:
    return work()


def _travelling(work: Callable[[Part], Result], parts: Sequence[Part], homes: Sequence[int] = ()) -> PickledWork | None:
    """Return what travels, or None for what cannot, such as a strategy of somebody else's."""
    try:
        return PickledWork(pickle.dumps(work, protocol=5), [pickle.dumps(part, protocol=5) for part in parts], homes)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        _log.warning("not_computed_on_ray", reason=str(error))
        return None
