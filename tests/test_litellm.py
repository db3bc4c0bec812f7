"""A server that is not ours: the whole road against LiteLLM's proxy, installed for the test.

It has an environment of its own, since it pins other versions of what we use.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tasks.recipe import StoreSettings
from tasks.store import close_stores, open_store

ROOT = Path(__file__).resolve().parents[1]
VERSION = "1.106.2"
KEY = "sk-only-in-this-test"
DECLINED = json.dumps({"valid": False, "problem": "", "program": "", "answer": ""})
# The student is two deployments behind one name: about half of its answers are right.
MODELS = [
    ("student", r"6 times 7 is 42. The answer is \boxed{42}."),
    ("student", r"6 times 7 is 41. The answer is \boxed{41}."),
    ("teacher", r"Seven sixes make 42. The answer is \boxed{42}."),
    ("rewriter", DECLINED),
]
SAMPLES = 8
NAMES = ("baker", "farmer", "teacher", "tailor", "sailor", "potter", "miller", "smith")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def litellm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command, installed from the package registry; skip where that is out of reach."""
    folder = tmp_path_factory.mktemp("litellm")
    uv, wanted = shutil.which("uv"), f"litellm[proxy]=={VERSION}"
    venv.create(folder, with_pip=uv is None)
    python = str(folder / "bin" / "python")
    pip = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    installed = subprocess.run([*pip, "-q", wanted], stderr=subprocess.PIPE, text=True)
    if installed.returncode:
        pytest.skip(f"{wanted} cannot be installed here: {installed.stderr[-300:]}")
    return folder / "bin" / "litellm"


@pytest.fixture(scope="module")
def base_url(litellm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("proxy")
    config = {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {
                    "model": f"openai/{name}-{number}",
                    "api_key": "none",
                    "mock_response": text,
                },
            }
            for number, (name, text) in enumerate(MODELS)
        ],
        "general_settings": {"master_key": KEY},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen(
            [litellm, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            stdout=log,
            stderr=log,
            env=os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        )
    try:
        url = f"http://127.0.0.1:{port}/v1"
        _wait_for(url, server, folder / "log.txt")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder)


def _wait_for(base_url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    asked = urllib.request.Request(f"{base_url}/models", headers={"Authorization": f"Bearer {KEY}"})
    for _ in range(1200):
        assert server.poll() is None, log.read_text(encoding="utf-8")[-2000:]
        try:
            with urllib.request.urlopen(asked, timeout=5) as answer:
                assert len(json.load(answer)["data"]) == 3
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("LiteLLM's proxy did not come up")


def _write_project(folder: Path, base_url: str) -> Path:
    prompts = [
        f"A {name} packs {6 + number} crates of {number + 7} tiles. One crate holds 6 boxes of 7 "
        "tiles. How many tiles are in one crate?"
        for number, name in enumerate(NAMES)
    ]
    lines = [json.dumps({"prompt": prompt, "answer": "42"}) for prompt in prompts]
    (folder / "seeds.jsonl").write_text("\n".join(lines), encoding="utf-8")
    served = {"base_url": base_url, "api_key_env": "PROXY_KEY", "prices": {"input": 1, "output": 2}}
    recipe = {
        "name": "elsewhere",
        "store": {"catalog": "store/catalog.sqlite"},
        "seeds": [{"path": "seeds.jsonl", "constants": {"domain": "math", "licence": "CC0-1.0"}}],
        "models": {role: {"model": role, **served} for role in ("rewriter", "student", "teacher")},
        "rewrite": {"strategies": ["new_numbers"]},
        "sample": {"student": SAMPLES},
        "release": {"folder": "releases"},
    }
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return file


def _run(recipe: Path, key: str) -> "subprocess.CompletedProcess[str]":
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "TEACHSET"))}
    return subprocess.run(
        [sys.executable, "-m", "cli", "run", str(recipe)],
        env=kept | {"PREFECT_HOME": str(recipe.parent / "prefect"), "PROXY_KEY": key},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_a_recipe_runs_against_another_server(base_url: str, tmp_path: Path) -> None:
    recipe = _write_project(tmp_path, base_url)
    done = _run(recipe, KEY)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    try:
        store = open_store(StoreSettings(catalog=str(tmp_path / "store" / "catalog.sqlite")))
        calls = store.sql(
            "select role, count(*) as calls, bool_and(cost_usd > 0) as billed, "
            "bool_or(simulated) as simulated from responses group by role order by role"
        )
        verdicts = set(store.sql("select distinct verdict from grades")["verdict"])
        reasons = set(store.sql("select distinct reason from rewrites")["reason"])
        pairs = store.sql("select distinct response from pairs")["response"].to_list()
        assert store.sql("select count(*) as n from failures")["n"][0] == 0
    finally:
        close_stores()
    drawn = {row["role"]: row["calls"] for row in calls.to_dicts()}
    assert drawn["student"] == SAMPLES * len(NAMES)
    assert drawn["teacher"] >= len(pairs) > 0
    assert calls["billed"].all()
    assert not calls["simulated"].any()
    assert verdicts == {"correct", "wrong"}
    assert reasons == {"declined"}
    assert pairs == [MODELS[2][1]]


def test_a_key_that_is_not_taken_stops_the_run(base_url: str, tmp_path: Path) -> None:
    refused = _run(_write_project(tmp_path, base_url), "sk-of-somebody-else")
    assert refused.returncode != 0
    # Without a database of keys this proxy answers 400, and not the 401 that everybody else does.
    assert "answered none of the first 20 calls to 'student': status 400" in refused.stderr
    assert "sk-of-somebody-else" not in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
