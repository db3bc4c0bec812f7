"""The stage on a real store: what is asked, what becomes a prompt, what a rerun changes."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assess.sandbox import sandbox_works
from tasks.identity import prompt_id
from tasks.lake.place import SQL_FOLDER
from tasks.llm.pending import EVERYTHING, Range
from tasks.llm.request import Request, form_of, identify
from tasks.llm.servers import endpoint_of, stop_simulators
from tasks.llm.under_way import Completion
from tasks.messages import SOLVE_TEMPLATE, solve_messages
from tasks.progress import track
from tasks.recipe import Recipe
from tasks.rewrite import acceptance, drafts
from tasks.rewrite.acceptance import Gate
from tasks.rewrite.candidate import Candidate, Parent, Refusal, parent_of
from tasks.rewrite.claims import claim
from tasks.rewrite.confirm import Votes, weigh
from tasks.rewrite.drafts import Draft, Shelf, take_batch
from tasks.rewrite.openings import is_in_share, open_exchange
from tasks.rewrite.stage import RewriteCounts, count_pending, parent_filter, rewrite_range
from tasks.rewrite.strategies import new_numbers
from tasks.select.decide import decide, read_evidence
from tasks.select.duplicates import find_duplicates
from tasks.store import Store
from tests.conftest import MakeRecipe

BAKER = "A baker fills 12 trays with 9 rolls each and sells 35 rolls. How many rolls are left?"
NEW_BAKER = BAKER.replace("12", "14").replace("9", "8").replace("35", "31")
SEEDS: tuple[dict[str, Any], ...] = (
    {"text": BAKER, "answer": "73", "answer_type": "number", "program": "n0 * n1 - n2"},
    {
        "text": "A rope of 84 metres is cut into pieces of 7 metres. How many pieces are there?",
        "answer": "12",
        "answer_type": "number",
        "program": "n0 / n1",
    },
    {
        "text": "Which gas do plants take in to build sugar?",
        "choices": ["oxygen", "carbon dioxide", "helium"],
        "answer": "B",
        "answer_type": "choice",
    },
    {"text": "Expand $(x-1)(x-3)$.", "answer": "x^2-4x+3", "answer_type": "expression"},
)
FAULTLESS = {"wrong_key": 0, "leaked": 0, "unchanged": 0, "malformed_json": 0}
NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def no_simulator_left() -> Iterator[None]:
    yield
    stop_simulators()


def put_seeds(store: Store, seeds: Sequence[Mapping[str, Any]] = SEEDS) -> list[str]:
    """Add seeds as ingest leaves them; return their ids."""
    rows = []
    for seed in seeds:
        row = {"domain": "math", "choices": None, "program": None, "level": 1, **seed}
        name = prompt_id(row["text"], domain=row["domain"], choices=row["choices"])
        rows.append({**row, "prompt_id": name, "root_id": name, "kind": "seed"})
    frame = pl.DataFrame(rows, infer_schema_length=None)
    store.append("prompts", frame.with_columns(pl.col("choices").cast(pl.List(pl.String))))
    return [row["prompt_id"] for row in rows]


def run(store: Store, recipe: Recipe, asked: Range = EVERYTHING) -> RewriteCounts:
    with track("rewrite") as tracker:
        return rewrite_range(store, recipe, "run", asked, tracker)


def simulated(make_recipe: MakeRecipe, **changes: Any) -> Recipe:
    """A recipe whose rewriter makes no mistakes and whose reference is always right."""
    sections: dict[str, Any] = {
        "models": {"rewriter": {"model": "sim-rewriter"}, "reference": {"model": "sim-reference"}},
        "rewrite": {"strategies": ["new_numbers", "choice_to_open"]},
        "simulator": {
            "models": {"sim-rewriter": FAULTLESS, "sim-reference": {"skill": 20, "unboxed": 0}}
        },
    }
    return make_recipe(**{**sections, **changes})


def offline(make_recipe: MakeRecipe, **rewrite: Any) -> Recipe:
    """A recipe with servers that nobody can reach: whatever is asked of them fails the test."""
    model = {"model": "m", "base_url": NOWHERE, "sampling": {"max_tokens": 100}}
    return make_recipe(
        models={"rewriter": model, "reference": model}, rewrite={"variants": 0, **rewrite}
    )


def put_reply(
    store: Store, parent: str, reply: Mapping[str, Any] | str, variant: int = 0, **changes: Any
) -> str:
    """Add a rewriter's response to a new-numbers request; return its id."""
    row = {
        "response_id": f"reply-{parent[:6]}-{variant}",
        "reuse_key": f"reuse-{parent[:6]}-{variant}",
        "prompt_id": parent,
        "role": "rewriter",
        "model": "m",
        "template": "new_numbers@1",
        "sample_index": variant,
        "content": reply if isinstance(reply, str) else orjson.dumps(reply).decode(),
        "finish_reason": "stop",
        "simulated": False,
        **changes,
    }
    store.append("responses", pl.DataFrame([row]))
    return str(row["response_id"])


