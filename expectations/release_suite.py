"""What a good release is: the suites that guard it. Critical rules block, warnings are reported."""

from collections.abc import Sequence

import great_expectations as gx
from great_expectations.expectations.core.expect_column_values_to_be_in_set import (
    ExpectColumnValuesToBeInSet,
)
from great_expectations.expectations.core.expect_column_values_to_be_null import (
    ExpectColumnValuesToBeNull,
)
from great_expectations.expectations.core.expect_column_values_to_be_unique import (
    ExpectColumnValuesToBeUnique,
)
from great_expectations.expectations.core.expect_column_values_to_not_be_null import (
    ExpectColumnValuesToNotBeNull,
)
from great_expectations.expectations.core.expect_table_row_count_to_be_between import (
    ExpectTableRowCountToBeBetween,
)
from great_expectations.expectations.core.unexpected_rows_expectation import (
    UnexpectedRowsExpectation,
)
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from expectations.rules import Rule

_CRITICAL = FailureSeverity.CRITICAL
NEVER_NULL = (
    *("pair_id", "domain", "kind", "answer_type", "key_source", "teacher"),
    *("prompt_id", "root_id", "response_id", "simulated", "split"),
)
ALLOWED = {
    "kind": ("seed", "rewrite"),
    "key_source": ("gold", "execution", "plurality", "confirmed", "rubric"),
    "split": ("train", "validation"),
}


def build_pair_suite(min_pairs: int, rules: Sequence[Rule]) -> gx.ExpectationSuite:
    """Return the rules on single columns of `measured`.

    Each rule on single pairs is a column there, which says what is wrong where something is.
    """
    expectations: list[Expectation] = [
        ExpectTableRowCountToBeBetween(
            min_value=min_pairs,
            severity=_CRITICAL,
            description="There are at least as many pairs as the recipe's `min_pairs`.",
            meta={"rule": "enough_pairs"},
        ),
        ExpectColumnValuesToBeUnique(
            column="pair_id",
            severity=_CRITICAL,
            description="No two pairs have one id.",
            meta={"rule": "unique_pair_id"},
        ),
    ]
    expectations += [
        ExpectColumnValuesToNotBeNull(
            column=column,
            severity=_CRITICAL,
            description=f"Every pair has a `{column}`.",
            meta={"rule": f"no_null_{column}"},
        )
        for column in NEVER_NULL
    ]
    expectations += [
        ExpectColumnValuesToBeInSet(
            column=column,
            value_set=list(values),
            severity=_CRITICAL,
            description=f"`{column}` is one of {', '.join(values)}.",
            meta={"rule": f"known_{column}"},
        )
        for column, values in ALLOWED.items()
    ]
    expectations += [
        ExpectColumnValuesToBeNull(
            column=rule.name,
            mostly=1 - rule.allowed,
            severity=FailureSeverity(rule.severity),
            description=rule.description,
            meta={"rule": rule.name},
        )
        for rule in rules
    ]
    return gx.ExpectationSuite(name="release-pairs", expectations=expectations)


def build_finding_suite(name: str, rules: Sequence[Rule]) -> gx.ExpectationSuite:
    """Return the rules whose bad rows are in `findings`."""
    return gx.ExpectationSuite(
        name=name,
        expectations=[
            UnexpectedRowsExpectation(
                # A rule's name is its file's, of letters, digits and _ only.
                unexpected_rows_query="select pair_id, detail from {batch} "
                f"where rule = '{rule.name}'",
                severity=FailureSeverity(rule.severity),
                description=rule.description,
                meta={"rule": rule.name},
            )
            for rule in rules
        ],
    )
