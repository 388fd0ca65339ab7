"""Who may call what: one rule for every RPC, and no RPC without one."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from google.protobuf.message import Message

from nextlabel.server.api.boundary.calls import Principal
from nextlabel.server.values.access import Role
from nextlabel.server.values.errors import InvalidArgument, NotFound, PermissionDenied

EVERYONE = frozenset(Role)
READERS = frozenset({Role.READER, Role.OPERATOR, Role.ADMIN})
ANNOTATORS = frozenset({Role.ANNOTATOR, Role.OPERATOR, Role.ADMIN})
PRODUCERS = frozenset({Role.PRODUCER, Role.OPERATOR, Role.ADMIN})
OPERATORS = frozenset({Role.OPERATOR, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Rule:
    """Which roles may make a call, and on which project it acts.

    `project` is the path of the request field that names the project; empty when the call concerns no single one.
    `beside` is the field that may name another one, which the caller has to see as well.
    `all_projects` asks for a caller whose scope is every project. `open` needs no credentials at all. `endless` is a
    stream that goes on until its caller leaves, so that a server that stops need not wait for it.
    """

    roles: frozenset[Role]
    project: str = "project"
    beside: str = ""
    all_projects: bool = False
    open: bool = False
    endless: bool = False

    def check_role(self, principal: Principal) -> None:
        """Raise PermissionDenied when the caller's role or scope forbids the call whatever the request says."""
        if principal.role not in self.roles:
            allowed = ", ".join(sorted(role.value for role in self.roles))
            raise PermissionDenied(
                f"the role {principal.role.value} may not make this call; roles that may: {allowed}",
                reason="ROLE_MISSING",
            )
        if self.all_projects and principal.project:
            raise PermissionDenied("this call needs a token that is good for all projects", reason="SCOPE_TOO_NARROW")

    def check_scope(self, principal: Principal, request: Message) -> None:
        """Raise when the request names no project, or one that the caller may not see.

        The answer for a project outside the scope is that for one that does not exist, given without looking: neither
        its text nor its timing tells whether there is such a project.
        """
        if not self.project:
            return
        name = reduce(_get, self.project.split("."), request)
        if not name:
            raise InvalidArgument.field(self.project, "must name a project")
        for named in (name, getattr(request, self.beside) if self.beside else ""):
            if named and not principal.may_see(str(named)):
                raise NotFound("project", str(named))


def _get(message: Any, field: str) -> Any:
    return getattr(message, field)


def _rules(service: str, rules: dict[str, Rule]) -> Iterable[tuple[str, Rule]]:
    return ((f"/nextlabel.v1.{service}/{method}", rule) for method, rule in rules.items())


_OPEN = Rule(EVERYONE, project="", open=True)

