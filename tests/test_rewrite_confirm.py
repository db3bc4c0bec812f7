"""Confirming: who is settled is asked no more, and is settled as all its answers would have it."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.llm.request import Request, identify
from tasks.llm.servers import endpoint_of, stop_simulators
from tasks.messages import SOLVE_TEMPLATE, solve_messages
from tasks.progress import Tracker, track
from tasks.recipe import Recipe
from tasks.rewrite import confirm
from tasks.rewrite.candidate import Candidate
from tasks.rewrite.confirm import Votes, collect_votes, fewest_to_settle, weigh
from tasks.store import Store
from tests.conftest import MakeRecipe

Answers = Mapping[str, Sequence[str | None]]  # By candidate, try by try; None: fails for now.
NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def no_simulator_left() -> Iterator[None]:
    yield
    stop_simulators()


def asking(
    make_recipe: MakeRecipe, *, mode: str = "live", hard: float = 0.0, **rewrite: Any
) -> Any:
    """A recipe whose reference nobody can reach."""
    model = {"model": "m", "base_url": NOWHERE, "sampling": {"max_tokens": 100}, "mode": mode}
    return make_recipe(
        models={"rewriter": model, "reference": model},
        rewrite=rewrite,
        select={"hard_share": hard},
    )


def candidates_of(answers: Answers) -> dict[str, Candidate]:
    return {name: Candidate(f"{name}?", "81", "81", "number", "execution") for name in answers}


def say(store: Store, recipe: Recipe, name: str, index: int, answer: str) -> None:
    """Add what the reference answers to one try."""
    endpoint = endpoint_of(store, recipe, "reference")
    messages = solve_messages(f"{name}?", None, "number", endpoint.settings)
    keys = identify(endpoint, Request(name, "reference", SOLVE_TEMPLATE, messages, index))
    row = {
        "response_id": keys.response_id,
        "reuse_key": keys.reuse_key,
        "prompt_id": name,
        "role": "reference",
        "content": f"\\boxed{{{answer}}}",
        "finish_reason": "stop",
    }
    store.append("responses", pl.DataFrame([row]))


@pytest.fixture
def ask(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Collect votes from given answers; return the rounds that were asked and the outcomes."""

    def ask(recipe: Recipe, answers: Answers, lost_after: int | None = None) -> Any:
        rounds: list[list[tuple[str, int]]] = []

        def draw(
            _store: Store,
            _recipe: Recipe,
            candidates: Any,
            chosen: Any,
            _run: str,
            tracker: Tracker,
        ) -> None:
            if len(rounds) == lost_after:
                raise KeyboardInterrupt
            rounds.append(sorted(chosen))
            for name, index in sorted(chosen):
                answer = answers[name][index]
                if answer is not None:
                    say(store, recipe, name, index, answer)
                tracker.advance(failed=int(answer is None))

        monkeypatch.setattr(confirm, "_draw_tries", draw)
        asked = candidates_of(answers)
        with track("rewrite", recipe.rewrite.tries * len(asked)) as tracker:
            votes = collect_votes(store, recipe, asked, run_id="run", tracker=tracker)
            seen = tracker.snapshot()
            assert seen.total == seen.done  # No call is promised any more that is not made.
        wanted = recipe.rewrite.confirmations
        return rounds, {name: weigh(vote, wanted) for name, vote in votes.items()}

    return ask


@given(st.integers(1, 6), st.data())
def test_stopping_early_changes_no_verdict_and_wastes_no_answer(tries: int, data: Any) -> None:
    confirmations = data.draw(st.integers(1, tries))
    for right in itertools.product((True, False), repeat=tries):
        heard = 0
        while weigh(Votes(sum(right[:heard]), tries - heard), confirmations) == "open":
            more = fewest_to_settle(sum(right[:heard]), tries - heard, confirmations)
            for answers in range(heard, heard + more):  # Not settled before the last of the round.
                votes = Votes(sum(right[:answers]), tries - answers)
                assert weigh(votes, confirmations) == "open"
            heard += more
        settled = weigh(Votes(sum(right[:heard]), tries - heard), confirmations)
        assert settled == weigh(Votes(sum(right)), confirmations)


