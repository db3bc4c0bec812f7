"""Ingest on good input: formats, mapping, answers, identity, repetition, real files."""

import gzip
import json
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import InputError
from tasks.identity import content_id, prompt_id
from tasks.ingest import (
    IngestCounts,
    import_responses,
    ingest_benchmarks,
    ingest_seeds,
    json_rows,
    parse_seed,
)
from tasks.ingest.answers import (
    Choices,
    extract_answer,
    find_letter,
    infer_answer_type,
    read_choices,
    read_level,
    same_answer,
    tidy_answer,
    write_answer,
)
from tasks.ingest.rows import QuarantinedRow, RawRow
from tasks.ingest.seeds import Seed
from tasks.recipe import SeedSource, StoreSettings
from tasks.store import Store, open_store
from tests.conftest import MakeRecipe
from tests.source_rows import read_rows

ROWS: list[dict[str, Any]] = [{"prompt": f"What is {n} + 1?", "answer": n + 1} for n in range(1, 4)]


def parse(values: dict[str, Any], **source: Any) -> Seed:
    parsed = parse_seed(RawRow("seeds.jsonl", 1, values), SeedSource(path="seeds.jsonl", **source))
    assert isinstance(parsed, Seed), parsed
    return parsed


@pytest.mark.parametrize(
    ("text", "pattern", "answer"),
    [
        ("48/2 = 24\n48+24 = 72\n#### 72", "hash", "72"),
        ("#### 1\nno, wait\n#### 1,234 ", "hash", "1,234"),
        ("72", "hash", None),
        (r"so \boxed{\frac{1}{2}}.", "boxed", r"\frac{1}{2}"),
        (r"\boxed{1} or rather \boxed{\{1, 2\}}", "boxed", r"\{1, 2\}"),
        (r"\boxed{2} and then \boxed{3", "boxed", "2"),
        (r"\boxed 7.", "boxed", "7"),
        (r"\boxed{}", "boxed", None),
        ("Answer: 3 … Answer: 4", r"Answer: (\d+)", "4"),
        ("no number", r"Answer: (\d+)", None),
    ],
)
def test_answer_is_extracted_from_a_worked_solution(
    text: str, pattern: str, answer: str | None
) -> None:
    assert extract_answer(text, pattern) == answer


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (142.0, "142"),
        (0.5, "0.5"),
        (12345678901234567890123, "12345678901234567890123"),
        (float("nan"), None),
        (None, None),
        ("  ", None),
        (" x ", "x"),
        (True, "true"),
        (["5"], "5"),
    ],
)
def test_answer_of_any_json_type_is_written_as_text(value: Any, written: str | None) -> None:
    assert write_answer(value) == written


@pytest.mark.parametrize(
    ("answer", "tidy"),
    [
        ("10{,}000", "10000"),
        (r"10,\!000", "10000"),
        ("1,234", "1234"),
        ("1,234,567.50", "1234567.50"),
        ("142.0", "142"),
        ("$5$", "5"),
        (r"\$18.90", "18.90"),
        ("$1,000", "1000"),
        ("+3", "3"),
        ("\u22123", "-3"),
        ("1,23", "1,23"),
        ("(1,234)", "(1,234)"),
        (r"\frac{1}{2}", r"\frac{1}{2}"),
    ],
)
def test_numbers_are_written_plainly_and_nothing_else_changes(answer: str, tidy: str) -> None:
    assert tidy_answer(answer) == tidy


# As people write them: dollars, signs, thousands, decimals, exponents, space around.
NUMBERS = (
    r" ?(?:\\?\$ ?)?[+-]?(?:"
    r"[0-9]{1,3}(?:(?:,[0-9]{3}){1,3}|(?:\{,\}[0-9]{3}){1,3})(?:\.[0-9]{1,3})?"
    r"|[0-9]{1,9}(?:\.[0-9]{0,3})?(?:[eE][+-]?[0-9]{1,2})?|\.[0-9]{1,3}) ?"
)


