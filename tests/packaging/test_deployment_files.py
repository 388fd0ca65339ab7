"""The files of deploy/: each names settings that the server takes, and nothing that is not there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]

from nextlabel.server.settings.settings import Settings, load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNIT = (DEPLOY / "nextlabel.service").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
BUCKET = yaml.safe_load((DEPLOY / "compose.s3.yaml").read_text())
OBJECTS: dict[str, Any] = {o["kind"]: o for o in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}
RAY: dict[str, Any] = {o["kind"]: o for o in yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text())}
GROUPS = [RAY["RayCluster"]["spec"]["headGroupSpec"], *RAY["RayCluster"]["spec"]["workerGroupSpecs"]]
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
IMAGE = dict(re.findall(r"(NEXTLABEL_\w+)=(\S+)", DOCKERFILE))
SECRET = "postgresql+psycopg://user:secret@db/nextlabel"


def settings(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def of_compose(name: str) -> dict[str, str]:
    given: dict[str, str] = COMPOSE["services"][name]["environment"]
    return {key: re.sub(r"\$\{\w+:\?\}", "secret", value) for key, value in given.items()}


def of_kubernetes() -> dict[str, str]:
    return {entry["name"]: entry.get("value", SECRET) for entry in CONTAINER["env"]}


@pytest.mark.parametrize("environment", [of_compose("one"), of_compose("two"), of_kubernetes()])
def test_servers_in_containers_share_a_database_and_ask_callers_for_tokens(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
):
    taken = settings(monkeypatch, IMAGE | environment)
    assert taken.store_url.startswith("postgresql+psycopg://")
    assert taken.auth.admin_token is not None
    assert taken.tokens_required
    assert (taken.bind, taken.web.bind) == ("0.0.0.0:50051", "0.0.0.0:50080")


def test_the_image_alone_serves_nobody_without_tls_and_runs_as_nobody_special(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="can be reached from other machines"):
        settings(monkeypatch, IMAGE)
    stages = DOCKERFILE.split("\nFROM ")[1:]
    assert [stage.partition("\n")[0] for stage in stages] == ["${BASE} AS build", "${BASE}"]
    assert re.search(r"^USER 10001$", stages[-1], re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for name in " ".join(copied).split():
        assert (DEPLOY.parent / name).exists()
        assert f"!{name}\n" in (DEPLOY / "Dockerfile.dockerignore").read_text()


def test_the_unit_starts_the_server_with_options_and_settings_that_it_has(monkeypatch: pytest.MonkeyPatch):
    found = dict(line.split("=", 1) for line in UNIT.splitlines() if "=" in line and line[0] not in "#[")
    command = shlex.split(found["ExecStart"])
    assert command[0].endswith("/bin/nextlabel")
    assert command[1:] == ["serve", "--workers", "2"]
    given = dict(pair.split("=", 1) for pair in found["Environment"].split() if pair.startswith("NEXTLABEL_"))
    assert settings(monkeypatch, given).data_dir == Path("/var/lib", found["StateDirectory"])


def test_containers_are_given_longer_to_stop_than_the_server_takes(monkeypatch: pytest.MonkeyPatch):
    drain_s = settings(monkeypatch, {}).api.drain_s
    given = [COMPOSE["services"][name]["stop_grace_period"].removesuffix("s") for name in ("one", "two")]
    stop = re.search(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    assert stop is not None
    assert all(float(s) > drain_s for s in (*given, POD["terminationGracePeriodSeconds"], stop[1]))


def test_what_the_objects_of_kubernetes_name_is_there():
    labels = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"],
        OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        OBJECTS["Service"]["spec"]["selector"],
    ]
    assert all(selector.items() <= labels for selector in selectors)
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert {port["targetPort"]: port["port"] for port in OBJECTS["Service"]["spec"]["ports"]} == ports
    assert {probe["grpc"]["port"] for name in ("startup", "readiness") if (probe := CONTAINER[f"{name}Probe"])} == {
        ports["grpc"]
    }
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == {volume["name"] for volume in POD["volumes"]}
    claim = POD["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert claim == OBJECTS["PersistentVolumeClaim"]["metadata"]["name"]
    assert POD["securityContext"]["runAsNonRoot"]
    assert f"USER {POD['securityContext']['runAsUser']}" in DOCKERFILE


def test_volumes_and_services_of_the_compose_file_are_there():
    servers = [COMPOSE["services"][name] for name in ("one", "two")]
    assert all(set(server["depends_on"]) <= set(COMPOSE["services"]) for server in servers)
    named = {volume.partition(":")[0] for service in COMPOSE["services"].values() for volume in service["volumes"]}
    assert named == set(COMPOSE["volumes"])
    published = [port.split(":") for server in servers for port in server["ports"]]
    assert {port[0] for port in published} == {"127.0.0.1"}
    assert len({port[1] for port in published}) == len(published)


def test_every_container_has_a_check_of_its_health_and_a_bound_on_its_memory():
    started = {**BUCKET["services"], **COMPOSE["services"]}
    assert all({"healthcheck", "mem_limit"} <= service.keys() for service in started.values())
    [*_, script] = COMPOSE["services"]["one"]["healthcheck"]["test"]
    port = CONTAINER["ports"][0]["containerPort"]
    assert f'"localhost:{port}"' in script
    compile(script, "healthcheck", "exec")
    containers = [CONTAINER, *(pod["containers"][0] for group in GROUPS if (pod := group["template"]["spec"]))]
    assert all("memory" in container["resources"]["limits"] for container in containers)
    assert all("readinessProbe" in container for container in containers)


def test_the_objects_of_kubernetes_are_what_its_schemas_say():
    pods = [{"apiVersion": "v1", "kind": "Pod", **group["template"]} for group in GROUPS]
    for value in (*OBJECTS.values(), RAY["NetworkPolicy"], *pods):
        kubernetes_validate.validate(value, "1.34", strict=True)


def test_a_ray_cluster_has_the_version_that_is_installed_with_the_servers_and_asks_for_a_token():
    assert f"ray=={RAY['RayCluster']['spec']['rayVersion']}\n" in (DEPLOY.parent / "constraints.txt").read_text()
    policy = RAY["NetworkPolicy"]["spec"]
    for group in GROUPS:
        labels, pod = group["template"]["metadata"]["labels"], group["template"]["spec"]
        assert labels == policy["podSelector"]["matchLabels"]
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in pod["containers"][0]["env"]
        assert f"USER {pod['securityContext']['runAsUser']}" in DOCKERFILE
    callers = [peer["podSelector"]["matchLabels"] for rule in policy["ingress"] for peer in rule["from"]]
    assert callers == [policy["podSelector"]["matchLabels"], OBJECTS["Service"]["spec"]["selector"]]


def test_servers_with_a_bucket_keep_their_pool_in_the_store_that_is_started_beside_them(
    monkeypatch: pytest.MonkeyPatch,
):
    assert {"one", "two"} < set(BUCKET["services"])
    for name in ("one", "two"):
        server = BUCKET["services"][name]
        assert set(server["depends_on"]) == set(BUCKET["services"]) - {"one", "two"}
        given = {key: re.sub(r"\$\{\w+:\?\}", "secret", value) for key, value in server["environment"].items()}
        assert settings(monkeypatch, IMAGE | of_compose(name) | given).store.pool_url == "s3://nextlabel/pool"
