"""`nextlabel serve --workers`: several processes on one port, over the same data."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Callable

from nextlabel.server.api.boundary.logs import configure_logs
from nextlabel.server.app import serve
from nextlabel.server.cli.errors import said
from nextlabel.server.cli.output import ready_lines
from nextlabel.server.settings.settings import MetricsSettings, Settings
from nextlabel.server.store.state_store import claimed
from nextlabel.server.system.addresses import at_port, port_of, shared_port
from nextlabel.server.system.event_loop import run
from nextlabel.server.system.worker_processes import Supervisor, Worker

# What a server loads at first use; loaded once, it is shared by all workers and costs a new one no time.
_AT_FIRST_USE = (
    "alembic.command",
    "nextlabel.server.store.sql.sqlite",
    "skops.io",
    "sklearn.linear_model",
    "sklearn.model_selection",
)


def serve_with_workers(settings: Settings, say: Callable[[str], None]) -> int:
    """Serve with forks of this process until SIGTERM or SIGINT; return the exit code.

    Raises:
        DomainError: another server has the data directory, or it cannot be written.
        BindError: the address cannot be bound.
    """
    for module in _AT_FIRST_USE:
        importlib.import_module(module)
    # Its threads, which would be missing in a fork, begin at first use, which is in the forks.
    warnings.filterwarnings("ignore", "lance is not fork-safe")
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(shared_port(settings.bind))
        directory = claimed(settings.store_url)
        if directory is not None:
            stack.callback(directory.release)
        address = at_port(settings.bind, port)
        web = settings.web.bind

        def work(worker: Worker) -> int:
            return _work(_of_worker(settings, worker.number, address, web), worker)

        def tell(pages: str) -> None:
            nonlocal web
            if web and pages:
                # Where the pages were once, browsers look for them when their worker was begun again.
                web = at_port(web, port_of(pages))
            say(ready_lines(settings.data_dir, address, pages, settings.workers))

        return Supervisor(settings.workers, work).run(tell)


def _of_worker(settings: Settings, number: int, address: str, web: str | None) -> Settings:
    own: dict[str, object] = {"bind": address}
    if web != settings.web.bind:
        own["web"] = settings.web.model_copy(update={"bind": web})
    if bind := settings.metrics.bind:
        port = port_of(bind)
        own["metrics"] = MetricsSettings(bind=at_port(bind, port + number) if port else bind)
    return settings.model_copy(update=own)


def _work(settings: Settings, worker: Worker) -> int:
    """Serve; return the exit code."""
    configure_logs(settings.log.level, settings.log.format, worker.number)
    try:
        run(serve(settings, lambda _, pages: worker.ready(pages), worker))
    except Exception as error:
        code = said(error)
        if code is None:
            raise
        return code
    return 0
