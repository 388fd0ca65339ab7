"""Gold asked again in a run: on schedule, and where model, prompt or guidelines have changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from nextlabel.server.domain.quality.gold_askings import GoldAsking, GoldAskings
from nextlabel.server.domain.runs.checking.gold_checks import GOLD_ITEMS, GoldChecks
from nextlabel.server.domain.runs.endings import HALTED, End, end_by, is_halt
from nextlabel.server.domain.runs.run_log import RunLog
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.events import GoldReplayed
from nextlabel.server.values.runs.runs import Run, StopReason


@dataclass(frozen=True, slots=True)
class GoldReplays:
    """Has gold items answered before a run's first round and, where it asks for that, again between rounds."""

    store: StateStore
    checks: GoldChecks
    askings: GoldAskings
    log: RunLog
    clock: Clock

    async def begin(self, project: Project, run: Run, source: RunAnnotator) -> End | None:
        """Have gold answered that is not yet; return the end of a run whose annotator a change has made worse.

        A run that is to ask about gold alone ends here, too.
        """
        if source.calibration is None:
            return None
        before = len(await self.askings.of(project, source.annotator.name))
        wanted = run.spec.gold_replay
        await self.checks.check(project, run, source, (wanted.items if wanted.only else 0) or GOLD_ITEMS)
        fallen = await self._compared(project, run, source, before)
        if fallen is not None or not wanted.only:
            return fallen
        answered = await self.checks.answered(project, run, source)
        return End(StopReason.CARRIED_OUT, f"{source.annotator.name} has answered {answered:,} gold items")

    async def when_due(self, project: Project, run: Run, source: RunAnnotator) -> End | None:
        """Have gold answered again if so many answers or hours have come since; return why the run ends, if it does."""
        wanted = run.spec.gold_replay
        if source.calibration is None or not wanted.scheduled or not await self._is_due(project, run, source):
            return None
        before = len(await self.askings.of(project, source.annotator.name))
        try:
            await self.checks.ask_again(project, run, source, wanted.items or GOLD_ITEMS)
        except (BudgetExhausted, AnnotatorStopped) as error:
            return HALTED if is_halt(error) else end_by(error)
        return await self._compared(project, run, source, before)

    async def _is_due(self, project: Project, run: Run, source: RunAnnotator) -> bool:
        """Whether so many answers or hours have come since the annotator was last asked about gold, in whatever run.

        The time is that of its newest answer about gold, which is kept: who goes on after a crash asks no second time.
        """
        name, wanted = source.annotator.name, run.spec.gold_replay
        gold = sorted((await self.checks.pools.open(project.id)).gold)
        if not gold:
            return False
        asked = await self.store.read(lambda tx: tx.labeling.annotations(project.id, rows=gold, annotator=name))
        newest = max(asked, key=lambda a: a.id, default=None)
        if newest and wanted.hours and self.clock.now() - newest.created_at >= timedelta(hours=wanted.hours):
            return True
        if not wanted.every:
            return False
        since = await self.store.read(
            lambda tx: tx.labeling.annotations(
                project.id, annotator=name, after_id=newest.id if newest else 0, limit=wanted.every
            )
        )
        return len(since) >= wanted.every

    async def _compared(self, project: Project, run: Run, source: RunAnnotator, before: int) -> End | None:
        """Tell how the newest answers compare with the earlier ones; return the end that follows, if one does."""
        found = await self.askings.of(project, source.annotator.name)
        asking = found[-1] if len(found) > before else None
        if asking is None or asking.evidence is None:
            return None
        evidence, said = asking.evidence, _said(asking)
        happened = GoldReplayed(
            asking.annotator, evidence.items, evidence.right_before, evidence.right_now, evidence.fallen, said
        )
        await self.log.note(run, happened)
        wanted = run.spec.gold_replay
        if not evidence.fallen or not wanted.scheduled or wanted.alert_only:
            return None
        return End(StopReason.ANNOTATOR_UNRELIABLE, f"{said}; fix it, or start a run that only alerts")


def _said(asking: GoldAsking) -> str:
    """Say how an asking compares with those before, for people."""
    evidence = asking.evidence
    if evidence is None:
        return f"{asking.annotator} answered {asking.items:,} gold items for the first time"
    since = f" since {' and '.join(asking.changed)} changed" if asking.changed else ""
    verdict = "worse than before" if evidence.fallen else "nothing shows that it has become worse"
    return (
        f"{asking.annotator} answers {evidence.right_now:.1%} of {evidence.items:,} gold items right, after "
        f"{evidence.right_before:.1%}{since}: {verdict}"
    )
