"""Code blocks: which of a response's fenced blocks is the program that its tests are about.

"```python\\ndef f(x): …\\n```\\nOutput:\\n```\\n2\\n```"  →  "def f(x): …"

Blocks tagged as Python come before bare ones, which may be output. Of several the last counts that
defines what the tests call, together with earlier ones that it needs.
"""

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tasks.python_source import UNREADABLE, parse_module

MOST_BLOCKS = 32
LONGEST_READ = 50_000
_FENCE = re.compile(r"^[ \t]*```[ \t]*(?P<language>[\w+-]*)[^\n]*\n", re.MULTILINE)
_CLOSING = re.compile(r"^[ \t]*```[ \t]*$", re.MULTILINE)
_PYTHON = frozenset({"python", "python3", "py"})
_DEFINED = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)|^(\w+)[ \t]*=", re.MULTILINE)
_READING = re.compile(r"\binput\s*\(|\bstdin\b|\bopen\s*\(\s*0")
_KNOWN = frozenset(dir(builtins)) | {"__name__"}


@dataclass(frozen=True, slots=True)
class _Block:
    source: str
    tagged: bool
    parsed: bool
    defined: frozenset[str]
    needed: frozenset[str]
    is_entry: bool


def extract_program(
    content: str, names: frozenset[str] = frozenset(), *, finished: bool = True
) -> str | None:
    """Return the program of a response's blocks; None if no block holds one.

    `names` are those that the tests use. An unclosed block counts if it is the only one and the
    response is finished.
    """
    blocks = [_read_block(*block) for block in list(_find_blocks(content, finished))[-MOST_BLOCKS:]]
    tagged = [block for block in blocks if block.tagged]
    blocks = tagged or [block for block in blocks if block.parsed]
    if not blocks:
        return None
    wanted = names & frozenset().union(*(block.defined for block in blocks))
    return _join(blocks, _choose(blocks, wanted), wanted) or None


def names_used(sources: Iterable[str]) -> frozenset[str]:
    """Return the names that asserts use without defining them; none of what cannot be read."""
    names: set[str] = set()
    for source in sources:
        try:
            tree = parse_module(source)
        except UNREADABLE:
            continue
        used, made = _names(tree)
        names |= used - made - _KNOWN
    return frozenset(names)


def find_fenced(content: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the language and the body of every fenced block, and whether it is closed.

    Only the last may be open. Each line is looked at once: a model that repeats itself writes
    thousands of openings, and one expression for a whole block would look for an end from each.
    """
    position = 0
    while opening := _FENCE.search(content, position):
        language = opening["language"].lower()
        closing = _CLOSING.search(content, opening.end())
        if closing is None:
            yield language, content[opening.end() :], False
            return
        yield language, content[opening.end() : closing.start()], True
        position = closing.end()


def _find_blocks(content: str, finished: bool) -> Iterator[tuple[str, bool]]:
    found = False
    for language, body, closed in find_fenced(content):
        if (language in _PYTHON or not language) and (closed or (finished and not found)):
            found = True
            yield body, bool(language)


def _read_block(source: str, tagged: bool) -> _Block:
    source = source.strip("\n")
    try:
        if len(source) > LONGEST_READ:
            raise ValueError
        tree = parse_module(source)
    except UNREADABLE:
        named = frozenset(one or other for one, other in _DEFINED.findall(source))
        return _Block(source, tagged, False, named, frozenset(), False)
    used, made = _names(tree)
    defined = frozenset().union(*(_names(statement, deep=False)[1] for statement in tree.body))
    is_entry = bool(tree.body) and all(map(_is_entry, tree.body))
    parsed = bool(tree.body)
    return _Block(source, tagged, parsed, defined, frozenset(used - made - _KNOWN), is_entry)


def _choose(blocks: Sequence[_Block], wanted: frozenset[str]) -> int:
    """Return the last block that defines all of what the tests use, else the most of it."""
    places = range(len(blocks))
    if wanted:
        return max(places, key=lambda place: (len(blocks[place].defined & wanted), place))
    reading = [place for place in places if _READING.search(blocks[place].source)]
    if not reading or blocks[-1].is_entry:
        return len(blocks) - 1
    return reading[-1]


def _join(blocks: Sequence[_Block], chosen: int, wanted: frozenset[str]) -> str:
    """Return the chosen block behind the earlier ones that it cannot do without."""
    parts = [blocks[chosen].source]
    missing = (wanted | blocks[chosen].needed) - blocks[chosen].defined
    for block in reversed(blocks[:chosen]):
        if block.parsed and block.defined & missing:
            parts.insert(0, block.source)
            missing = (missing | block.needed) - block.defined
    return "\n\n".join(parts)


def _names(tree: ast.AST, *, deep: bool = True) -> tuple[set[str], set[str]]:
    """Return the names that a tree uses and those that it makes, at its top alone or anywhere."""
    used: set[str] = set()
    made: set[str] = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made.add(node.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
            if not deep:
                continue
        waiting.extend(ast.iter_child_nodes(node))
    return used, made


def _is_entry(statement: ast.stmt) -> bool:
    """Tell `main()`, which starts a program, from an example of its use."""
    if isinstance(statement, ast.If):
        return all(map(_is_entry, statement.body))
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    call = statement.value
    return isinstance(call.func, ast.Name) and not call.args and not call.keywords
