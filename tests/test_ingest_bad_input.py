"""Ingest on bad input: rows are set aside with a reason, files are refused with advice."""

import gzip
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import InputError
from tasks.ingest import (
    IngestCounts,
    import_responses,
    ingest_seeds,
    parse_seed,
    refuse_unusable_files,
)
from tasks.ingest.rows import QuarantinedRow, RawRow
from tasks.plan.plan import make_plan
from tasks.recipe import Columns, SeedSource
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.object_store import object_store
from tests.source_rows import read_rows

GOOD = b'{"prompt": "What is 1 + 1?", "answer": "2"}\n'


def refuse(values: dict[str, Any], **source: Any) -> tuple[str, str]:
    """Return reason and detail of a row that must not become a seed."""
    parsed = parse_seed(RawRow("s.jsonl", 1, values), SeedSource(path="s.jsonl", **source))
    assert isinstance(parsed, QuarantinedRow), parsed
    return parsed.reason, parsed.detail


def load(
    store: Store, make_recipe: MakeRecipe, path: Path, content: bytes, **source: Any
) -> tuple[IngestCounts, list[tuple[int, str, str]]]:
    """Ingest one file and return the counts and (row, reason, detail) of what was set aside."""
    path.write_bytes(content)
    counts = ingest_seeds(store, make_recipe(seeds=[{"path": str(path), **source}]), "r")
    assert counts.read == counts.new + counts.merged + counts.quarantined
    rows = store.sql("select row_number, reason, detail from quarantine order by row_number")
    return counts, [(row[0], row[1], row[2]) for row in rows.rows()]


@pytest.mark.parametrize(
    ("values", "reason", "advice"),
    [
        ({"answer": "4"}, "missing_prompt", "there is: answer"),
        ({"prompt": None}, "missing_prompt", "no value in `prompt`"),
        ({"prompt": [{"content": "x"}]}, "missing_prompt", "`prompt.0.content`"),
        ({"prompt": " \n\t"}, "empty_prompt", "leave the row out"),
        ({"prompt": "x" * 200_001}, "too_long", "200,001 characters"),
        ({"prompt": "a\ud800b"}, "bad_encoding", r"\ud800 at position 2"),
        ({"prompt": "a\x00b"}, "bad_encoding", r"\x00 at position 2"),
        ({"prompt": "p", "choices": "red"}, "bad_choices", "found a text"),
        ({"prompt": "p", "choices": ["one"]}, "bad_choices", "found 1 options"),
        ({"prompt": "p", "choices": ["x", None]}, "bad_choices", "nothing as option 2"),
        ({"prompt": "p", "choices": {"A": "x", "B": "", "C": "y"}}, "bad_choices", "option B"),
        ({"prompt": "p", "choices": {"text": ["x"], "label": []}}, "bad_choices", "1 options"),
        ({"prompt": "p", "choices": [["x"], ["y", "z"]]}, "bad_choices", "a list of 2 as option 2"),
        ({"prompt": "p", "answer_type": "choice"}, "bad_choices", "no options"),
        ({"prompt": "p", "choices": ["x", "y"], "answer": 2}, "answer_not_in_choices", "0 to 1"),
        ({"prompt": "p", "choices": ["x", "y"], "answer": -1}, "answer_not_in_choices", "A to B"),
        ({"prompt": "p", "choices": ["x", "y"], "answer": "E"}, "answer_not_in_choices", "'E'"),
        ({"prompt": "p", "answer_type": "essay"}, "unknown_answer_type", "'essay' is none of"),
        ({"prompt": "p", "answer": {"x": 1}}, "bad_answer", "an object with x"),
        ({"prompt": "p", "answer": [1, 2]}, "bad_answer", "`answer.0`"),
        ({"prompt": "p", "tests": {"functional": "x"}}, "bad_tests", "`tests.functional`"),
    ],
)
def test_row_that_cannot_be_used_says_why_and_how_to_mend_it(
    values: dict[str, Any], reason: str, advice: str
) -> None:
    found, detail = refuse(values)
    assert found == reason
    assert advice in detail


