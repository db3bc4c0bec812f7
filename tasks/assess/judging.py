"""Judging: the judge's word on answers that verifiers did not accept, where a recipe asks for it.

response_id  verifier  version  verdict  extracted    reason
c2aa…        text      2        wrong    Shakespeare  not_equal
c2aa…        judge     1        correct  Shakespeare  judged

One call a prompt and distinct answer, made through the engine and paid once. The verifiers' grade
stays beside the judge's; the later one counts. Where the recipe has another judge by now, or none,
the verifier's word is given once more and so is the last one.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.assess.grade import PLACE
from tasks.assess.verifiers import Outcome, judge
from tasks.llm.chunks import calls_per_range, interruptible, run_ranges
from tasks.llm.drawing import draw
from tasks.llm.pending import EVERYTHING, Range
from tasks.llm.request import Endpoint, Request, identify
from tasks.llm.servers import endpoint_of, identify_endpoint
from tasks.progress import active
from tasks.recipe import ModelSettings, Recipe
from tasks.simulator.settings import read_settings
from tasks.store import Store, open_store

_ROWS_AT_A_TIME = 20_000
_LOGGER = logging.getLogger(__name__)


def plan_judgements(rows: Sequence[Mapping[str, Any]]) -> Iterator[Request]:
    """Yield a request per prompt and distinct answer of rows of sql/queries/judge_pending.sql."""
    for prompt_id, key, answer in dict.fromkeys(map(_question, rows)):
        if judge.screen(key, answer) is None:
            messages = judge.ask(key, answer)
            yield Request(prompt_id, "judge", judge.TEMPLATE, messages, 0, judge.SCHEMA)


def pending_judgements(
    store: Store, recipe: Recipe, roles: Sequence[str], part: Range
) -> Iterator[pl.DataFrame]:
    """Yield the responses that the judge should look at, and none without a judge."""
    if recipe.models.judge is not None and recipe.judges_answers():
        yield from store.stream(
            "judge_pending",
            _ROWS_AT_A_TIME,
            roles=list(roles),
            answer_types=list(recipe.assess.judge),
            in_domains=[
                f"{domain} {answer_type}"
                for domain, settings in recipe.domains.items()
                for answer_type in settings.judge
            ],
            version=judge.VERSION,
            low=part.low,
            high=part.high,
        )


def withdraw_judgements(store: Store, recipe: Recipe, roles: Sequence[str], run_id: str) -> int:
    """Let the verifiers' word count again where the judge of the recipe did not give the last one.

    Returns how many grades were added. What a judge has said stays: named again, it is not paid
    again.
    """
    given = store.query("judge_given", roles=list(roles), frozen=list(recipe.select.freeze))
    if given.is_empty():
        return 0
    asked = [
        row for row in given.to_dicts() if _is_judged(recipe, row["domain"], row["answer_type"])
    ]
    settings = recipe.models.judge
    said: dict[tuple[str, str, str], Outcome] = {}
    if settings is not None and asked:
        endpoint = identify_endpoint(recipe, settings)
        said = _read_words(store, endpoint, asked)
    stands = [
        row["response_id"]
        for row in asked
        if (outcome := said.get(_question(row))) is not None and outcome.verdict == row["said"]
    ]
    outdated = given.filter(~pl.col("response_id").is_in(stands))
    return store.append(
        "grades",
        outdated.select(
            *("response_id", "key_id", "verifier", "version", "verdict", "reason", "attempt"),
            *PLACE,
            extracted="own_extracted",
        ),
        run_id=run_id,
    )


def _is_judged(recipe: Recipe, domain: str | None, answer_type: str) -> bool:
    """Say whether the recipe has a judge look at such answers."""
    return answer_type in (*recipe.assess.judge, *recipe.domain(domain).judge)


def count_judgements(store: Store, recipe: Recipe, roles: Sequence[str]) -> int:
    """Count about how many answers wait for the judge."""
    pages = pending_judgements(store, recipe, roles, EVERYTHING)
    return sum(page.select("prompt_id", "extracted").unique().height for page in pages)


def judge_range(
    store: Store, recipe: Recipe, run_id: str, roles: Sequence[str], asked: Range
) -> int:
    """Have the judge look at a range's answers; return how many grades were added."""
    graded = 0
    for part in asked.parts():
        pages = list(pending_judgements(store, recipe, roles, part))
        if pages:
            graded += _judge_rows(store, recipe, run_id, pl.concat(pages))
    return graded


