"""Who is let in: tokens, certificates, and what those without them are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from nextlabel.server.api.boundary.auth import new_secret, secret_hash
from nextlabel.server.system.addresses import BindError
from nextlabel.server.values.access import Role
from nextlabel.server.values.errors import NotFound
from nextlabel.v1 import project_service_pb2
from nextlabel.v1.project_service_pb2_grpc import ProjectServiceServicer, ProjectServiceStub
from tests.api.conftest import NOW, ManualClock, Serve, Serving, Tokens
from tests.api.test_boundary import Projects, projects, status_of

CERTIFICATES = Path(__file__).parent / "certificates"
SERVER_TLS = {"certificate": CERTIFICATES / "server.pem", "key": CERTIFICATES / "server.key"}


def pem(name: str) -> bytes:
    return (CERTIFICATES / name).read_bytes()


async def get(serving: Serving, token: str | None = None, project: str = "news") -> str:
    """Return the name of the caller as the servicer sees it."""
    request = project_service_pb2.GetProjectRequest(project=project)
    metadata = [("authorization", f"Bearer {token}")] if token else None
    response = await ProjectServiceStub(serving.channel).GetProject(request, metadata=metadata, timeout=60)
    return str(response.project.name)


async def refusal(serving: Serving, token: str | None = None, project: str = "news") -> status_pb2.Status:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await get(serving, token, project)
    return status_of(raised.value)


async def test_on_loopback_a_caller_without_a_token_is_the_local_administrator(serve: Serve) -> None:
    serving = await serve(projects(Projects()))
    assert await get(serving) == "local"


async def test_a_wrong_token_is_refused_even_where_none_is_needed(serve: Serve) -> None:
    serving = await serve(projects(Projects()))
    assert (await refusal(serving, "wrong")).code == grpc.StatusCode.UNAUTHENTICATED.value[0]


async def test_a_token_is_good_until_it_expires_or_is_revoked(serve: Serve, tokens: Tokens, clock: ManualClock) -> None:
    serving = await serve(projects(Projects()), auth={"required": True})
    tokens.add("brief", Role.READER, expires_in=timedelta(hours=1))
    lasting = tokens.add("lasting", Role.READER)
    assert [await get(serving, "brief"), await get(serving, "lasting")] == ["brief", "lasting"]
    clock.time = NOW + timedelta(hours=1)
    tokens.by_hash[lasting.token_hash] = replace(lasting, revoked_at=clock.time)
    expired, revoked, unknown = [await refusal(serving, name) for name in ("brief", "lasting", "unknown")]
    assert expired == revoked == unknown


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic YTpi", "reader", "Bearer " + "x" * 1000])
async def test_a_malformed_header_is_an_invalid_token(serve: Serve, tokens: Tokens, value: str) -> None:
    serving = await serve(projects(Projects()), auth={"required": True})
    tokens.add("reader", Role.READER)
    request = project_service_pb2.GetProjectRequest(project="news")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await ProjectServiceStub(serving.channel).GetProject(request, metadata=[("authorization", value)], timeout=60)
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_token_of_the_settings_is_an_administrator(serve: Serve) -> None:
    serving = await serve(projects(Projects()), auth={"required": True, "admin_token": "first"})
    assert await get(serving, "first") == "settings"
    assert (await refusal(serving, "second")).code == grpc.StatusCode.UNAUTHENTICATED.value[0]


class OnlyNews(ProjectServiceServicer):
    """Knows the project `news` and no other, as the domain would answer."""

    async def GetProject(self, request: Any, context: Any) -> project_service_pb2.GetProjectResponse:  # noqa: N802
        if request.project != "news":
            raise NotFound("project", request.project)
        return project_service_pb2.GetProjectResponse(project=project_service_pb2.Project(name="news"))


async def test_a_forbidden_project_looks_like_one_that_is_not_there(serve: Serve, tokens: Tokens) -> None:
    serving = await serve(projects(OnlyNews()), auth={"required": True})
    tokens.add("admin", Role.ADMIN)
    tokens.add("elsewhere", Role.ADMIN, project="sports")
    there = await refusal(serving, "elsewhere", project="news")
    missing = await refusal(serving, "elsewhere", project="weather")
    truly_missing = await refusal(serving, "admin", project="weather")
    assert missing == truly_missing
    assert there.SerializeToString().replace(b"news", b"weather") != there.SerializeToString()
    assert there.message == missing.message.replace("weather", "news")
    assert len(there.details) == len(missing.details)


async def test_a_forbidden_project_is_answered_without_looking(serve: Serve, tokens: Tokens) -> None:
    servicer = Projects()
    serving = await serve(projects(servicer), auth={"required": True})
    tokens.add("elsewhere", Role.ADMIN, project="sports")
    await refusal(serving, "elsewhere", project="news")
    assert servicer.calls == 0


def test_secrets_are_new_each_time_and_stored_as_a_hash() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(first) > 40
    assert first not in secret_hash(first)


async def test_tls_serves_those_who_trust_its_certificate_and_nobody_in_the_clear(serve: Serve) -> None:
    trusting = grpc.ssl_channel_credentials(pem("ca.pem"))
    serving = await serve(projects(Projects()), credentials=trusting, tls=SERVER_TLS)
    assert await get(serving) == "local"
    async with grpc.aio.insecure_channel(serving.address) as clear:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await get(Serving(serving.api, clear, serving.address, serving.registry))
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_client_certificate_gives_the_role_of_its_name(serve: Serve) -> None:
    credentials = grpc.ssl_channel_credentials(pem("ca.pem"), pem("client.key"), pem("client.pem"))
    tls = SERVER_TLS | {"client_ca": CERTIFICATES / "ca.pem", "client_roles": {"producer.example": "producer"}}
    serving = await serve(projects(Projects()), credentials=credentials, tls=tls, auth={"required": True})
    assert await get(serving) == "producer.example"


async def test_with_mtls_a_client_without_a_certificate_is_cut_off(serve: Serve) -> None:
    credentials = grpc.ssl_channel_credentials(pem("ca.pem"))
    tls = SERVER_TLS | {"client_ca": CERTIFICATES / "ca.pem"}
    serving = await serve(projects(Projects()), credentials=credentials, tls=tls)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await get(serving)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_renewed_certificate_counts_from_the_next_connection_on(serve: Serve, tmp_path: Path) -> None:
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    certificate.write_bytes(pem("server.pem"))
    key.write_bytes(pem("server.key"))
    serving = await serve(
        projects(Projects()),
        credentials=grpc.ssl_channel_credentials(pem("ca.pem")),
        tls={"certificate": certificate, "key": key},
    )
    assert await get(serving) == "local"
    options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
    certificate.write_bytes(pem("renewed.pem"))
    # The key is not written yet: the pair before stays.
    before = grpc.ssl_channel_credentials(pem("ca.pem"))
    async with grpc.aio.secure_channel(serving.address, before, options=options) as channel:
        assert await get(Serving(serving.api, channel, serving.address, serving.registry)) == "local"
    key.write_bytes(pem("renewed.key"))
    # Trusting the renewed certificate alone tells it from the one before.
    only_renewed = grpc.ssl_channel_credentials(pem("renewed.pem"))
    async with grpc.aio.secure_channel(serving.address, only_renewed, options=options) as channel:
        assert await get(Serving(serving.api, channel, serving.address, serving.registry)) == "local"


async def test_a_port_in_use_is_an_error_that_names_it(serve: Serve) -> None:
    first = await serve()
    with pytest.raises(BindError, match=first.address):
        await serve(bind=first.address)