@pytest.mark.parametrize("pattern", ["hash", "boxed", r"is (\d+)"])
def test_answer_without_the_pattern_is_set_aside(pattern: str) -> None:
    reason, detail = refuse({"prompt": "p", "answer": "seventy"}, answer_pattern=pattern)
    assert reason == "pattern_not_found"
    assert "expected" in detail and "`answer`" in detail


def test_bad_lines_are_set_aside_and_the_rest_is_read(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    content = b"\n".join(
        (
            GOOD.strip(),
            b'{"prompt": "cut of',
            b"[1, 2]",
            b"\xff\xfe\xfa",
            b'{"prompt": "\\ud83d"}',
            b'{"prompt": ' + b"[" * 100_000,
            b'{"prompt": "q", "answer": ' + b"9" * 5_000 + b"}",
            b'{"prompt": "last", "answer": NaN}',
        )
    )
    counts, rows = load(store, make_recipe, tmp_path / "s.jsonl", content)
    assert counts == IngestCounts(8, 2, 0, 6)
    assert [row[:2] for row in rows] == [
        (2, "bad_json"),
        (3, "not_an_object"),
        (4, "bad_encoding"),
        (5, "bad_encoding"),
        (6, "bad_json"),
        (7, "bad_json"),
    ]
    assert "character 12" in rows[0][2]
    assert "found a list" in rows[1][2]
    assert "iconv" in rows[2][2]


def test_what_is_kept_of_a_bad_row_is_short_and_printable(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    content = GOOD + b"\x1b[31m\x00\xff" + "\u202e".encode() + b"x" * 5_000 + b"\n"
    load(store, make_recipe, tmp_path / "s.jsonl", content)
    raw = store.sql("select raw from quarantine").item()
    assert raw.startswith(r"\x1b[31m\x00\xff\u202exxx")
    assert len(raw) <= 2_000


@pytest.mark.slow
def test_row_of_fifty_megabytes_costs_itself_and_no_memory(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    huge = b'{"prompt": "' + b"x" * 50_000_000 + b'"}\n'
    counts, rows = load(store, make_recipe, tmp_path / "s.jsonl", GOOD + huge + b'{"prompt":"b"}')
    assert counts == IngestCounts(3, 2, 0, 1)
    assert rows[0][:2] == (2, "too_long")
    array = b"[" + GOOD + b"," + huge + b', {"prompt": "c"}]'
    counts, _ = load(store, make_recipe, tmp_path / "array.json", array)
    assert counts == IngestCounts(3, 1, 1, 1)
    table = b"prompt\none\n" + b"y" * 50_000_000 + b"\ntwo\n"
    counts, rows = load(store, make_recipe, tmp_path / "s.csv", table)
    assert counts == IngestCounts(3, 2, 0, 1)


def test_other_answer_to_the_same_problem_is_set_aside_in_any_file_or_run(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    rows = [
        {"prompt": "1/2 of 1?", "answer": "0.5"},
        {"prompt": "1/2 of 1?", "answer": "1/2"},
        {"prompt": "1/2 of 1?", "answer": "2"},
        {"prompt": "no answer yet"},
    ]
    assert ingest_seeds(store, make_recipe(rows), "r") == IngestCounts(4, 2, 1, 1)
    later = b'{"prompt": "1/2 of  1?", "answer": "3"}\n{"prompt": "no answer yet", "answer": "4"}\n'
    (tmp_path / "later.jsonl").write_bytes(later)
    both = make_recipe(rows, seeds=[{"path": "seeds.jsonl"}, {"path": "later.jsonl"}])
    assert ingest_seeds(store, both, "r2") == IngestCounts(6, 0, 3, 3)
    found = store.sql("select row_number, reason, detail from quarantine order by 1, uri desc")
    assert [(row, reason) for row, reason, _ in found.iter_rows()] == [
        (1, "conflicting_answer"),
        (2, "conflicting_answer"),
        (3, "conflicting_answer"),
    ]
    details = sorted(found["detail"])
    assert "with the answer '0.5', here it has '2'" in details[0]
    assert "without an answer, here it has '4'" in details[2]
    assert store.sql("select text, answer from prompts order by 1").rows() == [
        ("1/2 of 1?", "0.5"),
        ("no answer yet", None),
    ]


@pytest.mark.slow
def test_a_file_without_one_usable_row_is_refused(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    file = tmp_path / "mapped.jsonl"
    rows = [{"prompt": f"What is {n} + 1?", "answer_type": "sum"} for n in range(4)]
    content = "".join(json.dumps(row) + "\n" for row in rows) + "{not json\n"
    file.write_text(content, encoding="utf-8")
    seeds = [{"path": str(file)}, {"path": "seeds.jsonl"}]
    recipe = make_recipe(seeds=seeds)
    for _ in range(2):  # It is not parsed again, and is as unusable as before.
        ingest_seeds(store, recipe, "r")
        with pytest.raises(InputError) as caught:
            refuse_unusable_files(store, recipe)
        assert str(caught.value).startswith(
            "mapped.jsonl: none of its 5 rows can be used: unknown_answer_type (4 of them), the "
        )
        assert caught.value.exit_code == 3
        with pytest.raises(InputError, match="none of its 5 rows can be used"):
            make_plan(recipe)
    refuse_unusable_files(store, make_recipe(seeds=[{"path": "seeds.jsonl"}]))

    # One row that can be used is enough, and what came of a file before stays whatever it is now.
    file.write_bytes(GOOD + content.encode())
    ingest_seeds(store, recipe, "r")
    refuse_unusable_files(store, recipe)
    file.write_text(content, encoding="utf-8")
    make_plan(recipe)  # It reads the file anew, beside what the store has.
    ingest_seeds(store, recipe, "r")
    refuse_unusable_files(store, recipe)


def test_id_that_names_two_problems_of_one_file_is_set_aside(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    content = b'{"id": 7, "prompt": "a"}\n{"id": 7, "prompt": "a"}\n{"id": "7", "prompt": "b"}\n'
    counts, rows = load(store, make_recipe, tmp_path / "s.jsonl", content)
    assert counts == IngestCounts(3, 1, 1, 1)
    assert rows[0][:2] == (3, "duplicate_external_id")
    assert "external_id: null" in rows[0][2]
    other = b'{"id": 7, "prompt": "c"}\n'
    assert load(store, make_recipe, tmp_path / "other.jsonl", other)[0].new == 1


def test_corrected_problem_with_its_old_id_is_a_new_problem(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    load(store, make_recipe, tmp_path / "s.jsonl", b'{"id": 1, "prompt": "wich?"}\n')
    counts, rows = load(
        store, make_recipe, tmp_path / "s.jsonl", b'{"id": 1, "prompt": "which?"}\n'
    )
    assert (counts.new, rows) == (1, [])


def test_stray_quote_costs_its_own_line(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    content = b'prompt,answer\n"open,1\nb,2\n"c ""d""",3\ne"f,4\n"g"h,5\ni,6,7\nj\n'
    counts, rows = load(store, make_recipe, tmp_path / "s.csv", content)
    assert counts == IngestCounts(7, 3, 0, 4)
    assert [row[:2] for row in rows] == [
        (1, "bad_quotes"),
        (5, "bad_quotes"),
        (6, "wrong_columns"),
        (7, "wrong_columns"),
    ]
    assert "line 2" in rows[0][2] and 'csv: {quote: ""}' in rows[0][2]
    assert "expected 2 columns as in the header, found 3" in rows[2][2]
    texts = store.sql("select text from prompts order by 1")["text"].to_list()
    assert texts == ["b", 'c "d"', 'e"f']


def test_row_of_a_table_in_another_encoding_is_set_aside(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    content = b"prompt\nna\xefve\nplain\n"
    counts, rows = load(store, make_recipe, tmp_path / "s.csv", content)
    assert counts == IngestCounts(2, 1, 0, 1)
    assert rows[0][:2] == (1, "bad_encoding")
    assert "byte 3 (0xef)" in rows[0][2]


def test_broken_array_element_costs_itself_and_a_cut_array_is_noticed(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    content = b'[{"prompt": "a"}, {"prompt": [1, }, 7, {"prompt": "b"}, {"prompt": "c'
    counts, rows = load(store, make_recipe, tmp_path / "s.json", content)
    assert counts == IngestCounts(5, 2, 0, 3)
    assert [row[:2] for row in rows] == [(2, "bad_json"), (3, "not_an_object"), (5, "bad_json")]


@pytest.mark.parametrize("cut", [b"", b"\n", b", ", b',{"prompt": "c'])
def test_an_array_that_is_not_closed_is_noticed_wherever_it_was_cut(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path, cut: bytes
) -> None:
    content = b'[{"prompt": "a"}, {"prompt": "b"}' + cut
    counts, rows = load(store, make_recipe, tmp_path / "s.json", content)
    assert counts == IngestCounts(3, 2, 0, 1)
    assert rows[0][:2] == (3, "bad_json")


def test_what_follows_an_array_is_noticed(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    content = b'[{"prompt": "a"},]\n[{"prompt": "b"}]'
    counts, rows = load(store, make_recipe, tmp_path / "s.json", content)
    assert counts == IngestCounts(2, 1, 0, 1)
    assert rows[0][:2] == (2, "not_an_object")


UNUSABLE: list[tuple[str, bytes, dict[str, Any], str]] = [
    ("s.jsonl", b"", {}, "s.jsonl: the file is empty"),
    ("s.jsonl", b"\n \n", {}, "s.jsonl: the file has no rows"),
    ("s.jsonl", b"\xef\xbb\xbf", {}, "s.jsonl: the file has no rows"),
    ("s.json", b"[]", {}, "s.json: the file has no rows"),
    ("s.json", b"{", {}, "s.json: not valid JSON"),
    ("s.json", b"3", {}, "s.json: expected an array of objects"),
    ("s.json", b'{"a": [{"b": 1}], "c": [{"d": 1}]}', {}, "several lists (a, c)"),
    ("s.csv", b"prompt,answer\n", {}, "s.csv: the file has no rows"),
    ("s.csv", b"a,b,a\n1,2,3\n", {}, "two columns are called 'a'"),
    ("s.csv", b'"prompt\n', {}, "the header row cannot be read"),
    ("s.jsonl.gz", gzip.compress(b"", mtime=0), {}, "s.jsonl.gz: the file has no rows"),
    ("s.jsonl.gz", gzip.compress(GOOD * 900, mtime=0)[:-20], {}, "cannot be read to its end"),
    ("s.jsonl.zst", b"\x28\xb5\x2f\xfd junk", {}, "cannot be read to its end"),
    ("s.parquet", GOOD, {}, "s.parquet: this is not a Parquet file"),
    ("s.jsonl", b"PAR1 and so on", {}, "this is a Parquet file; set `format: parquet`"),
    ("s.jsonl", b"\xff\xfep\x00", {}, "UTF-16 text, expected UTF-8"),
    ("s.txt", GOOD, {}, "s.txt: cannot tell the format"),
    ("s.jsonl", b"not json\nat all\n", {}, "no row of it can be read as jsonl: not valid JSON"),
    ("s.jsonl", b'{"question": "q"}\n', {}, "no row has a column `prompt`"),
    (
        "s.jsonl",
        b'{"question": "q"}\n',
        {"columns": {"prompt": "qestion"}},
        "no row has a column `qestion`. Did you mean `question`? Columns there: question.",
    ),
    (
        "s.jsonl",
        b'{"prompt": "q", "meta": {"solution": "1"}}\n',
        {"columns": {"answer": "meta.soluton"}},
        "Did you mean `meta.solution`?",
    ),
    (
        "s.csv",
        b"prompt,anwser\n1,2\n",
        {"columns": {"answer": "answers"}},
        "no row has a column `answers`. Did you mean `anwser`?",
    ),
]


@pytest.mark.parametrize(("name", "content", "source", "message"), UNUSABLE)
def test_file_that_cannot_be_used_is_refused_and_nothing_is_written(
    store: Store,
    make_recipe: MakeRecipe,
    tmp_path: Path,
    name: str,
    content: bytes,
    source: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        load(store, make_recipe, tmp_path / name, content, **source)
    assert store.sql("select count(*) from prompts").item() == 0
    assert store.sql("select count(*) from quarantine").item() == 0


def test_column_that_only_late_rows_have_is_found(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    content = (
        b"".join(b'{"prompt": "%d"}\n' % n for n in range(1_500)) + b'{"prompt":"x","a":"1"}\n'
    )
    counts, _ = load(store, make_recipe, tmp_path / "s.jsonl", content, columns={"answer": "a"})
    assert counts.new == 1_501


def test_parquet_names_the_nearest_column(tmp_path: Path) -> None:
    pl.DataFrame({"question": ["q"], "answer": ["1"]}).write_parquet(tmp_path / "s.parquet")
    source = SeedSource(path=str(tmp_path / "s.parquet"), columns=Columns(prompt="questions"))
    with pytest.raises(InputError, match=r"column `questions`\. Did you mean `question`"):
        list(read_rows(source))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s.jsonl")
    with pytest.raises(InputError, match="this is a pipe or a device; write its rows to a file"):
        list(read_rows(SeedSource(path=str(tmp_path / "s.jsonl"))))


@pytest.mark.parametrize("path", ["b.jsonl", "*.jsonl"])
def test_a_link_to_nothing_is_refused_and_not_left_out(tmp_path: Path, path: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    (tmp_path / "b.jsonl").symlink_to("objects/b")
    with pytest.raises(InputError, match=r"b\.jsonl: this is a link to a file that is not there"):
        list(read_rows(SeedSource(path=str(tmp_path / path))))
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "b").write_bytes(GOOD)
    rows = list(read_rows(SeedSource(path=str(tmp_path / "*.jsonl"))))
    assert [row.uri for row in rows] == ["a.jsonl", "b.jsonl"]


def test_a_file_whose_name_is_not_utf_8_is_named_by_its_bytes(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.jsonl"
    with open(name, "wb") as file:
        file.write(GOOD + b"[]\n")
    counts = ingest_seeds(store, make_recipe(seeds=[{"path": "caf*.jsonl"}]), "r")
    assert counts == IngestCounts(2, 1, 0, 1)
    assert store.sql("select uri, source from prompt_sources").rows() == [
        (r"caf\xe9.jsonl", r"caf\xe9")
    ]
    assert store.sql("select uri from quarantine").item() == r"caf\xe9.jsonl"
    with pytest.raises(InputError, match=r"no such file\. Beside it: caf.xe9\.jsonl"):
        list(read_rows(SeedSource(path=str(tmp_path / "cafe.jsonl"))))


def test_missing_file_is_refused_before_anything_is_read(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe(seeds=[{"path": "seeds.jsonl"}, {"path": "sedes.jsonl"}])
    with pytest.raises(InputError, match=r"sedes.jsonl: no such file. Beside it: .*seeds.jsonl"):
        ingest_seeds(store, recipe, "r")
    assert store.sql("select count(*) from prompts").item() == 0


def test_pattern_that_matches_nothing_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file matches this pattern"):
        list(read_rows(SeedSource(path=str(tmp_path / "*.jsonl"))))
    with pytest.raises(InputError, match=r"this is a folder; name its files"):
        list(read_rows(SeedSource(path=str(tmp_path))))


@pytest.fixture
def nobody() -> Iterator[None]:
    """The test runs as a user who may not read everything, as root may."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_file_without_permission_is_refused(nobody: None) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.jsonl"
        path.write_bytes(GOOD)
        path.chmod(0)
        with pytest.raises(InputError, match=r"s\.jsonl: no permission to read it"):
            list(read_rows(SeedSource(path=str(path))))
        Path(folder).chmod(0)
        with pytest.raises(InputError, match="no permission to look there"):
            list(read_rows(SeedSource(path=str(path))))
        Path(folder).chmod(0o700)


TOO_LARGE = "count_too_large"


@pytest.mark.everyday(3)
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "unheard of", "response": "x", "model": "m"}, "unknown_prompt"),
        ({"prompt": "twice", "response": "x", "model": "m"}, "ambiguous_prompt"),
        ({"prompt": "once", "response": " ", "model": "m"}, "missing_response"),
        ({"prompt": "once", "response": "x"}, "missing_model"),
        ({"response": "x", "model": "m"}, "missing_prompt"),
        ({"prompt": "once", "response": "x", "model": "m", "sample_index": 2**31}, TOO_LARGE),
        ({"prompt": "once", "response": "x", "model": "m", "prompt_tokens": 2**63}, TOO_LARGE),
        (
            {"prompt": "once", "response": "x", "model": "m", "prompt_tokens": "9" * 5_000},
            TOO_LARGE,
        ),
    ],
)
def test_response_that_belongs_to_nothing_is_set_aside(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    good = {"prompt": "once", "response": "y", "model": "m"}
    (tmp_path / "r.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(good) + "\n")
    seeds = [
        {"prompt": "once"},
        {"prompt": "twice", "domain": "math"},
        {"prompt": "twice", "domain": "code"},
    ]
    recipe = make_recipe(seeds, responses=[{"path": "r.jsonl", "role": "teacher"}])
    ingest_seeds(store, recipe, "r")
    assert import_responses(store, recipe, "r") == IngestCounts(2, 1, 0, 1)
    assert store.sql("select purpose, reason from quarantine").rows() == [("response", reason)]


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), st.sampled_from(["s.jsonl", "s.json", "s.csv", "s.tsv"]))
def test_no_bytes_whatever_break_the_reader(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    source = SeedSource(path=str(path))
    try:
        parsed = [parse_seed(row, source) for row in read_rows(source)]
    except InputError:
        return
    assert parsed


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server on loopback for `tmp_path/web`, in a process of its own; its address."""
    (tmp_path / "web").mkdir()
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(
        command, cwd=tmp_path / "web", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        port = re.search(r"port (\d+)", process.stdout.readline())
        assert port is not None
        address = f"http://127.0.0.1:{port[1]}"
        for _ in range(50):
            try:
                urllib.request.urlopen(address, timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield address
        process.terminate()


def test_remote_files_are_read_and_their_secrets_are_not_kept(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path, web: str
) -> None:
    (tmp_path / "web" / "s.jsonl.gz").write_bytes(gzip.compress(GOOD))
    recipe = make_recipe(seeds=[{"path": f"{web}/s.jsonl.gz?token=secret"}])
    assert ingest_seeds(store, recipe, "r").new == 1
    assert store.sql("select uri, source from prompt_sources").rows() == [
        (f"{web}/s.jsonl.gz", "s")
    ]


def test_a_bucket_is_read_by_pattern_with_the_credentials_of_the_environment(
    store: Store, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = b'{"prompt": "What is 1 + 2?", "answer": "3"}\n'
    objects = {"seeds/a.jsonl": GOOD, "seeds/b.jsonl.gz": gzip.compress(other), "c.jsonl": GOOD}
    with object_store("pool", objects) as (endpoint, shown):
        monkeypatch.setenv("DUCKDB_S3_ENDPOINT", endpoint)
        monkeypatch.setenv("DUCKDB_S3_USE_SSL", "0")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        recipe = make_recipe(seeds=[{"path": "s3://pool/seeds/*?s3_url_style=path"}])
        assert ingest_seeds(store, recipe, "r").new == 2
        with pytest.raises(InputError, match=r"s3://pool/none\.jsonl: cannot be fetched"):
            list(read_rows(SeedSource(path="s3://pool/none.jsonl?s3_url_style=path")))
    assert store.sql("select uri from prompt_sources order by uri")["uri"].to_list() == [
        "s3://pool/seeds/a.jsonl",
        "s3://pool/seeds/b.jsonl.gz",
    ]
    assert all("Credential=somebody/" in credentials for credentials in shown)


def test_remote_file_that_is_not_there_is_refused(web: str) -> None:
    with pytest.raises(InputError, match="cannot be fetched") as caught:
        list(read_rows(SeedSource(path=f"{web}/none.jsonl?token=secret")))
    assert "404" in str(caught.value)
    assert "secret" not in str(caught.value).replace("stored secrets", "").replace("secret`", "")
