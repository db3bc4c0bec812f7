"""Routes: what kind of task a seed is, which decides the strategies that apply to it.

    prompt_id  route      rule                             doubt
    3c7b…      numeric    answer_type is number            null
    90c2…      proof      asks for a proof: 'Prove that'   null
    51fe…      open       answer_type is open              no answer, and no rule knows the task

By rules, in the order of `classify`: the same text has the same route everywhere, for nothing. What
they only guess at has a doubt, and a model may be asked about it (`router`).
"""

import re
from collections.abc import Callable
from typing import Literal

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.recipe import Recipe
from tasks.rewrite.candidate import Parent, parent_of
from tasks.store import Store, open_store

Route = Literal[
    "safety", "true_false", "choice", "code", "multi_part", "proof",
    "numeric", "expression", "text", "open",
]  # fmt: skip
VERSION = 3  # Raise it with any change of the rules: seeds are classified again, for nothing.
_SEEDS_AT_A_TIME = 20_000
_WORDS_OF_A_NAME = 8  # A longer answer is an explanation rather than a name.
_JUDGEMENTS = frozenset({"true", "false", "yes", "no", "correct", "incorrect"})
_BY_TYPE: dict[str, Route] = {
    "number": "numeric",
    "expression": "expression",
    "text": "text",
    "date": "text",
    "quantity": "text",
    "json": "text",
    "open": "open",
}
_PROOF = re.compile(
    r"(?:^|[.;:!?]\s+|\n\s*|\b(?:then|and|please|to)\s+)"
    r"(?P<asked>(?:dis)?prove\b|show (?:that|why)\b|give a (?:formal )?proof\b|demonstrate that\b"
    r"|verify that\b|justify (?:that|why)\b|derive (?:that|the identity)\b)",
    re.IGNORECASE,
)
# "(a) …", "b) …", "(ii) …", "Part 2: …", "2. …" begin a line; those in brackets a sentence too.
_PART = re.compile(
    r"(?m)(?:^\s*(?:part\s+)?(?:\(?[a-h1-8]\)|[a-h1-8][.:]|\(?(?:i|ii|iii|iv|v|vi)\))\s+"
    r"|(?<=[.?;:]\s)\((?:[a-h1-8]|i|ii|iii|iv|v|vi)\)\s+)",
    re.IGNORECASE,
)
_LETTERED = re.compile(
    r"(?s)(?:^|\s)\(?A[.):]\s.{1,300}?\s\(?B[.):]\s.{1,300}?\s\(?C[.):]\s",
)
_BARE_LABEL = re.compile(r"part|[\s().:]")
_ASKS = re.compile(
    r"\?|\b(?:find|compute|calculate|determine|prove|show|state|explain|describe|write|give|list"
    r"|evaluate|solve|sketch|derive|estimate|what|which|how|why)\b",
    re.IGNORECASE,
)


def classify(parent: Parent) -> tuple[Route, str]:
    """Return the route of a seed and the rule that says so; the first rule that holds decides."""
    for route, holds in _RULES:
        if rule := holds(parent):
            return route, rule
    route = _BY_TYPE.get(parent.answer_type, "open")
    return route, f"answer_type is {parent.answer_type}"


def route_of(parent: Parent) -> Route:
    """Return the route alone: what a model said it is, or else the rules."""
    return parent.route or classify(parent)[0]


def doubt(parent: Parent, route: Route) -> str | None:
    """Say why the rules only guess at this route; None where they are sure."""
    if route == "open":
        return "no answer, and no rule knows the task"
    if route in ("numeric", "expression", "text") and _LETTERED.search(parent.text):
        return "lettered options in the text, and none beside it"
    if route == "multi_part" and parent.answer_type in ("number", "expression"):
        return "several parts ask, and there is one answer"
    if route == "text" and len((parent.answer or "").split()) > _WORDS_OF_A_NAME:
        return "the answer is as long as an explanation"
    return None


def find_parts(text: str) -> list[str]:
    """Return the labels, as "a" or "2", of a text's labelled parts that ask for something."""
    labels = list(_PART.finditer(text))
    ends = [*(label.start() for label in labels[1:]), len(text)] if labels else []
    return [
        _BARE_LABEL.sub("", label.group().casefold())
        for label, end in zip(labels, ends, strict=True)
        if _ASKS.search(text, label.end(), end)
    ]


def route_seeds(store: Store, run_id: str) -> int:
    """Classify the seeds that this version of the rules has not seen; return how many."""
    return sum(
        store.append("routes", classify_rows(seeds), run_id=run_id, known_new=True)
        for seeds in store.stream("rewrite_unrouted", _SEEDS_AT_A_TIME, version=VERSION)
    )


def classify_rows(seeds: pl.DataFrame) -> pl.DataFrame:
    """Return rows of `routes` for rows of `prompts`."""
    parents = [parent_of(row) for row in seeds.iter_rows(named=True)]
    found = [classify(parent) for parent in parents]
    return pl.DataFrame(
        {
            "prompt_id": [parent.prompt_id for parent in parents],
            "route": [route for route, _ in found],
            "rule": [rule for _, rule in found],
            "doubt": [
                doubt(parent, route) for parent, (route, _) in zip(parents, found, strict=True)
            ],
            "decided_by": ["rule"] * len(found),
            "version": [VERSION] * len(found),
        },
        schema_overrides={"version": pl.Int32, "doubt": pl.String},
    )


@task(task_run_name="route-seeds", cache_policy=NO_CACHE)
def classify_seeds(recipe: Recipe, run_id: str) -> int:
    """Give every new seed its route."""
    return route_seeds(open_store(recipe.store), run_id)


def _is_safety(parent: Parent) -> str:
    return "domain is safety" if parent.domain == "safety" else ""


def _is_judgement(parent: Parent) -> str:
    """True or false, yes or no: as the only options, or as the whole answer."""
    options = {choice.strip(" .").casefold() for choice in parent.choices}
    if options and options <= _JUDGEMENTS:
        return f"options are {', '.join(sorted(options))}"
    answer = (parent.answer or "").strip(" .").casefold()
    judged = not parent.choices and parent.answer_type == "text" and answer in _JUDGEMENTS
    return f"the answer is {answer}" if judged else ""


def _is_choice(parent: Parent) -> str:
    closed = parent.choices or parent.answer_type == "choice"
    return f"{len(parent.choices)} options" if closed else ""


def _is_code(parent: Parent) -> str:
    if parent.answer_type == "code":
        return "answer_type is code"
    unchecked = parent.answer_type == "open" and parent.domain == "code" and parent.reference
    return "a solution in code, and nothing that checks another" if unchecked else ""


def _is_multi_part(parent: Parent) -> str:
    """Two or more labelled parts that ask for something each; a list of data is none."""
    asking = len(find_parts(parent.text))
    return f"{asking} parts" if asking >= 2 else ""


def _is_proof(parent: Parent) -> str:
    """A proof is asked for and nothing that could be compared with a key."""
    asked = _PROOF.search(parent.text)
    if asked is None or (parent.answer is not None and parent.answer_type != "open"):
        return ""
    return f"asks for a proof: {asked['asked']!r}"


_RULES: tuple[tuple[Route, Callable[[Parent], str]], ...] = (
    ("safety", _is_safety),
    ("true_false", _is_judgement),
    ("choice", _is_choice),
    ("code", _is_code),
    ("multi_part", _is_multi_part),
    ("proof", _is_proof),
)