@given(st.integers(min_value=0, max_value=10**15))
def test_thousands_separators_never_change_a_number(number: int) -> None:
    assert tidy_answer(f"{number:,}") == str(number)
    assert tidy_answer(f"{number:,}".replace(",", "{,}")) == str(number)


@given(st.from_regex(NUMBERS, fullmatch=True))
def test_tidying_twice_is_tidying_once_for_numbers(text: str) -> None:
    once = tidy_answer(text)
    assert infer_answer_type(text, None, None) == "number"
    assert tidy_answer(once) == once
    assert infer_answer_type(once, None, None) == "number"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("42", "number"),
        ("-3.5", "number"),
        ("1/2", "number"),
        ("1e6", "number"),
        ("1,234", "number"),
        (r"\frac{1}{2}", "expression"),
        ("x^2+1", "expression"),
        ("(1, 2)", "expression"),
        ("2xy + 10x", "expression"),
        ("sin(x)", "expression"),
        ("Paris", "text"),
        ("C", "text"),
        ("about 5 apples", "text"),
        ("import os\nprint(os.name)", "text"),
        (None, "open"),
    ],
)
def test_answer_type_is_inferred(answer: str | None, kind: str) -> None:
    assert infer_answer_type(answer, None, None) == kind


def test_options_and_tests_outweigh_the_look_of_the_answer() -> None:
    assert infer_answer_type("2", Choices(("a", "b", "c")), None) == "choice"
    assert infer_answer_type("2", None, ["assert f(1) == 2"]) == "code"


@pytest.mark.parametrize(
    ("value", "letter"),
    [
        (2, "C"),
        (2.0, "C"),
        ("2", "C"),
        ("b", "B"),
        ("(B)", "B"),
        ("D.", "D"),
        ("Helium", "B"),
        (" neon  gas", "C"),
    ],
)
def test_right_option_is_found_by_index_letter_or_text(value: Any, letter: str) -> None:
    assert find_letter(value, Choices(("argon", "helium", "Neon gas", "iron"))) == letter


def test_options_come_as_a_list_an_object_or_text_and_label() -> None:
    assert read_choices(["a", 2]) == Choices(("a", "2"))
    assert read_choices({"A": "x", "B": "y"}) == Choices(("x", "y"), ("A", "B"))
    arc = read_choices({"text": ["x", "y"], "label": ["1", "2"]})
    assert arc == Choices(("x", "y"), ("1", "2"))
    # With labels of its own, "1" is the first option and not the index of the second.
    assert isinstance(arc, Choices) and find_letter("1", arc) == "A"
    no_options: tuple[Any, ...] = (None, [], {}, {"text": [], "label": []})
    assert [read_choices(value) for value in no_options] == [None] * 4


@pytest.mark.parametrize(
    ("value", "level"),
    [(1, 1), (5.0, 5), ("Level 3", 3), ("2", 2), (6, None), ("hard", None), (4.5, None)],
)
def test_level_is_one_to_five_or_nothing(value: Any, level: int | None) -> None:
    assert read_level(value) == level


def test_same_answer_compares_numbers_by_value() -> None:
    assert same_answer("1/2", "0.5")
    assert same_answer("10{,}000", "10000.0")
    assert not same_answer("x", "y")
    assert same_answer("1 000", "1e3")
    assert same_answer("- 3 / 6", "-.5")
    assert not same_answer("1/0", "0")


def test_a_number_of_millions_of_digits_is_not_written_out_to_be_compared() -> None:
    began = time.process_time()
    assert not same_answer("1e3000000", "2")
    assert time.process_time() - began < 0.1


def test_gsm8k_row_becomes_a_seed_with_answer_and_worked_solution() -> None:
    seed = parse(
        {"question": "How many clips?", "answer": "48+24 = 72\n#### 72"},
        columns={"prompt": "question"},
        constants={"domain": "Math", "licence": "MIT", "source": "gsm8k"},
        answer_pattern="hash",
    )
    assert (seed.text, seed.answer, seed.answer_type) == ("How many clips?", "72", "number")
    assert (seed.domain, seed.licence, seed.source) == ("math", "MIT", "gsm8k")
    assert seed.solution == "48+24 = 72\n#### 72"
    assert seed.prompt_id == prompt_id("How many clips?", domain="math")


