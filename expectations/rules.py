"""Rules: what the files of sql/rules/ and of a recipe's own folder say of good data.

    Rule("repeated_conversation", "critical", "No pair's messages …", "select …", "release_….sql")

A file's first line is `-- critical: …` or `-- warning: …`: how severe the rule is and what holds
where it is kept. What follows returns what is bad: a query that returns bad rows (`pair_id` and
`detail`), or, for `pair_*.sql`, an expression over one pair that is null where nothing is wrong.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from tasks.errors import GateBroken, RecipeError

RULES = Path(__file__).resolve().parents[1] / "sql" / "rules"
SEVERITIES = ("critical", "warning")
# Files of one value each, which rules on texts name as variables; each is made of those before.
VARIABLES = ("languages", "foreign_words", "private_marks")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds where the rule is kept, how severe a breach is, and how to find one."""

    name: str
    severity: str
    description: str
    statement: str
    file: str
    allowed: float = 0.0  # the share of rows that may break it


def read_rules(suite: str) -> list[Rule]:
    """Return the rules `sql/rules/<suite>_*.sql`, in the order of their names."""
    return [read_rule(path, suite) for path in sorted(RULES.glob(f"{suite}_*.sql"))]


def read_rule(path: Path, suite: str | None = None) -> Rule:
    """Return the rule that a file holds. Raises GateBroken if its first line is not a rule's."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise GateBroken(f"{path.name}: this rule cannot be read as UTF-8 text: {error}") from error
    first, _, statement = text.partition("\n")
    severity, colon, description = first.strip().removeprefix("--").strip().partition(":")
    if not first.startswith("--") or not colon or severity not in SEVERITIES:
        raise GateBroken(
            f"{path.name}: a rule's first line is `-- critical: …` or `-- warning: …`, "
            f"it is `{first[:80]}`"
        )
    name = path.stem.removeprefix(f"{suite}_") if suite else path.stem
    return Rule(name, severity, description.strip(), statement.strip().rstrip(";"), path.name)


def read_own_rules(folder: str | None, taken: frozenset[str]) -> list[Rule]:
    """Return the rules of a recipe's own folder; each must be one query that only reads.

    Raises RecipeError if the folder is none, GateBroken naming the file that is no rule.
    """
    if folder is None:
        return []
    if not Path(folder).is_dir():
        raise RecipeError(f"release.rules: {folder}: expected a folder of .sql files")
    rules = [read_rule(path) for path in sorted(Path(folder).glob("*.sql"))]
    for rule in rules:
        if not _NAME.fullmatch(rule.name):
            raise GateBroken(
                f"{rule.file}: a rule's file is named with a-z, 0-9 and _, e.g. too_polite.sql"
            )
        if rule.name in taken:
            raise GateBroken(f"{rule.file}: there is a rule `{rule.name}` already; rename the file")
    return [_check_only_reads(rule) for rule in rules]


def collect_rules(
    folder: str | None, severity: Mapping[str, str], allow: Mapping[str, float]
) -> tuple[list[Rule], list[Rule], list[Rule]]:
    """Return a release's rules on columns, on single pairs, and on sets with those of a folder.

    Raises RecipeError or GateBroken if a setting names no rule, or the folder holds what is none.
    """
    of_form, of_pairs, of_sets = (read_rules(suite) for suite in ("form", "pair", "release"))
    taken = {rule.name: rule for rule in (*of_form, *of_pairs, *of_sets)}
    own = read_own_rules(folder, frozenset(taken))
    taken |= {rule.name: rule for rule in own}
    for name in severity:
        if name not in taken:
            raise RecipeError(
                f"release.gate.severity.{name}: there is no such rule; "
                f"there are {', '.join(sorted(taken))}"
            )
        if taken[name].severity == "critical":
            raise RecipeError(
                f"release.gate.severity.{name}: a critical rule stays critical; only a warning "
                "can be made critical. Rules on texts have an allowance, `release.gate.allow`."
            )
    return of_form, adjust(of_pairs, severity, allow), adjust([*of_sets, *own], severity, allow)


def adjust(
    rules: list[Rule], severity: Mapping[str, str], allow: Mapping[str, float]
) -> list[Rule]:
    """Return the rules as a recipe wants them: warnings made critical, shares allowed."""
    return [
        replace(
            rule,
            severity=severity.get(rule.name, rule.severity),
            allowed=allow.get(rule.name, rule.allowed),
        )
        for rule in rules
    ]


def _check_only_reads(rule: Rule) -> Rule:
    try:
        statements = duckdb.extract_statements(rule.statement)
    except duckdb.Error as error:
        raise GateBroken(f"{rule.file}: this is not SQL: {_first_line(error)}") from error
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise GateBroken(f"{rule.file}: a rule is one `select` that returns bad rows")
    return replace(rule, statement=_without_end(rule.statement))


def _without_end(statement: str) -> str:
    """Return one statement without its last semicolon, after which only remarks can follow."""
    before, semicolon, _ = statement.rpartition(";")
    try:
        return before if semicolon and duckdb.extract_statements(before) else statement
    except duckdb.Error:  # It was a sign within a text or a remark.
        return statement


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
