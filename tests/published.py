"""A release made once for the tests of a module, and a bucket and a hub to bring it to.

A module that asks for them says `pytest_plugins = ("tests.published",)`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tasks.recipe import Recipe
from tasks.release.distribute import Publication, distribute
from tasks.release.publish import Published, release
from tasks.select.decide import decide_after_teach
from tasks.store import Store, close_stores, open_store
from tests.hub_server import Hub, hub_server
from tests.taught_store import RUN, STUDENT, TEACHER, fill, taught


@dataclass(frozen=True)
class Project:
    """A store with four kept prompts, and the release that was made of them."""

    store: Store
    recipe: Recipe
    published: Published

    def to(self, *targets: dict[str, Any]) -> Recipe:
        """Return the recipe with these targets."""
        declared = self.recipe.model_dump(mode="json")
        declared["release"]["publish"] = list(targets)
        return Recipe.model_validate(declared)

    def distribute(self, *targets: dict[str, Any], run_id: str = RUN) -> tuple[Publication, ...]:
        """Publish the release to these targets."""
        return distribute(self.store, self.to(*targets), run_id, self.published)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One release for all of these tests: making it takes seconds."""
    folder = tmp_path_factory.mktemp("project")
    recipe = Recipe.model_validate(
        {
            "name": "test",
            "store": {"catalog": str(folder / "store" / "catalog.sqlite")},
            "seeds": [{"path": str(folder / "seeds.jsonl")}],
            "models": {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}},
            "release": {"folder": str(folder / "releases"), "validation_share": 0.3},
        }
    )
    store = open_store(recipe.store)
    fill(store, *(taught(f"p{index}") for index in range(4)))
    decide_after_teach(store, recipe, RUN)
    yield Project(store, recipe, release(store, recipe, RUN))
    close_stores()


@pytest.fixture
def project(made: Project) -> Project:
    """That release, published nowhere yet."""
    made.store.execute("delete from publications")
    return made


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    """An S3-compatible server's address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def objects(storage: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket named `sets` on that server, empty, and keys that open it."""
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    client = boto3.resource("s3", endpoint_url=storage, region_name="us-east-1")
    made = client.create_bucket(Bucket="sets")
    yield made
    made.objects.all().delete()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty hub, and a token that may write to it."""
    monkeypatch.setenv("HF_TOKEN", "write-1")
    # The server on loopback speaks the hub's LFS protocol, not that of its newer storage.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with hub_server() as served:
        yield served
