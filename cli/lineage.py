"""`teachset lineage PAIR`: the chain from a released pair up to the row of the file it began as.

pair 009956fa… (quickstart version 2, train)
└── response 451d0754… by sim-teacher, correct
    └── rewrite d4926923… made by sim-rewriter with new_numbers@1
        └── seed 5afa07a6…
            └── math.jsonl, row 2 (teachset-seeds, Apache-2.0)

`explain` tells everything about a prompt; this tells only where it comes from.
"""

from pathlib import Path
from typing import Any

import duckdb
from rich.text import Text
from rich.tree import Tree

from cli.boundary import plain
from cli.explaining import Row, find
from cli.project import find_store
from cli.reading import open_reader, read_rows
from cli.tables import make_console, print_json


def show_lineage(identifier: str, recipe: Path | None, *, as_json: bool) -> None:
    """Print the chain. Raises InputError if the id names nothing or too much."""
    with open_reader(find_store(recipe)) as connection:
        chain = trace(connection, identifier)
    if as_json:
        print_json(chain)
    else:
        make_console().print(draw(chain), soft_wrap=True)


def trace(connection: duckdb.DuckDBPyConnection, identifier: str) -> list[dict[str, Any]]:
    """Return the links of the chain, the pair first and the rows of files last."""
    found = find(connection, identifier)
    chain: list[dict[str, Any]] = []
    prompt_id, response_id = found["prompt_id"], found["response_id"]
    if found["kind"] == "pair":
        released = read_rows(connection, "explain_releases", prompt_id=prompt_id)
        places = [
            {name: row[name] for name in ("recipe", "version", "split", "folder")}
            for row in released
            if row["pair_id"] == found["id"]
        ]
        chain.append({"link": "pair", "id": found["id"], "releases": places})
    if response_id is not None:
        samples = read_rows(connection, "explain_samples", prompt_id=prompt_id)
        chain += [_describe_response(row) for row in samples if row["response_id"] == response_id]
    for prompt in read_rows(connection, "explain_prompts", prompt_id=prompt_id):
        chain.append(_describe_prompt(connection, prompt))
    root = chain[-1]["id"]
    for source in read_rows(connection, "explain_sources", prompt_id=root):
        chain.append({"link": "row", **source})
    return chain


def draw(chain: list[dict[str, Any]]) -> Tree:
    """Return the chain as a tree for the terminal; no text of the store is markup."""
    tree: Tree | None = None
    branch: Tree | None = None
    for link in chain:
        line = Text(plain(" ".join(_SAY[link["link"]](link).split())))
        if branch is None:
            tree = branch = Tree(line)
        elif link["link"] == "row":  # A seed may have been read in several places.
            branch.add(line)
        else:
            branch = branch.add(line)
    assert tree is not None
    return tree


def _describe_response(row: Row) -> dict[str, Any]:
    names = ("role", "model", "resolved_model", "server", "sample_index", "verdict", "created_at")
    return {"link": "response", "id": row["response_id"], **{name: row[name] for name in names}}


def _describe_prompt(connection: duckdb.DuckDBPyConnection, row: Row) -> dict[str, Any]:
    making = read_rows(connection, "explain_rewrite", prompt_id=row["prompt_id"])
    made = [
        {name: each[name] for name in ("response_id", "model", "strategy", "template")}
        for each in making
        if each["accepted"] or each["is_maker"]
    ]
    names = ("kind", "domain", "text", "answer", "answer_source", "program")
    return {
        "link": "prompt",
        "id": row["prompt_id"],
        **{name: row[name] for name in names},
        "made_by": made[0] if made else None,
    }


def _say_pair(link: dict[str, Any]) -> str:
    places = ", ".join(
        f"{place['recipe']} version {place['version']}, {place['split']}"
        for place in link["releases"]
    )
    return f"pair {link['id']} ({places})"


def _say_response(link: dict[str, Any]) -> str:
    verdict = link["verdict"] or "not graded"
    return f"response {link['id']} by {link['model']} as {link['role']}, {verdict}"


def _say_prompt(link: dict[str, Any]) -> str:
    made = link["made_by"]
    maker = f", made by {made['model']} with {made['template']}" if made else ""
    return f"{link['kind']} {link['id']} ({link['domain']}{maker}): {link['text'][:100]}"


def _say_row(link: dict[str, Any]) -> str:
    about = f"{link['source'] or 'unnamed source'}, {link['licence'] or 'licence unknown'}"
    own = f", id {link['external_id']}" if link["external_id"] else ""
    gone = ", not there any more" if link["gone"] else ""
    return f"{link['uri']}, row {link['row_number']} ({about}{own}{gone})"


_SAY = {
    "pair": _say_pair,
    "response": _say_response,
    "prompt": _say_prompt,
    "row": _say_row,
}
