"""The built-in strategies: a name, parameters with defaults, and a composition each.

The keyword parameters of these functions are the parameters users set; their docstring's first line
is what ``--help`` prints. Annotations stay plain (int, float, bool, str) so that values are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nextlabel.strategies.composition.by_answer import ByAnswer
from nextlabel.strategies.composition.sought import SoughtInAll
from nextlabel.strategies.composition.unless_tied import UnlessTied
from nextlabel.strategies.errors import ParameterError
from nextlabel.strategies.pickers.badge import Badge
from nextlabel.strategies.pickers.bait import Bait
from nextlabel.strategies.pickers.category_vectors import CategoryVectors
from nextlabel.strategies.pickers.clusters import ClusterMargin, DropQuery, KMeans
from nextlabel.strategies.pickers.coverage import Herding, ProbCover
from nextlabel.strategies.pickers.d_optimal import DOptimal
from nextlabel.strategies.pickers.double_thompson import DoubleThompson
from nextlabel.strategies.pickers.greedy_distance import KCenter, RankedBatch
from nextlabel.strategies.pickers.improved_greedy import ImprovedGreedySampling
from nextlabel.strategies.pickers.power import PowerSample
from nextlabel.strategies.pickers.top import Top, UniformSample
from nextlabel.strategies.pickers.typiclust import TypiClust
from nextlabel.strategies.pickers.worth import Worth
from nextlabel.strategies.pickers.wrappers import ClassBalanced, Distinct
from nextlabel.strategies.scorer import Scorer
from nextlabel.strategies.scorers.active_lab import ActiveLab
from nextlabel.strategies.scorers.committee import Bald, ConsensusEntropy, MaxDisagreement, VoteEntropy
from nextlabel.strategies.scorers.contrastive import Contrastive
from nextlabel.strategies.scorers.difficulty import ExpectedDifficulty
from nextlabel.strategies.scorers.dropout import DropInconsistency
from nextlabel.strategies.scorers.geometry import Density, DistanceToLabeled
from nextlabel.strategies.scorers.label_cardinality import LabelCardinality
from nextlabel.strategies.scorers.model_change import CommitteeVariance, ExpectedModelChange
from nextlabel.strategies.scorers.power import Power
from nextlabel.strategies.scorers.random import Random
from nextlabel.strategies.scorers.relabel import AnnotatorDisagreement
from nextlabel.strategies.scorers.uncertainty import Entropy, LeastConfidence, Margin, MinMargin, Ratio
from nextlabel.strategies.strategy import ParameterValue, ScoreAndPick, ShortlistSize, Strategy

DIFFICULTY_BY = ("texts", "scores", "judges")
"""What `difficulty` goes by: how far an item's texts differ, how low the best was scored, how far judges differ."""
TOP = ShortlistSize(per_pick=1, extra=1)


def default(sample: int = 5000, scale: float = 0.8, power: float = 2.0, ramp: float = 250.0) -> Strategy:
    """Coverage first, uncertainty as the learner grows sure: uncertainty herding; needs nothing to start."""
    _at_least("default", "sample", sample, 1)
    _positive("default", "scale", scale)
    _positive("default", "power", power)
    _positive("default", "ramp", ramp)
    picker = Herding(scale, Worth(power, ramp))
    params = {"sample": sample, "scale": scale, "power": power, "ramp": ramp}
    covering = ScoreAndPick("default", picker, None, ShortlistSize(4, sample), "covers uncertain region", params)
    telling = bait(sample=sample)
    return ByAnswer(SoughtInAll(covering), of_pairs=telling, of_sets=SoughtInAll(telling))


def random() -> Strategy:
    """Uniformly at random: the baseline every strategy must beat."""
    return ScoreAndPick("random", UniformSample(), Random(), ShortlistSize(), "uniform draw")


def margin() -> Strategy:
    """Smallest gap between the two most probable classes."""
    return _top("margin", Margin(), "small margin")


def min_margin() -> Strategy:
    """Smallest margin of any class where several apply; the margin where one does."""
    return _top("min_margin", MinMargin(), "a class in doubt")


def entropy() -> Strategy:
    """Highest entropy of the prediction."""
    return _top("entropy", Entropy(), "high entropy")


def least_confidence() -> Strategy:
    """Lowest probability of the most probable class."""
    return _top("least_confidence", LeastConfidence(), "low confidence")


