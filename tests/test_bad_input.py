"""Bad input, through the command a user types: one message, one exit code, and nothing lost."""

import ctypes
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest import ingest_seeds
from tasks.recipe import load_recipe
from tasks.store import close_stores, open_store

ROOT = Path(__file__).resolve().parents[1]
NOISE = re.compile(r"Traceback|Warning|Deprecat|a defect of Teachset|Exception ignored|\x1b|\[/")
HOLD = """
from cli.prefect_server import prefect_server
with prefect_server() as server:
    print(server.url, flush=True)
    input()
"""
TWO = (
    {"prompt": "What is 2 + 2?", "answer": "4", "domain": "math"},
    {"prompt": "What is 7 * 6?", "answer": "42", "domain": "math"},
)
GOOD = b'{"prompt": "What is 1 + 1?", "answer": "2"}\n'
Reply = tuple[int, str, bytes]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """What `teachset:` said, without the lines of progress before it."""
        return self.err.partition("teachset: ")[2]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user without settings."""
    home = str(tmp_path_factory.mktemp("home"))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "TEACHSET"))}
    return kept | {"PREFECT_HOME": home, "HOME": home, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def holder(bare: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that has a Prefect server for the whole module and prints its address."""
    command = [sys.executable, "-c", HOLD]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=bare, text=True, stdin=pipe, stdout=pipe
    ) as process:
        yield process
        process.communicate("\n", timeout=60)


@pytest.fixture(scope="module")
def served(bare: dict[str, str], holder: subprocess.Popen[str]) -> dict[str, str]:
    """The same environment with the address of a Prefect server."""
    assert holder.stdout is not None
    return bare | {"PREFECT_API_URL": holder.stdout.readline().strip()}


Teachset = Callable[..., Ended]


@pytest.fixture
def teachset(served: dict[str, str], tmp_path: Path) -> Teachset:
    """The command: `teachset("run", recipe, COLUMNS="20")`."""
    return partial(call, served, tmp_path)


@pytest.fixture
def unserved(bare: dict[str, str], tmp_path: Path) -> Teachset:
    """The command where no Prefect server is needed."""
    return partial(call, bare, tmp_path)


def call(
    environment: dict[str, str],
    folder: Path,
    *arguments: object,
    before: Callable[[], None] | None = None,
    **changes: str,
) -> Ended:
    """Run the command to its end; nothing that it says may be noise."""
    ran = subprocess.run(
        [sys.executable, "-m", "cli", *map(str, arguments)],
        cwd=folder,
        env={**environment, **changes},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        preexec_fn=before,
        timeout=280,
    )
    ended = Ended(ran.returncode, ran.stdout.decode(), ran.stderr.decode())
    assert not NOISE.search(ended.err), ended.err
    return ended


def at_once(*calls: Callable[[], Ended]) -> list[Ended]:
    """Make calls, two at a time, and return how they ended, in their order."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda call: call(), calls))


def make_project(
    folder: Path, rows: bytes | None = None, *, ingested: bool = False, **sections: Any
) -> Path:
    """Write a recipe and its seeds, two sums if none are given; return the recipe's path."""
    folder.mkdir()
    two = "".join(json.dumps(row) + "\n" for row in TWO).encode()
    (folder / "seeds.jsonl").write_bytes(two if rows is None else rows)
    declared = {
        "name": "hostile",
        "store": {"catalog": "store/catalog.sqlite"},
        "seeds": [{"path": "seeds.jsonl"}],
        "models": {"student": {"model": "sim-student"}},
        "sample": {"student": 8},
        "release": {"folder": "releases"},
        **sections,
    }
    recipe = folder / "recipe.yaml"
    recipe.write_text(json.dumps(declared), encoding="utf-8")
    if ingested:
        loaded = load_recipe(recipe)
        ingest_seeds(open_store(loaded.store), loaded, "r")
        close_stores()
    return recipe


def look(recipe: Path, statement: str) -> list[tuple[Any, ...]]:
    """Return rows of the recipe's store."""
    try:
        return open_store(load_recipe(recipe).store).sql(statement).rows()
    finally:
        close_stores()


