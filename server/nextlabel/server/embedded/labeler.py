"""`Labeler`: from texts to labels in a program of yours, as an estimator of scikit-learn."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score

from nextlabel.client.messages.answers import plain_answer
from nextlabel.client.notebook import project_html
from nextlabel.server.auto.job import PROJECT
from nextlabel.server.auto.outcome import ADDED
from nextlabel.server.embedded.answers import LabelerAnswers
from nextlabel.server.embedded.functions import LARGEST_BATCH
from nextlabel.server.embedded.label_sets import is_matrix
from nextlabel.server.embedded.plan import LabelerPlan, whole_number
from nextlabel.server.embedded.session import LabelerSession
from nextlabel.server.embedded.summary import LabelerSummary
from nextlabel.server.embedded.texts import texts_of

if TYPE_CHECKING:
    from pathlib import Path

    from nextlabel.client.handles import ProjectHandle
    from nextlabel.client.transport.modes import Blocking
    from nextlabel.server.embedded.functions import Function
    from nextlabel.v1.learner_service_pb2 import Prediction

_STATE = "state.db"


class Labeler(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Labels texts within a budget: the most useful ones by an annotator, the others by a learner trained on these.

    It is a classifier of scikit-learn over texts. The server of nextlabel runs within the process, without a port; what
    happens is the same as with `nextlabel auto`. Wrong arguments are ValueErrors.

    Args:
        classes: what a text can be, two or more, or each with a description; by default those of the known labels.
        annotation_type: ``single_label``, or ``multi_label`` where any number of classes applies to a text.
        paths: of several classes, they are paths: where ``animal/cat`` applies, ``animal`` does.
        annotator: a function that is given a text and returns its label (of several a list), or None to pass it on; or
            ``human`` (you, by `query` and `teach`), ``anthropic``, ``openai-compatible``, or ``local``, a small model
            on this machine.
        model: name of the model that labels.
        base_url: server of the model, for ``openai-compatible``.
        guidelines: what the classes mean, for models.
        budget_usd: most US dollars that it spends, over all its fits; needed for ``anthropic``. Nothing asks before.
        budget_labels: most labels of the annotator; by default every text may be asked about. Known labels are free.
        strategy: how texts are chosen, a name of the guide to strategies.
        batch_size: how many texts are asked about between two trainings; by default a twentieth of them, 20 to 500.
        holdout: share in [0, 1) of the known labels that only evaluate, for `summary_`.
        review_below: labels of a confidence in [0, 1] below this are marked for another look.
        embedding_model: a sentence-transformers model, by name or folder; by default that of the server.
        folder: where everything is kept, so that a later call goes on and `nextlabel serve --data-dir` opens it; by
            default nothing is. It serves one process at a time.

    Without a folder every `fit` begins anew; with one it goes on, and asks and pays nothing twice. The budget of labels
    is for all that was asked since the beginning.

    Attributes:
        classes_: (C,) the classes, sorted.
        labels_: a row for each text, see the property.
        summary_: what it came to.
        project_: the project underneath, with the calls of the client.
    """

    def __init__(
        self,
        classes: Iterable[Any] | Mapping[Any, str] | None = None,
        *,
        annotation_type: str = "single_label",
        paths: bool = False,
        annotator: str | Function = "human",
        model: str = "",
        base_url: str = "",
        guidelines: str = "",
        budget_usd: float | None = None,
        budget_labels: int | None = None,
        strategy: str = "default",
        batch_size: int | None = None,
        holdout: float = 0.0,
        review_below: float = 0.8,
        embedding_model: str = "",
        folder: str | Path | None = None,
    ) -> None:
        self.classes = classes
        self.annotation_type = annotation_type
        self.paths = paths
        self.annotator = annotator
        self.model = model
        self.base_url = base_url
        self.guidelines = guidelines
        self.budget_usd = budget_usd
        self.budget_labels = budget_labels
        self.strategy = strategy
        self.batch_size = batch_size
        self.holdout = holdout
        self.review_below = review_below
        self.embedding_model = embedding_model
        self.folder = folder

    def fit(self, X: Any, y: Any = None) -> Self:
        """Take texts, have the most useful ones labeled, and train.

        Args:
            X: n texts: a list, a Series, an array, or a table with one column.
            y: n labels where they are known; None, NaN, an empty text or -1 where not (-1 is a label if `classes` has
                it). Of several classes a list of them each, or an (n, C) matrix of 0 and 1, its columns those of
                `classes`. All of them known is supervised learning: nobody is asked.

        Raises:
            ValueError: an argument is wrong, or a function returned what is no class; answers before are kept.
            LabelingFailedError: a model could not go on; what it labeled is kept.
            NextlabelError: the engine refused something, such as a model without a price.
            DomainError: the folder is in use or cannot be written.
        """
        return self._go_on(X, y, anew=self.folder is None, fresh=True)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Take more texts, or labels of those that are there, and go on. As `fit`, but never anew."""
        return self._go_on(X, y, anew=False, fresh=False)

    def query(self, n: int = 10) -> list[str]:
        """Return up to ``n`` texts, from 1 to 10,000, whose labels would teach most, the best first; for `teach`.

        A look: the same texts come again until something is taught.
        """
        session = self._fitted()
        return session.picked(whole_number("n", n, LARGEST_BATCH) or 1, self._plan().strategy)

    def teach(self, X: Any, y: Any) -> Self:
        """Take labels of texts, from `query` or not, and train; they count as known, and overrule what there was.

        Args:
            X: n texts; new ones are added.
            y: n labels; None, NaN, an empty text or -1 leaves a text as it is.
        """
        session = self._fitted()
        texts = texts_of(X)
        session.teach(texts, session.answers.named(session.answers.known(y, len(texts)), "y"))
        return self

    def predict(self, X: Any) -> Any:
        """Return what the learner says of n texts: (n,) classes; of several n lists, or a matrix where y was one."""
        answers = self._fitted().answers
        names = [plain_answer(one.answer) for one in self._predictions(self._fitted(), X, 0)]
        return answers.array([*map(answers.of_names, names)], as_matrix=self.__dict__.get("_takes_matrix", False))

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return (n, C) probabilities in [0, 1] of n texts, in the order of ``classes_``.

        The rows sum to 1 where one class applies; of several each has a probability of its own.
        """
        session = self._fitted()
        place = {session.answers.classes.name(label): column for column, label in enumerate(self.classes_)}
        predictions = self._predictions(session, X, len(place))
        proba_NC = np.zeros((len(predictions), len(place)))
        for row, one in enumerate(predictions):
            for candidate in one.candidates:
                proba_NC[row, place[candidate.label]] = candidate.probability
        return proba_NC

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of n texts, in [0, 1], of which the learner says just what ``y`` does."""
        answers = self._fitted().answers
        if answers.kind.several:
            said = [*map(answers.of_names, answers.named(answers.known(y, len(texts_of(X))), "y"))]
            if None in said:
                raise ValueError(f"y[{said.index(None)}]: is not known; a score needs the labels of all texts")
            predicted = [plain_answer(one.answer) for one in self._predictions(self._fitted(), X, 0)]
            rows = (answers.array(one, as_matrix=True) for one in (said, [*map(answers.of_names, predicted)]))
            return float(accuracy_score(*rows, sample_weight=sample_weight))
        return float(super().score(X, y, sample_weight))

    @property
    def labels_(self) -> pd.DataFrame:
        """A row for each text that was given, in order; with the index of the Series or table of the newest `fit`.

        Columns: ``text``; ``label``, None where there is none; ``confidence`` in [0, 1], NaN where there is none;
        ``confidence_kind``, calibrated, uncalibrated or learner; ``source``, known, an annotator, learner, or nobody;
        and ``review``, why a person should look again, or ''.
        """
        session = self._fitted()
        rows, _ = session.outcome(self._plan().review_below)
        found = pd.DataFrame(rows, columns=["text", *ADDED], index=session.index)
        found["label"] = [*map(session.answers.of_names, found["label"])]
        found["confidence"] = found["confidence"].astype(float)
        return found

    @property
    def summary_(self) -> LabelerSummary:
        """What it came to, as texts and as a table in notebooks."""
        session = self._fitted()
        _, tally = session.outcome(self._plan().review_below)
        return session.summary(tally)

    @property
    def project_(self) -> ProjectHandle[Blocking]:
        """The project underneath: its curve, runs, budgets, export of the model, as the client has them."""
        return self._fitted().client.project(PROJECT)

    def close(self) -> None:
        """End the engine. With a folder the next call opens it again; without one all is forgotten."""
        session: LabelerSession | None = self.__dict__.pop("_session", None)
        if session is not None:
            session.close()
            session.forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __sklearn_is_fitted__(self) -> bool:
        session: LabelerSession | None = self.__dict__.get("_session")
        return (session is not None and session.is_open and session.has_project) or self._is_kept

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.target_tags.required = False
        tags.classifier_tags.multi_label = self.annotation_type == "multi_label"
        return tags

    def __getstate__(self) -> Any:
        if self.__dict__.get("_session") is not None:
            raise TypeError(
                "a Labeler that was fitted has an engine running, which cannot be copied or pickled; keep its work by "
                "folder=, or take the model along by project_.learner.export"
            )
        return super().__getstate__()

    def _repr_mimebundle_(self, **kwargs: Any) -> Mapping[str, str]:
        """As scikit-learn shows it, with the project where there is one; for notebooks."""
        shown: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        session: LabelerSession | None = self.__dict__.get("_session")
        if "text/html" in shown and session is not None and session.is_open and session.has_project:
            shown["text/html"] += project_html(PROJECT, lambda: session.client.projects.get(PROJECT)) or ""
        return shown

    def _go_on(self, X: Any, y: Any, *, anew: bool, fresh: bool) -> Self:
        plan = self._plan()
        texts = texts_of(X)
        if not texts:
            raise ValueError("X: there are no texts (0 samples)")
        given = self._given(plan)
        known = plan.kind.known(y, len(texts)) if given is None else given.known(y, len(texts))
        session = self._opened(plan)
        answers = given or LabelerAnswers.of(plan.kind, (not anew and session.class_names) or plan.kind.found(y, known))
        named = answers.named(known, "y")
        if anew:
            session.begin_anew()
        session.prepare(answers, plan.guidelines)
        self.classes_ = answers.class_array
        self._takes_matrix = is_matrix(y) if y is not None else self.__dict__.get("_takes_matrix", False)
        index = X.index if fresh and isinstance(X, pd.Series | pd.DataFrame) else None
        session.add(texts, named, plan.holdout, fresh=fresh, index=index)
        session.ask(plan)
        return self

    def _given(self, plan: LabelerPlan) -> LabelerAnswers | None:
        return None if self.classes is None else LabelerAnswers.of(plan.kind, self.classes)

    def _plan(self) -> LabelerPlan:
        return LabelerPlan.of(self.get_params(deep=False))

    @property
    def _is_kept(self) -> bool:
        """Whether there is a folder with something in it."""
        folder = self._plan().folder
        return folder is not None and (folder / _STATE).is_file()

    def _opened(self, plan: LabelerPlan) -> LabelerSession:
        """Return the open session, or open one; where only what labels has changed, the texts and labels stay."""
        before: LabelerSession | None = self.__dict__.get("_session")
        if before is not None and before.is_open and before.opening == plan.opening:
            return before
        passing = None
        if before is not None:
            before.close()
            passing = before.passing
        session = LabelerSession(plan, self._given(plan), passing)
        self._session = session
        # Not at the end of the process: its threads have ended by then, and nothing is lost without.
        weakref.finalize(self, _close_beside, session).atexit = False
        return session

    def _fitted(self) -> LabelerSession:
        """Return the session, opening the folder where there is one.

        Raises:
            NotFittedError: there is nothing yet.
        """
        session: LabelerSession | None = self.__dict__.get("_session")
        if (session is None or not session.is_open) and self._is_kept:
            session = self._opened(self._plan())
        if session is None or not session.is_open or not session.has_project:
            raise NotFittedError("this Labeler has no texts yet, or was closed; call fit first")
        self.classes_ = session.answers.class_array
        return session

    def _predictions(self, session: LabelerSession, X: Any, candidates: int) -> Sequence[Prediction]:
        texts = texts_of(X)
        if not session.client.projects.get(PROJECT).model_version:
            raise NotFittedError(
                "there is no model yet, as nothing is labeled: give labels as y, or by query and teach"
            )
        return [*session.client.learner.predict_stream(PROJECT, texts, candidates=candidates)] if texts else []


def _close_beside(session: LabelerSession) -> None:
    """Close a session that nobody has any more, on a thread of its own: this one may be that of an engine."""

    def close() -> None:
        with suppress(RuntimeError):  # the interpreter is ending, and with it what this waits for
            session.close()

    with suppress(RuntimeError):  # the same: there are no new threads
        threading.Thread(target=close, name="nextlabel-closing", daemon=True).start()
