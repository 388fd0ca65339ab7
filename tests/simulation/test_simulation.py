from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.simulation import workers
from nextlabel.server.simulation.cell import Cell, run_cell
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.record import CELLS
from nextlabel.server.simulation.settings import Protocol, check_strategies
from nextlabel.server.simulation.simulation import simulate
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, Unavailable
from tests.compute.travelling import Travelling

MakeProtocol = Callable[..., Protocol]


@pytest.fixture
def run_cells_seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The cells that were run, not taken from a folder."""
    seen = []

    def watched(dataset: Dataset, protocol: Protocol, strategy: str, seed: int) -> Cell:
        seen.append((strategy, seed))
        return run_cell(dataset, protocol, strategy, seed)

    monkeypatch.setattr(workers, "run_cell", watched)
    return seen


def test_processes_find_what_one_process_finds(dataset: Dataset, protocol: MakeProtocol) -> None:
    alone = simulate(dataset, protocol(), ("random", "margin"), range(1), workers=1)
    together = simulate(dataset, protocol(), ("random", "margin"), range(1), workers=2)
    assert together == alone


def test_finished_cells_are_not_run_again(
    dataset: Dataset, protocol: MakeProtocol, tmp_path: Path, run_cells_seen: list[tuple[str, int]]
) -> None:
    simulate(dataset, protocol(), ("random",), range(2), out=tmp_path)
    run_cells_seen.clear()
    progress: list[int] = []
    resumed = simulate(dataset, protocol(), ("random", "margin"), range(3), out=tmp_path, on_progress=progress.append)
    assert run_cells_seen == [("margin", 0), ("margin", 1), ("random", 2), ("margin", 2)]
    assert progress == [2, 3, 4, 5, 6]
    assert resumed == simulate(dataset, protocol(), ("random", "margin"), range(3))


def test_a_crash_loses_only_the_cell_under_way(
    dataset: Dataset, protocol: MakeProtocol, tmp_path: Path, run_cells_seen: list[tuple[str, int]]
) -> None:
    simulate(dataset, protocol(), ("random",), range(3), out=tmp_path)
    cells = tmp_path / CELLS
    cells.write_bytes(cells.read_bytes()[:-20])
    for _ in range(2):
        simulate(dataset, protocol(), ("random",), range(3), out=tmp_path)
    assert run_cells_seen == [("random", 0), ("random", 1), ("random", 2), ("random", 2)]


def test_an_error_keeps_the_cells_before_it(
    dataset: Dataset, protocol: MakeProtocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(dataset: Dataset, protocol: Protocol, strategy: str, seed: int) -> Cell:
        if seed == 2:
            raise RuntimeError("no more")
        return run_cell(dataset, protocol, strategy, seed)

    monkeypatch.setattr(workers, "run_cell", failing)
    with pytest.raises(RuntimeError, match="no more"):
        simulate(dataset, protocol(), ("random",), range(4), out=tmp_path)
    assert len((tmp_path / CELLS).read_text().splitlines()) == 2


def test_begin_anew_on_request(
    dataset: Dataset, protocol: MakeProtocol, tmp_path: Path, run_cells_seen: list[tuple[str, int]]
) -> None:
    simulate(dataset, protocol(), ("random",), range(1), out=tmp_path)
    simulate(dataset, protocol(batch_size=20), ("random",), range(1), out=tmp_path, resume=False)
    assert len(run_cells_seen) == 2
    assert len((tmp_path / CELLS).read_text().splitlines()) == 1


def test_cells_of_another_simulation_are_not_mixed_in(dataset: Dataset, protocol: MakeProtocol, tmp_path: Path) -> None:
    simulate(dataset, protocol(), ("random",), range(1), out=tmp_path)
    with pytest.raises(FailedPrecondition, match=r"batch_size: 10 there, 20 now.*--no-resume"):
        simulate(dataset, protocol(batch_size=20), ("random",), range(1), out=tmp_path)
    other = replace(dataset, test_labels_M=dataset.test_labels_M[::-1])
    with pytest.raises(FailedPrecondition, match="data: "):
        simulate(other, protocol(), ("random",), range(1), out=tmp_path)


def test_a_folder_that_cannot_be_written_is_found_before_the_work(
    dataset: Dataset, protocol: MakeProtocol, tmp_path: Path, run_cells_seen: list[tuple[str, int]]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(FailedPrecondition, match="cannot be written"):
        simulate(dataset, protocol(), ("random",), range(1), out=blocked / "out")
    assert run_cells_seen == []


@pytest.mark.parametrize("field", ["batch_size", "budget_labels"])
def test_more_than_the_pool_is_refused(dataset: Dataset, protocol: MakeProtocol, field: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{field}: 301 is more than the 300 of 300 items"):
        simulate(dataset, protocol(**{field: 301}), ("random",), range(1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size: must be at least 1"),
        ({"budget_labels": 0}, "budget_labels: must be at least 1"),
        ({"seed_labels": 40}, r"seed_labels: must lie in \[0, 40\)"),
        ({"noise": 1.0}, r"noise: must lie in \[0, 1\)"),
        ({"pool_share": 0.0}, r"pool_share: must lie in \(0, 1\]"),
        ({"learner": "forest"}, "unknown estimator 'forest'; allowed are"),
    ],
)
def test_protocols_that_make_no_sense(protocol: MakeProtocol, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        protocol(**changes)


def test_random_is_always_among_the_strategies() -> None:
    assert check_strategies(["margin", "entropy", "margin"]) == ("random", "margin", "entropy")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("margni", "unknown name 'margni'; known: .*margin"),
        ("active_lab", "answers of several annotators"),
        ("llm_uncertainty", "asks an LLM"),
    ],
)
def test_strategies_that_cannot_be_simulated(name: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        check_strategies([name])


def test_a_cluster_finds_what_one_process_finds(dataset: Dataset, protocol: MakeProtocol, tmp_path: Path) -> None:
    cluster = Travelling()
    alone = simulate(dataset, protocol(), ("random", "margin"), range(1))
    together = simulate(dataset, protocol(), ("random", "margin"), range(1), cluster=cluster, out=tmp_path)
    assert together == alone
    assert cluster.parts == [("random", 0), ("margin", 0)]


def test_a_cluster_that_goes_away_leaves_the_cells_before_it(
    dataset: Dataset, protocol: MakeProtocol, tmp_path: Path, run_cells_seen: list[tuple[str, int]]
) -> None:
    class Leaves(Travelling):
        def map(self, work: Any, parts: Any, homes: Any = (), *, on_gpus: bool = False) -> Iterator[Any]:
            yield from super().map(work, parts[:1])
            raise Unavailable("it is gone", reason="CLUSTER_UNREACHABLE")

    with pytest.raises(FailedPrecondition, match="finished cells are kept"):
        simulate(dataset, protocol(), ("random",), range(2), cluster=Leaves(), out=tmp_path)
    simulate(dataset, protocol(), ("random",), range(2), out=tmp_path)
    assert run_cells_seen == [("random", 0), ("random", 1)]
