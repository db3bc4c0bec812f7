"""Findings: every row that breaks a rule, found once and kept in a table that is judged then.

rule                   pair_id  detail
repeated_conversation  41ce…    the same messages as another pair

Great Expectations asks an SQL rule twice, for the count and for the rows. Over this small table
both cost nothing, however much a rule itself has to read.
"""

from collections.abc import Callable, Sequence

import duckdb
import pyarrow as pa

from expectations.rules import Rule
from tasks.errors import GateBroken

TABLE = "findings"
_MOST = 100_000  # rows kept of one rule; nobody needs the names of more
_SCHEMA = pa.schema([(name, pa.string()) for name in ("rule", "pair_id", "detail")])


def find_breaches(
    read: Callable[[str], pa.Table], rules: Sequence[Rule], subject: str = "pair_id"
) -> pa.Table:
    """Return the rows of `findings`, asking each rule once by `read`.

    `subject` is the column by which a rule names what is bad. Raises GateBroken naming the file of
    a rule that cannot be evaluated or does not say what is bad.
    """
    return pa.concat_tables([_SCHEMA.empty_table(), *(_ask(read, rule, subject) for rule in rules)])


def _ask(read: Callable[[str], pa.Table], rule: Rule, subject: str) -> pa.Table:
    try:
        # The line break: a rule may end in a comment.
        found = read(f"select * from ({rule.statement}\n) limit {_MOST}")
    except duckdb.Error as error:
        reason = str(error).strip().partition("\n")[0]
        raise GateBroken(
            f"the rule `{rule.name}` cannot be evaluated: mend {rule.file}. "
            f"Nothing was published. {reason}"
        ) from error
    if subject not in found.column_names:
        raise GateBroken(
            f"the rule `{rule.name}` names nothing: let {rule.file} return a column `{subject}`, "
            f"it returns {', '.join(found.column_names)}. Nothing was published."
        )
    empty = pa.nulls(found.num_rows, pa.string())
    columns = {
        "rule": pa.array([rule.name] * found.num_rows, pa.string()),
        "pair_id": found[subject].cast(pa.string()),
        "detail": found["detail"].cast(pa.string()) if "detail" in found.column_names else empty,
    }
    return pa.table(columns, schema=_SCHEMA)
