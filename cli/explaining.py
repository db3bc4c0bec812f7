"""`teachset explain ID`: from a pair, prompt or response to all that led to it.

The id may be cut to its first six characters or more if they say which one is meant.
"""

from pathlib import Path
from typing import Any

import duckdb
from rich.text import Text
from rich.tree import Tree

from cli.boundary import plain, read_argument
from cli.progress_bars import say_cost
from cli.project import find_store
from cli.reading import open_reader, read_rows
from cli.tables import make_console, print_json
from tasks.errors import InputError
from tasks.figures import say_dollars

SHORTEST_PREFIX = 6
_PARTS = (
    *("keys", "difficulty", "ratings", "objections", "decisions"),
    *("duplicates", "contamination", "failures", "releases"),
)
_LINE = 160
Row = dict[str, Any]


def show_explanation(identifier: str, recipe: Path | None, *, as_json: bool) -> None:
    """Print where something comes from. Raises InputError if the id names nothing or too much."""
    with open_reader(find_store(recipe)) as connection:
        story = explain(connection, identifier)
    if as_json:
        print_json(story)
    else:
        make_console().print(draw(story), soft_wrap=True)


def explain(connection: duckdb.DuckDBPyConnection, identifier: str) -> dict[str, Any]:
    """Gather everything on an id: its prompt up to the seed, samples, keys, decisions, cost."""
    found = find(connection, identifier)
    prompt_id = found["prompt_id"]
    line = read_rows(connection, "explain_prompts", prompt_id=prompt_id)
    for prompt in line:
        prompt["sources"] = read_rows(connection, "explain_sources", prompt_id=prompt["prompt_id"])
        prompt["routes"] = read_rows(connection, "explain_routes", prompt_id=prompt["prompt_id"])
        prompt["making"] = read_rows(connection, "explain_rewrite", prompt_id=prompt["prompt_id"])
    samples = read_rows(connection, "explain_samples", prompt_id=prompt_id)
    parts = {part: read_rows(connection, f"explain_{part}", prompt_id=prompt_id) for part in _PARTS}
    spend = read_rows(connection, "explain_spend", prompt_id=prompt_id) + add_up_making(line)
    return {
        "id": found["id"],
        "kind": found["kind"],
        "prompt_id": prompt_id,
        "response_id": found["response_id"],
        "prompts": line,
        "samples": samples,
        **parts,
        "spend": spend,
        "cost_usd": total_cost(spend),
    }


def find(connection: duckdb.DuckDBPyConnection, identifier: str) -> Row:
    """Return the one thing whose id begins so. Raises InputError if there is none or several."""
    identifier = read_argument(identifier)
    prefix = identifier.strip().lower()
    if len(prefix) < SHORTEST_PREFIX:
        raise InputError(f"{identifier}: give at least the first {SHORTEST_PREFIX} characters")
    matches = read_rows(connection, "explain_find", prefix=prefix)
    # A response or prompt is in as many pairs as there are releases; they all tell one story.
    distinct = {(match["prompt_id"], match["response_id"]) for match in matches}
    if not matches:
        raise InputError(f"{identifier}: no pair, prompt or response in this store begins so")
    if len(distinct) > 1:
        listed = "".join(f"\n  {match['kind']:<8} {match['id']}" for match in matches)
        raise InputError(f"{identifier}: several begin so, give more of the id:{listed}")
    return matches[0]


def add_up_making(line: list[Row]) -> list[Row]:
    """Return a row of spend for the rewriter's calls that made a prompt and those it stems from."""
    made = [row for prompt in line for row in prompt["making"]]
    if not made:
        return []
    return [
        {
            "role": "rewriter",
            "calls": sum(row["attempts"] or 1 for row in made),
            "prompt_tokens": sum(row["prompt_tokens"] or 0 for row in made),
            "completion_tokens": sum(row["completion_tokens"] or 0 for row in made),
            "cost_usd": sum(row["cost_usd"] or 0 for row in made),
            "unpriced": sum(row["cost_usd"] is None for row in made),
        }
    ]


def total_cost(spend: list[Row]) -> float | None:
    """Add up the prompt's own calls and those that made it; None if one of them has no price."""
    if any(row["unpriced"] for row in spend):
        return None
    return float(sum(row["cost_usd"] for row in spend))


def draw(story: dict[str, Any]) -> Tree:
    """Return the story as a tree for the terminal; no text of the store is markup."""
    tree = Tree(_text(f"{story['kind']} {story['id']}", style="bold"))
    _draw_origin(tree, story["prompts"])
    _draw_keys(tree, story)
    _draw_samples(tree, story)
    _draw_ratings(tree, story)
    _draw_verdicts(tree, story)
    cost = story["cost_usd"]
    total = "unknown: a call has no price" if cost is None else say_dollars(cost)
    branch = tree.add(_text(f"cost {total}"))
    for row in story["spend"]:
        dollars = say_cost(row["cost_usd"] or 0, row["unpriced"])
        branch.add(_text(f"{row['role']}: {row['calls']} calls, {dollars}"))
    return tree


