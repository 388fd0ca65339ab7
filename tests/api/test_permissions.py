"""Who may call what: every RPC with every role, over the wire."""

import grpc
import pytest

from nextlabel.server.api.boundary.permissions import RULES
from nextlabel.server.values.access import Role
from tests.api.catalogue import ALL_RPCS, API_RPCS, Rpc, request_for
from tests.api.conftest import Serve, Tokens

# R reader, A annotator, P producer, O operator, D admin.
ALLOWED = {
    line.split()[0]: set(line.split()[1])
    for line in """
    CreateProject         D
    GetProject            RAPOD
    ListProjects          RAPOD
    UpdateProject         OD
    ReEmbedProject        OD
    DeleteProject         D
    CreateGuidelines      OD
    GetGuidelines         RAPOD
    ListGuidelines        RAPOD
    AcceptGuidelines      OD
    RejectGuidelines      OD
    ProposeGuidelines     OD
    AddItems              POD
    GetUpload             POD
    GetItem               ROD
    ListItems             ROD
    DeleteItems           OD
    GetPoolStatus         RAPOD
    WatchPool             RAPOD
    Embed                 RPOD
    SelectBatch           AOD
    LeaseItems            AOD
    ExtendLease           AOD
    ReleaseLease          AOD
    SubmitAnnotations     AOD
    ListAnnotations       ROD
    GetConsensus          ROD
    ListConsensus         ROD
    UploadReplayLabels    POD
    ExportAnnotations     ROD
    ListAnnotators        ROD
    Train                 OD
    ListModelVersions     ROD
    GetModelVersion       ROD
    Predict               ROD
    PredictStream         ROD
    PredictWithAdvice     OD
    ForgetAdvice          OD
    Evaluate              ROD
    ExportModel           ROD
    ListStrategies        RAPOD
    ListEstimators        RAPOD
    StartRun              OD
    GetRun                ROD
    ListRuns              ROD
    StopRun               OD
    PauseRun              OD
    ResumeRun             OD
    WatchRun              ROD
    QuoteRun              OD
    GetBudget             ROD
    SetBudget             OD
    ListBudgets           ROD
    ListLedgerEntries     ROD
    ListReservations      ROD
    CloseReservation      OD
    GetLearningCurve      ROD
    RenderLearningCurve   ROD
    GetForecast           ROD
    GetRandomControl      OD
    GetSourceCurves       OD
    GetRanking            ROD
    GetPoolMap            ROD
    RenderPoolMap         ROD
    GetAnnotatorReport    ROD
    GetOverview           ROD
    ListTexts             ROD
    ListJudgingItems      ROD
    ListLabelJudges       ROD
    GetAccuracy           ROD
    GetClassShares        ROD
    CompareConsensus      ROD
    CertifyLabels         ROD
    GetPoolDrift          ROD
    GetAnnotatorDrift     ROD
    CompareAnnotators     ROD
    GetDelivery           ROD
    ListDeliveredLabels   ROD
    QuoteRoutes            ROD
    ListReview            ROD
    ListFilterHits        ROD
    SetFilter             OD
    ListFilters           ROD
    RemoveFilter          OD
    ListFilteredLabels    ROD
    KeepItems             OD
    ListKeptItems         ROD
    JudgeLabels           OD
    ListJudges            ROD
    Synthesize            OD
    CreateToken           D
    ListTokens            D
    RevokeToken           D
    """.strip().splitlines()
}
ROLES = {"R": Role.READER, "A": Role.ANNOTATOR, "P": Role.PRODUCER, "O": Role.OPERATOR, "D": Role.ADMIN}
ACCESS_RPCS = {"CreateToken", "ListTokens", "RevokeToken"}
ABOUT_A_PROJECT = [rpc for rpc in API_RPCS if request_for(rpc, "news") and rpc.name not in ACCESS_RPCS]


async def code_of(serving: object, rpc: Rpc, request: bytes, token: str | None) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await rpc.call(serving.channel, [request], token)  # type: ignore[attr-defined]
    return raised.value.code()


def test_every_rpc_has_a_rule_and_every_rule_an_rpc() -> None:
    assert set(RULES) == {rpc.path for rpc in ALL_RPCS}


def test_every_rpc_stands_in_the_table() -> None:
    assert sorted(ALLOWED) == sorted(rpc.name for rpc in API_RPCS)


async def test_every_role_may_call_what_the_table_says_and_nothing_else(serve: Serve, tokens: Tokens) -> None:
    serving = await serve(auth={"required": True})
    for role in Role:
        tokens.add(role.value, role)
    # No servicer is there, so a call that passes the boundary ends with UNIMPLEMENTED.
    found = {
        (rpc.name, letter): await code_of(serving, rpc, request_for(rpc, "news"), role.value)
        for rpc in API_RPCS
        for letter, role in ROLES.items()
    }
    passed, denied = grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED
    assert found == {(name, letter): passed if letter in ALLOWED[name] else denied for name, letter in found}


async def test_no_rpc_of_the_api_passes_without_a_valid_token(serve: Serve, tokens: Tokens) -> None:
    serving = await serve(auth={"required": True})
    codes = {
        await code_of(serving, rpc, request_for(rpc, "news"), token) for rpc in API_RPCS for token in (None, "unknown")
    }
    assert codes == {grpc.StatusCode.UNAUTHENTICATED}


async def test_a_token_of_one_project_reaches_no_other_through_any_rpc(serve: Serve, tokens: Tokens) -> None:
    serving = await serve(auth={"required": True})
    tokens.add("scoped", Role.ADMIN, project="news")
    assert len(ABOUT_A_PROJECT) > 40
    for rpc in ABOUT_A_PROJECT:
        inside = await code_of(serving, rpc, request_for(rpc, "news"), "scoped")
        outside = await code_of(serving, rpc, request_for(rpc, "sports"), "scoped")
        assert (inside, outside) == (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND), rpc.path


async def test_a_token_of_one_project_manages_no_tokens(serve: Serve, tokens: Tokens) -> None:
    serving = await serve(auth={"required": True})
    tokens.add("scoped", Role.ADMIN, project="news")
    codes = {await code_of(serving, rpc, b"", "scoped") for rpc in API_RPCS if rpc.name in ACCESS_RPCS}
    assert codes == {grpc.StatusCode.PERMISSION_DENIED}


async def test_a_request_that_names_no_project_is_refused(serve: Serve) -> None:
    serving = await serve()
    for rpc in ABOUT_A_PROJECT:
        code = await code_of(serving, rpc, b"", None)
        assert code is grpc.StatusCode.INVALID_ARGUMENT, rpc.path