def ratio() -> Strategy:
    """Highest ratio of second to first probability."""
    return _top("ratio", Ratio(), "close second class")


def vote_entropy() -> Strategy:
    """Committee members vote for different classes."""
    return _top("vote_entropy", VoteEntropy(), "committee votes differ")


def consensus_entropy() -> Strategy:
    """Highest entropy of the committee's mean prediction."""
    return _top("consensus_entropy", ConsensusEntropy(), "committee is unsure")


def kl_disagreement() -> Strategy:
    """A committee member differs most from the consensus."""
    return _top("kl_disagreement", MaxDisagreement(), "a committee member dissents")


def bald() -> Strategy:
    """Highest mutual information between label and committee member."""
    return _top("bald", Bald(), "committee disagrees, members are sure")


def committee_variance() -> Strategy:
    """Committee members differ most in the score they expect."""
    return _top("committee_variance", CommitteeVariance(), "committee scores it differently")


def expected_model_change() -> Strategy:
    """An answer is expected to move the learner most."""
    return _top("expected_model_change", ExpectedModelChange(), "would change the learner")


def label_cardinality(beta: float = 0.5) -> Strategy:
    """Unusually many or few classes predicted, and a narrow gap to the others; the margin where one applies."""
    if not 0 <= beta <= 1:
        raise ParameterError(f"strategy 'label_cardinality': beta is {beta}; must be between 0 and 1")
    return _top("label_cardinality", LabelCardinality(beta), "unusual number of classes", {"beta": beta})


def category_vectors(sample: int = 5000) -> Strategy:
    """Classes in doubt, and a predicted set unlike those that were given."""
    _at_least("category_vectors", "sample", sample, 1)
    size = ShortlistSize(4, sample)
    return ScoreAndPick("category_vectors", CategoryVectors(), None, size, "unlike sets given", {"sample": sample})


def power_margin(beta: float = 1.0) -> Strategy:
    """Margin, sampled with probability that grows with (1 - margin)^beta; keeps inclusion probabilities."""
    _positive("power_margin", "beta", beta)
    return _power("power_margin", Power(Margin(), beta, offset=1.0), beta)


def power_bald(beta: float = 8.0) -> Strategy:
    """BALD, sampled with probability that grows with its power beta; keeps inclusion probabilities."""
    _positive("power_bald", "beta", beta)
    return _power("power_bald", Power(Bald(), beta), beta)


def distance() -> Strategy:
    """Farthest from anything labeled."""
    return _top("distance", DistanceToLabeled(), "far from labels")


def density(beta: float = 1.0) -> Strategy:
    """Entropy times mean similarity to the pool."""
    _positive("density", "beta", beta)
    return _top("density", Density(Entropy(), beta), "uncertain and typical", {"beta": beta})


def cal(neighbors: int = 10) -> Strategy:
    """Prediction differs from the nearest labeled rows' (contrastive)."""
    _at_least("cal", "neighbors", neighbors, 1)
    return _top("cal", Contrastive(neighbors), "differs from labeled neighbours", {"neighbors": neighbors})


def k_center(shortlist: int = 0) -> Strategy:
    """Core-set: repeatedly the row farthest from labels and picks."""
    return _setwise("k_center", KCenter(), None, shortlist, "farthest from labels and picks")


def ranked_batch(shortlist: int = 0) -> Strategy:
    """Uncertainty traded against distance to labels and picks."""
    return _setwise("ranked_batch", RankedBatch(), LeastConfidence(), shortlist, "uncertain and different")


def badge(shortlist: int = 0) -> Strategy:
    """Diverse and uncertain gradients by k-means++ draws."""
    return _setwise("badge", Badge(), None, shortlist, "gradient far from other picks")


def double_thompson(sample: int = 5000) -> Strategy:
    """Pairs of texts of which either may be the best (a dueling bandit)."""
    _at_least("double_thompson", "sample", sample, 1)
    size = ShortlistSize(4, sample)
    return ScoreAndPick("double_thompson", DoubleThompson(), None, size, "may be the best", {"sample": sample})


def d_optimal(prior: float = 0.1, sample: int = 5000) -> Strategy:
    """Answers narrow the learner's coefficients down most (Bayesian D-optimal design)."""
    _positive("d_optimal", "prior", prior)
    _at_least("d_optimal", "sample", sample, 1)
    params = {"prior": prior, "sample": sample}
    return ScoreAndPick("d_optimal", DOptimal(prior), None, ShortlistSize(4, sample), "narrows the learner", params)


