"""A trained model as an ONNX file: embeddings in, out what the service predicts.

Advice has no part in it: what annotators say of an item is not known where the file is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.multi_label.model import MultiLabelModel
from nextlabel.server.learners.multi_label.rivals import Rivals
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.server.learners.portable.graph import INPUT, PROBABILITIES, SCORES, Graph
from nextlabel.server.learners.preferences.model import PreferenceModel
from nextlabel.server.learners.scores.model import ScoreModel
from nextlabel.server.learners.single_label.estimators import IncrementalSgd
from nextlabel.server.values.errors import FailedPrecondition


def head_file(model: TrainedModel, dimension: int) -> bytes:
    """Return the ONNX file of a model over embeddings of this length.

    Its input is `INPUT`, (n, D) float32. Its output is `PROBABILITIES`, (n, C) float32 in the order of
    ``model.classes``; of a model of scores `SCORES`, (n, 3) float32: the score, and the ends of its interval.

    Raises:
        FailedPrecondition: the file would be too large, or models of this kind have no form in ONNX.
    """
    if isinstance(model, ScoreModel):
        return _scores(model, dimension)
    if isinstance(model, PreferenceModel):
        raise FailedPrecondition(
            "a model of preferences reads two texts at once, which exported models do not yet; predict with the server",
            reason="NOT_PORTABLE",
        )
    graph = Graph(dimension, PROBABILITIES, model.n_classes)
    if isinstance(model, MultiLabelModel):
        logits = _logits(graph, model.head)
        if model.rivals is not None:
            logits = _moved_by_rivals(graph, model.rivals, logits)
        _raised(graph, logits, model.parents_C)
    elif model.linear is not None:
        graph.add("Softmax", _logits(graph, model.linear), name=PROBABILITIES, axis=1)
    elif isinstance(model.estimator, IncrementalSgd):
        _one_against_rest(graph, model.estimator, model.n_classes)
    elif isinstance(model.estimator, KNeighborsClassifier):
        _votes_of_neighbours(graph, model.estimator, model.n_classes)
    else:
        raise FailedPrecondition(
            f"a model of the learner {model.spec.estimator} has no form in ONNX; train another learner",
            reason="NOT_PORTABLE",
        )
    return graph.serialized()


def _scores(model: ScoreModel, dimension: int) -> bytes:
    graph, single = Graph(dimension, SCORES, 3), np.float32

    def number(value: float) -> str:
        return graph.constant(value, single)

    allowed = model.allowed
    shares = graph.add("Clip", _score_shares(graph, model), number(0), number(1))
    scores = graph.add("Add", graph.add("Mul", shares, number(allowed.width)), number(allowed.minimum))
    half, ends = number(model.half_width * allowed.width), (number(allowed.minimum), number(allowed.maximum))
    bounds = [graph.add("Clip", graph.add(side, scores, half), *ends) for side in ("Sub", "Add")]
    graph.add("Concat", scores, *bounds, name=SCORES, axis=1)
    return graph.serialized()


def _score_shares(graph: Graph, model: ScoreModel) -> str:
    """Add the scores as shares of the range, (n, 1)."""
    single = np.float32
    if model.ordinal is None:
        coef, intercept = graph.constant(model.coef_D[None, :], single), graph.constant([model.intercept], single)
        return str(graph.add("Gemm", INPUT, coef, intercept, transB=1))
    cuts = len(model.ordinal.cuts_K)
    coef = graph.constant(np.tile(model.ordinal.coef_D, (cuts, 1)), single)
    above = graph.add(
        "Sigmoid", graph.add("Gemm", INPUT, coef, graph.constant(-model.ordinal.cuts_K, single), transB=1)
    )
    return str(graph.add("ReduceMean", above, axes=[1], keepdims=1))


def _logits(graph: Graph, head: TrainedHead) -> str:
    coef, intercept = graph.constant(head.coef_CD, np.float32), graph.constant(head.intercept_C, np.float32)
    return str(graph.add("Gemm", INPUT, coef, intercept, transB=1))


def _moved_by_rivals(graph: Graph, rivals: Rivals, logits: str) -> str:
    single = np.float32
    alike = graph.add("Sub", logits, graph.constant(rivals.frequencies_C, single))
    best_two, _ = graph.add("TopK", alike, graph.constant([2], np.int64), axis=1, outputs=2)
    best, second = graph.add("Split", best_two, axis=1, outputs=2)
    rival = graph.add("Where", graph.add("Equal", alike, best), second, best)
    above_usual = graph.add("Sub", rival, graph.constant(rivals.usual, single))
    return str(graph.add("Add", logits, graph.add("Mul", above_usual, graph.constant(rivals.weight, single))))


def _raised(graph: Graph, logits: str, parents_C: Sequence[int]) -> None:
    """Add the probabilities of classes, each at least that of every kind of it."""
    kinds_of: dict[int, list[int]] = {}
    for c, parent in enumerate(parents_C):
        while parent >= 0:
            kinds_of.setdefault(parent, [parent]).append(c)
            parent = parents_C[parent]
    if not kinds_of:
        graph.add("Sigmoid", logits, name=PROBABILITIES)
        return
    own = graph.add("Sigmoid", logits)
    highest = [
        graph.add("ReduceMax", graph.add("Gather", own, graph.constant(kinds, np.int64), axis=1), axes=[1], keepdims=1)
        for kinds in kinds_of.values()
    ]
    size = len(parents_C)
    moved = {parent: size + place for place, parent in enumerate(kinds_of)}
    order = graph.constant([moved.get(c, c) for c in range(size)], np.int64)
    graph.add("Gather", graph.add("Concat", own, *highest, axis=1), order, axis=1, name=PROBABILITIES)


def _one_against_rest(graph: Graph, sgd: IncrementalSgd, n_classes: int) -> None:
    """Add what scikit-learn does with log-odds of every class against the rest, in its precision."""
    embeddings = graph.cast(INPUT, np.float64)
    decision = graph.add("Gemm", embeddings, graph.constant(sgd.coef_), graph.constant(sgd.intercept_), transB=1)
    yes = graph.add("Sigmoid", decision)
    if len(sgd.classes_) == 2:
        yes = graph.add("Concat", graph.add("Sub", graph.constant(1), yes), yes, axis=1)
    _over_all_classes(graph, yes, sgd.classes_, n_classes)


def _votes_of_neighbours(graph: Graph, neighbours: Any, n_classes: int) -> None:
    """Add the votes of the k nearest training items, in the precision of scikit-learn's distances.

    An item that is one of them is at a distance of exactly 0 there, and has the only say; the products of two float32
    are exact in float64.
    """
    items_MD = np.asarray(neighbours._fit_X, np.float32)  # noqa: SLF001  (scikit-learn offers it under no other name)
    stored = np.float16 if np.array_equal(items_MD.astype(np.float16), items_MD) else np.float32
    items = graph.cast(graph.constant(items_MD, stored), np.float64)
    own = graph.add("Mul", embeddings := graph.cast(INPUT, np.float64), embeddings)
    axis_1 = graph.constant([1], np.int64)
    squares = graph.add("ReduceSum", own, axis_1, keepdims=1)
    items_squares = graph.constant((items_MD.astype(np.float64) ** 2).sum(axis=1))
    products = graph.add("Gemm", embeddings, items, transB=1, alpha=-2.0)
    squared = graph.add("Add", graph.add("Add", products, items_squares), squares)
    k = graph.constant([neighbours.n_neighbors], np.int64)
    nearest, places = graph.add("TopK", squared, k, axis=1, largest=0, outputs=2)
    labels = np.eye(len(neighbours.classes_))[np.asarray(neighbours._y)]  # noqa: SLF001
    says = graph.add("Gather", graph.constant(labels), places, axis=0)
    if neighbours.weights == "distance":
        distance = graph.add("Sqrt", graph.add("Max", nearest, graph.constant(0)))
        weights = graph.add("Unsqueeze", _by_distance(graph, distance), graph.constant([2], np.int64))
        says = graph.add("Mul", says, weights)
    votes = graph.add("ReduceSum", says, axis_1, keepdims=0)
    _over_all_classes(graph, votes, neighbours.classes_, n_classes)


def _by_distance(graph: Graph, distance: str) -> str:
    at_item = graph.cast(graph.add("Equal", distance, graph.constant(0)), np.float64)
    any_at_item = graph.cast(graph.add("ReduceMax", at_item, axes=[1], keepdims=1), np.bool_)
    return str(graph.add("Where", any_at_item, at_item, graph.add("Div", graph.constant(1), distance)))


def _over_all_classes(graph: Graph, shares: str, classes_k: Any, n_classes: int) -> None:
    """Make rows sum to 1, and give 0 to the classes that the estimator has not seen."""
    total = graph.add("ReduceSum", shares, graph.constant([1], np.int64), keepdims=1)
    places_kC = graph.constant(np.eye(n_classes)[classes_k])
    graph.cast(graph.add("MatMul", graph.add("Div", shares, total), places_kC), np.float32, name=PROBABILITIES)