def form_asked(store: Store, recipe: Recipe) -> str:
    """Return the form in which the recipe's rewriter is asked for new numbers."""
    endpoint = endpoint_of(store, recipe, "rewriter")
    (parents,) = store.stream("rewrite_parents", 10, **parent_filter(store, recipe, EVERYTHING))
    parent = parent_of(parents.row(0, named=True))
    return form_of(endpoint, open_exchange(new_numbers, parent, 0, endpoint))


def reply_with(text: str = NEW_BAKER, program: str = "14 * 8 - 31", answer: str = "81") -> Any:
    return {"valid": True, "problem": text, "program": program, "answer": answer}


def put_references(store: Store, recipe: Recipe, text: str, answers: Sequence[str]) -> None:
    """Add what the reference answered to a candidate, try by try."""
    endpoint = endpoint_of(store, recipe, "reference")
    name = candidate_id(text)
    messages = solve_messages(text, None, "number", endpoint.settings)
    rows = []
    for index, answer in enumerate(answers):
        request = Request(name, "reference", SOLVE_TEMPLATE, messages, index)
        keys = identify(endpoint, request)
        rows.append(
            {
                "response_id": keys.response_id,
                "reuse_key": keys.reuse_key,
                "prompt_id": name,
                "role": "reference",
                "content": f"\\boxed{{{answer}}}",
                "finish_reason": "length" if answer == "" else "stop",
                "max_tokens": 100,
            }
        )
    store.append("responses", pl.DataFrame(rows))


def candidate_id(text: str) -> str:
    return prompt_id(text, domain="math", strategy="new_numbers", template="new_numbers@1")


def reasons(store: Store) -> dict[str, str]:
    return dict(store.sql("select response_id, reason from rewrites").iter_rows())


def count(store: Store, table: str) -> int:
    return int(store.sql(f"select count(*) from {table}").item())


def test_sound_rewrites_become_prompts_and_a_second_run_does_nothing(
    store: Store, make_recipe: MakeRecipe
) -> None:
    put_seeds(store)
    recipe = simulated(make_recipe)
    assert count_pending(store, recipe) == 3 * (1 + 3)

    first = run(store, recipe)
    assert (first.asked.completed, first.accepted, first.refused) == (3, 3, {})
    assert count(store, "responses") == 3 + 3 * 2  # Two answers agree: a third changes nothing.

    made = store.sql(
        "select made.*, parent.text as parent_text from prompts as made "
        "inner join prompts as parent on made.parent_id = parent.prompt_id order by made.strategy"
    ).to_dicts()
    assert Counter(row["strategy"] for row in made) == {"new_numbers": 2, "choice_to_open": 1}
    opened = made[0]
    assert (opened["answer"], opened["answer_type"], opened["answer_source"]) == (
        "carbon dioxide",
        "text",
        "gold",
    )
    for row in made:
        assert row["kind"] == "rewrite"
        assert row["root_id"] == row["parent_id"]
        assert row["template"] == f"{row['strategy']}@1"
        assert row["simulated"] is True
        assert row["choices"] is None
        assert row["prompt_id"] == prompt_id(
            row["text"], domain="math", strategy=row["strategy"], template=row["template"]
        )
    assert all(row["answer_source"] == "execution" for row in made[1:])
    makers = store.sql("select response_id from responses where role = 'rewriter'")
    assert {row["made_by"] for row in made} == set(makers["response_id"])

    assert run(store, recipe) == RewriteCounts(Completion())
    assert count_pending(store, recipe) == 0
    assert (count(store, "responses"), count(store, "rewrites"), count(store, "prompts")) == (
        9,
        3,
        7,
    )