@contextmanager
def serving(answer: Callable[[dict[str, Any]], Reply]) -> Iterator[str]:
    """Somebody else's model server on loopback; gives its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, kind, content = answer(body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def student(base_url: str, **settings: Any) -> dict[str, Any]:
    return {"student": {"model": "m", "base_url": base_url, "max_attempts": 2, **settings}}


def completion(content: object, **fields: Any) -> Reply:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    body = {"usage": {"prompt_tokens": 3, "completion_tokens": 4}, "choices": [choice], **fields}
    return 200, "application/json", json.dumps(body).encode()


def as_user() -> None:
    """Give up root's right to write everywhere, in a child before its program starts."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


MINIMAL = """name: x
store: {catalog: c.sqlite}
seeds: [{path: s.jsonl}]
models: {student: {model: m}}
release: {folder: r}
"""
LAUGHS = "a: &a [lol]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + last] * 9)}]\n"
    for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)


NONSENSE: list[tuple[str, str]] = [
    ("", "expected a mapping of settings"),
    ("a: [1", "not valid YAML"),
    ("a\x00b", "not valid YAML"),
    ("!!python/object/apply:os.system [echo]", "could not determine a constructor"),
    ("1: 2\n? [a, b]\n: x\n", "found unhashable key"),
    (LAUGHS + "name: *i\n", "more than 100,000 values, its aliases written out"),
    ("name: &a [*a]\n", "an alias (*) names what it is a part of; it would never end"),
    (
        MINIMAL.replace("{student: {model: m}}", "{student: {model: m}, techer: {model: m}}"),
        "models.techer: unknown field; did you mean `teacher`?",
    ),
    (MINIMAL.replace("name: x", 'name: "\\e[31mred"'), r"(found '\x1b[31mred')"),
    (MINIMAL + "sample: {student: 3}", "select.min_samples (4) is larger than sample.student"),
    (MINIMAL + "budget: {usd: .nan}", "budget.usd: Input should be greater than or equal to 0"),
]


@pytest.mark.slow
def test_recipes_that_make_no_sense_are_refused(unserved: Teachset, tmp_path: Path) -> None:
    recipes = [tmp_path / f"{number}.yaml" for number in range(len(NONSENSE))]
    for recipe, (text, _) in zip(recipes, NONSENSE, strict=True):
        recipe.write_text(text)
    ends = at_once(*(partial(unserved, "run", recipe) for recipe in recipes))
    for ended, recipe, (_, message) in zip(ends, recipes, NONSENSE, strict=True):
        assert (ended.code, ended.out) == (2, "")
        assert ended.message.startswith(f"{recipe}")
        assert message in ended.message
    assert sorted(tmp_path.iterdir()) == sorted(recipes)


