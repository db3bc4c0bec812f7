"""`teachset query`: finds the store, only reads, and lets no text of it touch the terminal."""

import io
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.project import find_store, read_recipe
from cli.tables import print_json, to_cell, to_json
from tasks.errors import RecipeError
from tasks.lake.place import SQL_FOLDER, connect_duckdb
from tasks.store import Store

HOSTILE = "\x1b[31mred\x1b]0;title\x07 [bold]b[/bold] [link=http://x]y[/link]\n\u202eevil"
RECIPE = """
name: test
store: {catalog: store/catalog.sqlite}
seeds: [{path: seeds.jsonl}]
models: {student: {model: sim-student}}
release: {folder: releases}
"""


@pytest.fixture
def project(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A folder with recipe.yaml and a store of two prompts, as the working directory."""
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    rows = {"prompt_id": ["a1", "b2"], "domain": ["math", None], "text": [HOSTILE, "x" * 500]}
    store.append("prompts", pl.DataFrame(rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TEACHSET_RECIPE", raising=False)
    return store


def call(*arguments: str, stdin: str | None = None) -> Any:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def test_a_question_waits_for_nothing_that_only_runs_need(project: Store, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom cli.main import app\n"
        "app(['query', 'select 1 as one', '--csv'], standalone_mode=False)\n"
        "unneeded = ('polars', 'prefect', 'openai', 'numpy', 'tasks.recipe')\n"
        "print([name for name in unneeded if name in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    asked = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert asked.stdout.splitlines() == ["one", "1", "[]"]


@pytest.mark.parametrize(
    "store",
    [
        "{catalog: store/catalog.sqlite}",
        "{catalog: ../elsewhere/./store/catalog.sqlite, keep_snapshots_days: 1}",
        "{catalog: /srv/project/store/catalog.sqlite}",
        "{catalog: ~/store/catalog.sqlite}",
        "{catalog: store/catalog.sqlite, data: files}",
        "{catalog: store/catalog.sqlite, data: 's3://bucket/files'}",
        "{catalog: store/catalog.db}",
        "{catalog: 'postgresql://me@host/lake', data: files}",
    ],
)
def test_a_store_is_found_where_the_whole_recipe_says_it_is(store: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.replace("{catalog: store/catalog.sqlite}", store))
    found, said = find_store(recipe), read_recipe(recipe).store
    assert (found.catalog, found.data) == (said.catalog, said.data)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("", "expected a mapping of settings"),
        ("name: [", "not valid YAML"),
        ("name: test\nstore: {catalog: 3}", "store.catalog"),
        ("name: test\nstore: store/catalog.sqlite", "store"),
        (RECIPE.replace("catalog:", "catalogue:"), "did you mean `catalog`"),
        (RECIPE.replace("catalog.sqlite", "catalog.sqlite, date: x"), "did you mean `data`"),
    ],
)
def test_a_store_that_is_not_declared_is_an_error_of_the_recipe(
    recipe: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe)
    with pytest.raises(RecipeError, match=said):
        find_store(tmp_path / "recipe.yaml")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (["query", "select count(*) from prompts", "--csv"], "2"),
        (["snapshot", "all.duckdb"], "all.duckdb"),
        (["explain", "abcdef"], "abcdef"),
        (["lineage", "abcdef"], "abcdef"),
        (["shell"], "count_star"),
    ],
)
def test_what_only_reads_answers_beside_a_recipe_that_is_being_written(
    command: list[str], answer: str, project: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # No shell of DuckDB's is found, here or beside us.
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "recipe.yaml").write_text(f"{RECIPE}\nstages: {{sampel: {{}}}}")
    result = call(*command, stdin="select count(*) from prompts;\n")
    assert "recipe.yaml" not in result.output
    assert answer in result.output


def test_json_has_every_row_as_it_is(project: Store) -> None:
    result = call("query", "--json", "select prompt_id, domain, text from prompts order by 1")
    assert json.loads(result.stdout) == [
        {"prompt_id": "a1", "domain": "math", "text": HOSTILE},
        {"prompt_id": "b2", "domain": None, "text": "x" * 500},
    ]


def test_csv_leaves_null_empty_and_writes_nested_values_as_json(project: Store) -> None:
    result = call("query", "--csv", "select null as a, ['x', 'y'] as b, 1.5 as c, true as d")
    assert result.stdout == 'a,b,c,d\n,"[""x"", ""y""]",1.5,true\n'


def test_table_shows_hostile_text_harmlessly_and_cut(project: Store) -> None:
    result = call("query", "select text from prompts order by prompt_id")
    assert "\x1b" not in result.stdout and "\x07" not in result.stdout
    assert "\u202e" not in result.stdout
    assert "\\x1b[31mred" in result.stdout
    assert "[bold]b[/bold] [link=http://x]y[/link]↵" in result.stdout
    assert "x" * 79 + "…" in result.stdout
    assert "x" * 80 not in result.stdout
    assert result.stdout.rstrip().endswith("2 rows")


def test_names_of_columns_are_harmless_too(project: Store) -> None:
    result = call("query", 'select 1 as "\x1b[31m[bold]n[/bold]"')
    assert "\x1b" not in result.stdout and "[bold]n[/bold]" in result.stdout


def test_a_document_is_json_in_a_locale_without_its_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding="ascii", errors="backslashreplace")
    monkeypatch.setattr(sys, "stdout", out)
    print_json({"x": "é"})
    out.flush()
    assert json.loads(written.getvalue()) == {"x": "é"}


def test_limit_cuts_and_says_so(project: Store) -> None:
    result = call("query", "--limit", "1", "select prompt_id from prompts order by 1")
    assert "a1" in result.stdout and "b2" not in result.stdout
    assert "the first 1 rows" in result.stdout
    assert json.loads(call("query", "--json", "--limit", "1", "from prompts").stdout).__len__() == 1


def test_two_columns_of_one_name_are_both_in_json(project: Store) -> None:
    result = call("query", "--json", "select 1 as a, 2 as a")
    assert json.loads(result.stdout) == [{"a": 1, "a_2": 2}]


def test_wrong_sql_is_one_message_and_exit_2(project: Store) -> None:
    result = call("query", "select nope from prompts")
    assert result.exit_code == 2
    assert result.stderr.startswith('teachset: Binder Error: Referenced column "nope" not found')
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "delete from prompts",
        "insert into prompts (prompt_id) values ('c3')",
        "create table notes (n integer)",
        "drop table prompts",
    ],
)
def test_nothing_can_be_changed(project: Store, statement: str) -> None:
    result = call("query", statement)
    assert result.exit_code == 2
    assert "read-only" in result.stderr
    assert project.sql("select count(*) as n from prompts")["n"].to_list() == [2]


def test_rows_can_be_copied_out(project: Store, tmp_path: Path) -> None:
    assert (
        call("query", "copy (select prompt_id from prompts order by 1) to 'x.csv'").exit_code == 0
    )
    assert (tmp_path / "x.csv").read_text() == "prompt_id\na1\nb2\n"


def test_reader_sees_what_a_writer_commits_and_the_catalog_stays_in_wal(
    project: Store, tmp_path: Path
) -> None:
    before = call("query", "--json", "select count(*) as n from prompts")
    project.append("prompts", pl.DataFrame({"prompt_id": ["c3"]}))
    after = call("query", "--json", "select count(*) as n from prompts")
    assert [json.loads(each.stdout)[0]["n"] for each in (before, after)] == [2, 3]
    catalog = sqlite3.connect(tmp_path / "store" / "catalog.sqlite")
    assert catalog.execute("pragma journal_mode").fetchall() == [("wal",)]


def test_recipe_comes_from_option_environment_or_folder(
    project: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    lost = call("query", "select 1")
    assert lost.exit_code == 2
    assert "Name it with --recipe PATH or the environment's TEACHSET_RECIPE" in lost.stderr
    assert call("query", "-r", "../recipe.yaml", "from prompts").exit_code == 0
    monkeypatch.setenv("TEACHSET_RECIPE", str(tmp_path / "recipe.yaml"))
    assert call("query", "from prompts").exit_code == 0


def test_sql_comes_from_a_file_or_stdin(project: Store, tmp_path: Path) -> None:
    (tmp_path / "one.sql").write_text("-- a comment\nselect 1 as n;\n")
    assert json.loads(call("query", "--json", "one.sql").stdout) == [{"n": 1}]
    assert json.loads(call("query", "--json", "-", stdin="select 2 as n").stdout) == [{"n": 2}]
    missing = call("query", "two.sql")
    assert (missing.exit_code, missing.stderr[:18]) == (3, "teachset: two.sql:")


def test_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    result = call("query", "-r", str(tmp_path / "recipe.yaml"), "select 1")
    assert result.exit_code == 4
    assert "there is no store here yet. Make it with `teachset run`" in result.stderr
    assert not (tmp_path / "store").exists()


@pytest.mark.everyday(6)
@pytest.mark.parametrize("file", sorted((SQL_FOLDER / "adhoc").glob("*.sql")), ids=lambda f: f.stem)
def test_every_example_query_runs(project: Store, file: Path) -> None:
    assert file.read_text(encoding="utf-8").startswith("-- ")
    assert call("query", str(file)).exit_code == 0


def test_cells_are_one_line() -> None:
    assert to_cell("a\r\nb\tc").plain == "a↵b c"
    assert to_cell(None).plain == "null"
    assert to_cell(0.1234567).plain == "0.123457"


def test_json_has_no_nan_and_keeps_every_type() -> None:
    connection = connect_duckdb([])
    row = connection.execute(
        "select 'nan'::double, 1.50::decimal(4,2), date '2026-01-02', {'a': [1]}, '\\x01'::blob, "
        "interval 90 second, 12345678901234567890::hugeint"
    ).fetchall()[0]
    assert [to_json(value) for value in row] == [
        None, 1.5, "2026-01-02", {"a": [1]}, "01", 90.0, 12345678901234567890,
    ]  # fmt: skip


def test_more_than_one_statement_is_refused_as_only_one_could_show_its_rows(
    project: Store,
) -> None:
    result = call("query", "select 1 as a; select 2 as b")
    assert result.exit_code == 3
    assert "these are 2 statements; give them one at a time" in result.stderr
    assert result.stdout == ""
    assert json.loads(call("query", "--json", "select ';' as a; -- and; no; more\n").stdout) == [
        {"a": ";"}
    ]


def test_a_small_store_is_read_with_one_thread_and_a_large_one_leaves_half_of_the_cores(
    project: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threads() -> int:
        asked = call("query", "select current_setting('threads') as threads", "--json")
        return int(json.loads(asked.stdout)[0]["threads"])

    monkeypatch.delenv("TEACHSET_THREADS", raising=False)
    every_core = connect_duckdb([]).execute("select current_setting('threads')").fetchall()[0][0]
    project.append("prompts", pl.DataFrame({"prompt_id": [f"{number}" for number in range(100)]}))
    assert threads() == 1
    monkeypatch.setattr("cli.reading.ONE_THREAD_BYTES", 100)
    assert threads() == max(1, every_core // 2)
    monkeypatch.setenv("TEACHSET_THREADS", "3")
    assert threads() == 3
