"""Contamination: the published rules counted by hand, rewording found, evidence and what counts."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.recipe import ContaminationSettings, LexicalMethod
from tasks.select import chunks
from tasks.select.contamination import find_contamination, find_in_responses
from tasks.select.screen import build_screen, screen_texts
from tasks.select.stems import leave_out_markup
from tasks.store import Store
from tests.taught_store import BENCHMARK_TEXT, RUN, add_item, fill, identify, response_of, taught

WORDS = [f"word{number}" for number in range(60)]
EVIDENCE = (
    "select prompt_id, item_id, benchmark, method, score, span from current_contamination "
    "where score > 0 order by all"
)
ALL: tuple[LexicalMethod, ...] = ("exact", "13-gram", "7-gram", "tulu", "s1", "similar", "code")


def frame(texts: Sequence[str], **columns: Any) -> pl.DataFrame:
    choices = pl.Series("choices", [None] * len(texts), dtype=pl.List(pl.String))
    return pl.DataFrame({**columns, "text": texts}).with_columns(choices)


def scores(item: str, *texts: str, **settings: Any) -> list[dict[str, float]]:
    """Return the score of each text by method, of an item compared with nothing else."""
    items = frame([item], item_id=["i"], benchmark=["b"])
    screen = build_screen(items, ContaminationSettings(**{"drop": ALL, **settings}))
    rows = frame(texts, text_id=[str(number) for number in range(len(texts))])
    found = screen_texts(screen, rows)
    return [
        dict(found.filter(text_id=str(number)).select("method", "score").iter_rows())
        for number in range(len(texts))
    ]


def words(*numbers: int) -> str:
    return " ".join(WORDS[number] for number in numbers)


def test_thirteen_words_make_one_gram_and_twelve_none() -> None:
    twelve, thirteen, fifteen = scores(
        words(*range(30)),
        words(*range(12)),
        words(*range(13)),
        "Then: " + words(*range(15)).upper().replace(" ", ", ") + "!",
        drop=("13-gram",),
    )
    assert (twelve, thirteen, fifteen) == ({}, {"13-gram": 1.0}, {"13-gram": 3.0})


def test_order_changes_a_gram() -> None:
    assert scores(words(*range(13)), words(*reversed(range(13))), drop=("13-gram",)) == [{}]


def test_an_allowed_phrase_may_be_shared_and_so_may_boiler_plate() -> None:
    item, quoted = words(*range(20)), words(*range(14))
    assert scores(item, quoted, drop=("13-gram",)) == [{"13-gram": 2.0}]
    assert scores(item, quoted, drop=("13-gram",), allowed=[words(*range(13))]) == [
        {"13-gram": 1.0}
    ]
    both = frame([item, item + " again"], item_id=["i", "j"], benchmark=["b", "b"])
    settings = ContaminationSettings(drop=("13-gram",), common_after=1)
    rows = frame([quoted], text_id=["t"])
    assert screen_texts(build_screen(both, settings), rows).is_empty()
    apart = both.with_columns(pl.Series("benchmark", ["b", "c"]))
    assert screen_texts(build_screen(apart, settings), rows).height == 2


QUESTION = (
    "Which of the three bakers sold the greatest number of rolls before noon on Monday, "
    "when flour was 12 cents a bag?"
)
APPLES = "小明有15个苹果，他给了小红3个，又买了8个。小明现在有多少个苹果？"


@pytest.mark.parametrize(
    "disguise",
    [
        lambda text: " ".join(f"{word[:2]}\u200b{word[2:]}" for word in text.split()),
        lambda text: " ".join(f"{word[:2]}\u00ad{word[2:]}" for word in text.split()),
        lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
        lambda text: "\ufeff" + text.replace("fl", "ﬂ"),
    ],
)
def test_what_no_reader_sees_hides_no_item(disguise: Callable[[str], str]) -> None:
    plain, disguised = scores(QUESTION, QUESTION, disguise(QUESTION))
    assert plain == disguised and disguised["13-gram"] == 10.0
    assert scores("Why is the sky blue?", disguise("Why is the sky blue?"))[0]["exact"] == 1.0


def test_scripts_without_spaces_are_compared_by_pairs_of_characters() -> None:
    behind = "请仔细回答下面的问题：" + APPLES + "请给出最后的数字。"
    other = "一辆汽车以每小时60公里的速度行驶了3个小时，一共行驶了多少公里？"
    found, reworded, else_ = scores(APPLES, behind, APPLES.replace("小明", "小王"), other)
    assert found["7-gram"] == 1.0 and found["13-gram"] > 20
    assert reworded["13-gram"] > 5 and else_ == {}
    items = frame([APPLES], item_id=["i"], benchmark=["b"])
    screen = build_screen(items, ContaminationSettings(drop=("13-gram",)))
    span = screen_texts(screen, frame([behind], text_id=["t"]))["span"][0]
    assert span == "小明有 15 个苹果 他给了小红 3 个 又买了 8 个 小明现在有多少个苹果"


def test_a_question_is_as_short_as_its_own_words_whatever_its_options() -> None:
    question = "Why is the sky blue?"
    long = [f"Because of {words(*range(number, number + 9))}." for number in range(4)]
    items = frame([question], item_id=["i"], benchmark=["b"])
    chosen = pl.Series("choices", [long], dtype=pl.List(pl.String))
    other = pl.Series("choices", [[*long[:3], "None of them"]], dtype=pl.List(pl.String))
    settings = ContaminationSettings(drop=("exact",))

    def finds(item: pl.DataFrame, text: pl.DataFrame) -> bool:
        return screen_texts(build_screen(item, settings), text).height == 1

    asked = frame([question], text_id=["t"])
    assert finds(items, asked.with_columns(chosen))
    assert finds(items.with_columns(chosen), asked)
    assert finds(items.with_columns(chosen), asked.with_columns(chosen))
    assert finds(items.with_columns(chosen), asked.with_columns(chosen.list.reverse()))
    assert not finds(items.with_columns(chosen), asked.with_columns(other))
    thirteen = frame([words(*range(13))], text_id=["t"]).with_columns(chosen)
    assert not finds(frame([words(*range(13))], item_id=["i"], benchmark=["b"]), thirteen)


def in_chinese(shared_data: Path) -> list[str]:
    file = shared_data / "decontam" / "abstract_algebra_test_chinese.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [line["text"].split("\n")[0] for line in lines]


@pytest.mark.slow
def test_real_items_are_found_under_disguises(shared_data: Path) -> None:
    def found(items: Sequence[str], texts: Sequence[str]) -> int:
        ids = [str(number) for number in range(len(items))]
        screen = build_screen(
            frame(items, item_id=ids, benchmark=["b"] * len(ids)), ContaminationSettings()
        )
        evidence = screen_texts(screen, frame(texts, text_id=ids))
        own = evidence.filter(pl.col("text_id") == pl.col("item_id"), pl.col("score") >= 0.64)
        return own["text_id"].n_unique()

    lines = (shared_data / "seeds" / "gsm8k_test.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line)["question"] for line in lines[:300]]
    assert (
        found(items, [" ".join(f"{w[:2]}\u200b{w[2:]}" for w in i.split()) for i in items]) == 300
    )
    chinese = in_chinese(shared_data)
    assert len(chinese) == 100
    assert found(chinese, [f"请仔细阅读下面的题目，一步一步思考：{each}" for each in chinese]) >= 99


def test_the_7_gram_ratio_is_over_the_smaller_side() -> None:
    item = words(*range(26))  # 20 7-grams
    long = words(*range(9), *range(30, 60))  # 33 7-grams, 3 shared
    short = words(*range(8), 50)  # 3 7-grams, 2 shared
    found = scores(item, long, short, drop=("7-gram",))
    assert found == [{"7-gram": 3 / 20}, {"7-gram": pytest.approx(2 / 3, abs=1e-4)}]


def test_partial_is_above_its_threshold_and_contaminated_from_its_own(store: Store) -> None:
    settings = ContaminationSettings(drop=("7-gram",), partial_ratio=0.1, contaminated_ratio=0.15)
    add_item(store, words(*range(26)))
    fill(
        store,
        taught("clean", text=words(*range(8), *range(30, 60))),  # 2 of 20: not above 0.1
        taught("contaminated", text=words(*range(9), *range(30, 60))),  # 3 of 20
    )
    assert find_contamination(store, settings, ["exam"], RUN) == 1
    assert spendable(store) == {identify("clean")}
    stricter = settings.model_copy(update={"contaminated_ratio": 0.2})
    find_contamination(store, stricter, ["exam"], "run-2")  # Now it is partial only.
    assert spendable(store) == {identify("clean"), identify("contaminated")}


def test_short_texts_have_no_grams() -> None:
    assert scores("two words", "two words", "", drop=("13-gram", "7-gram", "tulu")) == [{}, {}]


def test_tulu_counts_the_items_words_that_are_covered() -> None:
    item = words(*range(20))
    half = words(*range(10), 40, 41)  # 10 of 20 words: not more than half
    more = words(*range(10), 40, *range(12, 20))  # 10 and 8 of 20
    assert scores(item, half, more, drop=("tulu",)) == [{}, {"tulu": 0.9}]


def test_s1_splits_at_spaces() -> None:
    found = scores("a b, c d e f g h i", "x a b, c d e f g h y", "a b c d e f g h", drop=("s1",))
    assert found == [{"s1": 1.0}, {}]


def test_a_quoted_item_is_found_with_its_span(store: Store) -> None:
    fill(store, taught("quoted", text=f"Read this: {BENCHMARK_TEXT}, then go."), taught("clean"))
    item = add_item(store, f"{BENCHMARK_TEXT}. How many has he now?")
    settings = ContaminationSettings(drop=("13-gram", "exact"))
    assert find_contamination(store, settings, ["exam"], RUN) == 1
    # The shared 18 words hold 18 - 13 + 1 = 6 runs of thirteen.
    span = BENCHMARK_TEXT.lower()
    assert len(span.split()) == 18
    assert store.sql(EVIDENCE).rows() == [(identify("quoted"), item, "exam", "13-gram", 6.0, span)]


def test_options_count_as_text(store: Store) -> None:
    fill(store, taught("a", text=words(*range(5)), choices=(*WORDS[5:9], words(9, 10, 11, 12))))
    add_item(store, words(*range(5)), choices=[*WORDS[5:9], words(9, 10, 11, 12)])
    settings = ContaminationSettings(drop=("13-gram",))
    assert find_contamination(store, settings, ["exam"], RUN) == 1


def test_a_short_prompt_is_found_if_it_is_the_item(store: Store) -> None:
    fill(
        store,
        taught("same", text="What is 3 + 5?"),
        taught("other", text="What is 3 - 5?"),
        taught("open", text="Which gas is it?"),
        taught("choice", text="Which gas is it?", choices=("Helium", "neon")),
        taught("others", text="Which gas is it?", choices=("argon", "xenon")),
    )
    add_item(store, "what is 3 + 5")
    add_item(store, "Which gas is it?", choices=["helium", "neon"])
    find_contamination(store, ContaminationSettings(), ["exam"], RUN)
    found = store.sql(EVIDENCE)
    assert set(found["prompt_id"]) == {identify(name) for name in ("same", "open", "choice")}
    assert set(found["method"]) == {"exact"}
    assert "what is 3 + 5" in found["span"]


def spendable(store: Store) -> set[str]:
    return set(store.sql("select prompt_id from spendable_prompts")["prompt_id"])


@pytest.mark.slow
def test_evidence_is_incremental_and_a_benchmark_given_up_taints_no_more(store: Store) -> None:
    settings = ContaminationSettings(drop=("13-gram",))
    fill(store, taught("a", text=BENCHMARK_TEXT))
    first = add_item(store, BENCHMARK_TEXT)
    assert find_contamination(store, settings, ["exam"], RUN) == 1
    assert find_contamination(store, settings, ["exam"], RUN) == 0
    assert spendable(store) == set()
    fill(store, taught("b", text=BENCHMARK_TEXT + " again"))
    assert find_contamination(store, settings, ["exam"], RUN) == 1
    add_item(store, BENCHMARK_TEXT + " once more", name="other")
    assert find_contamination(store, settings, ["exam"], RUN) == 0
    assert find_contamination(store, settings, ["exam", "other"], RUN) == 2
    assert find_contamination(store, settings, [], RUN) == 0
    assert spendable(store) == {identify("a"), identify("b")}
    assert store.sql(EVIDENCE).height == 4  # evidence stays
    report = ContaminationSettings(drop=(), report=("13-gram",))
    find_contamination(store, report, ["exam"], RUN)
    assert spendable(store) == {identify("a"), identify("b")}
    find_contamination(store, settings, ["exam"], RUN)
    assert spendable(store) == set()
    allowing = ContaminationSettings(drop=("13-gram",), allowed=(BENCHMARK_TEXT,))
    assert find_contamination(store, allowing, ["exam"], RUN) == 2  # taken back: a score of 0
    assert set(store.sql(EVIDENCE)["item_id"]) - {first} == set(
        store.sql("select item_id from benchmark_items where benchmark = 'other'")["item_id"]
    )
    assert spendable(store) == {identify("a"), identify("b")}


@pytest.mark.slow
def test_what_other_settings_took_back_returns_with_the_settings_and_what_they_found_goes(
    store: Store,
) -> None:
    half = " ".join(BENCHMARK_TEXT.split()[:20]) + " and so on, but in other words than these"
    fill(store, taught("whole", text=BENCHMARK_TEXT), taught("half", text=half))
    add_item(store, BENCHMARK_TEXT)
    strict = ContaminationSettings(drop=("13-gram",))
    allowing = ContaminationSettings(drop=("13-gram",), allowed=(half, BENCHMARK_TEXT))

    def look(settings: ContaminationSettings) -> tuple[int, set[str]]:
        return find_contamination(store, settings, ["exam"], RUN), spendable(store)

    everything = {identify("whole"), identify("half")}
    assert look(strict) == (2, set())
    assert look(allowing) == (2, everything)
    assert look(strict) == (2, set())
    assert look(strict) == (0, set())  # and it is compared no more
    assert look(allowing) == (2, everything)
    assert look(allowing) == (0, everything)


@pytest.mark.slow
def test_a_response_that_quotes_an_item_is_not_used(store: Store) -> None:
    quoting = (f"As in the exam: {BENCHMARK_TEXT}.", "correct")
    fill(
        store,
        taught("both", teacher=(quoting, ("It is 4.", "correct"))),
        taught("only", teacher=(quoting,)),
        taught("thinking", reasoning=BENCHMARK_TEXT),
    )
    item = add_item(store, BENCHMARK_TEXT)
    assert find_in_responses(store, ContaminationSettings(drop=("13-gram",)), ["exam"], RUN) == 3
    usable = set(store.sql("select response_id from teacher_responses where usable")["response_id"])
    assert usable == {response_of("both", 1)}
    assert len(spendable(store)) == 3  # the prompts themselves are clean
    found = store.sql("select response_id, item_id from tainting order by all")
    assert found.row(0)[1] == item and response_of("only") in set(found["response_id"])


def test_the_span_is_the_longest_run_and_stays_short() -> None:
    syllables = [f"syllables{number}" for number in range(200)]
    items = frame([" ".join(syllables)], item_id=["i"], benchmark=["b"])
    text = " ".join([*syllables[100:114], "break", *syllables[:80]])
    screen = build_screen(items, ContaminationSettings(drop=("13-gram",)))
    span, score = screen_texts(screen, frame([text], text_id=["t"])).select("span", "score").row(0)
    assert span.startswith("syllables0 syllables1 ")
    assert len(span) == 400
    assert score == 2 + 68  # 14 - 12 runs in one piece, 80 - 12 in the other


REWORDED = (
    "Janet’s ducks lay 16 eggs per day. She eats three for breakfast and bakes muffins with four. "
    "She sells the remainder at the market for $2 per egg. How much does she make every day?",
    "The ducks of Janet produce sixteen eggs daily. 3 are eaten at breakfast, 4 go into muffins, "
    "and what remains is sold at $2 an egg on the market. What does she earn a day?",
    "Tom has 12 marbles and loses five of them on the way to school. How many are left?",
)


def test_rewording_is_found_by_rare_words_and_numbers() -> None:
    others = [
        f"Ann buys {n} pens at ${n + 2} each and {n * 7} books. What is due?" for n in range(40)
    ]
    items = frame([REWORDED[0], *others], item_id=list(map(str, range(41))), benchmark=["b"] * 41)
    screen = build_screen(items, ContaminationSettings(drop=("similar",)))
    found = screen_texts(screen, frame(REWORDED[1:], text_id=["reworded", "other"]))
    assert found.select("text_id", "item_id").rows() == [("reworded", "0")]
    assert found["score"][0] > 0.64
    assert {"janet", "ducks", "muffins", "market"} <= set(found["span"][0].split())


def test_markup_is_no_word_that_two_problems_share() -> None:
    matrix = r"\begin{pmatrix} 5 \\ 0 \end{pmatrix}"
    item = rf"A reflection takes ${matrix}$ to a vector of equal length. Which vector is it?"
    other = rf"Find the projection of ${matrix}$ onto the axis that bisects the quadrant."
    assert scores(item, other, drop=("similar",)) == [{}]
    plain = leave_out_markup(pl.Series([item.lower(), "[asy] draw((0,0)); [/asy] a lake"]))
    assert plain[0].split()[:4] == ["a", "reflection", "takes", "$"]
    assert "pmatrix" not in plain[0] and plain[1].split() == ["a", "lake"]


def test_nothing_depends_on_order_or_chunks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    texts = [words(*random.integers(0, 20, size=30)) for _ in range(60)]
    items = frame(texts[:20], item_id=list(map(str, range(20))), benchmark=["b"] * 20)
    screen = build_screen(items, ContaminationSettings(drop=ALL))
    rows = frame(texts, text_id=[f"{number:02d}" for number in range(60)])
    whole = screen_texts(screen, rows)
    parts = chunks.map_chunks(lambda part: screen_texts(screen, part), rows[::-1].iter_slices(7))
    assert pl.concat(parts).sort(whole.columns).equals(whole.sort(whole.columns))
    monkeypatch.setattr("tasks.select.grams.MATCHES_AT_A_TIME", 5)
    assert screen_texts(screen, rows).equals(whole)


def test_paraphrased_gsm8k_is_found(shared_data: Path) -> None:
    """One half of the paraphrases of GSM8K's test, the half the weights were not chosen on."""

    def read(name: str) -> list[dict[str, Any]]:
        lines = (shared_data / name).read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines if line]

    test = [row["question"] for row in read("seeds/gsm8k_test.jsonl")]
    pairs = read("decontam/gsm8k_test_paraphrases_dev.jsonl")[1::2]
    items = frame(test, item_id=[str(row) for row in range(len(test))], benchmark=["t"] * len(test))
    settings = ContaminationSettings(drop=("similar", "13-gram"))
    screen = build_screen(items, settings)
    reworded = screen_texts(
        screen,
        frame(
            [pair["paraphrase"] for pair in pairs],
            text_id=[str(pair["gsm8k_test_row"]) for pair in pairs],
        ),
    )
    similar = pl.col("method") == "similar", pl.col("score") >= settings.similarity
    own = reworded.filter(*similar, pl.col("text_id") == pl.col("item_id"))
    assert own.height / len(pairs) >= 0.96
    assert reworded.filter(method="13-gram").is_empty()
    held_out = frame(test, text_id=[str(row) for row in range(len(test))]).gather_every(2, 1)
    others = screen_texts(screen, held_out).filter(*similar, pl.col("text_id") != pl.col("item_id"))
    assert others["text_id"].n_unique() / held_out.height <= 0.01