def test_two_answers_settle_a_candidate_unless_they_differ(
    make_recipe: MakeRecipe, ask: Callable[..., Any]
) -> None:
    answers = {
        "a": ["81"] * 3,
        "b": ["1", "2", "81"],
        "c": ["81", "1", "81"],
        "d": ["1", "81", "2"],
    }
    rounds, outcomes = ask(asking(make_recipe), answers)
    first = [(name, index) for name in "abcd" for index in (0, 1)]
    assert rounds == [first, [("c", 2), ("d", 2)]]
    assert outcomes == {
        **{"a": "confirmed", "b": "unconfirmed"},
        **{"c": "confirmed", "d": "unconfirmed"},
    }
    # Whoever asks again finds all of it there.
    assert ask(asking(make_recipe), answers) == ([[]], outcomes)


@pytest.mark.parametrize("change", [{"mode": "batch"}, {"hard": 0.1}])
def test_all_tries_are_asked_at_once_where_a_round_is_slow_or_a_rate_decides(
    make_recipe: MakeRecipe, ask: Callable[..., Any], change: Mapping[str, Any]
) -> None:
    rounds, outcomes = ask(asking(make_recipe, **change), {"a": ["81"] * 3})
    assert (rounds, outcomes) == ([[("a", 0), ("a", 1), ("a", 2)]], {"a": "confirmed"})


def test_a_run_that_was_cut_between_two_rounds_goes_on_with_the_next(
    make_recipe: MakeRecipe, ask: Callable[..., Any]
) -> None:
    answers = {"a": ["81", "81", "81"], "c": ["81", "1", "81"]}
    with pytest.raises(KeyboardInterrupt):
        ask(asking(make_recipe), answers, lost_after=1)
    assert ask(asking(make_recipe), answers) == (
        [[("c", 2)]],
        {"a": "confirmed", "c": "confirmed"},
    )


def test_a_try_that_fails_for_now_is_made_once_a_run_and_another_may_settle_it(
    make_recipe: MakeRecipe, ask: Callable[..., Any]
) -> None:
    rounds, outcomes = ask(asking(make_recipe), {"a": [None, "81", "81"], "b": [None, "81", "1"]})
    assert rounds == [[("a", 0), ("a", 1), ("b", 0), ("b", 1)], [("a", 2), ("b", 2)]]
    assert outcomes == {"a": "confirmed", "b": "open"}
    rounds, outcomes = ask(asking(make_recipe), {"a": ["1"] * 3, "b": ["81"] * 3})
    assert (rounds, outcomes) == ([[("b", 0)]], {"a": "confirmed", "b": "confirmed"})


def test_other_numbers_ask_for_what_they_still_need(
    make_recipe: MakeRecipe, ask: Callable[..., Any]
) -> None:
    answers = {"a": ["81"] * 5, "b": ["1", "1", "81", "81", "81"]}
    assert ask(asking(make_recipe), answers)[1] == {"a": "confirmed", "b": "unconfirmed"}
    rounds, outcomes = ask(asking(make_recipe, tries=5, confirmations=3), answers)
    assert rounds == [[("a", 2), ("b", 2)], [("b", 3)], [("b", 4)]]
    assert outcomes == {"a": "confirmed", "b": "confirmed"}
    # Fewer tries look at fewer of the answers that are there.
    assert ask(asking(make_recipe), answers) == ([[]], {"a": "confirmed", "b": "unconfirmed"})


def test_answers_that_are_out_with_a_batch_are_waited_for_before_anything_is_settled(
    make_recipe: MakeRecipe, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = confirm.count_votes
    looks = itertools.count()

    def count(*asked: Any) -> Mapping[str, Votes]:
        # At first no try is pending: a batch of an earlier run has all three.
        return {"a": Votes(0)} if next(looks) == 0 else counted(*asked)

    monkeypatch.setattr(confirm, "count_votes", count)
    rounds, outcomes = ask(asking(make_recipe), {"a": ["81"] * 3})
    assert (rounds, outcomes) == ([[], [("a", 0), ("a", 1)]], {"a": "confirmed"})
