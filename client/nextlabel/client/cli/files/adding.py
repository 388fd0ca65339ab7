"""Adding files to a pool: progress, and what was not taken."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nextlabel.client.cli.output.progress import progress_bar
from nextlabel.client.cli.problems import FAILED, list_problems, say
from nextlabel.client.literals import SplitName
from nextlabel.client.readers.file import ItemFile

if TYPE_CHECKING:
    from numpy import ndarray

    from nextlabel.client import AddResult, Client
    from nextlabel.client.known_labels import LabeledAddResult


def add_file(
    client: "Client",
    project: str,
    items: ItemFile,
    *,
    split: SplitName,
    embeddings: "ndarray[Any, Any] | None" = None,
    upload_id: str | None = None,
) -> "AddResult":
    """Upload a file with a progress bar; says how to resume when it is interrupted."""
    with _watched(project, items) as on_progress:
        return client.pool.add(
            project, items, split=split, embeddings=embeddings, upload_id=upload_id, on_progress=on_progress
        )


def add_labeled_file(
    client: "Client", project: str, items: ItemFile, *, holdout: float, embeddings: "ndarray[Any, Any] | None" = None
) -> "LabeledAddResult":
    """Upload a file of which some items have labels, and keep those, with a progress bar."""
    with _watched(project, items) as on_progress:
        return client.pool.add_labeled(
            project, items, holdout=holdout, embeddings=embeddings, columns=items.columns, on_progress=on_progress
        )


@contextmanager
def _watched(project: str, items: ItemFile) -> Iterator[Callable[["AddResult"], None]]:
    """A progress bar for an upload, and a word about what is kept when it is cut off."""
    with progress_bar(f"adding to {project}") as advance:
        durable = 0

        def on_progress(result: "AddResult") -> None:
            nonlocal durable
            durable = result.accepted + result.duplicates + result.resumed
            advance(f"{durable:,} items", items.fraction_read)

        try:
            yield on_progress
        except BaseException:
            if durable:
                say(f"{durable:,} items are in the pool; add the file again for the rest")
            raise


def report_untaken(items: ItemFile, results: Sequence["AddResult"]) -> int:
    """Say on stderr which lines and items were not taken; returns the exit code."""
    report_malformed(items)
    from nextlabel.client.upload import rejections

    rejected = sum(result.rejected for result in results)
    list_problems(rejections(results, items.unit), rejected, "items not taken")
    return FAILED if items.problem_count or rejected else 0


def report_malformed(items: ItemFile, *, become: str = "passed over") -> None:
    """Say on stderr which lines of a file could not be read, and what becomes of them."""
    list_problems(items.malformed, items.problem_count, f"malformed {items.unit}s {become}")


def wait_until_embedded(client: "Client", project: str) -> None:
    """Wait, with a progress bar, until every item of the project has its embedding."""
    with progress_bar("embedding") as advance:
        for status in client.pool.watch(project):
            counts = status.counts
            total = counts.embedded + counts.awaiting_embedding
            advance(f"{counts.embedded:,} of {total:,}", counts.embedded / total if total else 1.0)
            if counts.awaiting_embedding == 0:
                return
