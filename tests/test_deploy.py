"""What deploy/ sets up: closed to the outside, no password in it, of the locked version."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import prefect
import yaml
from jsonschema import Draft201909Validator

WORKERS = (
    Path(prefect.__file__).parent
    / "server/api/collections_data/views/aggregate-worker-metadata.json"
)
ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"


def services() -> dict[str, Any]:
    declared: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return declared


def known_variables(kind: str) -> set[str]:
    """What the job template that Prefect brings for a kind of work pool can be told."""
    workers = json.loads(WORKERS.read_text())[f"prefect-{kind}"][kind]
    return set(workers["default_base_job_configuration"]["variables"]["properties"])


def test_the_compose_file_is_one_by_the_schema_of_compose() -> None:
    """The schema is docker-compose 1.29.2's (Apache-2.0), which knows no `name` yet."""
    schema = json.loads((ROOT / "tests" / "schemas" / "compose_spec.json").read_text())
    validator = Draft201909Validator(schema)
    declared = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert re.fullmatch("[a-z0-9][a-z0-9_-]*", declared.pop("name"))
    assert [error.message for error in validator.iter_errors(declared)] == []
    declared["services"]["prefect"]["depend_on"] = {}
    (error,) = validator.iter_errors(declared)
    assert "'depend_on' does not match" in error.message


def test_what_is_mounted_or_waited_for_is_declared() -> None:
    declared = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    named = [
        mount.split(":")[0]
        for service in declared["services"].values()
        for mount in service.get("volumes", [])
        if not mount.startswith((".", "${"))
    ]
    assert sorted(named) == sorted(declared["volumes"])
    for service in declared["services"].values():
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in declared["services"][other]


def test_only_loopback_is_opened() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:4200:4200", "127.0.0.1:4201:4201"]


def test_passwords_come_from_the_environment_and_must_be_there() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    for name in ("POSTGRES_PASSWORD", "PREFECT_PASSWORD"):
        assert f"${{{name}:?" in text  # Compose refuses to start without it.
    for service in services().values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name or "AUTH" in name:
                assert "${" in value, name


def test_prefect_is_of_the_version_that_is_locked() -> None:
    locked = re.search(r"^prefect==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert locked is not None
    assert f"prefecthq/prefect:{locked[1]}-" in services()["prefect"]["image"]


def test_what_is_mounted_or_copied_is_there() -> None:
    assert (DEPLOY / "postgres" / "lake.sql").read_text().endswith("create database lake;\n")
    build = services()["teachset"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    copied = re.findall(r"^COPY (\S+) ", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for name in copied)


def secrets_in(variables: Mapping[str, object]) -> list[str]:
    """Return which variables tell whoever reads the template what only a secret should hold."""
    name = re.compile(r"PASSWORD|PASSWD|_KEY$|TOKEN|SECRET|AUTH_STRING", re.IGNORECASE)
    value = re.compile(r"://[^/@\s]*:[^/@\s]+@|password=|^sk-", re.IGNORECASE)
    return [
        each for each, said in variables.items() if name.search(each) or value.search(str(said))
    ]


def test_a_secret_in_a_template_would_be_seen() -> None:
    told = {
        "PGPASSWORD": "x",
        "OPENAI_API_KEY": "x",
        "PREFECT_API_AUTH_STRING": "x",
        "PREFECT_API_URL": "http://me:x@host/api",
        "CATALOG": "dbname=lake password=x",
        "MINE": "sk-0123",
    }
    assert secrets_in(told) == list(told)
    assert secrets_in({"PGPASSFILE": "/project/.pgpass", "A": "http://host:4200/api"}) == []


def test_job_templates_run_the_deployments_that_there_are() -> None:
    ours = {
        (each["name"], each["entrypoint"])
        for each in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    }
    for kind in ("docker", "kubernetes"):
        declared = yaml.safe_load((DEPLOY / f"prefect-{kind}.yaml").read_text())
        assert {(each["name"], each["entrypoint"]) for each in declared["deployments"]} <= ours
        for each in declared["deployments"]:
            assert each["work_pool"]["name"] == f"teachset-{kind}"
            assert each["concurrency_limit"] == 1
            variables = each["work_pool"]["job_variables"]
            assert set(variables) <= known_variables(kind)
            assert variables["image"].startswith("teachset:")
            assert secrets_in(variables["env"]) == []


def test_the_kubernetes_job_is_prefects_own_with_what_has_to_last() -> None:
    ours = json.loads((DEPLOY / "kubernetes-job.json").read_text())
    theirs = json.loads(WORKERS.read_text())["prefect-kubernetes"]["kubernetes"]
    assert ours["variables"] == theirs["default_base_job_configuration"]["variables"]
    pod = ours["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]} == {"project", "state"}
