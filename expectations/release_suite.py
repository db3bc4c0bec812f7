"""What a good release is: the suites that guard it. Critical rules block, warnings are reported.

A rule is an expectation of Great Expectations or a file of sql/rules/ that returns bad rows; its
first line says how severe it is and what one row is.
"""

from collections.abc import Sequence
from pathlib import Path

import great_expectations as gx
from great_expectations.expectations.core.expect_column_values_to_be_in_set import (
    ExpectColumnValuesToBeInSet,
)
from great_expectations.expectations.core.expect_column_values_to_be_unique import (
    ExpectColumnValuesToBeUnique,
)
from great_expectations.expectations.core.expect_column_values_to_not_be_null import (
    ExpectColumnValuesToNotBeNull,
)
from great_expectations.expectations.core.expect_table_columns_to_match_ordered_list import (
    ExpectTableColumnsToMatchOrderedList,
)
from great_expectations.expectations.core.expect_table_row_count_to_be_between import (
    ExpectTableRowCountToBeBetween,
)
from great_expectations.expectations.core.unexpected_rows_expectation import (
    UnexpectedRowsExpectation,
)
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from tasks.errors import GateBroken

_CRITICAL = FailureSeverity.CRITICAL
RULES = Path(__file__).resolve().parents[1] / "sql" / "rules"
TYPES_RULE = "release_wrong_types"
NEVER_NULL = (
    *("pair_id", "messages", "domain", "kind", "answer_type", "key_source", "pass_rate", "teacher"),
    *("prompt_id", "root_id", "response_id", "simulated", "split"),
)
ALLOWED = {
    "kind": ("seed", "rewrite"),
    "key_source": ("gold", "execution", "plurality"),
    "split": ("train", "validation"),
}


def build_form_suite(columns: Sequence[str]) -> gx.ExpectationSuite:
    """Return the rules on form. Where one is broken the other rules cannot even be asked."""
    return gx.ExpectationSuite(
        name="release-form",
        expectations=[
            ExpectTableColumnsToMatchOrderedList(
                column_list=list(columns),
                severity=_CRITICAL,
                meta={"rule": "columns"},
            ),
            read_rule(RULES / f"{TYPES_RULE}.sql"),
        ],
    )


def build_value_suite(min_pairs: int) -> gx.ExpectationSuite:
    """Return the rules on single columns."""
    expectations: list[Expectation] = [
        ExpectTableRowCountToBeBetween(
            min_value=min_pairs, severity=_CRITICAL, meta={"rule": "enough_pairs"}
        ),
        ExpectColumnValuesToBeUnique(
            column="pair_id", severity=_CRITICAL, meta={"rule": "unique_pair_id"}
        ),
    ]
    expectations += [
        ExpectColumnValuesToNotBeNull(
            column=column, severity=_CRITICAL, meta={"rule": f"no_null_{column}"}
        )
        for column in NEVER_NULL
    ]
    expectations += [
        ExpectColumnValuesToBeInSet(
            column=column,
            value_set=list(values),
            severity=_CRITICAL,
            meta={"rule": f"known_{column}"},
        )
        for column, values in ALLOWED.items()
    ]
    return gx.ExpectationSuite(name="release-values", expectations=expectations)


def build_rule_suite() -> gx.ExpectationSuite:
    """Return the rules that are SQL files."""
    files = sorted(path for path in RULES.glob("release_*.sql") if path.stem != TYPES_RULE)
    return gx.ExpectationSuite(
        name="release-rules", expectations=[read_rule(path) for path in files]
    )


def read_rule(path: Path) -> UnexpectedRowsExpectation:
    """Return the expectation that a rule's file stands for. Raises GateBroken if it is not one.

    The file must hold `{batch}`: without it Great Expectations looks past the batch.
    """
    statement = path.read_text(encoding="utf-8")
    severity, _, description = statement.partition("\n")[0].removeprefix("-- ").partition(": ")
    if severity not in ("critical", "warning") or "{batch}" not in statement:
        raise GateBroken(
            f"{path.name}: a rule's first line is `-- critical: …` or `-- warning: …`, "
            "and it reads from {batch}"
        )
    return UnexpectedRowsExpectation(
        unexpected_rows_query=statement,
        description=description,
        severity=FailureSeverity(severity),
        meta={"rule": path.stem.removeprefix("release_")},
    )
