"""The process that Ray lives in: it joins or starts the cluster and runs jobs for the server that started it.

Ray ends the process that it loses its cluster in, takes over its signal handlers, and brings threads of its own: a
server must not be that process. It ends with the server, whose end closes standard input.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

STORE_BYTES = 128 << 20
"""Object store of a cluster that is started here: it holds work and results, not pools."""


def main() -> None:
    """Read the settings from standard input, join the cluster, say so, and serve jobs until the server ends.

    The end is looked for only once Ray has started: ended before, it leaves parts of a cluster behind.
    """
    settings = json.loads(sys.stdin.readline())
    # A server that has ended reads no answer.
    with suppress(OSError):
        try:
            _join(settings)
        except Exception as error:  # noqa: BLE001 -- Ray raises many kinds; the server says what it was
            _say({"failed": f"{type(error).__name__}: {error}"})
        else:
            _begin_to_serve(settings)
    sys.stdin.read()
    _end(settings)


def _join(settings: dict[str, Any]) -> None:
    import ray

    if settings["address"]:
        ray.init(address=settings["address"], log_to_driver=False, namespace="nextlabel")
        return
    ray.init(
        num_cpus=settings["workers"] or os.cpu_count(),
        include_dashboard=False,
        object_store_memory=STORE_BYTES,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=settings["folder"],
    )


def _begin_to_serve(settings: dict[str, Any]) -> None:
    from nextlabel.server.compute.ray_cluster.fleets import Fleets

    fleets = Fleets(settings["workers"])
    listener = Listener(settings["socket"], authkey=bytes.fromhex(settings["key"]))
    width = fleets.processors.grow()
    threading.Thread(target=_serve, args=(listener, settings["key"][:8], fleets), daemon=True).start()
    _say({"width": width})


def _serve(listener: Listener, name: str, fleets: Any) -> None:
    for number in count():
        with suppress(OSError, EOFError):
            connection = listener.accept()
            threading.Thread(target=_run, args=(connection, f"{name}/{number}", fleets), daemon=True).start()


def _run(connection: Connection, name: str, fleets: Any) -> None:
    import ray

    from nextlabel.server.compute.ray_cluster.fleet import UnfitCluster
    from nextlabel.server.compute.ray_cluster.job import ClusterJob

    with connection, suppress(OSError, EOFError):
        homes, parts, by = connection.recv()
        work = connection.recv_bytes()

        def tell(number: int, well: bool, result: bytes) -> None:
            connection.send((number, well))
            connection.send_bytes(result)

        def alive() -> None:
            connection.send(None)

        try:
            with fleets.lent(by, alive) as fleet:
                job = ClusterJob(
                    name=name,
                    fleet=fleet,
                    work=work,
                    parts=parts,
                    homes=homes,
                    tell=tell,
                    died=lambda number: connection.send((number, None)),
                    alive=alive,
                )
                job.run()
        except (UnfitCluster, ray.exceptions.RayError) as error:
            # That one process does not start says nothing of the others.
            lost = by != "one" or not isinstance(error, UnfitCluster)
            tell(-1 if lost else 0, False, str(error).encode())


def _end(settings: dict[str, Any]) -> None:
    with suppress(Exception):
        import ray

        ray.shutdown()
    # A server that was killed has not removed it.
    shutil.rmtree(Path(settings["socket"]).parent, ignore_errors=True)
    os._exit(0)


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