@pytest.mark.slow
def test_every_fault_of_a_rewriter_is_refused(store: Store, make_recipe: MakeRecipe) -> None:
    texts = [BAKER.replace("baker", cook) for cook in ("cook", "man", "woman", "firm", "shop")]
    texts += [text.replace("rolls", "buns") for text in texts]
    put_seeds(store, [{**SEEDS[0], "text": text} for text in texts])
    rates = {**FAULTLESS, "leaked": 0.3, "unchanged": 0.3, "wrong_key": 0.4}
    recipe = simulated(make_recipe, simulator={"models": {"sim-rewriter": rates}})
    counts = run(store, recipe)
    assert counts.accepted == 0
    assert set(counts.refused) == {"answer_leaked", "unchanged", "key_mismatch"}
    assert sum(counts.refused.values()) == count(store, "rewrites") == 10
    assert count(store, "prompts") == 10


@pytest.mark.slow
def test_a_failed_rewriter_call_is_a_failure_and_no_rewrite(
    store: Store, make_recipe: MakeRecipe
) -> None:
    put_seeds(store, SEEDS[:1])
    models = {"sim-rewriter": {**FAULTLESS, "malformed_json": 1}}
    rewriter = {"model": "sim-rewriter", "max_attempts": 1}
    recipe = simulated(make_recipe, models={"rewriter": rewriter}, simulator={"models": models})
    counts = run(store, recipe)
    assert (counts.asked.failed, counts.accepted, counts.refused) == (1, 0, {})
    assert store.sql("select failure, role from failures").rows() == [("malformed", "rewriter")]
    assert count(store, "rewrites") == 0
    assert count_pending(store, recipe) == 0


REPLIES: Sequence[tuple[Any, dict[str, Any], str]] = [
    ({"valid": False, "problem": "", "program": "", "answer": ""}, {}, "declined"),
    (reply_with(text=" "), {}, "empty"),
    (reply_with(program="14 loaves"), {}, "program_failed"),
    (reply_with(answer="80"), {}, "key_mismatch"),
    (reply_with(program="14 * 8 + 31", answer="143"), {}, "key_mismatch"),
    (reply_with(program="81"), {}, "program_detached"),
    (reply_with(text=BAKER), {}, "unchanged"),
    (reply_with(text=BAKER.replace("baker", "cook")), {}, "near_copy"),
    (reply_with(text=NEW_BAKER + " The answer is 81."), {}, "answer_leaked"),
    (reply_with(text=NEW_BAKER + "\nA. 81\nB. 80"), {}, "options_left"),
    (reply_with(text="14 and 8 make 31?"), {}, "drifted"),
    (
        reply_with(NEW_BAKER.replace("31", "131"), "14 * 8 - 131", "-19"),
        {},
        "negative_or_fractional",
    ),
    ('{"valid": true, "problem": "A ba', {"finish_reason": "length"}, "truncated"),
    ("I would rather not.", {}, "malformed"),
    (reply_with(), {"template": "new_numbers@0"}, "outdated"),
    (reply_with(), {}, "accepted"),
]


def test_each_planted_reply_ends_with_its_exact_reason_and_without_a_call(
    store: Store, make_recipe: MakeRecipe
) -> None:
    parent = put_seeds(store, SEEDS[:1])[0]
    expected = {
        put_reply(store, parent, reply, place, **changes): reason
        for place, (reply, changes, reason) in enumerate(REPLIES)
    }
    counts = run(store, offline(make_recipe, confirmations=0))
    assert reasons(store) == expected
    assert (counts.accepted, sum(counts.refused.values())) == (1, len(REPLIES) - 1)
    assert count(store, "prompts") == 2