def test_dotted_path_reads_nested_objects_and_lists() -> None:
    seed = parse(
        {"messages": [{"content": "2 + 2?"}], "reward": {"truth": "4"}, "a.b": "x"},
        columns={"prompt": "messages.0.content", "answer": "reward.truth", "source": "a.b"},
    )
    assert (seed.text, seed.answer, seed.source) == ("2 + 2?", "4", "x")


def test_constants_fill_only_what_the_columns_leave_empty() -> None:
    constants = {"domain": "math", "answer_type": "text"}
    assert parse({"prompt": "p", "domain": "code"}, constants=constants).domain == "code"
    assert parse({"prompt": "p", "domain": None}, constants=constants).domain == "math"
    assert parse({"prompt": "p", "answer": "3.0"}, constants=constants).answer == "3.0"


def test_several_licences_of_a_row_are_all_kept() -> None:
    assert parse({"prompt": "p", "licence": ["MIT", "cc-by-nc-4.0"]}).licence == "MIT, cc-by-nc-4.0"
    assert parse({"prompt": "p", "licence": []}, constants={"licence": "MIT"}).licence == "MIT"


def test_options_may_be_columns_of_their_own() -> None:
    seed = parse(
        {"prompt": "?", "A": "x", "B": "y", "answer": "B"}, columns={"choices": ["A", "B"]}
    )
    assert (seed.choices, seed.answer, seed.answer_type) == (("x", "y"), "B", "choice")


@pytest.mark.parametrize("columns", [{}, {"choices": ["A", "B", "C", "D"]}])
def test_options_that_are_empty_at_the_end_are_none(columns: dict[str, Any]) -> None:
    def options(*texts: str | None, **more: Any) -> Seed:
        labelled = dict(zip("ABCD", texts, strict=True))
        row = labelled if columns else {"choices": labelled}
        return parse({"prompt": "?", **row, **more}, columns=columns)

    assert options("x", "y", "z", None, answer="C").answer == "C"
    assert options("x", "y", None, "", answer=1).choices == ("x", "y")
    assert options(None, None, None, None, answer="7").answer_type == "number"


def test_an_index_never_means_another_option_than_it_did_in_the_table() -> None:
    row = {"prompt": "?", "o1": "x", "o2": None, "o3": "y", "o4": "z", "answer": 2}
    source = SeedSource.model_validate(
        {"path": "s", "columns": {"choices": ["o1", "o2", "o3", "o4"]}}
    )
    parsed = parse_seed(RawRow("s.csv", 1, row), source)
    assert isinstance(parsed, QuarantinedRow)
    assert (parsed.reason, parsed.detail[-20:]) == ("bad_choices", "nothing as option o2")


def test_source_is_the_name_of_the_file_if_nothing_says_otherwise() -> None:
    assert parse({"prompt": "p"}).source == "seeds"