def bait(prior: float = 0.3, sample: int = 5000) -> ScoreAndPick:
    """Answers tell most about what the whole pool is like (Fisher information); `default` of pairs and label sets."""
    _positive("bait", "prior", prior)
    _at_least("bait", "sample", sample, 1)
    params = {"prior": prior, "sample": sample}
    return ScoreAndPick("bait", Bait(prior), None, ShortlistSize(4, sample), "tells most about the pool", params)


def igs(sample: int = 5000) -> Strategy:
    """Far from what is labeled in embedding and score at once (iGS); for scores."""
    _at_least("igs", "sample", sample, 1)
    picker, size = ImprovedGreedySampling(), ShortlistSize(4, sample)
    return ScoreAndPick("igs", picker, None, size, "unlike what is labeled, and its scores", {"sample": sample})


def typiclust(neighbors: int = 20, sample: int = 20_000) -> Strategy:
    """Most typical row of each cluster without labels; strong in the first hundred labels."""
    _at_least("typiclust", "neighbors", neighbors, 1)
    _at_least("typiclust", "sample", sample, 1)
    params = {"neighbors": neighbors, "sample": sample}
    return ScoreAndPick(
        "typiclust", TypiClust(neighbors), None, ShortlistSize(4, sample), "typical of its cluster", params
    )


def probcover(radius: float = 0.0, sample: int = 5000) -> Strategy:
    """Most rows within a radius that labels do not cover yet; radius 0 is estimated."""
    _at_least("probcover", "radius", radius, 0)
    _at_least("probcover", "sample", sample, 1)
    params = {"radius": radius, "sample": sample}
    return ScoreAndPick("probcover", ProbCover(radius), None, ShortlistSize(4, sample), "covers many rows", params)


def max_herding(scale: float = 0.8, sample: int = 5000) -> Strategy:
    """Smooth coverage of the pool; no radius to set."""
    _positive("max_herding", "scale", scale)
    _at_least("max_herding", "sample", sample, 1)
    params = {"scale": scale, "sample": sample}
    return ScoreAndPick("max_herding", Herding(scale), None, ShortlistSize(4, sample), "covers the pool", params)


def kmeans(sample: int = 20_000) -> Strategy:
    """Row nearest to the center of each of k clusters of the pool."""
    _at_least("kmeans", "sample", sample, 1)
    return ScoreAndPick("kmeans", KMeans(), None, ShortlistSize(4, sample), "center of a cluster", {"sample": sample})


def margin_kmeans(per_pick: int = 10) -> Strategy:
    """Shortlist of small margins, one pick from each of its k weighted clusters."""
    _at_least("margin_kmeans", "per_pick", per_pick, 1)
    size = ShortlistSize(per_pick, at_least=2)
    params = {"per_pick": per_pick}
    picker = KMeans(weighted=True)
    return UnlessTied(
        ScoreAndPick("margin_kmeans", picker, Margin(), size, "center of uncertain rows", params), default()
    )


def cluster_margin(per_pick: int = 10) -> Strategy:
    """Shortlist of small margins, round-robin over its clusters."""
    _at_least("cluster_margin", "per_pick", per_pick, 1)
    size = ShortlistSize(per_pick, at_least=2)
    picker = ClusterMargin()
    return UnlessTied(
        ScoreAndPick("cluster_margin", picker, Margin(), size, "uncertain, own cluster", {"per_pick": per_pick}),
        default(),
    )


def dropquery(passes: int = 3, sample: int = 20_000) -> Strategy:
    """Prediction flips under dropout; one pick from each of k clusters of such rows."""
    _at_least("dropquery", "passes", passes, 1)
    _at_least("dropquery", "sample", sample, 1)
    params = {"passes": passes, "sample": sample}
    size = ShortlistSize(4, sample)
    return ScoreAndPick("dropquery", DropQuery(passes), DropInconsistency(passes), size, "flips under dropout", params)


def balanced_margin(per_pick: int = 10) -> Strategy:
    """Small margins, batch spread over predicted classes; for imbalanced pools."""
    _at_least("balanced_margin", "per_pick", per_pick, 1)
    size = ShortlistSize(per_pick, at_least=2)
    params = {"per_pick": per_pick}
    picker = ClassBalanced(Top())
    return UnlessTied(
        ScoreAndPick("balanced_margin", picker, Margin(), size, "small margin in class", params), default()
    )