def _judge_rows(store: Store, recipe: Recipe, run_id: str, pending: pl.DataFrame) -> int:
    rows = pending.to_dicts()
    draw(
        store,
        recipe,
        "assess",
        "judge",
        [pending.select("prompt_id").unique(maintain_order=True)],
        lambda endpoint, _: plan_judgements(rows),
        run_id=run_id,
        tracker=active("judge"),
        calls=len(rows),
    )
    said = _read_words(store, endpoint_of(store, recipe, "judge"), rows)
    copied = ("response_id", "key_id", "attempt", "extracted", *PLACE)
    grades = [
        (*(row[name] for name in copied), outcome.verdict, outcome.reason)
        for row in rows
        if (outcome := said.get(_question(row))) is not None
    ]
    numbers = {"attempt": pl.Int32, "completion_tokens": pl.Int64}
    schema = {name: numbers.get(name, pl.String) for name in (*copied, "verdict", "reason")}
    frame = pl.DataFrame(grades, schema=schema, orient="row").with_columns(
        verifier=pl.lit(judge.NAME), version=pl.lit(judge.VERSION, pl.Int32)
    )
    return store.append("grades", frame, run_id=run_id)


def _read_words(
    store: Store, endpoint: Endpoint, rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str, str], Outcome]:
    """Return an outcome a question: refused before the judge, or what it said, if it did."""
    words: dict[tuple[str, str, str], Outcome] = {}
    waiting: dict[str, tuple[str, str, str]] = {}
    for question in dict.fromkeys(map(_question, rows)):
        refused = judge.screen(*question[1:])
        if refused is not None:
            words[question] = refused
            continue
        messages = judge.ask(*question[1:])
        request = Request(question[0], "judge", judge.TEMPLATE, messages, 0, judge.SCHEMA)
        waiting[identify(endpoint, request).reuse_key] = question
    prompt_ids = list({question[0] for question in waiting.values()})
    answers = store.query("judge_words", prompt_ids=prompt_ids)
    for reuse_key, content in answers.select("reuse_key", "content").iter_rows():
        if reuse_key in waiting:
            words.setdefault(waiting[reuse_key], judge.read_verdict(content))
    return words


def warn_of_kinship(recipe: Recipe) -> str | None:
    """Return a warning if a judge is of the teacher's or a student's family, else None."""
    judging = recipe.models.judge
    if judging is None or not recipe.needs_judge():
        return None
    for played in (judging, *recipe.models.judges):
        family = family_of(recipe, played)
        for role, settings in recipe.models.each():
            if role.startswith(("student", "teacher")) and family_of(recipe, settings) == family:
                return (
                    f"models.judge: {played.model} is of the same family ({family}) as "
                    f"models.{role}; a judge favours answers of its own kind, take one of another "
                    "family (docs/verdicts.md)"
                )
    return None


def family_of(recipe: Recipe, settings: ModelSettings) -> str:
    """Return a model's family by its name, `qwen` of `Qwen/Qwen3-8B`; the simulator knows its."""
    if settings.base_url is None:
        known = read_settings(recipe.simulator.model_dump(mode="json")).models
        if settings.model in known:
            return f"simulated {known[settings.model].family}"
    name = settings.model.rsplit("/", 1)[-1].lower()
    letters = re.match(r"(?:meta-|chat)?([a-z]+)", name)
    return letters[1] if letters else name


def _question(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["prompt_id"], row["key_answer"], row["extracted"]


@task(task_run_name="judge {asked.name}", cache_policy=NO_CACHE)
@interruptible
def judge_chunk(recipe: Recipe, run_id: str, roles: Sequence[str], asked: Range) -> int:
    """Judge a chunk of answers; what was judged before is not judged again."""
    return judge_range(open_store(recipe.store), recipe, run_id, roles, asked)


def judge_all(recipe: Recipe, run_id: str, roles: Sequence[str]) -> None:
    """Have the judge look at every answer of these roles that waits for it, inside a flow.

    Nobody is asked where the recipe has no judge look at answers.
    """
    store = open_store(recipe.store)
    withdraw_judgements(store, recipe, roles, run_id)
    calls = count_judgements(store, recipe, roles)
    if calls:
        run_ranges(
            "judge",
            calls,
            lambda asked: judge_chunk.submit(recipe, run_id, roles, asked),
            calls_per_range(recipe, "judge"),
        )


def announce(recipe: Recipe) -> None:
    """Log the warning of kinship, if there is one."""
    if warning := warn_of_kinship(recipe):
        _LOGGER.warning("%s", warning)
