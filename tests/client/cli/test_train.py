"""`nextlabel train` right after texts were added."""

from __future__ import annotations

import grpc
import pytest

from tests.client.conftest import Cli
from tests.client.fake_state import State, error_info, rich_status


def test_it_waits_for_the_embeddings_of_all_labels_and_for_nothing_else(
    cli: Cli, news: str, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[str] = []

    def embedded(_: object, project: str) -> None:
        waited.append(project)
        del state.refuse["Train"]

    monkeypatch.setattr("nextlabel.client.cli.commands.train.wait_until_embedded", embedded)
    # The reason tells; UNAVAILABLE itself would be tried again for seconds first.
    code = grpc.StatusCode.FAILED_PRECONDITION
    state.refuse["Train"] = rich_status(code, "waiting", error_info("AWAITING_EMBEDDING"))
    done = cli("train", news)
    assert (done.code, waited) == (0, [news]), done.err
    state.refuse["Train"] = rich_status(code, "no labels yet", error_info("NO_LABELS"))
    done = cli("train", news)
    assert (done.code, waited) == (1, [news])
    assert "no labels yet" in done.err
