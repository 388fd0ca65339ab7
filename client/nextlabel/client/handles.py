"""A project by its name, so that no call has to repeat it."""

from collections.abc import AsyncIterator, Sequence
from functools import cached_property

from nextlabel.client.labeled_items import LabeledItem, SoftName, labeled_items
from nextlabel.client.literals import FilteredName
from nextlabel.client.notebook import project_html
from nextlabel.client.services.budgets import Budgets
from nextlabel.client.services.curves import CurveHandle
from nextlabel.client.services.guidelines import Guidelines
from nextlabel.client.services.labeling import Labeling
from nextlabel.client.services.learner import Learner
from nextlabel.client.services.pool import Pool
from nextlabel.client.services.projects import OneProject
from nextlabel.client.services.quality import Quality
from nextlabel.client.services.reports import Reports
from nextlabel.client.services.runs import RunHandle, Runs
from nextlabel.client.services.synthesis import Synthesis
from nextlabel.client.services.texts import Texts
from nextlabel.client.transport.calls import Mode, OfProject, project_stream
from nextlabel.client.transport.modes import Blocking


class ProjectHandle(OneProject[Mode, OfProject]):
    """A project, which need not exist yet: the services of the client, whose calls all mean this one."""

    @property
    def name(self) -> str:
        """Its name."""
        return self._names[0]

    @project_stream
    async def labels(
        self,
        project: str,
        *,
        ask_learner: bool = False,
        soft: SoftName | None = None,
        review_below: float = 0.0,
        filtered: FilteredName = "drop",
    ) -> AsyncIterator[Sequence[LabeledItem]]:
        """Every item with its label, how sure that is, who gave it, and why a person should look again.

        With `ask_learner` the newest model labels what nobody has, and what it contradicts is to be looked at again.
        `soft` labels have a number for each class: the shares of the votes, or the probabilities of the learner; where
        several classes may apply, each has its own. Labels of a confidence below `review_below`, in [0, 1], are to be
        looked at again. Items whose label enabled filters leave out are no part of it; with `filtered` mark they are,
        and `filtered_by` names the filters.

        Raises ValueError when the learner is asked and there is no model or no learner for what the project asks for,
        and for soft labels where there are no classes.
        """
        async for page in labeled_items(
            self._connection, project, ask_learner=ask_learner, soft=soft, review_below=review_below, filtered=filtered
        ):
            yield page

    @cached_property
    def pool(self) -> Pool[Mode, OfProject]:
        """Its items."""
        return Pool(self._connection, self._mode, self.name)

    @cached_property
    def labeling(self) -> Labeling[Mode, OfProject]:
        """Its leases, answers and their consensus."""
        return Labeling(self._connection, self._mode, self.name)

    @cached_property
    def learner(self) -> Learner[Mode, OfProject]:
        """Its learner and the model versions."""
        return Learner(self._connection, self._mode, self.name)

    @cached_property
    def runs(self) -> Runs[Mode, OfProject]:
        """Its runs."""
        return Runs(self._connection, self._mode, self.name)

    @cached_property
    def guidelines(self) -> Guidelines[Mode, OfProject]:
        """The versions of its guidelines."""
        return Guidelines(self._connection, self._mode, self.name)

    @cached_property
    def budgets(self) -> Budgets[Mode, OfProject]:
        """Its budgets and its ledger."""
        return Budgets(self._connection, self._mode, self.name)

    @cached_property
    def reports(self) -> Reports[Mode, OfProject]:
        """What its labels bought."""
        return Reports(self._connection, self._mode, self.name)

    @cached_property
    def curve(self) -> CurveHandle[Mode]:
        """Its learning curve over all runs, which notebooks draw."""
        return CurveHandle(self._connection, self._mode, self.name, "")

    @cached_property
    def quality(self) -> Quality[Mode, OfProject]:
        """Whether its labels and models can be trusted."""
        return Quality(self._connection, self._mode, self.name)

    @cached_property
    def synthesis(self) -> Synthesis[Mode, OfProject]:
        """Texts that an LLM writes for its classes."""
        return Synthesis(self._connection, self._mode, self.name)

    @cached_property
    def texts(self) -> Texts[Mode, OfProject]:
        """Its candidate texts, and who judges them."""
        return Texts(self._connection, self._mode, self.name)

    def run(self, run_id: str) -> RunHandle[Mode]:
        """A run of the project by its id."""
        return RunHandle(self._connection, self._mode, self.name, run_id)

    def __repr__(self) -> str:
        return f"<project {self.name}>"

    def _repr_html_(self) -> str | None:
        """The project as a table, which notebooks show; only of a blocking client, as it is asked for."""
        return project_html(self.name, self.get) if isinstance(self._mode, Blocking) else None