def write_formats(folder: Path) -> dict[str, Path]:
    """Write ROWS in every format and return the files."""
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    table = "prompt,answer\n" + "".join(f'"{row["prompt"]}",{row["answer"]}\n' for row in ROWS)
    contents: dict[str, bytes] = {
        "a.jsonl": lines.encode(),
        "b.json": json.dumps(ROWS, indent=2).encode(),
        "c.json": json.dumps({"version": 1, "data": ROWS}).encode(),
        "lines.json": lines.encode(),
        "d.csv": table.encode(),
        "e.tsv": table.replace(",", "\t").encode(),
        "windows.csv": b"\xef\xbb\xbf" + table.replace("\n", "\r\n").encode(),
        "mark.jsonl": b"\xef\xbb\xbf" + lines.replace("\n", "\r\n").encode(),
        "f.jsonl.gz": gzip.compress(lines.encode()),
        "g.csv.gz": gzip.compress(table.encode()),
        "h.jsonl.zst": pa.compress(lines.encode(), codec="zstd", asbytes=True),
        "misnamed.jsonl": gzip.compress(lines.encode()),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    pl.DataFrame(ROWS).write_parquet(folder / "i.parquet")
    return {name: folder / name for name in [*contents, "i.parquet"]}


def test_every_format_gives_the_same_prompts(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    for number, file in enumerate(write_formats(tmp_path).values()):
        recipe = make_recipe(seeds=[{"path": file.name}])
        new = 0 if number else 3
        assert ingest_seeds(store, recipe, "r") == IngestCounts(3, new, 3 - new, 0), file.name
    assert store.sql("select answer from prompts order by text")["answer"].to_list() == [
        "2",
        "3",
        "4",
    ]


def test_files_of_one_name_are_told_apart_by_their_folders(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    for number, name in enumerate(("a/x/train", "b/x/train", "test")):
        file = tmp_path / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'{{"prompt": "What is {number} + 1?"}}\nno row\n', encoding="utf-8")
    paths = ["a/x/train.jsonl", "b/x/train.jsonl", "test.jsonl", "test.jsonl"]
    recipe = make_recipe(seeds=[{"path": path} for path in paths])
    ingest_seeds(store, recipe, "r")
    for table in ("prompt_sources", "quarantine"):
        uris = store.sql(f"select uri from {table} order by uri")["uri"].to_list()
        assert uris == ["a/x/train.jsonl", "b/x/train.jsonl", "test.jsonl"]
    # Alone it has no need of its folders, and what is called its source is its name as ever.
    assert store.sql("select distinct source from prompt_sources order by 1")[
        "source"
    ].to_list() == ["test", "train"]
    ingest_seeds(store, make_recipe(seeds=[{"path": paths[0]}]), "r")
    named = store.sql("select uri from prompt_sources order by uri")["uri"]
    assert named.to_list() == ["a/x/train.jsonl", "b/x/train.jsonl", "test.jsonl", "train.jsonl"]


def test_glob_reads_files_in_order_and_names_them_below_the_wildcard(tmp_path: Path) -> None:
    for name in ("b/x.jsonl", "a/x.jsonl"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text('{"prompt": "p"}\n')
    rows = list(read_rows(SeedSource(path=str(tmp_path / "*" / "x.jsonl"))))
    assert [row.uri for row in rows] == ["a/x.jsonl", "b/x.jsonl"]


def test_a_folder_that_is_there_is_no_pattern(tmp_path: Path) -> None:
    for name in ("a [1] *b/x.jsonl", "a [1] *b/y.jsonl", "a 1 b/x.jsonl", "shard-7/x.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"prompt": "p"}\n')

    def named(*pattern: str) -> list[str]:
        return [row.uri for row in read_rows(SeedSource(path=str(tmp_path.joinpath(*pattern))))]

    assert named("a [1] *b", "*.jsonl") == ["x.jsonl", "y.jsonl"]
    assert named("a [1] *b", "x.jsonl") == ["x.jsonl"]
    assert named("shard-[0-9]", "*.jsonl") == ["shard-7/x.jsonl"]
    assert named("**", "y.jsonl") == ["a [1] *b/y.jsonl"]
    with pytest.raises(InputError, match=r"no such file\. Beside it: x\.jsonl, y\.jsonl"):
        named("a [1] *b", "z.jsonl")


def test_line_separators_inside_json_strings_do_not_break_rows(tmp_path: Path) -> None:
    text = "one\u2028two\u2029three\x85four\x0bfive"
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps({"prompt": text}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert [row.values["prompt"] for row in read_rows(SeedSource(path=str(path)))] == [text]


def test_blank_lines_are_no_rows_but_count_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text('{"prompt": "p"}\n\n  \n{"prompt": "q"}')
    assert [row.row_number for row in read_rows(SeedSource(path=str(path)))] == [1, 4]


def test_csv_fields_may_hold_newlines_delimiters_and_json(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    (tmp_path / "s.csv").write_text(
        'prompt;choices;answer\n"a; b\nc ""d""";"[""x"", ""y""]";1\n', encoding="utf-8"
    )
    recipe = make_recipe(seeds=[{"path": "s.csv", "csv": {"delimiter": ";"}}])
    assert ingest_seeds(store, recipe, "r").new == 1
    assert store.sql("select text, choices, answer from prompts").rows() == [
        ('a; b\nc "d"', ["x", "y"], "B")
    ]


@given(st.lists(st.text(alphabet='ab",\n\\{}[]:1 \u2028', max_size=12), min_size=1, max_size=8))
def test_scanner_of_json_arrays_agrees_with_a_parser(texts: list[str]) -> None:
    rows = [{"prompt": text, "more": [text, {"x": text}]} for text in texts]
    content = json.dumps(rows, ensure_ascii=False).encode()
    for block in (1, 3, 7, 1 << 20):
        json_rows._BLOCK = block
        try:
            lines = list(json_rows._split_array(BytesIO(content[block:]), content[1:block] or b" "))
        finally:
            json_rows._BLOCK = 1 << 20
        assert [json.loads(line.content) for line in lines] == rows


def test_exact_duplicates_are_one_prompt_with_every_source(
    store: Store, make_recipe: MakeRecipe
) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "What is  2 + 2?", "answer": "4", "source": "one", "licence": "MIT"},
        {"prompt": "What is 2 + 2?\n", "answer": 4.0, "source": "two", "licence": "CC0"},
        {"prompt": "What is 2 + 2?", "source": "three"},
    ]
    assert ingest_seeds(store, make_recipe(rows), "r") == IngestCounts(3, 1, 2, 0)
    sources = store.sql("select source, licence, uri, row_number from prompt_sources order by 4")
    assert sources.rows() == [
        ("one", "MIT", "seeds.jsonl", 1),
        ("two", "CC0", "seeds.jsonl", 2),
        ("three", None, "seeds.jsonl", 3),
    ]


def test_prompts_have_the_columns_of_a_seed(store: Store, make_recipe: MakeRecipe) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "p", "answer": "4", "level": 2, "id": 7},
        {"prompt": "q"},
    ]
    ingest_seeds(store, make_recipe(rows), "run-1")
    found = store.sql(
        "select kind, root_id = prompt_id, parent_id, domain, answer, answer_type, answer_source,"
        " level, simulated, run_id from prompts order by text"
    )
    assert found.rows() == [
        ("seed", True, None, "general", "4", "number", "gold", 2, False, "run-1"),
        ("seed", True, None, "general", None, "open", None, None, False, "run-1"),
    ]
    assert store.sql("select external_id from prompt_sources order by 1").rows() == [
        ("7",),
        (None,),
    ]


def count_rows(store: Store) -> list[int]:
    tables = ("prompts", "prompt_sources", "quarantine", "benchmark_items", "responses")
    return [int(store.sql(f"select count(*) from {table}").item()) for table in tables]


def test_same_file_again_changes_nothing_and_a_grown_file_adds_what_is_new(
    store: Store, make_recipe: MakeRecipe
) -> None:
    rows: list[dict[str, Any]] = [*ROWS, {"answer": "no prompt"}, {**ROWS[0], "answer": "0"}]
    assert ingest_seeds(store, make_recipe(rows), "r1") == IngestCounts(5, 3, 0, 2)
    before = count_rows(store)
    assert before == [3, 3, 2, 0, 0]
    assert ingest_seeds(store, make_recipe(rows), "r2") == IngestCounts(5, 0, 3, 2)
    assert count_rows(store) == before
    rows += [{"prompt": "new", "answer": "1"}, {"prompt": ""}]
    assert ingest_seeds(store, make_recipe(rows), "r3") == IngestCounts(7, 1, 3, 3)
    assert count_rows(store) == [4, 4, 3, 0, 0]


@pytest.mark.slow
def test_two_stores_of_the_same_file_have_the_same_rows(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    other = open_store(StoreSettings(catalog=str(tmp_path / "other" / "catalog.sqlite")))
    recipe = make_recipe([*ROWS, {"prompt": None}])
    for one in (store, other):
        ingest_seeds(one, recipe, "r")
    for table in ("prompts", "prompt_sources", "quarantine"):
        query = f"select * exclude (created_at) from {table} order by all"
        assert store.sql(query).equals(other.sql(query))


def test_benchmarks_come_in_the_same_way(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    (tmp_path / "bench.jsonl").write_text(
        '{"question": "1?", "answer": "so\\n#### 1"}\n{"question": "1 ?"}\n{"answer": "2"}\n'
        '{"question": "1?", "answer": "#### 1"}\n'
    )
    recipe = make_recipe(
        benchmarks=[
            {
                "name": "bench",
                "path": "bench.jsonl",
                "columns": {"prompt": "question"},
                "answer_pattern": "hash",
            }
        ]
    )
    assert ingest_benchmarks(store, recipe, "r") == IngestCounts(4, 2, 1, 1)
    assert ingest_benchmarks(store, recipe, "r") == IngestCounts(4, 0, 3, 1)
    items = store.sql("select benchmark, text, answer, uri, row_number from benchmark_items")
    assert sorted(items.rows()) == [
        ("bench", "1 ?", None, "bench.jsonl", 2),
        ("bench", "1?", "1", "bench.jsonl", 1),
    ]
    assert store.sql("select purpose, reason from quarantine").rows() == [
        ("benchmark", "missing_prompt")
    ]


def import_from(
    make_recipe: MakeRecipe, tmp_path: Path, rows: list[dict[str, Any]], **source: Any
) -> Any:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "responses.jsonl").write_text(lines)
    declared = {"path": "responses.jsonl", "role": "student", **source}
    return make_recipe(ROWS, responses=[declared])


def test_responses_made_elsewhere_are_like_any_other(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "What is 1 + 1?", "response": "<think>easy</think>2", "model": "m"},
        {"prompt": "What  is 1 + 1?", "response": "3", "model": "m", "finish_reason": "length"},
        {"prompt": "What is 2 + 1?", "response": "3", "reasoning": "hm", "completion_tokens": 9},
    ]
    recipe = import_from(make_recipe, tmp_path, rows, model="other")
    ingest_seeds(store, recipe, "r")
    assert import_responses(store, recipe, "r") == IngestCounts(3, 3, 0, 0)
    assert import_responses(store, recipe, "r2") == IngestCounts(3, 0, 3, 0)
    found = store.sql(
        "select prompt_id, role, model, server, sample_index, content, reasoning, finish_reason,"
        " completion_tokens, cost_usd, raw_body, simulated from responses order by model, content"
    ).rows()
    one, two = (prompt_id(f"What is {n} + 1?", domain="general") for n in (1, 2))
    assert found == [
        (one, "student", "m", "import", 0, "2", "easy", None, None, None, None, False),
        (one, "student", "m", "import", 1, "3", None, "length", None, None, None, False),
        (two, "student", "other", "import", 0, "3", "hm", None, 9, None, None, False),
    ]


def test_response_may_name_its_prompt_by_id(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    wanted = prompt_id("What is 3 + 1?", domain="general")
    rows = [{"prompt": wanted, "response": "4", "model": "m", "sample_index": 5}]
    recipe = import_from(make_recipe, tmp_path, rows)
    ingest_seeds(store, recipe, "r")
    assert import_responses(store, recipe, "r").new == 1
    assert store.sql("select prompt_id, sample_index from responses").rows() == [(wanted, 5)]


def say(*texts: str, **more: Any) -> list[dict[str, Any]]:
    return [{"prompt": "What is 1 + 1?", "response": text, "model": "m", **more} for text in texts]


def imported(store: Store) -> list[tuple[int, str]]:
    rows = store.sql("select sample_index, content from responses order by all").rows()
    return [(index, content) for index, content in rows]


@pytest.mark.slow
def test_the_same_rows_in_another_order_are_the_same_responses(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    rows = say("2", "3", "<think>hm</think>2", "2")
    recipe = import_from(make_recipe, tmp_path, rows)
    ingest_seeds(store, recipe, "r")
    assert import_responses(store, recipe, "r") == IngestCounts(4, 4, 0, 0)  # "2" came twice
    first = imported(store)
    assert first == [(0, "2"), (1, "3"), (2, "2"), (3, "2")]
    for order in ([3, 2, 1, 0], [1, 3, 0, 2]):
        again = import_from(make_recipe, tmp_path, [rows[place] for place in order])
        assert import_responses(store, again, "r2") == IngestCounts(4, 0, 4, 0)
    more = import_from(make_recipe, tmp_path, [*say("4", "2"), *rows])
    assert import_responses(store, more, "r3") == IngestCounts(6, 2, 4, 0)
    assert imported(store) == [*first, (4, "4"), (5, "2")]


@pytest.mark.slow
def test_a_new_shard_that_is_read_first_adds_its_own_rows_alone(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    def write(name: str, *texts: str) -> None:
        lines = "".join(json.dumps(row) + "\n" for row in say(*texts))
        (tmp_path / name).write_text(lines)

    shards = [{"path": "shard-*.jsonl", "role": "student"}]
    recipe = make_recipe(ROWS, responses=shards)
    write("shard-b.jsonl", "42", "41")
    ingest_seeds(store, recipe, "r")
    assert import_responses(store, recipe, "r").new == 2
    write("shard-a.jsonl", "42")
    assert import_responses(store, recipe, "r") == IngestCounts(3, 1, 2, 0)
    assert imported(store) == [(0, "42"), (1, "41"), (2, "42")]
    # A second source with rows of its own adds them; a file of two sources is read as one.
    write("other.jsonl", "42")
    both = [*shards, {"path": "shard-b.jsonl", "role": "student"}]
    recipe = make_recipe(ROWS, responses=[*both, {"path": "other.jsonl", "role": "student"}])
    assert import_responses(store, recipe, "r") == IngestCounts(6, 1, 5, 0)
    assert imported(store) == [(0, "42"), (1, "41"), (2, "42"), (3, "42")]


def test_responses_that_an_older_teachset_imported_are_not_imported_again(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    rows = say("2", "3", "2", "<think>hm</think>2")
    recipe = import_from(make_recipe, tmp_path, rows)
    ingest_seeds(store, recipe, "r")
    prompt = prompt_id("What is 1 + 1?", domain="general")
    known = [
        {"response_id": content_id("import", prompt, "student", "m", place, row["response"])}
        | {"prompt_id": prompt, "role": "student", "model": "m", "server": "import"}
        | {"sample_index": place, "content": row["response"].removeprefix("<think>hm</think>")}
        for place, row in enumerate(rows)
    ]
    store.append("responses", pl.DataFrame(known), run_id="old")
    assert import_responses(store, recipe, "r") == IngestCounts(4, 0, 4, 0)
    grown = import_from(make_recipe, tmp_path, [*say("2", "5"), *rows[::-1]])
    assert import_responses(store, grown, "r2") == IngestCounts(6, 2, 4, 0)
    assert imported(store) == [(0, "2"), (1, "3"), (2, "2"), (3, "2"), (4, "5"), (5, "2")]
    shrunk = import_from(make_recipe, tmp_path, rows)
    assert import_responses(store, shrunk, "r3") == IngestCounts(4, 0, 4, 0)


def test_rows_with_an_index_of_their_own_stay_what_they_are(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    indexed = [*say("2", sample_index=0), *say("2", sample_index=1)]
    recipe = import_from(make_recipe, tmp_path, [*indexed, *say("2", "3")])
    ingest_seeds(store, recipe, "r")
    assert import_responses(store, recipe, "r") == IngestCounts(4, 4, 0, 0)
    assert imported(store) == [(0, "2"), (1, "2"), (2, "2"), (3, "3")]
    again = import_from(make_recipe, tmp_path, [*indexed[::-1], *say("3", "2")])
    assert import_responses(store, again, "r2") == IngestCounts(4, 0, 4, 0)


REAL: list[tuple[dict[str, Any], IngestCounts, dict[str, int]]] = [
    (
        {"path": "seeds/gsm8k_train.jsonl", "columns": {"prompt": "question"}},
        IngestCounts(7473, 7473, 0, 0),
        {"number": 7473},
    ),
    (
        {"path": "seeds/math_train_7474.json", "columns": {"prompt": "problem"}},
        IngestCounts(7474, 7473, 1, 0),
        {"number": 4906, "expression": 2547, "text": 16, "open": 4},
    ),
    (
        {"path": "seeds/mmlu_stem.jsonl", "columns": {"prompt": "question"}},
        IngestCounts(3018, 3006, 12, 0),
        {"choice": 3006},
    ),
    (
        {
            "path": "seeds/omni_math_num_500.jsonl",
            "columns": {"prompt": "problem", "domain": None},
        },
        IngestCounts(500, 500, 0, 0),
        {"number": 500},
    ),
    ({"path": "seeds/aime2*.jsonl"}, IngestCounts(60, 60, 0, 0), {"number": 60}),
    (
        {"path": "seeds/amc23.jsonl", "columns": {"prompt": "problem"}},
        IngestCounts(40, 40, 0, 0),
        {"number": 40},
    ),
    (
        {"path": "seeds/math500.jsonl", "columns": {"prompt": "problem", "answer": "solution"}},
        IngestCounts(500, 500, 0, 0),
        {"number": 323, "expression": 177},
    ),
    (
        {"path": "code/HumanEval.jsonl.gz", "columns": {"tests": "test"}},
        IngestCounts(164, 164, 0, 0),
        {"code": 164},
    ),
    (
        {"path": "safety/advbench_harmful_behaviors.csv", "columns": {"prompt": "goal"}},
        IngestCounts(521, 521, 0, 0),
        {"open": 521},
    ),
    ({"path": "safety/xstest_prompts.csv"}, IngestCounts(450, 450, 0, 0), {"open": 450}),
    (
        {
            "path": "decontam/abstract_algebra_test.csv",
            "columns": {"choices": ["A", "B", "C", "D"]},
            "csv": {"header": ["prompt", "A", "B", "C", "D", "answer"]},
        },
        IngestCounts(100, 100, 0, 0),
        {"choice": 100},
    ),
    (
        {
            "path": "neardup/msr-para-train.tsv",
            "columns": {"prompt": "#1 String"},
            "csv": {"quote": ""},
        },
        IngestCounts(3576, 3576, 0, 0),
        {"open": 3576},
    ),
    (
        {"path": "neardup/msr-para-train.tsv", "columns": {"prompt": "#1 String"}},
        IngestCounts(3576, 3179, 0, 397),
        {"open": 3179},
    ),
]


@pytest.mark.parametrize(("source", "counts", "types"), REAL, ids=lambda value: str(value)[:60])
def test_real_files_are_read_to_the_last_row(
    store: Store,
    make_recipe: MakeRecipe,
    shared_data: Path,
    source: dict[str, Any],
    counts: IngestCounts,
    types: dict[str, int],
) -> None:
    patterns = {"gsm8k": "hash", "math500": "boxed"}
    pattern = next((patterns[name] for name in patterns if name in source["path"]), None)
    path = str(shared_data / source["path"])
    recipe = make_recipe(seeds=[{**source, "path": path, "answer_pattern": pattern}])
    assert ingest_seeds(store, recipe, "r") == counts
    found = store.sql("select answer_type, count(*) from prompts group by all")
    assert dict(found.iter_rows()) == types


def test_real_gold_answers_agree_with_the_answer_column(shared_data: Path) -> None:
    path = str(shared_data / "seeds" / "math500.jsonl")
    source = SeedSource(
        path=path,
        columns={"prompt": "problem", "answer": "solution"},  # type: ignore[arg-type]
        answer_pattern="boxed",
    )
    rows = list(read_rows(source))
    seeds = [parse_seed(row, source) for row in rows]
    differing = [
        (seed.answer, row.values["answer"])
        for row, seed in zip(rows, seeds, strict=True)
        if isinstance(seed, Seed) and not same_answer(seed.answer or "", row.values["answer"])
    ]
    assert len(differing) <= 5, differing