RULES: dict[str, Rule] = {
    **dict(
        _rules(
            "ProjectService",
            {
                "CreateProject": Rule(ADMINS, "project.name"),
                "GetProject": Rule(EVERYONE),
                "ListProjects": Rule(EVERYONE, project=""),
                "UpdateProject": Rule(OPERATORS, "project.name"),
                "ReEmbedProject": Rule(OPERATORS),
                "DeleteProject": Rule(ADMINS),
                "CreateGuidelines": Rule(OPERATORS),
                "GetGuidelines": Rule(EVERYONE),
                "ListGuidelines": Rule(EVERYONE),
                "AcceptGuidelines": Rule(OPERATORS),
                "RejectGuidelines": Rule(OPERATORS),
                "ProposeGuidelines": Rule(OPERATORS),
            },
        )
    ),
    **dict(
        _rules(
            "PoolService",
            {
                "AddItems": Rule(PRODUCERS, "header.project"),
                "GetUpload": Rule(PRODUCERS),
                "GetItem": Rule(READERS),
                "ListItems": Rule(READERS),
                "DeleteItems": Rule(OPERATORS),
                "GetPoolStatus": Rule(EVERYONE),
                "WatchPool": Rule(EVERYONE, endless=True),
                "Embed": Rule(READERS | PRODUCERS),
            },
        )
    ),
    **dict(
        _rules(
            "LabelingService",
            {
                "SelectBatch": Rule(ANNOTATORS),
                "LeaseItems": Rule(ANNOTATORS),
                "ExtendLease": Rule(ANNOTATORS),
                "ReleaseLease": Rule(ANNOTATORS),
                "SubmitAnnotations": Rule(ANNOTATORS),
                "ListAnnotations": Rule(READERS),
                "GetConsensus": Rule(READERS),
                "ListConsensus": Rule(READERS),
                "UploadReplayLabels": Rule(PRODUCERS, "header.project"),
                "ExportAnnotations": Rule(READERS, beside="judged_by"),
                "ListAnnotators": Rule(READERS),
            },
        )
    ),
    **dict(
        _rules(
            "LearnerService",
            {
                "Train": Rule(OPERATORS),
                "ListModelVersions": Rule(READERS),
                "GetModelVersion": Rule(READERS),
                "Predict": Rule(READERS),
                "PredictStream": Rule(READERS),
                "PredictWithAdvice": Rule(OPERATORS),
                "ForgetAdvice": Rule(OPERATORS),
                "Evaluate": Rule(READERS),
                "ExportModel": Rule(READERS),
                "ListStrategies": Rule(EVERYONE, project=""),
                "ListEstimators": Rule(EVERYONE, project=""),
            },
        )
    ),
    **dict(
        _rules(
            "RunService",
            {
                "StartRun": Rule(OPERATORS),
                "GetRun": Rule(READERS),
                "ListRuns": Rule(READERS),
                "StopRun": Rule(OPERATORS),
                "PauseRun": Rule(OPERATORS),
                "ResumeRun": Rule(OPERATORS),
                "WatchRun": Rule(READERS, endless=True),
                "QuoteRun": Rule(OPERATORS),
            },
        )
    ),
    **dict(
        _rules(
            "BudgetService",
            {
                "GetBudget": Rule(READERS),
                "SetBudget": Rule(OPERATORS),
                "ListBudgets": Rule(READERS),
                "ListLedgerEntries": Rule(READERS),
                "ListReservations": Rule(READERS),
                "CloseReservation": Rule(OPERATORS),
            },
        )
    ),
    **dict(
        _rules(
            "ReportService",
            {
                "GetLearningCurve": Rule(READERS),
                "RenderLearningCurve": Rule(READERS),
                "GetForecast": Rule(READERS),
                "GetRandomControl": Rule(OPERATORS),
                "GetSourceCurves": Rule(OPERATORS),
                "GetRanking": Rule(READERS),
                "GetPoolMap": Rule(READERS),
                "RenderPoolMap": Rule(READERS),
                "GetAnnotatorReport": Rule(READERS),
                "GetOverview": Rule(READERS),
            },
        )
    ),
    **dict(
        _rules(
            "QualityService",
            {
                "GetAccuracy": Rule(READERS),
                "GetClassShares": Rule(READERS),
                "CompareConsensus": Rule(READERS),
                "CertifyLabels": Rule(READERS),
                "GetPoolDrift": Rule(READERS),
                "GetAnnotatorDrift": Rule(READERS),
                "CompareAnnotators": Rule(READERS),
                "GetDelivery": Rule(READERS),
                "ListDeliveredLabels": Rule(READERS),
                "QuoteRoutes": Rule(READERS),
                "ListReview": Rule(READERS),
                "ListFilterHits": Rule(READERS),
                "SetFilter": Rule(OPERATORS),
                "ListFilters": Rule(READERS),
                "RemoveFilter": Rule(OPERATORS),
                "ListFilteredLabels": Rule(READERS),
                "KeepItems": Rule(OPERATORS),
                "ListKeptItems": Rule(READERS),
                "JudgeLabels": Rule(OPERATORS),
                "ListLabelJudges": Rule(READERS),
            },
        )
    ),
    **dict(_rules("SynthesisService", {"Synthesize": Rule(OPERATORS)})),
    **dict(
        _rules(
            "TextService",
            {
                "ListTexts": Rule(READERS, beside="judged_by"),
                "ListJudgingItems": Rule(READERS),
                "ListJudges": Rule(READERS),
            },
        )
    ),
    **dict(
        _rules(
            "AccessService",
            {
                "CreateToken": Rule(ADMINS, project="", all_projects=True),
                "ListTokens": Rule(ADMINS, project="", all_projects=True),
                "RevokeToken": Rule(ADMINS, project="", all_projects=True),
            },
        )
    ),
    "/grpc.health.v1.Health/Check": _OPEN,
    "/grpc.health.v1.Health/Watch": Rule(EVERYONE, project="", open=True, endless=True),
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _OPEN,
}
