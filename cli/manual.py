"""The pages that say what the code says: every field of a recipe, every command.

    python -m cli.manual      # fills docs/recipe.md and docs/reference.md anew

What lies between `<!-- fields -->` or `<!-- commands -->` and `<!-- end -->` is written here, from
the recipe's schema and the commands themselves; the rest of a page is written by hand.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import typer
import yaml
from typer.core import TyperArgument, TyperGroup, TyperOption

from cli.main import app
from cli.project import ROOT
from tasks.recipe import Recipe
from tasks.whole_files import write_whole

PAGES = ("docs/recipe.md", "docs/reference.md")
_BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
# What a section is called that several fields hold, or one of two kinds.
_TITLES = {"ModelSettings": "models.ROLE", "LocalEmbedder": "models.embedder (local)"}
_ALIKE = {"BenchmarkSource": "SeedSource", "EmbedderSettings": "ModelSettings"}
_PAGE = re.compile(r"docs/(\w+)\.md")
Node = Mapping[str, Any]


def fill(page: str) -> str:
    """Return a page with its blocks written anew."""
    return _BLOCK.sub(lambda found: found[1] + _WRITERS[found[2]]() + found[3], page)


def make_anchor(title: str) -> str:
    """Return what a link to a heading ends with, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def write_fields() -> str:
    """Return a heading and a table for every section of a recipe, in the recipe's order."""
    schema = Recipe.model_json_schema()
    sections = {"Recipe": "recipe"} | dict(_find_sections(schema))
    order = ["recipe", *schema["properties"]]
    titles = sorted(sections.items(), key=lambda each: order.index(re.split(r"\W", each[1])[0]))
    nodes = {"Recipe": schema} | schema["$defs"]
    return "".join(_write_section(kind, title, nodes, sections) for kind, title in titles)


def write_commands() -> str:
    """Return a heading, what it does and a table of what it takes, for every command."""
    whole = typer.main.get_command(app)
    assert isinstance(whole, TyperGroup)
    return "".join(_write_group(whole, "teachset"))


def _find_sections(schema: Node) -> Iterator[tuple[str, str]]:
    """Yield every kind of section and the path of the first field of it, the shortest first."""
    waiting, seen = [(schema, "")], {"Recipe"}
    for node, path in waiting:
        for name, field in node["properties"].items():
            for kind, suffix in _kinds_of(field):
                if kind not in seen:
                    seen.add(kind)
                    title = _TITLES.get(kind, f"{path}{name}{suffix}")
                    yield kind, title
                    waiting.append((schema["$defs"][kind], f"{title}."))


def _kinds_of(field: Node) -> Iterator[tuple[str, str]]:
    """Yield the sections that a field holds, and what stands behind its name for one of several."""
    for option in field.get("anyOf", [field]):
        items, values = option.get("items", {}), option.get("additionalProperties", {})
        for node, suffix in ((option, ""), (items, "[]"), (values, ".NAME")):
            if isinstance(node, Mapping) and "$ref" in node:
                yield node["$ref"].rsplit("/", 1)[-1], suffix


def _write_section(
    kind: str, title: str, nodes: Mapping[str, Node], sections: Mapping[str, str]
) -> str:
    node, fields = nodes[kind], dict(nodes[kind]["properties"])
    lines = [f"### {title}", "", _link_pages(" ".join(node["description"].split())), ""]
    if like := _ALIKE.get(kind):
        of = nodes[like]["properties"]
        fields = {name: field for name, field in fields.items() if field != of.get(name)}
        lines += [f"It has the fields of {_link(sections[like])}, and these:", ""]
    lines += ["| field | value | default | |", "|---|---|---|---|"]
    for name, field in fields.items():
        inside = [each for each, _ in _kinds_of(field)]
        needed = name in node.get("required", ())
        default = (
            "needed"
            if needed
            else _write_default(_without_own(field, inside, nodes), field, inside)
        )
        described = field.get("description") or (nodes[inside[0]]["description"] if inside else "")
        first = described.partition("\n\n")[0]
        told = _link_pages(" ".join(first.split())).replace("|", "\\|")
        lines.append(f"| `{name}` | {_write_type(field, sections)} | {default} | {told} |")
    return "\n".join([*lines, "", ""])