@pytest.mark.slow
def test_two_of_three_reference_answers_must_agree(store: Store, make_recipe: MakeRecipe) -> None:
    cases = {
        "14": (["81", "81", "80"], "accepted"),
        "15": (["80", "89.0", "$89$"], "accepted"),
        "16": (["97", "80", "80"], "unconfirmed"),
        "17": (["105", "", ""], "unconfirmed"),
    }
    recipe = offline(make_recipe)
    parent = put_seeds(store, SEEDS[:1])[0]
    expected = {}
    for place, (trays, (answers, reason)) in enumerate(cases.items()):
        text, key = NEW_BAKER.replace("14", trays), str(int(trays) * 8 - 31)
        reply = reply_with(text, f"{trays} * 8 - 31", key)
        put_references(store, recipe, text, answers)
        detail = f"1 of 3 reference answers agree with {key}" if reason == "unconfirmed" else ""
        expected[put_reply(store, parent, reply, place)] = (reason, candidate_id(text), detail)
    run(store, recipe)
    rows = store.sql("select response_id, reason, prompt_id, detail from rewrites").iter_rows()
    assert {name: tuple(rest) for name, *rest in rows} == expected


@pytest.mark.slow
def test_a_candidate_waits_while_reference_answers_fail_for_now(
    store: Store, make_recipe: MakeRecipe
) -> None:
    parent = put_seeds(store, SEEDS[:1])[0]
    response = put_reply(store, parent, reply_with())
    reference = {"model": "sim-reference", "max_attempts": 1}
    recipe = simulated(
        make_recipe,
        models={"rewriter": {"model": "m"}, "reference": reference},
        rewrite={"variants": 0},
        simulator={"faults": {"server_error": 1.0}},
    )
    counts = run(store, recipe)
    assert (counts.accepted, counts.refused) == (0, {})
    assert count(store, "rewrites") == 0
    assert count_pending(store, recipe) == 3

    healed = offline(make_recipe)
    put_references(store, healed, NEW_BAKER, ["81", "81", "81"])
    run(store, healed)
    assert reasons(store) == {response: "accepted"}


@pytest.mark.slow
def test_a_kill_between_the_prompt_and_its_row_is_mended(
    store: Store, make_recipe: MakeRecipe
) -> None:
    parent = put_seeds(store, SEEDS[:1])[0]
    response = put_reply(store, parent, reply_with())
    recipe = offline(make_recipe, confirmations=0)
    run(store, recipe)
    store.execute("delete from rewrites")

    run(store, offline(make_recipe, confirmations=3, max_per_root=1))
    assert reasons(store) == {response: "accepted"}
    assert count(store, "prompts") == 2


@pytest.mark.slow
def test_a_root_has_no_twins_and_no_more_rewrites_than_it_may(
    store: Store, make_recipe: MakeRecipe
) -> None:
    parent = put_seeds(store, SEEDS[:1])[0]
    other = NEW_BAKER.replace("14", "15")
    third = NEW_BAKER.replace("14", "16")
    replies = [
        reply_with(),
        reply_with(),
        reply_with(other, "15 * 8 - 31", "89"),
        reply_with(third, "16 * 8 - 31", "97"),
    ]
    responses = [put_reply(store, parent, reply, place) for place, reply in enumerate(replies)]
    recipe = offline(make_recipe, confirmations=0, max_per_root=2)
    counts = run(store, recipe)
    expected = ["accepted", "duplicate", "accepted", "over_per_root"]
    assert reasons(store) == dict(zip(responses, expected, strict=True))
    assert (counts.accepted, counts.refused) == (2, {"duplicate": 1, "over_per_root": 1})


