"""What tells whether labels and models can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.labeling.text_learners import TextLearners
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.training_labels.filter_sets import FilterSets
from nextlabel.server.domain.learning.training_labels.judges import Judges
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.quality.acceptance import Acceptances
from nextlabel.server.domain.quality.annotator_comparisons import AnnotatorComparisons
from nextlabel.server.domain.quality.consensus_methods import ConsensusMethods
from nextlabel.server.domain.quality.gold_askings import GoldAskings
from nextlabel.server.domain.reports.delivery.deliveries import Deliveries
from nextlabel.server.domain.reports.delivery.measured import MeasuredDeliveries
from nextlabel.server.domain.reports.delivery.unseen import UnseenPredictions
from nextlabel.server.domain.reports.estimates.accuracy import AccuracyReports
from nextlabel.server.domain.reports.estimates.annotator_accuracy import AnnotatorAccuracies
from nextlabel.server.domain.reports.estimates.class_shares import ShareReports
from nextlabel.server.domain.reports.estimates.field_values import FieldValues
from nextlabel.server.domain.reports.estimates.pool_features import PoolFeatures
from nextlabel.server.domain.reports.estimates.pool_surveys import PoolSurveys
from nextlabel.server.domain.reports.estimates.slices import SliceReports
from nextlabel.server.domain.reports.pool_drift import PoolDrift
from nextlabel.server.domain.reports.routing import RoutePlans
from nextlabel.server.domain.reports.unlabeled_items import LeastSureItems
from nextlabel.server.domain.selection.audited_rows import AuditedRows
from nextlabel.server.domain.selection.review_queue import ReviewQueue
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor


@dataclass(frozen=True, slots=True)
class QualityParts:
    """The use cases of QualityService."""

    accuracy: AccuracyReports
    annotator_accuracies: AnnotatorAccuracies
    slices: SliceReports
    shares: ShareReports
    consensus: ConsensusMethods
    acceptance: Acceptances
    drift: PoolDrift
    gold_askings: GoldAskings
    annotator_comparisons: AnnotatorComparisons
    deliveries: Deliveries
    measured_deliveries: MeasuredDeliveries
    route_plans: RoutePlans
    review: ReviewQueue
    filter_sets: FilterSets
    judges: Judges


def quality_parts(
    store: StateStore, pools: Pools, labels: Labels, learning: Learning, *, judges: Judges, executor: Executor
) -> QualityParts:
    """Connect them."""
    filters = learning.filters
    deliveries = Deliveries(
        store=store, pools=pools, labels=labels, learning=learning, budgets=learning.budgets, executor=executor
    )
    accuracy = AccuracyReports(store, pools, labels, learning)
    surveys = PoolSurveys(store, pools, PoolFeatures(pools, learning.advice), executor)
    accuracies = AnnotatorAccuracies(store, labels, surveys)
    return QualityParts(
        accuracy=accuracy,
        annotator_accuracies=accuracies,
        slices=SliceReports(store, FieldValues(pools), labels, accuracy),
        shares=ShareReports(store, pools, labels, surveys),
        consensus=ConsensusMethods(store, labels, executor, TextLearners(pools)),
        acceptance=Acceptances(store, labels, executor),
        drift=PoolDrift(store, pools, executor, learning.clock),
        gold_askings=GoldAskings(store),
        annotator_comparisons=AnnotatorComparisons(store),
        deliveries=deliveries,
        measured_deliveries=MeasuredDeliveries(deliveries, accuracies, labels, UnseenPredictions(labels, learning)),
        route_plans=RoutePlans(deliveries, executor),
        review=ReviewQueue(
            store=store,
            pools=pools,
            labels=labels,
            doubting=filters.doubting,
            filters=filters,
            audited=AuditedRows(store),
            unlabeled=LeastSureItems(store, pools, deliveries),
        ),
        filter_sets=FilterSets(store, pools, filters, judges, learning.clock),
        judges=judges,
    )
