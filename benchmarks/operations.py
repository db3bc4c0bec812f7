"""Operations: what Prefect costs, a night with nothing new, readers beside a run, nights in a row.

    {"bench": "operations", "measure": "a night with nothing new", "value": 41.0, "unit": "s", …}

`python -m benchmarks.operations` runs all, with names only those: `… orchestration nothing_new`.
TEACHSET_PROMPTS, _NIGHTS, _SAMPLES, _ROUNDS and _CALLS make it smaller; what a measure was taken
with stands in its detail. The large project is kept in TEACHSET_LARGE, if that names a folder, and
used again. The names below are also processes of their own: each weighs itself or reads.
"""

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks._nights import (
    add_seeds,
    answering_at_once,
    load,
    resident_bytes,
    run_flow,
    without_prefect,
    write_growing_project,
    write_project,
)
from benchmarks._serving import draw, line_of, make_endpoint, make_requests
from cli.doctor.store import check_store
from cli.prefect_server import prefect_server
from cli.reading import open_reader
from cli.running import load_flow
from cli.terminal_log import prepare_environment
from tasks.lake.place import SQL_FOLDER
from tasks.recipe import Recipe
from tasks.simulator.launch import start_simulator
from tasks.store import open_store

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = int(os.environ.get("TEACHSET_SAMPLES", 16))  # 16 of the student: 10,000 calls in all
PROMPTS = int(os.environ.get("TEACHSET_PROMPTS", 1_400_000))
NIGHTS = int(os.environ.get("TEACHSET_NIGHTS", 50))
SEEDS_A_NIGHT, TIDY_EVERY, COMPARED = 20, 7, 3
ROUNDS = int(os.environ.get("TEACHSET_ROUNDS", 3))
READERS, THINK_S = 10, 10.0  # ten people, each of whom asks something every ten seconds
CALLS = int(os.environ.get("TEACHSET_CALLS", 6_000))
LATENCY = {"kind": "lognormal", "mean": 0.5, "sigma": 0.8}
SETTLED = min(5, NIGHTS // 3)  # nights until the server has seen something of everything


def main(names: Sequence[str]) -> None:
    """Print every measure, or the named groups of them, as JSON lines."""
    if names[:1] == ["--process"]:
        print(json.dumps(PROCESSES[names[1]](*names[2:])))
        return
    groups = {
        "orchestration": measure_orchestration,
        "nothing_new": measure_nothing_new,
        "readers": measure_readers,
        "nights": measure_nights,
    }
    for name in names or groups:
        for line in groups[name]():
            print(json.dumps({"bench": "operations", **line}), flush=True)


def measure_orchestration() -> Iterator[dict[str, Any]]:
    """The same run with Prefect and as plain function calls, in turn; task runs counted.

    Of a model that takes half a second, and of one that answers at once: then every core is busy,
    and all that Prefect does comes on top.
    """
    for measure, latency in (("orchestration", LATENCY), ("the same, answered at once", {})):
        rounds = [[_build(how, latency) for how in ("plain", "prefect")] for _ in range(ROUNDS)]
        plain, flow = zip(*rounds, strict=True)
        calls, runs = flow[-1]["calls"], flow[-1]["task_runs"]
        overhead = _median_of(flow, "wall_s") / _median_of(plain, "wall_s") - 1
        walls, own = (
            " and ".join("/".join(f"{run[name]:.1f}" for run in each) for each in (plain, flow))
            for name in ("wall_s", "processor_s")
        )
        detail = (
            f"{calls:,} calls as function calls and with Prefect, in turn: {walls} s; "
            f"{own} s of processor in the run's own process"
        )
        yield line_of(measure, overhead, "share", "<= 0.03", overhead <= 0.03, detail)
    detail = f"a run of {calls:,} calls"
    yield line_of("task runs", runs, "task runs", "<= 200", runs <= 200, detail)


def measure_nothing_new() -> Iterator[dict[str, Any]]:
    """The nights after the first on a large store: nothing has come in since.

    The first of them finds out what later stages of the busy night left to do for earlier ones.
    """
    with _large_project() as path:
        first = _night_if_new(path)
        with tempfile.TemporaryDirectory() as home:
            told = [_in_process("night", str(path), home=home) for _ in range(3)]
    after, *quiet = told
    detail = f"{PROMPTS:,} prompts; the busy night {first}"
    wall = after["wall_s"]
    yield line_of("the night after a busy one", wall, "s", "<= 60", wall <= 60, detail)
    walls = [night["wall_s"] for night in quiet]
    worst = max(walls)
    detail = (
        f"{PROMPTS:,} prompts; {' and '.join(f'{wall:.1f} s' for wall in walls)}, "
        f"{max(night['processor_s'] for night in quiet):.1f} s of processor, "
        f"{max(night['peak_bytes'] for night in quiet) / 2**30:.1f} GiB"
    )
    yield line_of("a night with nothing new", worst, "s", "<= 60", worst <= 60, detail)
    calls = sum(night["calls"] for night in told)
    yield line_of("its calls", calls, "calls", "0", calls == 0, detail)
    releases = sum(night["new_releases"] for night in told)
    yield line_of("its new releases", releases, "releases", "0", releases == 0, detail)


def measure_readers() -> Iterator[dict[str, Any]]:
    """Ten readers ask the documented queries while a run draws and commits, and while none does."""
    with _large_project() as path:
        _night_if_new(path)
        recipe = load(path)
        alone = _draw_calls(recipe, "1")
        with _readers(path) as finish:
            beside = _draw_calls(recipe, "2")
            asked = finish()
    times = sorted(seconds for _, seconds in asked)
    p95 = times[int(0.95 * (len(times) - 1))]
    slowest = max(asked, key=lambda each: each[1])
    detail = (
        f"{len(times)} queries of {READERS} readers, one every {THINK_S:g} s each, on {PROMPTS:,} "
        f"prompts; median {statistics.median(times):.2f} s, slowest {slowest[0]} {slowest[1]:.2f} s"
    )
    yield line_of("p95 of the documented queries", p95, "s", "<= 2", p95 <= 2, detail)
    slower = beside / alone - 1
    detail = f"{CALLS:,} calls at {LATENCY}: {alone:.1f} s alone, {beside:.1f} s beside them"
    yield line_of("a run beside ten readers", slower, "share", "<= 0.05", slower <= 0.05, detail)


def measure_nights() -> Iterator[dict[str, Any]]:
    """Small nights in a row on one store, tidied every week: a process for each, and one server.

    At last the next nights are run on that store and, in turn, on one that has been given the same
    seeds in a single night: what is between them is the history's and not the data's.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = f"{folder}/prefect"
        old, new = Path(folder, "old"), Path(folder, "new")
        paths = {project: str(write_growing_project(project)) for project in (old, new)}
        told: dict[Path, list[dict[str, Any]]] = {old: [], new: []}
        with patch.dict(os.environ, {"PREFECT_HOME": home}):
            prepare_environment()
            with prefect_server() as server:
                assert server.pid is not None

                def run(project: Path) -> dict[str, Any]:
                    return dict(_in_process("night", paths[project], home=home, served=False))

                server_bytes = []
                for night in range(NIGHTS):
                    add_seeds(old, night, SEEDS_A_NIGHT)
                    add_seeds(new, night, SEEDS_A_NIGHT)
                    run(old)
                    server_bytes.append(resident_bytes(server.pid))
                    if (night + 1) % TIDY_EVERY == 0:
                        _in_process("tidy", paths[old], home=home, served=False)
                run(new)
                for night in range(NIGHTS, NIGHTS + COMPARED):
                    for project, nights in told.items():
                        add_seeds(project, night, SEEDS_A_NIGHT)
                        nights.append(run(project))
                left = _in_process("left", paths[old], home, home=home, served=False)
    late, young = (_median_of(nights, "wall_s") for nights in told.values())
    detail = (
        f"after {NIGHTS} nights of {SEEDS_A_NIGHT} seeds {late:.1f} s, after the same seeds in one "
        f"night {young:.1f} s (medians of {COMPARED}, in turn); {left['prompts']:,} prompts and "
        f"{left['files']} files at the end"
    )
    grown = late / young
    yield line_of(
        "time of a late night", grown, "of one without history", "<= 1.25", grown <= 1.25, detail
    )
    late, young = (_median_of(nights, "peak_bytes") / 2**20 for nights in told.values())
    detail = f"more than without history; {late:.0f} MiB and {young:.0f}"
    more = late - young
    yield line_of("memory of a late night", more, "MiB", "<= 64", more <= 64, detail)
    early, late = server_bytes[SETTLED] / 2**20, server_bytes[-1] / 2**20
    detail = f"more than at first; {early:.0f} MiB after night {SETTLED + 1}, {late:.0f} at last"
    more = late - early
    yield line_of("memory of the Prefect server", more, "MiB", "<= 64", more <= 64, detail)
    bad = left["findings"]
    yield line_of("orphans and leftovers", len(bad), "findings", "0", not bad, "; ".join(bad))
    stuck = left["unfinished"]
    yield line_of("runs and slots left open", stuck, "runs", "0", stuck == 0, "store and Prefect")


def _build(how: str, latency: Mapping[str, Any]) -> dict[str, Any]:
    """Run the road once in a project of its own, and return what it told."""
    with tempfile.TemporaryDirectory() as folder:
        home, served = f"{folder}/prefect", how == "prefect"
        told: dict[str, Any] = _in_process(
            "build", how, folder, json.dumps(latency), home=home, served=served
        )
        return told


def run_build(how: str, folder: str, latency: str) -> dict[str, Any]:
    """Run the quick start with more samples, with Prefect or plainly, and weigh it."""
    recipe = load(
        ROOT / "recipes" / "quickstart.yaml",
        f"sample.student={SAMPLES}",
        f"simulator.latency={latency}",
        f"store.catalog={folder}/store/catalog.sqlite",
        f"release.folder={folder}/releases",
    )
    with prefect_server() if how == "prefect" else nullcontext():
        load_flow("build")  # Seconds to import, in neither of the two.
        with nullcontext() if how == "prefect" else without_prefect():
            began = time.process_time()
            wall = run_flow(recipe)
            processor = time.process_time() - began
    task_runs = None
    if how == "prefect":
        with sqlite3.connect(f"{folder}/prefect/prefect.db") as database:
            task_runs = database.execute("select count(*) from task_run").fetchone()[0]
    return {
        "wall_s": wall,
        "processor_s": processor,
        "calls": _count_calls(recipe),
        "task_runs": task_runs,
    }


def run_first_night(path: str) -> dict[str, Any]:
    """Run the night that has everything to do, with nobody to wait for."""
    with answering_at_once():
        return run_night(path)


def run_night(path: str) -> dict[str, Any]:
    """Run one night on a project and say what it took."""
    import resource

    recipe = load(Path(path))
    before = _count_calls(recipe), _count_releases(recipe)
    with prefect_server():
        import flows.build  # noqa: F401

        began = time.process_time()
        wall = run_flow(recipe)
        processor = time.process_time() - began
    return {
        "wall_s": wall,
        "processor_s": processor,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "calls": _count_calls(recipe) - before[0],
        "new_releases": _count_releases(recipe) - before[1],
    }


def run_tidy(path: str) -> None:
    """Tidy a project's store."""
    with prefect_server():
        from flows.tidy import tidy

        tidy(load(Path(path)))


def look_behind(path: str, home: str) -> dict[str, Any]:
    """Say what nights have left: prompts and files, and what is not over or nobody's."""
    recipe = load(Path(path))
    store = open_store(recipe.store)
    with sqlite3.connect(f"{home}/prefect.db") as database:
        open_states = "select count(*) from flow_run where state_type not in ('COMPLETED')"
        unfinished = database.execute(open_states).fetchone()[0]
        held = "select coalesce(sum(active_slots), 0) from concurrency_limit_v2"
        unfinished += int(database.execute(held).fetchone()[0])
    return {
        "prompts": store.query("prompts_count")["rows"][0],
        "files": store.query("lake_size")["files"][0],
        "unfinished": unfinished
        + store.sql("select count(*) as n from runs where state <> 'completed'")["n"][0],
        "findings": [
            f"{each.check}: {each.found}" for each in check_store(recipe) if each.level != "ok"
        ],
    }


def run_reader(path: str, seed: str) -> list[tuple[str, float]]:
    """Ask the documented queries one after the other until stdin ends; return name and seconds."""
    import select

    queries = sorted((SQL_FOLDER / "adhoc").glob("*.sql"))
    asked: list[tuple[str, float]] = []
    with open_reader(load(Path(path)).store) as connection:
        print("ready", flush=True)
        sys.stdin.readline()
        wait = THINK_S * int(seed) / READERS  # They do not ask all at once.
        for number in range(10**6):
            if select.select([sys.stdin], [], [], wait)[0]:
                return asked
            query = queries[(int(seed) * 3 + number) % len(queries)]
            began = time.perf_counter()
            connection.execute(query.read_text(encoding="utf-8")).fetchall()
            asked.append((query.stem, time.perf_counter() - began))
            wait = THINK_S
    return asked


@contextmanager
def _readers(path: Path) -> Iterator[Any]:
    """Have readers ask for as long as the block runs; what is yielded ends them and returns all."""
    command = [sys.executable, "-m", "benchmarks.operations", "--process", "reader", str(path)]
    processes = [
        subprocess.Popen(
            [*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(READERS)
    ]

    for process in processes:  # To start is no question to the store.
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("begin\n")
        process.stdin.flush()

    def finish() -> list[tuple[str, float]]:
        told = [process.communicate("\n", timeout=300)[0] for process in processes]
        return [tuple(each) for said in told for each in json.loads(said)]

    try:
        yield finish
    finally:
        for process in processes:
            process.kill()


@contextmanager
def _large_project() -> Iterator[Path]:
    """Have the large project, written if need be."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.environ.get("TEACHSET_LARGE") or temporary, f"prompts-{PROMPTS}")
        path = folder / "recipe.json"
        yield path if path.exists() else write_project(folder, PROMPTS)


def _night_if_new(path: Path) -> str:
    """Run the first night unless that has been done; say what it took."""
    if (path.parent / "releases" / "latest").exists():
        return "was there already"
    with tempfile.TemporaryDirectory() as home:
        told = _in_process("first", str(path), home=home)
    return f"took {told['wall_s']:.0f} s and {told['calls']:,} calls"


def _draw_calls(recipe: Recipe, name: str) -> float:
    """Draw calls of a simulated model into the store, as a run does, and return the wall time."""
    items = recipe.seeds[0].path
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder, "items.jsonl")
        with open(items, encoding="utf-8") as lines:
            few.write_text("".join(next(lines) for _ in range(3)), encoding="utf-8")
        with start_simulator([few], {"latency": LATENCY}) as simulator:
            endpoint = make_endpoint(simulator, max_concurrency=64)
            requests = make_requests(CALLS, name.zfill(30) + f"{time.time_ns() % 256:02x}")
            store = open_store(recipe.store)
            began = time.perf_counter()
            draw(store, endpoint, requests)
            wall = time.perf_counter() - began
            store.execute("delete from responses where run_id = 'bench'")  # Of no prompt.
            return wall


def _in_process(name: str, *arguments: str, home: str, served: bool = True) -> Any:
    """Run one of the processes below and return what it told.

    Its Prefect server is started here: what it imports at its beginning has Prefect look at the
    environment once and for all.
    """
    with patch.dict(os.environ, {"PREFECT_HOME": home}):
        prepare_environment()
        with prefect_server() if served else nullcontext():
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.operations", "--process", name, *arguments],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
    return json.loads(done.stdout.splitlines()[-1])


def _median_of(rounds: Sequence[Mapping[str, Any]], name: str) -> float:
    return statistics.median(float(each[name]) for each in rounds)


def _count_calls(recipe: Recipe) -> int:
    calls = "select coalesce(sum(calls), 0)::bigint as n from spend"
    return int(open_store(recipe.store).sql(calls)["n"][0])


def _count_releases(recipe: Recipe) -> int:
    return int(open_store(recipe.store).sql("select count(*) as n from releases")["n"][0])


PROCESSES: Mapping[str, Any] = {
    "build": run_build,
    "first": run_first_night,
    "night": run_night,
    "tidy": run_tidy,
    "left": look_behind,
    "reader": run_reader,
}

if __name__ == "__main__":
    main(sys.argv[1:])
