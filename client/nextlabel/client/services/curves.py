"""The learning curve of a project or of a run, which notebooks draw."""

from nextlabel.client.notebook import curve_html
from nextlabel.client.services.reports import Reports
from nextlabel.client.transport.calls import Mode, OfProject, OfRun, Service, run_call
from nextlabel.client.transport.modes import Awaiting, Blocking
from nextlabel.v1 import report_service_pb2 as pb


class CurveHandle(Service[Mode, OfRun]):
    """A learning curve: `get` its points. It is that of a run, or of a project over all its runs."""

    @run_call
    async def get(self, project: str, run_id: str) -> pb.LearningCurve:
        """The curve as it stands, with all its points."""
        reports: Reports[Awaiting, OfProject] = Reports(self._connection, Awaiting(), project)
        return await reports.learning_curve(run=run_id)

    def __repr__(self) -> str:
        project, run_id = self._names
        return f"<learning curve of {f'run {run_id} of ' if run_id else ''}project {project}>"

    def _repr_html_(self) -> str | None:
        """The curve as a picture and a table, which notebooks show; only of a blocking client, as it is asked for."""
        if not isinstance(self._mode, Blocking):
            return None
        project, run_id = self._names
        reports: Reports[Blocking, OfProject] = Reports(self._connection, self._mode, project)
        return curve_html(
            repr(self)[1:-1],
            lambda: reports.learning_curve(run=run_id),
            lambda: reports.plot(runs=[run_id] if run_id else []),
        )
