"""What every call says while the machine under the server fails, and that all of it works again afterwards.

The limits of the server's process stand for the machine: no file can grow as on a disk that is full or read-only, no
file can be opened as where handles have run out.
"""

from __future__ import annotations

import re
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from nextlabel.server.system.clock import SystemClock
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import pool_service_pb2 as pool_pb
from nextlabel.v1 import project_service_pb2 as project_pb
from tests.api.services.conftest import Api, serving
from tests.api.services.every_call import Answer, Working, call_everything, working_project
from tests.api.services.test_process import start

OK = grpc.StatusCode.OK
SAYS_WHAT_FAILS = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
ABOUT_THE_MACHINE = ("disk", "limit of open files", "ulimit")
OF_THE_INSIDE = re.compile(r"(?<!\w)/|Errno|Exception|Traceback|Lance|\.py\b|os error")
# They need what no fault has to do with: an embedder, an LLM that erred, gold, a version that is not in force, a curve.
NOT_HERE = {"Embed", "ProposeGuidelines", "CertifyLabels", "AcceptGuidelines", "RejectGuidelines", "GetUpload"}
NOT_HERE |= {"ReEmbedProject"}  # of embeddings that the server makes
NOT_HERE |= {"CloseReservation", "GetForecast", "GetRandomControl", "GetRanking", "JudgeLabels", "Synthesize"}
NOT_HERE |= {"ListTexts", "ListJudgingItems", "ListJudges"}  # of projects of texts
NOT_HERE |= {"GetSourceCurves"}  # of a holdout
NOT_HERE |= {"QuoteRoutes", "CompareAnnotators"}  # they need gold too
NOT_HERE |= {"PredictWithAdvice", "ForgetAdvice"}  # they need an LLM that advised
NOT_HERE |= {"PauseRun", "ResumeRun"}  # the fault may have ended the run


@dataclass(frozen=True)
class Machine:
    """A server in a process of its own, whose limits are set from outside."""

    api: Api
    pid: int

    @contextmanager
    def without(self, limit: int) -> Iterator[None]:
        """Let every use fail that a limit of the operating system bounds."""
        before = resource.prlimit(self.pid, limit)
        resource.prlimit(self.pid, limit, (0, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.pid, limit, before)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    server, address = start(tmp_path_factory.mktemp("data"))
    with grpc.insecure_channel(address) as channel:
        yield Machine(Api(channel, address), server.pid)
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=120) == 0


def refused(answers: list[Answer]) -> list[Answer]:
    """The answers of calls that should work on a sound machine, and did not."""
    return [a for a in answers if a.code is not OK and a.rpc not in NOT_HERE]


def check_kept(api: Api, project: Working, answers: list[Answer], first: int) -> None:
    """Hold that what was acknowledged is there, and that nothing is there by half."""
    code = {answer.rpc: answer.code for answer in answers}
    if code["DeleteProject"] is OK:
        names = api.projects.ListProjects(project_pb.ListProjectsRequest(page_size=1_000)).projects
        assert project.name not in {p.name for p in names}
        return
    listing = pool_pb.ListItemsRequest(project=project.name, page_size=1_000)
    ids = {detail.item.id for detail in api.pool.ListItems(listing).items}
    gone = {"item-39"} if code["DeleteItems"] is OK else set()
    new = {f"item-{n}" for n in range(first, first + 3)} if code["AddItems"] is OK else set()
    assert ids == {f"item-{n}" for n in range(50)} - gone | new
    request = labeling_pb.ListAnnotationsRequest(project=project.name, page_size=1_000)
    kept = api.labeling.ListAnnotations(request).annotations
    assert len(kept) == 10 + (2 if code["SubmitAnnotations"] is OK else 0)


@pytest.mark.parametrize("limit", [resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE], ids=["no_space", "no_handles"])
def test_every_call_says_what_fails_and_works_again(machine: Machine, limit: int) -> None:
    project = working_project(machine.api)
    with machine.without(limit):
        answers = call_everything(machine.api, project, first=100)
    told = refused(answers)
    assert len(told) > 5, "the fault was felt"
    assert [a for a in told if a.code not in SAYS_WHAT_FAILS] == []
    assert [a for a in told if not any(words in a.words for words in ABOUT_THE_MACHINE)] == []
    assert [a for a in answers if OF_THE_INSIDE.search(a.words)] == []
    check_kept(machine.api, project, answers, first=100)
    if any(a.rpc == "DeleteProject" and a.code is not OK for a in answers):
        after = call_everything(machine.api, project, first=200)
        taken_away = {"ExtendLease", "ReleaseLease", "RevokeToken"}
        assert [a for a in refused(after) if a.rpc not in taken_away] == []
    else:
        assert refused(call_everything(machine.api, working_project(machine.api), first=200)) == []


@pytest.mark.parametrize("days", [-2, 4_000])
def test_every_call_works_whatever_the_clock_says_and_when_it_is_right_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    with serving(tmp_path) as api:
        before = working_project(api)
        with monkeypatch.context() as wrong:
            wrong.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + timedelta(days=days))
            answers = call_everything(api, before, first=100)
            during = working_project(api)
        answers += call_everything(api, during, first=200)
    leases = {"ExtendLease", "ReleaseLease"}
    assert [a for a in refused(answers) if a.rpc not in leases] == []
    ended = {grpc.StatusCode.OK, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND}
    assert {a.code for a in answers if a.rpc in leases} <= ended