def _write_type(node: Node, sections: Mapping[str, str]) -> str:
    """Say in words what a value may be."""
    if "$ref" in node:
        return _link(sections[node["$ref"].rsplit("/", 1)[-1]])
    options = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
    if options:
        return " or ".join(_write_type(option, sections) for option in options)
    if allowed := node.get("enum", [node["const"]] if "const" in node else None):
        return ", ".join(f"`{each}`" for each in allowed)
    if node.get("type") == "array":
        return f"list: {_write_type(node['items'], sections)}"
    if node.get("type") == "object":
        values = node.get("additionalProperties")
        named = node.get("propertyNames", {})
        by = "" if "enum" not in named else f" ({_write_type(named, sections)})"
        told = _write_type(values, sections) if isinstance(values, Mapping) else "anything"
        return f"by name{by}: {told}"
    return _WORDS.get(str(node.get("type")), "anything") + _write_bounds(node)


def _write_bounds(node: Node) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    told = [f"{sign} {node[name]:g}" for name, sign in signs.items() if name in node]
    return f", {' and '.join(told)}" if told else ""


def _without_own(field: Node, inside: Sequence[str], nodes: Mapping[str, Node]) -> Any:
    """Return a field's default; of a section only what differs from the section's own."""
    default = field.get("default")
    if not inside or not isinstance(default, dict):
        return default
    own = nodes[inside[0]]["properties"]
    return {
        name: value for name, value in default.items() if value != own[name].get("default", value)
    }


def _write_default(default: Any, field: Node, inside: Sequence[str]) -> str:
    """Say what holds where a field is left out."""
    if inside and default == {}:
        return ""
    if default in (None, [], {}, ""):
        return "none"
    if isinstance(default, list) and default == field.get("items", {}).get("enum"):
        return "all"
    text = yaml.safe_dump(default, default_flow_style=True, allow_unicode=True, width=1_000)
    return f"`{text.strip().removesuffix('...').strip().removesuffix('.0')}`"


def _write_group(group: TyperGroup, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _write_group(command, f"{path} {name}")
        else:
            yield _write_command(command, f"{path} {name}")


def _write_command(command: Any, path: str) -> str:
    arguments = [_write_name(each) for each in command.params if isinstance(each, TyperArgument)]
    lines = [f"### {' '.join([path, *arguments])}", "", " ".join(command.help.split()), ""]
    rows = [
        f"| `{_write_name(each)}` | {_write_own(each.default)} | {each.help or ''} |"
        for each in command.params
        if isinstance(each, TyperArgument | TyperOption)
    ]
    return "\n".join(
        [*lines, *(["| | default | |", "|---|---|---|", *rows, ""] if rows else []), ""]
    )


def _write_own(default: object) -> str:
    return "" if default is None or default is False else f"`{default}`"


def _write_name(taken: TyperArgument | TyperOption) -> str:
    """Return an argument in capitals, an option with what stands behind it."""
    kind = getattr(taken.type, "choices", None)
    name = str(taken.type.name)
    value = taken.metavar or (" or ".join(kind) if kind else _KINDS.get(name, name.upper()))
    if isinstance(taken, TyperOption):
        return ", ".join(taken.opts) + ("" if taken.is_flag else f" {value}")
    name = taken.metavar or str(taken.name).upper()
    return name if taken.required else f"[{name}]"


def _link(title: str) -> str:
    return f"[{title}](#{make_anchor(title)})"


def _link_pages(text: str) -> str:
    return _PAGE.sub(r"[\1](\1.md)", text)


_KINDS = {"int": "NUMBER", "int range": "NUMBER", "str": "TEXT"}
_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true, false"}
_WRITERS: Mapping[str, Callable[[], str]] = {"fields": write_fields, "commands": write_commands}


if __name__ == "__main__":
    for name in PAGES:
        page = ROOT / name
        write_whole(page, fill(page.read_text(encoding="utf-8")).encode())
