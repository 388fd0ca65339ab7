"""The parts of a server in groups, each one room or a few that belong together."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.budgets.paid_calls import Ledgers
from nextlabel.server.domain.guidelines.proposals import GuidelineProposals
from nextlabel.server.domain.housekeeping.left_batches import LeftBatches
from nextlabel.server.domain.housekeeping.maintenance import Maintenance
from nextlabel.server.domain.housekeeping.removal import Removal
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.labeling.leases import Leases
from nextlabel.server.domain.labeling.standing import Standings
from nextlabel.server.domain.labeling.submissions import Submissions
from nextlabel.server.domain.learning.advised_predictions import AdvisedPredictions
from nextlabel.server.domain.learning.judging.judging import LabelJudging
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.re_embedding import ReEmbeddings
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.ingest import Ingest
from nextlabel.server.domain.pool.pair_making import PairMaking
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.quality.disagreements import Disagreements
from nextlabel.server.domain.reports.annotator_slices import AnnotatorSlices
from nextlabel.server.domain.reports.annotators import AnnotatorReports
from nextlabel.server.domain.reports.estimates.forecasts import Forecasts
from nextlabel.server.domain.reports.estimates.random_control import RandomControl
from nextlabel.server.domain.reports.estimates.source_curves import SourceCurves
from nextlabel.server.domain.reports.pool_map.points import PoolMaps
from nextlabel.server.domain.reports.ranking import Rankings
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.domain.runs.engine import RunEngine
from nextlabel.server.domain.runs.runs import Runs
from nextlabel.server.domain.runs.scopes import Scopes
from nextlabel.server.domain.selection.selector import Selector
from nextlabel.server.domain.synthesis.synthesis import SynthesisGate
from nextlabel.server.ports.quotes import RunQuotes
from nextlabel.server.system.halt import Halts
from nextlabel.server.wiring.annotators.advisors import LlmAdvisors
from nextlabel.server.wiring.annotators.llm_connections import LlmConnections
from nextlabel.server.wiring.annotators.retirements import Retirements
from nextlabel.server.wiring.lookups import ProjectLookups
from nextlabel.server.wiring.quality import QualityParts


@dataclass(frozen=True, slots=True)
class PoolParts:
    """Items and their embeddings."""

    pools: Pools
    ingest: Ingest
    embedding: Embedding
    pairs: PairMaking


@dataclass(frozen=True, slots=True)
class ProjectParts:
    """Projects and what they may spend."""

    projects: Projects
    budgets: Budgets
    ledgers: Ledgers


@dataclass(frozen=True, slots=True)
class LabelingParts:
    """Leases, answers, and what they add up to."""

    labels: Labels
    standings: Standings
    leases: Leases
    submissions: Submissions


@dataclass(frozen=True, slots=True)
class LearningParts:
    """The learner, and the strategies that ask it."""

    learning: Learning
    selector: Selector
    re_embeddings: ReEmbeddings


@dataclass(frozen=True, slots=True)
class LlmParts:
    """What is made of LLMs: connections, who they advise, what they propose."""

    connections: LlmConnections
    halts: Halts
    lookups: ProjectLookups
    disagreements: Disagreements
    advisors: LlmAdvisors
    predictions: AdvisedPredictions
    proposals: GuidelineProposals
    synthesis: SynthesisGate
    judging: LabelJudging


@dataclass(frozen=True, slots=True)
class RunParts:
    """Server-side loops of rounds."""

    runs: Runs
    engine: RunEngine
    scopes: Scopes
    quotes: RunQuotes
    retirements: Retirements


@dataclass(frozen=True, slots=True)
class ReportParts:
    """What an operator wants to know, and whether it can be trusted."""

    reports: Reports
    annotators: AnnotatorReports
    annotator_slices: AnnotatorSlices
    forecasts: Forecasts
    random_control: RandomControl
    source_curves: SourceCurves
    rankings: Rankings
    maps: PoolMaps
    quality: QualityParts


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What keeps the stores tidy."""

    removal: Removal
    maintenance: Maintenance
    left_batches: LeftBatches