def distinct_margin(similarity: float = 0.95) -> Strategy:
    """Small margins without near-duplicates of each other or of labels."""
    if not -1 <= similarity <= 1:
        raise ParameterError(f"strategy 'distinct_margin': similarity is {similarity}; must be between -1 and 1")
    params = {"similarity": similarity}
    picker = Distinct(Top(), similarity)
    size = ShortlistSize(3, extra=1)
    return UnlessTied(
        ScoreAndPick("distinct_margin", picker, Margin(), size, "small margin, distinct", params), default()
    )


def difficulty(by: str = "texts", judged_by: str = "", neighbors: int = 10, per_pick: int = 10) -> Strategy:
    """Prompts like those whose texts differ, were judged low, or that judges disagree about; for projects of texts."""
    if by not in DIFFICULTY_BY:
        raise ParameterError(f"strategy 'difficulty': by is {by!r}; must be one of {', '.join(DIFFICULTY_BY)}")
    if (by == DIFFICULTY_BY[0]) == bool(judged_by):
        needs = (
            "goes with by=scores and by=judges" if judged_by else f"by={by} needs the project in which texts are judged"
        )
        raise ParameterError(f"strategy 'difficulty': judged_by is {judged_by!r}; {needs}")
    _at_least("difficulty", "neighbors", neighbors, 1)
    _at_least("difficulty", "per_pick", per_pick, 1)
    params: dict[str, ParameterValue] = {"by": by, "judged_by": judged_by, "neighbors": neighbors, "per_pick": per_pick}
    size, scorer = ShortlistSize(per_pick, at_least=2), ExpectedDifficulty(neighbors)
    picker = KMeans(weighted=True, offset=0)
    return ScoreAndPick("difficulty", picker, scorer, size, "like difficult prompts", params)


def learner_annotator_disagreement() -> Strategy:
    """Answered rows whose answers the learner does not believe: ask again."""
    return _top("learner_annotator_disagreement", AnnotatorDisagreement(), "learner doubts the answer")


def active_lab() -> Strategy:
    """New rows and doubtful answers on one scale (ActiveLab): label or relabel."""
    return _top("active_lab", ActiveLab(), "lowest quality of consensus")


BUILT_IN: Mapping[str, Callable[..., Strategy]] = {
    factory.__name__: factory
    for factory in (
        default,
        random,
        margin,
        min_margin,
        entropy,
        least_confidence,
        ratio,
        vote_entropy,
        consensus_entropy,
        kl_disagreement,
        bald,
        committee_variance,
        expected_model_change,
        label_cardinality,
        category_vectors,
        power_margin,
        power_bald,
        distance,
        density,
        cal,
        k_center,
        ranked_batch,
        badge,
        typiclust,
        probcover,
        max_herding,
        kmeans,
        margin_kmeans,
        cluster_margin,
        dropquery,
        d_optimal,
        bait,
        double_thompson,
        igs,
        balanced_margin,
        distinct_margin,
        difficulty,
        learner_annotator_disagreement,
        active_lab,
    )
}


def _top(name: str, scorer: Scorer, reason: str, params: Mapping[str, float] | None = None) -> Strategy:
    return UnlessTied(ScoreAndPick(name, Top(), scorer, TOP, reason, params or {}), default())


def _power(name: str, scorer: Power, beta: float) -> Strategy:
    size = ShortlistSize(per_pick=1, extra=1)
    return ScoreAndPick(name, PowerSample(), scorer, size, "sampled by uncertainty", {"beta": beta})


def _setwise(
    name: str, picker: KCenter | RankedBatch | Badge, scorer: Scorer | None, shortlist: int, reason: str
) -> Strategy:
    """Compose a picker that works on the whole pool, or on this many rows of smallest margin."""
    _at_least(name, "shortlist", shortlist, 0)
    params = {"shortlist": shortlist}
    if shortlist == 0:
        return ScoreAndPick(name, picker, scorer, None, reason, params)
    return ScoreAndPick(name, picker, scorer or Margin(), ShortlistSize(1, shortlist), reason, params)


def _positive(strategy: str, name: str, value: float) -> None:
    if not value > 0:
        raise ParameterError(f"strategy {strategy!r}: {name} is {value}; must be above 0")


def _at_least(strategy: str, name: str, value: float, least: float) -> None:
    if not value >= least:
        raise ParameterError(f"strategy {strategy!r}: {name} is {value}; must be at least {least}")
