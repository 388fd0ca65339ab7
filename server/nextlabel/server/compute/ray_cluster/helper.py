"""The process that Ray lives in: it joins or starts the cluster and runs jobs for the server that started it.

Ray ends the process that it loses its cluster in, takes over its signal handlers, and brings threads of its own: a
server must not be that process. It ends with the server, whose end closes standard input.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection, Listener
from typing import Any

STORE_BYTES = 128 << 20
"""Object store of a cluster that is started here: it holds work and results, not pools."""


def main() -> None:
    """Read the settings from standard input, join the cluster, say so, and serve jobs until the server ends."""
    settings = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    try:
        _join(settings)
    except Exception as error:  # noqa: BLE001 -- Ray raises many kinds; the server says what it was
        _say({"failed": f"{type(error).__name__}: {error}"})
        return
    _serve(settings)


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


def _serve(settings: dict[str, Any]) -> None:
    from nextlabel.server.compute.ray_cluster.fleet import Fleet

    processors, gpus = Fleet(settings["workers"]), Fleet(None, gpus=True)
    numbers = count()
    with Listener(settings["socket"], authkey=bytes.fromhex(settings["key"])) as listener:
        _say({"width": processors.grow()})
        while True:
            with suppress(OSError, EOFError):
                connection = listener.accept()
                name = f"{settings['key'][:8]}/{next(numbers)}"
                threading.Thread(target=_run, args=(connection, name, processors, gpus), daemon=True).start()


def _run(connection: Connection, name: str, processors: Any, gpus: Any) -> None:
    import ray

    from nextlabel.server.compute.ray_cluster.fleet import UnfitCluster
    from nextlabel.server.compute.ray_cluster.job import Job

    with connection, suppress(OSError, EOFError):
        homes, parts, on_gpus = connection.recv()
        work = connection.recv_bytes()
        fleet = gpus if on_gpus and gpus.grow() else processors

        def tell(number: int, well: bool, result: bytes) -> None:
            connection.send((number, well))
            connection.send_bytes(result)

        try:
            Job(name, fleet, work, parts, homes, tell=tell, alive=lambda: connection.send(None)).run()
        except (UnfitCluster, ray.exceptions.RayError) as error:
            connection.send((-1, False))
            connection.send_bytes(str(error).encode())


def _end_with_the_server() -> None:
    sys.stdin.read()
    with suppress(Exception):
        import ray

        ray.shutdown()
    os._exit(0)


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