@pytest.mark.slow
def test_what_is_no_recipe_is_refused(unserved: Teachset, tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: M\xfcnchen\n")
    calls = at_once(
        partial(unserved, "run", tmp_path),
        partial(unserved, "run", tmp_path / "none.yaml"),
        partial(unserved, "run", tmp_path / "latin.yaml"),
        partial(unserved, "run"),
    )
    assert [ended.code for ended in calls] == [2, 2, 2, 2]
    folder, absent, latin, unnamed = (ended.message for ended in calls)
    assert "Is a directory" in folder
    assert "no such recipe. Copy recipes/quickstart.yaml to begin." in absent
    assert "cannot be read as UTF-8 text" in latin
    assert "which recipe? Name it with --recipe PATH" in unnamed


Case = tuple[str, bytes, dict[str, Any], str]
UNUSABLE: list[Case] = [
    ("none.jsonl", GOOD, {}, "none.jsonl: no such file. Beside it: recipe.yaml, seeds.jsonl"),
    (
        "seeds.jsonl",
        b'{"question": "1 + 1?"}\n',
        {"columns": {"prompt": "qestion"}},
        "no row has a column `qestion`. Did you mean `question`? Columns there: question.",
    ),
    ("seeds.jsonl", b"", {}, "seeds.jsonl: the file is empty; expected rows of jsonl"),
    ("seeds.jsonl", GOOD.decode().encode("utf-16"), {}, "this is UTF-16 text, expected UTF-8"),
    ("../.", GOOD, {}, "this is a folder; name its files"),
    ("*.csv", GOOD, {}, "no file matches this pattern"),
    ("s" * 5_000, GOOD, {}, "cannot be found: File name too long"),
    (
        "seeds.jsonl",
        GOOD,
        {"answer_pattern": "hash"},
        "seeds.jsonl: none of its 1 rows can be used",
    ),
    ("see\0ds", GOOD, {}, ""),
]


@pytest.mark.slow
def test_files_that_cannot_be_used_are_named(teachset: Teachset, tmp_path: Path) -> None:
    recipes = [
        make_project(tmp_path / str(number), content, seeds=[{"path": path, **settings}])
        for number, (path, content, settings, _) in enumerate(UNUSABLE)
    ]
    ends = at_once(*(partial(teachset, "stage", "ingest", recipe) for recipe in recipes))
    for ended, (*_, message), recipe in zip(ends, UNUSABLE, recipes, strict=True):
        assert ended.code in ((3,) if message else (2, 3)), ended
        assert message in ended.message
        if ended.code == 3:
            assert look(recipe, "select count(*) from prompts") == [(0,)]
            assert look(recipe, "select state from runs") == [("failed",)]


@pytest.mark.slow
def test_bad_rows_stop_nothing_and_none_is_lost(teachset: Teachset, tmp_path: Path) -> None:
    evil = "[bold red]\x1b[31mhi[/bold red] \u202e '; drop table prompts; --"
    rows = [
        GOOD,
        b'{"prompt": "a\\u0000b"}\n',
        b'{"prompt": "x \\ud800 y"}\n',
        b'{"prompt": "\xff\xfe"}\n',
        GOOD.replace(b'"2"', b'"3"'),
        b'{"prompt": "' + b"x" * 50_000_000 + b'"}\n',
        b'{"id": "1", "prompt": "p q"}\n',
        b'{"id": "1", "prompt": "r s"}\n',
        json.dumps({"prompt": evil, "source": "../../[link]"}).encode() + b"\n",
        b'{"prompt": "../../etc/passwd"}\n',
    ]
    recipe = make_project(tmp_path / "rows", b"".join(rows))
    assert teachset("stage", "ingest", recipe).code == 0
    assert look(recipe, "select row_number, reason from quarantine order by 1") == [
        (2, "bad_encoding"),
        (3, "bad_encoding"),
        (4, "bad_encoding"),
        (5, "conflicting_answer"),
        (6, "too_long"),
        (8, "duplicate_external_id"),
    ]
    assert look(recipe, "select row_number from prompt_sources order by 1") == [
        (1,),
        (7,),
        (9,),
        (10,),
    ]
    found = f"select prompt_id from prompts where text like '%{chr(27)}%'"
    prompt_id = look(recipe, found)[0][0]
    shown = teachset("explain", prompt_id, "--recipe", recipe)
    table = teachset("query", "select text from prompts", "--recipe", recipe, COLUMNS="20")
    for ended in (shown, table):
        assert ended.code == 0
        assert r"[bold red]\x1b[31mhi[/bold red] \u202e '; drop table" in ended.out
        assert "\x1b" not in ended.out


@pytest.mark.slow
def test_questions_that_make_no_sense_change_nothing(unserved: Teachset, tmp_path: Path) -> None:
    recipe = make_project(tmp_path / "asked", ingested=True)
    asked = {
        "": (3, "there is no SQL to run"),
        "nonsense": (2, 'syntax error at or near "nonsense"'),
        "select 1; drop table prompts": (3, "these are 2 statements; give them one at a time"),
        "drop table prompts": (2, "read-only"),
        "select error(chr(27) || '[31mboom')": (2, r"\x1b[31mboom"),
        "nothing.sql": (3, "nothing.sql: cannot be read as a file of SQL"),
    }
    ends = at_once(*(partial(unserved, "query", sql, "-r", recipe) for sql in asked))
    for ended, (code, message) in zip(ends, asked.values(), strict=True):
        assert (ended.code, ended.out) == (code, "")
        assert message in ended.message
    named = {
        "abcde": "abcde: give at least the first 6 characters",
        "'\"; --abc": "no pair, prompt or response in this store begins so",
    }
    ends = at_once(*(partial(unserved, "explain", name, "-r", recipe) for name in named))
    for ended, message in zip(ends, named.values(), strict=True):
        assert (ended.code, ended.out) == (3, "")
        assert message in ended.message
    assert look(recipe, "select count(*) from prompts") == [(2,)]


@pytest.mark.slow
def test_stores_that_cannot_be_written_stay_as_they_are(teachset: Teachset, tmp_path: Path) -> None:
    newer, sealed = (make_project(tmp_path / name, ingested=True) for name in ("newer", "sealed"))
    look(newer, "insert into migrations values (9999, 'from the future', now())")
    (sealed.parent / "store").chmod(0o555)
    before = read_files(sealed.parent)
    ends = at_once(
        *(partial(teachset, "stage", "ingest", each, before=as_user) for each in (newer, sealed))
    )
    assert [ended.code for ended in ends] == [4, 4]
    assert "this store is at migration 9999, this Teachset knows" in ends[0].message
    assert re.search(r"cannot be written|read-only", ends[1].message)
    assert read_files(sealed.parent) == before
    assert look(sealed, "select count(*) from prompts") == [(2,)]


@pytest.mark.slow
def test_stores_in_use_or_damaged_stay_as_they_are(teachset: Teachset, tmp_path: Path) -> None:
    locked = make_project(tmp_path / "locked", ingested=True, models=FOUR["models"])
    garbage = make_project(tmp_path / "garbage", models=FOUR["models"])
    (tmp_path / "garbage" / "store").mkdir()
    (tmp_path / "garbage" / "store" / "catalog.sqlite").write_bytes(b"no database" * 999)
    before = read_files(tmp_path / "garbage" / "store")
    with (tmp_path / "locked" / "store" / "run.lock").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ends = at_once(*(partial(teachset, "run", recipe) for recipe in (locked, garbage)))
    assert [ended.code for ended in ends] == [4, 4]
    assert "another run is writing to this store" in ends[0].message
    assert "catalog.sqlite: this store cannot be opened" in ends[1].message
    assert read_files(tmp_path / "garbage" / "store") == before
    assert look(locked, "select count(*) from prompts") == [(2,)]


def read_files(folder: Path) -> dict[str, bytes]:
    """Return what the files below a folder hold."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != "run.lock")
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def odd_answers() -> Callable[[dict[str, Any]], Reply]:
    """Answers as no specification has them, one after the other; each is one of `ODD`."""
    numbers = iter(range(1_000))

    def answer(_: dict[str, Any]) -> Reply:
        return ODD[next(numbers) % len(ODD)]

    return answer


ODD: list[Reply] = [
    completion("\x00 \\boxed{4}"),
    completion("half \ud800 a pair \\boxed{4}"),
    completion("\x1b[31m[bold]\\boxed{4}[/bold]"),
    completion("'; drop table prompts; -- \\boxed{4}"),
    completion("../../etc/passwd <script>alert(1)</script> \\boxed{4}"),
    completion("\\boxed{" * 3_000),
    completion("x" * 10_000_000 + "\\boxed{4}"),
    completion(None),
    completion(17),
    completion(["a", {"type": "text", "text": "\\boxed{4}"}, {"text": 5}]),
    completion("\\boxed{4}", usage="many"),
    completion("\\boxed{4}", usage={"prompt_tokens": "three", "completion_tokens": -4}),
    completion("\\boxed{4}", usage={"prompt_tokens": 10**30, "completion_tokens": 4.5}),
    completion("\\boxed{4}", usage={"prompt_tokens_details": "x", "prompt_tokens": True}),
    completion("\\boxed{4}", model=5, id={"a": 1}),
]


@pytest.mark.slow
def test_whatever_a_model_answers_is_kept(teachset: Teachset, tmp_path: Path) -> None:
    with serving(odd_answers()) as url:
        recipe = make_project(
            tmp_path / "odd", ingested=True, models=student(url), sample={"student": len(ODD)}
        )
        sampled = teachset("stage", "sample", recipe)
    assert sampled.code == 0, sampled.err
    calls = "select (select count(*) from responses), (select count(*) from failures)"
    assert look(recipe, calls) == [(2 * len(ODD), 0)]
    kept = "select count(*) from responses where content like "
    assert look(recipe, kept + "'half \ufffd a pair%'") == [(2,)]
    assert look(recipe, kept + "'%drop table%'") == [(2,)]
    assert look(recipe, "select max(prompt_tokens), max(length(content)) from responses") == [
        (3, 10_000_009)
    ]


@pytest.mark.slow
def test_servers_that_serve_nobody_stop_the_run(teachset: Teachset, tmp_path: Path) -> None:
    wrong = b'{"error": {"message": "Incorrect API key provided: sk-secret1234567"}}'
    with serving(lambda _: (401, "application/json", wrong)) as url:
        refusing = make_project(
            tmp_path / "refusing", ingested=True, models=student(url, api_key_env="A_KEY")
        )
        absent = make_project(
            tmp_path / "absent", ingested=True, models=student("http://127.0.0.1:9/v1")
        )
        refused, unreached = at_once(
            partial(teachset, "stage", "sample", refusing, A_KEY="sk-secret1234567"),
            partial(teachset, "stage", "sample", absent),
        )
    assert (refused.code, unreached.code) == (5, 5)
    assert f"{url} refused the key (401): check the environment variable A_KEY" in refused.message
    assert "http://127.0.0.1:9/v1 answered none of the first 1 calls to 'm'" in unreached.message
    assert "connection failed" in unreached.message
    assert "secret1234567" not in refused.err
    for recipe in (refusing, absent):
        assert look(recipe, "select count(*) from prompts") == [(2,)]
        assert look(recipe, "select count(*) from responses") == [(0,)]
        assert look(recipe, "select state from runs") == [("failed",)]


@pytest.mark.slow
def test_a_key_that_is_not_set_is_named(teachset: Teachset, tmp_path: Path) -> None:
    models = student("http://127.0.0.1:9/v1", api_key_env="NO_SUCH_KEY")
    recipe = make_project(tmp_path / "keyless", ingested=True, models=models)
    teacher = {"teacher": {"model": "sim-teacher"}}
    whole = make_project(tmp_path / "whole", models=models | teacher)
    untaught = make_project(tmp_path / "untaught", models=student("http://127.0.0.1:9/v1"))
    sampled, unread, unasked = at_once(
        partial(teachset, "stage", "sample", recipe),
        partial(teachset, "run", whole),
        partial(teachset, "run", untaught),
    )
    assert (sampled.code, unread.code, unasked.code) == (2, 2, 2)
    for ended in (sampled, unread):
        assert "the environment variable NO_SUCH_KEY is not set" in ended.message
    assert "models.teacher: this stage needs a model in the role `teacher`" in unasked.message
    for project in (whole, untaught):  # A run of all stages says it before it reads anything.
        assert look(project, "select count(*) from prompts") == [(0,)]


@pytest.mark.slow
def test_a_prefect_server_that_is_none_is_named(unserved: Teachset, tmp_path: Path) -> None:
    recipe = make_project(tmp_path / "no-server", models=FOUR["models"])
    with serving(lambda _: (200, "text/html", b"<html>")) as url:  # It answers 501 to a GET.
        ends = at_once(
            partial(unserved, "run", recipe, PREFECT_API_URL="http://127.0.0.1:9/api"),
            partial(unserved, "run", recipe, PREFECT_API_URL="not an address"),
            partial(unserved, "run", recipe, PREFECT_API_URL=url),
            partial(unserved, "run", recipe, PREFECT_API_URL="", PREFECT_HOME="/proc/none"),
        )
    assert [ended.code for ended in ends] == [1, 1, 1, 1]
    nobody, nonsense, other, home = (ended.message for ended in ends)
    assert "no Prefect server answers at http://127.0.0.1:9/api" in nobody
    assert "no Prefect server answers at not an address" in nonsense
    assert f"what answers at {url} is no Prefect server" in other
    assert "/proc/none: Prefect's folder cannot be made" in home
    assert "PREFECT_HOME" in home
    assert not (tmp_path / "no-server" / "store").exists()


DISK = """
mount -t tmpfs -o size={size} disk "$1" && cd "$1" && cp "$2"/* . || exit 99
"$3" -m cli run recipe.yaml 2> "$2"/err > "$2"/out
echo $? > "$2"/code
mount -o remount,size=1g "$1"
"$3" -m cli run recipe.yaml 2> "$2"/err2 > "$2"/out2
echo $? > "$2"/code2
cp -r "$1"/. "$2"
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("size", ["300k", "500k", "700k"])
def test_a_full_disk_loses_nothing(served: dict[str, str], tmp_path: Path, size: str) -> None:
    """A file system of its own, of a few hundred kB, that later has room."""
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets no user mount a file system of their own")
    recipe = make_project(tmp_path / "disk", MANY, **FOUR)
    (tmp_path / "mounted").mkdir()
    arguments = [str(tmp_path / "mounted"), str(recipe.parent), sys.executable]
    subprocess.run(
        ["unshare", "-Urm", "sh", "-c", DISK.format(size=size), "sh", *arguments],
        env=served,
        check=False,
        timeout=300,
    )
    said = {name: (recipe.parent / name).read_text() for name in ("err", "code", "err2", "code2")}
    assert not NOISE.search(said["err"] + said["err2"]), said
    assert said["code"] == "4\n", said
    assert re.search("full|No space left", said["err"]), said
    assert said["code2"] == "0\n", said
    recipe.write_text(recipe.read_text())
    assert look(recipe, "select count(*) from prompts") == [(40,)]
    calls = "select count(*), count(distinct response_id) from responses"
    assert look(recipe, calls)[0] == (400, 400)
    assert_only_whole_releases(recipe.parent)


MANY = "".join(
    json.dumps({"prompt": f"What is {n} + 1?", "answer": str(n + 1), "domain": "math"}) + "\n"
    for n in range(40)
).encode()
FOUR: dict[str, Any] = {
    "models": {role: {"model": f"sim-{role}"} for role in ("student", "teacher")},
    "select": {"band": {"low": 0, "high": 1}},
    "teach": {"ask_again": "always"},  # So that it is known how many responses there will be.
}


def assert_only_whole_releases(project: Path) -> None:
    """Whatever is to be seen in the folder of releases has its manifest."""
    for release in (project / "releases").glob("[!.]*"):
        if release.name in ("refused.html", "refused_data_docs.html"):
            continue  # Why the gate was closed, the last time it was.
        assert (release / "manifest.json").is_file(), sorted(release.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_at_any_moment_loses_nothing(served: dict[str, str], tmp_path: Path) -> None:
    latency = {"latency": {"kind": "fixed", "seconds": 0.1}}
    recipe = make_project(tmp_path / "stopped", MANY, **FOUR, simulator=latency)
    command = [sys.executable, "-m", "cli", "run", str(recipe)]
    for moment in (0.3, 0.7, 1.5, 2.5, 4, 6, 8, 10, 12):
        with subprocess.Popen(
            command, cwd=tmp_path, env=served, text=True, stderr=subprocess.PIPE
        ) as running:
            time.sleep(moment)
            running.send_signal(signal.SIGINT)
            try:
                said = running.communicate(timeout=90)[1]
            finally:
                running.kill()
        assert not NOISE.search(said), (moment, said)
        assert running.returncode in (130, -signal.SIGINT, 0), (moment, said)
        assert_only_whole_releases(recipe.parent)
    assert call(served, tmp_path, "run", recipe).code == 0
    calls = "select count(*), count(distinct response_id) from responses"
    assert look(recipe, calls)[0] == (400, 400)
    assert look(recipe, "select count(*) from prompts") == [(40,)]
    assert look(recipe, "select count(*) from runs where state = 'running'") == [(0,)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_makes_every_call_fail_is_told(teachset: Teachset, tmp_path: Path) -> None:
    refusal = b'{"error": {"message": "Unrecognized request argument supplied: seed"}}'
    servers: tuple[Reply, ...] = (
        (400, "application/json", refusal),
        (200, "text/html", b"<html>hello</html>"),
        (200, "application/json", b'{"choices": []}'),
    )
    recipes: list[Path] = []

    def run(number: int) -> Ended:
        with serving(lambda _: servers[number]) as url:
            models = student(url) | {"teacher": {"model": "sim-teacher"}}
            recipes.append(make_project(tmp_path / str(number), models=models))
            return teachset("run", tmp_path / str(number) / "recipe.yaml")

    refused, html, empty = at_once(*(partial(run, number) for number in range(3)))
    for ended in (refused, html, empty):
        assert ended.code in (5, 7)
        assert "nothing was published" in ended.message or "answered none" in ended.message
    assert "Unrecognized request argument supplied: seed" in refused.message
    assert "begins '<html>hello</html>'; check `base_url`" in html.message
    assert "not a chat completion" in empty.message
    for recipe in recipes:
        assert look(recipe, "select count(*) from failures") == [(16,)]
        assert_only_whole_releases(recipe.parent)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_folder_of_releases_that_cannot_be_used(teachset: Teachset, tmp_path: Path) -> None:
    names = ("file", "sealed", "taken")
    file, sealed, taken = (make_project(tmp_path / name, MANY, **FOUR) for name in names)
    (file.parent / "releases").write_text("mine")
    (sealed.parent / "releases").mkdir(mode=0o555)
    (taken.parent / "releases" / "latest").mkdir(parents=True)
    (taken.parent / "releases" / "latest" / "mine").write_text("mine")
    recipes = (file, sealed, taken)
    ends = at_once(*(partial(teachset, "run", recipe, before=as_user) for recipe in recipes))
    assert [ended.code for ended in ends] == [4, 4, 4]
    assert "it cannot be used as the folder of releases" in ends[0].message
    assert "it cannot be written by this user" in ends[1].message
    assert "latest: is there and is no link" in ends[2].message
    for ended, recipe in zip(ends, recipes, strict=True):
        assert "Nothing was published" in ended.message
        assert look(recipe, "select count(*) from releases") == [(0,)]
        assert look(recipe, "select count(*) from responses") == [(400,)]
    assert (taken.parent / "releases" / "latest" / "mine").read_text() == "mine"
    assert [path.name for path in (taken.parent / "releases").glob("[!.]*")] == ["latest"]
    assert list((sealed.parent / "releases").iterdir()) == []
    (taken.parent / "releases" / "latest").rename(tmp_path / "elsewhere")
    assert teachset("run", taken).code == 0


@pytest.mark.slow
def test_a_locale_without_unicode_shows_what_it_can(unserved: Teachset, tmp_path: Path) -> None:
    recipe = make_project(tmp_path / "ascii", ingested=True)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    sql = "select 'π😀' as x"
    table, as_json, nothing = at_once(
        partial(unserved, "query", sql, "-r", recipe, **ascii_only),
        partial(unserved, "query", sql, "--json", "-r", recipe, **ascii_only),
        partial(unserved, "explain", "größeπ", "-r", recipe, **ascii_only),
    )
    assert (table.code, as_json.code, nothing.code) == (0, 0, 3)
    assert r"\u03c0\U0001f600" in table.out
    assert json.loads(as_json.out) == [{"x": "π😀"}]
    assert "no pair, prompt or response in this store begins so" in nothing.message