@pytest.mark.slow
def test_a_refused_candidate_makes_room_for_its_sibling(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = offline(make_recipe, max_per_root=1)
    parent = put_seeds(store, SEEDS[:1])[0]
    other = NEW_BAKER.replace("14", "15")
    put_reply(store, parent, reply_with(), 0)
    put_reply(store, parent, reply_with(other, "15 * 8 - 31", "89"), 1)
    put_references(store, recipe, NEW_BAKER, ["1", "2", "3"])
    put_references(store, recipe, other, ["89", "89", "89"])
    run(store, recipe)
    assert sorted(reasons(store).values()) == ["accepted", "unconfirmed"]


def raise_version(monkeypatch: pytest.MonkeyPatch, version: int, gates: Sequence[Gate]) -> None:
    """Have the gates of another version judge rewrites with new numbers."""
    monkeypatch.setattr(acceptance, "VERSION", version)
    monkeypatch.setattr(new_numbers, "GATES", gates)


def verdicts(store: Store) -> list[tuple[Any, ...]]:
    return store.sql("select acceptance, accepted, reason from rewrites order by acceptance").rows()


def refuse_everything(candidate: Candidate, parent: Parent) -> Refusal:
    return Refusal("drifted", "a gate that was mended")


@pytest.mark.slow
def test_a_newer_version_of_the_gates_decides_stored_replies_again(
    store: Store, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = put_seeds(store, SEEDS[:1])[0]
    put_reply(store, parent, reply_with())
    recipe = offline(make_recipe, max_per_root=1)
    put_references(store, recipe, NEW_BAKER, ["81", "81", "80"])
    sound = new_numbers.GATES

    raise_version(monkeypatch, 7, [refuse_everything])
    assert run(store, recipe).refused == {"drifted": 1}
    raise_version(monkeypatch, 8, sound)
    assert count_pending(store, recipe) == 3
    assert run(store, recipe).accepted == 1
    assert run(store, recipe) == RewriteCounts()
    assert verdicts(store) == [(7, False, "drifted"), (8, True, "accepted")]
    assert store.sql("select reason from current_rewrites").rows() == [("accepted",)]

    (made,) = store.sql("select prompt_id from prompts where kind = 'rewrite'")["prompt_id"]
    store.append("keys", pl.DataFrame([{"prompt_id": made, "answer": "81", "trusted": True}]))
    raise_version(monkeypatch, 9, [refuse_everything])
    assert run(store, recipe).refused == {"drifted": 1}
    assert count(store, "prompts") == 2
    assert store.sql("select prompt_id, reason from withdrawn_prompts").rows() == [
        (made, "drifted")
    ]
    assert store.sql("select prompt_id from spendable_prompts").rows() == [(parent,)]
    rows = decide(read_evidence(store, recipe), recipe.select).filter(prompt_id=made)
    assert rows.select("kept", "stage", "reason", "detail").row(0) == (
        False,
        "rewrite",
        "rewrite_withdrawn",
        "drifted, says version 9 of the gates: a gate that was mended",
    )

    # The room that it had is free again, for a sibling or for itself.
    raise_version(monkeypatch, 10, sound)
    assert run(store, recipe).accepted == 1
    assert count(store, "withdrawn_prompts") == 0
    assert (count(store, "prompts"), count(store, "responses")) == (2, 4)


@pytest.mark.slow
def test_an_accepted_rewrite_is_withdrawn_if_its_answers_no_longer_confirm_it(
    store: Store, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = put_seeds(store, SEEDS[:1])[0]
    put_reply(store, parent, reply_with())
    put_references(store, offline(make_recipe), NEW_BAKER, ["81", "80", "80"])
    assert run(store, offline(make_recipe, confirmations=1)).accepted == 1
    raise_version(monkeypatch, 9, new_numbers.GATES)
    assert run(store, offline(make_recipe)).refused == {"unconfirmed": 1}
    assert count(store, "withdrawn_prompts") == 1


@pytest.mark.slow
def test_a_withdrawn_rewrite_keeps_no_twin_out(
    store: Store, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_reply(store, put_seeds(store, SEEDS[:1])[0], reply_with())
    recipe = offline(make_recipe, confirmations=0)
    assert run(store, recipe).accepted == 1
    twin = {"text": NEW_BAKER, "domain": "other", "answer": None, "answer_type": "number"}
    (unanswered,) = put_seeds(store, [twin])
    twins = "select prompt_id from current_duplicates where prompt_id <> representative_id"
    find_duplicates(store, recipe.select.duplicates, "run")
    assert store.sql(twins).rows() == [(unanswered,)]
    raise_version(monkeypatch, 9, [refuse_everything])
    assert run(store, recipe).refused == {"drifted": 1}
    find_duplicates(store, recipe.select.duplicates, "run")
    assert store.sql(twins).rows() == []


@pytest.mark.slow
def test_strategies_take_turns_in_who_comes_first_in_a_root(store: Store) -> None:
    parents = put_seeds(store, [{**SEEDS[0], "text": f"{number} * 2?"} for number in range(20)])
    for parent in parents:
        for template in ("harder@1", "new_numbers@1"):
            name = parent + template
            put_reply(store, parent, "", template=template, response_id=name, reuse_key=name)
    rows = store.query("rewrite_responses", low="", high="g", acceptance=1)
    first = rows.group_by("root_id", maintain_order=True).first()["template"]
    assert set(first) == {"harder@1", "new_numbers@1"}


OTHER_SEEDS: tuple[dict[str, Any], ...] = (
    {
        "text": "A drawer holds 6 black and 4 white socks. What is the probability of a black one?",
        "answer": "3/5",
        "answer_type": "number",
    },
    {
        "text": "Write a Python function `double(items)` that returns a list of the doubles.",
        "domain": "code",
        "answer": "double",
        "answer_type": "code",
        "tests": ["assert double([1, 5]) == [2, 10]"],
        "reference": "def double(items):\n    new = []\n    for x in items:\n"
        "        new.append(2 * x)\n    return new\n",
    },
)


@pytest.mark.skipif(not sandbox_works(), reason="bubblewrap does not work here")
@pytest.mark.slow
def test_other_words_and_predicted_outputs_become_prompts_and_are_accounted_for(
    store: Store, make_recipe: MakeRecipe
) -> None:
    put_seeds(store, OTHER_SEEDS)
    strategies = {"strategies": ["paraphrase", "predict_output"], "share": {}}
    recipe = simulated(make_recipe, rewrite=strategies)
    assert count_pending(store, recipe) == 2 * (1 + 3)
    assert run(store, recipe).accepted == 2
    made = store.sql(
        "select text, answer, answer_type, answer_source, program from prompts "
        "where kind = 'rewrite' order by strategy"
    ).rows()
    worded = "A drawer contains 6 black and 4 white socks. Find the probability of a black one."
    assert made[0] == (worded, "3/5", "number", "gold", None)
    assert made[1][0].endswith("    return new\n\nprint(double([1, 5]))\n```")
    assert made[1][1:] == ("[2, 10]", "text", "execution", "double([1, 5])")
    accounts = store.sql(
        "select strategy, domain, model, accepted, reason, rewrites from rewrite_accounts "
        "order by strategy"
    )
    assert accounts.rows() == [
        ("paraphrase", "math", "sim-rewriter", True, "accepted", 1),
        ("predict_output", "code", "sim-rewriter", True, "accepted", 1),
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("no_sandbox")
def test_without_a_sandbox_a_reply_waits_with_a_row_that_says_so(
    store: Store, make_recipe: MakeRecipe
) -> None:
    parent = put_seeds(store, OTHER_SEEDS[1:])[0]
    reply = {"valid": True, "call": "double([1, 5])"}
    put_reply(store, parent, reply, template="predict_output@1")
    recipe = offline(make_recipe, confirmations=0)
    for _ in range(2):
        assert run(store, recipe).refused == {"no_sandbox": 1}
    assert verdicts(store) == [(acceptance.NOT_DECIDED, False, "no_sandbox")]
    assert count_pending(store, recipe) == 1


@given(st.floats(0, 1), st.floats(0, 1), st.text("abcdef0123456789", min_size=32, max_size=32))
def test_a_larger_share_keeps_the_seeds_of_a_smaller_one(
    one: float, other: float, name: str
) -> None:
    parent = Parent(name, name, "math", "", (), None, "number")
    low, high = sorted((one, other))
    if is_in_share(parent, "paraphrase", low):
        assert is_in_share(parent, "paraphrase", high)
    assert is_in_share(parent, "paraphrase", 1.0)
    assert not is_in_share(parent, "paraphrase", 0.0)


@pytest.mark.slow
def test_calls_without_a_reply_and_their_cost_are_in_the_accounts(
    store: Store, make_recipe: MakeRecipe
) -> None:
    parent = put_seeds(store, SEEDS[:1])[0]
    put_reply(store, parent, reply_with(), 0, cost_usd=0.5)
    put_reply(store, parent, reply_with(BAKER), 1, cost_usd=0.25)
    failed = {
        **{"response_id": "lost", "prompt_id": parent, "role": "rewriter", "model": "m"},
        **{"template": "new_numbers@1", "failure": "malformed", "cost_usd": 0.125},
    }
    store.append("failures", pl.DataFrame([failed]), run_id="run")
    run(store, offline(make_recipe, confirmations=0))
    rows = store.sql(
        "select reason, accepted, rewrites, rewriter_usd, confirmation_usd "
        "from rewrite_accounts order by reason"
    ).rows()
    assert rows == [
        ("accepted", True, 1, 0.5, 0.0),
        ("no_reply: malformed", False, 1, 0.125, 0.0),
        ("unchanged", False, 1, 0.25, 0.0),
    ]
    costs = store.sql((SQL_FOLDER / "adhoc" / "rewrite_costs.sql").read_text().rstrip("; \n"))
    columns = ("replies", "accepted_rewrites", "usd", "usd_per_accepted")
    assert costs.select(columns).row(0) == (3, 1, 0.875, 0.875)


@pytest.mark.slow
def test_contaminated_and_duplicate_seeds_are_not_rewritten(
    store: Store, make_recipe: MakeRecipe
) -> None:
    first, second, third, _ = put_seeds(store)
    store.append(
        "contamination",
        pl.DataFrame(
            [
                {
                    "prompt_id": first,
                    "item_id": "i",
                    "benchmark": "b",
                    "method": "exact",
                    "score": 1.0,
                }
            ]
        ),
    )
    guard = {"benchmark": "b", "method": "exact", "drops_from": 1.0}
    store.append("guards", pl.DataFrame([guard]))
    store.append(
        "duplicates",
        pl.DataFrame(
            [
                {"prompt_id": second, "representative_id": third, "method": "exact"},
                {"prompt_id": third, "representative_id": third, "method": "exact"},
            ]
        ),
    )
    put_reply(store, first, reply_with())
    recipe = offline(make_recipe, confirmations=0)
    assert run(store, recipe) == RewriteCounts()
    asking = offline(make_recipe, confirmations=0, variants=2)
    assert count_pending(store, asking) == 2


@pytest.mark.slow
def test_a_new_template_version_and_a_new_variant_ask_again(
    store: Store, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = put_seeds(store, SEEDS[:1])[0]
    put_reply(store, parent, reply_with(), form=form_asked(store, offline(make_recipe)))
    run(store, offline(make_recipe, confirmations=0))
    assert count_pending(store, offline(make_recipe, confirmations=0, variants=1)) == 0
    assert count_pending(store, offline(make_recipe, confirmations=0, variants=2)) == 1
    full = offline(make_recipe, confirmations=0, variants=2, max_per_root=1)
    assert count_pending(store, full) == 0
    monkeypatch.setattr(new_numbers, "TEMPLATE", "new_numbers@2")
    assert count_pending(store, offline(make_recipe, confirmations=0, variants=1)) == 1


def test_without_a_rewriter_nothing_is_done(store: Store, make_recipe: MakeRecipe) -> None:
    put_seeds(store)
    assert run(store, make_recipe()) == RewriteCounts()
    assert count_pending(store, make_recipe()) == 0


@pytest.mark.slow
def test_ranges_share_the_work_between_them(store: Store, make_recipe: MakeRecipe) -> None:
    parents = put_seeds(store, SEEDS[:2])
    for parent in parents:
        put_reply(store, parent, {"valid": False, "problem": "", "program": "", "answer": ""})
    recipe = offline(make_recipe)
    edge = max(parents)
    assert run(store, recipe, Range("", edge)).refused == {"declined": 1}
    assert run(store, recipe, Range(edge, "g")).refused == {"declined": 1}
    assert len(reasons(store)) == 2


@given(st.integers(0, 5), st.integers(0, 5), st.integers(1, 5))
def test_votes_are_weighed_once_and_wait_only_if_they_could_still_win(
    agreeing: int, missing: int, confirmations: int
) -> None:
    outcome = weigh(Votes(agreeing, missing), confirmations)
    assert (outcome == "confirmed") == (agreeing >= confirmations)
    assert (outcome == "unconfirmed") == (agreeing + missing < confirmations)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("uvwxyz")), max_size=12),
    st.integers(1, 3),
)
def test_a_batch_takes_no_more_than_there_is_room_for_and_loses_nobody(
    made: list[tuple[str, str]], most: int
) -> None:
    waiting = [draft_of(root, name, place) for place, (root, name) in enumerate(made)]
    batch, rest = take_batch(waiting, Shelf(), most)
    assert sorted([*batch, *rest], key=lambda draft: draft.response_id) == sorted(
        waiting, key=lambda draft: draft.response_id
    )
    assert all(
        number <= most for number in Counter(draft.parent.root_id for draft in batch).values()
    )
    assert len({draft.prompt_id for draft in batch}) == len(batch)
    assert bool(batch) == bool(waiting)


def draft_of(root: str, name: str, place: int) -> Draft:
    parent = Parent(root, root, "math", "", (), None, "number")
    candidate = Candidate("", "", "", "number", "execution")
    return drafts.Draft(f"{place:03d}", name, parent, candidate, "s", "s@1", False)


@pytest.mark.slow
def test_the_same_rewrite_of_two_chunks_is_decided_once_and_paid_for_once(
    store: Store, make_recipe: MakeRecipe
) -> None:
    question = {"text": "Which gas do plants take in to build sugar?", "answer_type": "choice"}
    ids = put_seeds(
        store,
        [
            {**question, "choices": ["oxygen", "carbon dioxide", "helium"], "answer": "B"},
            {**question, "choices": ["carbon dioxide", "neon", "argon"], "answer": "A"},
        ],
    )
    recipe = simulated(
        make_recipe,
        rewrite={"strategies": ["choice_to_open"]},
        simulator={
            "models": {"sim-rewriter": FAULTLESS, "sim-reference": {"skill": 20, "unboxed": 0}},
            "latency": {"kind": "fixed", "seconds": 0.5},
        },
    )
    between = max(ids)
    chunks = [Range("", between), Range(between, "g")]
    with ThreadPoolExecutor(2) as threads, track("rewrite") as tracker:
        counts = list(
            threads.map(lambda part: rewrite_range(store, recipe, "run", part, tracker), chunks)
        )
    assert sum(count.accepted for count in counts) == 1
    assert Counter(reason for count in counts for reason in count.refused) == {"duplicate": 1}
    said = "select count(*), count(distinct response_id) from responses where role = 'reference'"
    assert store.sql(said).row(0) == (2, 2)


def test_who_waits_for_a_claim_holds_none_and_gets_what_is_free() -> None:
    with claim(["a", "b"]) as first, claim(["b", "c"]) as second:
        assert (first, second) == ({"a", "b"}, {"c"})
    with claim([]) as nothing, claim(["a"]) as again:
        assert (nothing, again) == (set(), {"a"})
    held: list[set[str]] = []

    def wait() -> None:
        with claim(["a"]) as late:
            held.append(late)

    waiting = threading.Thread(target=wait)
    with claim(["a"]):
        waiting.start()
        waiting.join(0.05)
        assert held == []
    waiting.join(5)
    assert held == [{"a"}]
