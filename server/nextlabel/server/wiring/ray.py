"""The Ray cluster that a server, or a simulation, computes on. Ray itself is not imported here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from nextlabel.server.compute.on_cluster import OnCluster
from nextlabel.server.compute.ray_cluster.cluster import RayCluster
from nextlabel.server.compute.ray_cluster.link import ClusterLost
from nextlabel.server.compute.threads import Threads
from nextlabel.server.ports.system import Executor
from nextlabel.server.settings.settings import ComputeSettings
from nextlabel.server.values.errors import FailedPrecondition


def ray_cluster(settings: ComputeSettings) -> RayCluster | None:
    """Return the cluster of the settings, not joined yet; None where there is none.

    Raises:
        FailedPrecondition: Ray is not installed.
    """
    if settings.executor != "ray":
        return None
    _check_installed()
    return RayCluster(settings.ray.address, settings.ray.workers, settings.ray.without)


def on_cluster(cluster: RayCluster | None, waiting: Threads, here: Threads) -> Executor:
    """Return what does work that can travel: a cluster that ``waiting`` threads wait for, or threads ``here``."""
    return here if cluster is None else OnCluster(cluster, waiting, here)


@contextmanager
def joined_cluster(address: str, workers: int | None) -> Iterator[RayCluster]:
    """Join the cluster at an address, or start one for '', for the time of the block.

    Raises:
        FailedPrecondition: Ray is not installed, or the cluster cannot be joined.
    """
    _check_installed()
    cluster = RayCluster(address, workers, "refuse")
    try:
        cluster.join()
        yield cluster
    except ClusterLost as lost:
        raise FailedPrecondition(
            f"no Ray cluster: {lost}; check the address, and that the cluster runs", reason="CLUSTER_UNREACHABLE"
        ) from lost
    finally:
        cluster.close()


def _check_installed() -> None:
    if find_spec("ray") is None:
        raise FailedPrecondition(
            "to compute on Ray, install it here and on its machines: pip install 'nextlabel[server,ray]'",
            reason="RAY_NOT_INSTALLED",
        )