def _draw_origin(tree: Tree, line: list[Row]) -> None:
    """The prompt, what it was made of and so on up to the seed and where that was read."""
    branch = tree
    for prompt in line:
        branch = branch.add(
            _text(f"{prompt['kind']} {prompt['prompt_id']} ({prompt['domain']})", style="bold")
        )
        branch.add(_text(f"asks: {prompt['text']}"))
        if prompt["choices"]:
            branch.add(_text(f"choices: {' | '.join(prompt['choices'])}"))
        if prompt["answer"] is not None:
            came = f" ({prompt['answer_source']})" if prompt["answer_source"] else ""
            branch.add(_text(f"answer: {prompt['answer']}{came}"))
        for source in prompt["sources"]:
            licence = source["licence"] or "licence unknown"
            gone = " (not there any more)" if source["gone"] else ""
            branch.add(
                _text(
                    f"from {source['source'] or 'unnamed source'} ({licence}): "
                    f"{source['uri']}, row {source['row_number']}{gone}"
                )
            )
        for word in prompt["routes"]:
            branch.add(_text(_say_route(word)))
        for made in prompt["making"]:
            outcome = "accepted" if made["accepted"] else f"not accepted: {made['reason']}"
            branch.add(_text(f"made by {made['model']} with {made['template']}: {outcome}"))


def _say_route(word: Row) -> str:
    """Return `route proof by model, sim-router, route@1 (replaced): a model says so; …`."""
    who = "rules" if word["model"] is None else f"{word['model']}, {word['template']}"
    how = f" ({word['reason']})" if word["reason"] else ""
    now = "" if word["counts"] else ", no longer counts"
    return f"route {word['route']} by {word['decided_by']}, {who}{how}{now}: {word['rule']}"


def _draw_keys(tree: Tree, story: dict[str, Any]) -> None:
    for key in story["keys"]:
        votes = f", {key['votes']} of {key['samples']} samples" if key["votes"] is not None else ""
        trusted = "" if key["trusted"] else ", not trusted"
        now = "" if key["counts"] else ", replaced"
        tree.add(_text(f"key {key['answer']} ({key['source']}{votes}{trusted}{now})"))
    for row in story["difficulty"]:
        rate = "undecided" if row["pass_rate"] is None else f"{row['pass_rate']:.3f}"
        interval = "" if row["low"] is None else f" [{row['low']:.2f}, {row['high']:.2f}]"
        tree.add(
            _text(
                f"pass rate of {row['student']}: {rate}{interval} = {row['correct']} correct, "
                f"{row['wrong']} wrong, {row['truncated']} truncated, "
                f"{row['unverifiable']} unverifiable"
            )
        )


def _draw_samples(tree: Tree, story: dict[str, Any]) -> None:
    groups: dict[tuple[str, str], list[Row]] = {}
    for sample in story["samples"]:
        groups.setdefault((sample["role"], sample["model"]), []).append(sample)
    for (role, model), samples in groups.items():
        branch = tree.add(_text(f"{role} {model}: {len(samples)} responses"))
        for sample in samples:
            this = " ◀ this one" if sample["response_id"] == story["response_id"] else ""
            verdict = sample["verdict"] or "not graded"
            old = ", asked in another way than now" if sample["superseded"] else ""
            why = f" ({sample['reason']})" if sample["reason"] else ""
            answer = f" {sample['extracted']}" if sample["extracted"] is not None else ""
            branch.add(_text(f"{sample['response_id']} {verdict}{answer}{why}{old}{this}"))
            if this:
                branch.children[-1].add(_text(sample["content"] or ""))
    for failure in story["failures"]:
        tree.add(
            _text(f"failed call of {failure['role']} {failure['model']}: {failure['failure']}")
        )


def _draw_ratings(tree: Tree, story: dict[str, Any]) -> None:
    """What judges said of the prompt and of responses to it, and what is objected to."""
    for rating in story["ratings"]:
        subject = f"response {rating['response_id']}" if rating["response_id"] else "prompt"
        said = rating["scores"] or f"not shown: {rating['screened']}"
        tree.add(_text(f"{subject} rated by {rating['judge']} on {rating['template']}: {said}"))
    for objection in story["objections"]:
        subject = f"response {objection['response_id']}" if objection["response_id"] else "prompt"
        why = f"{objection['reason']}, {objection['detail']}"
        tree.add(_text(f"{subject} objected to by {objection['source']}: {why}"))


def _draw_verdicts(tree: Tree, story: dict[str, Any]) -> None:
    for decision in story["decisions"]:
        verdict = "kept" if decision["kept"] else f"dropped in {decision['stage']}"
        detail = f": {decision['detail']}" if decision["detail"] else ""
        tree.add(_text(f"{verdict} by {decision['policy']} ({decision['reason']}){detail}"))
    for twin in story["duplicates"]:
        own = twin["prompt_id"] == story["prompt_id"]
        other = twin["representative_id"] if own else twin["prompt_id"]
        says = "is a twin of" if own else "stands for"
        tree.add(_text(f"{says} {other} ({twin['method']} {twin['score'] or 0:g}): {twin['twin']}"))
    for hit in story["contamination"]:
        who = f"response {hit['response_id']} overlaps" if hit["response_id"] else "overlaps"
        force = "" if hit["counts"] else ", recorded only"
        how = f"{hit['method']} {hit['score']:g}{force}"
        why = hit["span"] or hit["detail"]
        branch = tree.add(_text(f"{who} {hit['benchmark']} {hit['item_id']} ({how}): {why}"))
        branch.add(_text(f"the item: {hit['item']}"))
    for pair in story["releases"]:
        tree.add(
            _text(
                f"in {pair['recipe']} version {pair['version']}, {pair['split']}, "
                f"as {pair['pair_id']}"
            )
        )


def _text(line: str, style: str = "") -> Text:
    flat = plain(line.replace("\r\n", "↵").replace("\n", "↵").replace("\t", " "))
    return Text(flat if len(flat) <= _LINE else flat[: _LINE - 1] + "…", style=style)
