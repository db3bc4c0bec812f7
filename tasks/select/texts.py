"""Texts: which responses the gate would refuse, so that none of them gets so far.

response_id  rules         rule     detail
c2aa…        4f0c21aa9b3e  looping  7 times and then we add the four apples to the other four

One false alarm in thousands would close the gate on all of them. So a response that breaks a rule
on texts is passed over for another one of its prompt, and where there is none the prompt is set
aside by `teach` with the rule as the reason. The gate asks the same rules of what is staged.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from expectations.expected import Limits
from expectations.text_rules import TextRules
from tasks.identity import content_id
from tasks.llm.pending import split_ids
from tasks.messages import SOLVE_TEMPLATE
from tasks.pairs import build_pairs
from tasks.progress import track
from tasks.rate.guidelines import split_passages
from tasks.recipe import Recipe
from tasks.settled import unless_settled
from tasks.store import Store, open_store

RESPONSES_AT_A_TIME = 20_000
_WORTH_TELLING = 40  # characters; a shorter sentence of a system prompt may be anybody's


def text_rules(recipe: Recipe) -> TextRules:
    """Return the rules on texts as a recipe has them."""
    settings = recipe.release
    return TextRules(
        Limits(**settings.gate.model_dump()),
        list_guidelines(recipe),
        settings.reasoning,
        split_passages(recipe.guidelines()),
    )


def list_guidelines(recipe: Recipe) -> list[str]:
    """Return the passages of the system prompts that models and the release are given."""
    told = [model.system_prompt for _, model in recipe.models.each()]
    return split_guidelines([text for text in (recipe.release.system_prompt, *told) if text])


def split_guidelines(texts: Sequence[str]) -> list[str]:
    """Return the lines of what models were told that are long enough to be told from chance."""
    lines = (line.strip() for text in texts for line in text.splitlines())
    return sorted({line for line in lines if len(line) >= _WORTH_TELLING})


def judge_responses(store: Store, recipe: Recipe, run_id: str) -> int:
    """Keep in `text_faults` which teachers' responses break a rule; return how many are new.

    What these rules have looked at before is not looked at again.
    """
    rules = text_rules(recipe)
    asked = {
        "policy": recipe.policy_version(),
        **offered_by(recipe, rules),
    }
    faulty = 0
    with track("rules on texts") as tracker:
        # Each range is read out of the whole store: no more of them than there is to judge.
        unjudged = int(store.query("teach_unjudged_count", **asked)["responses"][0])
        for part in split_ids(-(-unjudged // RESPONSES_AT_A_TIME)):
            rows = store.query("teach_unjudged", low=part.low, high=part.high, **asked)
            if rows.is_empty():
                continue
            faults = find_faults_in(store, rows, recipe, rules, run_id)
            faulty += len(faults)
            tracker.advance(rows.height, failed=len(faults))
    return faulty


def find_faults_in(
    store: Store, rows: pl.DataFrame, recipe: Recipe, rules: TextRules, run_id: str
) -> pl.Series:
    """Record which responses break a rule and that all were judged; return the ids of those.

    `rows` have the columns of sql/queries/teach_unjudged.sql.
    """
    from expectations.text_faults import find_faults  # Not worth its import on a quiet night.

    digest = name_text_rules(recipe, rules)
    faults = find_faults(build_pairs(rows, recipe.release, recipe.domains), rules)
    # The faults first: what is marked as judged is not judged again.
    named = faults.rename({"text_id": "response_id"})
    store.append("text_faults", named.with_columns(pl.lit(digest).alias("rules")), run_id=run_id)
    judged = rows.select("text_id", pl.lit(digest).alias("screen"))
    store.append("screened", judged, run_id=run_id, known_new=True)
    return faults["text_id"]


def name_text_rules(recipe: Recipe, rules: TextRules | None = None) -> str:
    """Name the rules on texts and everything that decides what they find."""
    digest = (rules or text_rules(recipe)).digest()
    settings = recipe.release
    told: list[object] = [] if settings.system_prompt is None else [settings.system_prompt]
    if settings.instruction != "none":
        own = {name: each.instructions for name, each in recipe.domains.items()}
        told += [settings.instruction, SOLVE_TEMPLATE, own]
    return f"texts@{content_id(digest, *told)[:12]}" if told else f"texts@{digest}"


def offered_by(recipe: Recipe, rules: TextRules | None = None) -> dict[str, Any]:
    """Return the parameters of `offered_responses`: which responses are fit to be released."""
    return {
        "writer": recipe.writer,
        "only_correct": recipe.teach.only_correct,
        "text_rules": name_text_rules(recipe, rules),
    }


@task(task_run_name="judge-texts", cache_policy=NO_CACHE)
def judge_texts(recipe: Recipe, run_id: str) -> int:
    """Find the teachers' responses that the gate would refuse."""
    store = open_store(recipe.store)
    stage = f"judge-texts by {name_text_rules(recipe)}"
    return unless_settled(
        store, recipe, run_id, stage, lambda: judge_responses(store, recipe, run_id)
    )
