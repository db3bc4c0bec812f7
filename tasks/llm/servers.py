"""Servers: the address, the key and the identity behind a role.

A role without `base_url` is served by the simulator, started when a run first needs it and stopped
with that run.
The simulator is told the seeds and their answers, so that it can be right and wrong about them.
"""

import tempfile
import threading
from pathlib import Path

from prefect.blocks.system import Secret

from tasks.errors import RecipeError
from tasks.identity import content_id, settings_digest
from tasks.llm.request import Endpoint
from tasks.recipe import ModelSettings, Recipe, Role
from tasks.recipe.players import NO_KEY, key_of, settings_of
from tasks.simulator.launch import RunningSimulator, start_simulator
from tasks.store import Store

_ITEMS_AT_A_TIME = 10_000


def endpoint_of(store: Store, recipe: Recipe, role: Role) -> Endpoint:
    """Return where a role is served.

    Raises RecipeError if nobody plays the role or the key of its server is missing.
    """
    settings = settings_of(recipe, role)
    server = identify_server(recipe, settings)
    if settings.base_url is None:
        simulator = _simulator_for(store, recipe)
        return Endpoint(settings, simulator.base_url, server, NO_KEY, simulated=True)
    return Endpoint(settings, settings.base_url, server, _read_key(role, settings))


def identify_endpoint(recipe: Recipe, settings: ModelSettings) -> Endpoint:
    """Return what a request's key needs to know of an endpoint; nothing is started or asked."""
    server = identify_server(recipe, settings)
    return Endpoint(settings, "", server, "", simulated=settings.base_url is None)


def identify_server(recipe: Recipe, settings: ModelSettings) -> str:
    """Return what a request's key knows the server of a model by."""
    if settings.base_url is None:
        identity = settings_digest(recipe.simulator.model_dump(include={"seed", "models"}))
        return f"simulator:{identity}"
    return (settings.server or settings.base_url).rstrip("/")


def stop_simulator(catalog: str) -> None:
    """Stop the simulator that this process started for a store, if it did."""
    with _LOCK:
        if catalog in _RUNNING:
            _RUNNING.pop(catalog)[1].stop()


def stop_simulators() -> None:
    """Stop every simulator that this process started."""
    for catalog in list(_RUNNING):
        stop_simulator(catalog)


def _read_key(role: Role, settings: ModelSettings) -> str:
    if settings.api_key_block is not None:
        return _load_key(role, settings.api_key_block)
    return key_of(role, settings)


def _load_key(role: Role, block: str) -> str:
    """Return what a Secret block of the Prefect server holds; it is kept nowhere."""
    try:
        loaded = Secret.load(block)
        assert isinstance(loaded, Secret)  # a coroutine only where a loop runs
        # Not by its `get`, which reads what it can as JSON: of 12e5 that leaves 1200000.0.
        key = str(loaded.value.get_secret_value()).strip()
    except Exception as error:  # Its own errors may quote what it could not decrypt or parse.
        reason = "there is no such block" if isinstance(error, ValueError) else type(error).__name__
        key, why = "", f"cannot be loaded ({reason})"
    else:
        why = "is empty"
    if not key:
        raise RecipeError(
            f"models.{role}.api_key_block: the Secret block {block} {why}; make it in Prefect's "
            "UI under Blocks, on the server that this run reports to"
        )
    return key


def _simulator_for(store: Store, recipe: Recipe) -> RunningSimulator:
    """Return the simulator that knows the seeds of this store as they are now."""
    settings = recipe.simulator.model_dump(mode="json")
    catalog = store.settings.catalog
    known = content_id(*store.query("simulator_seeds").row(0), settings)
    with _LOCK:
        if catalog in _RUNNING and _RUNNING[catalog][0] != known:
            _RUNNING.pop(catalog)[1].stop()
        if catalog not in _RUNNING:
            with tempfile.TemporaryDirectory(prefix="teachset-simulator-") as folder:
                items = Path(folder, "items.jsonl")
                with items.open("wb") as file:
                    for page in store.stream("simulator_items", _ITEMS_AT_A_TIME):
                        page.write_ndjson(file)
                _RUNNING[catalog] = known, start_simulator([items], settings)
        return _RUNNING[catalog][1]


_RUNNING: dict[str, tuple[str, RunningSimulator]] = {}  # By store, with what it was told.
_LOCK = threading.Lock()
