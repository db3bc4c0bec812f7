"""The gates on the way: rules over the store itself, after ingest and after the verdicts.

A rule is a query of sql/rules/ over the store's tables; what it returns is judged by Great
Expectations like what the gate of a release finds.
"""

from collections.abc import Callable

import pyarrow as pa

from expectations.duckdb_source import open_database
from expectations.findings import TABLE as FINDINGS
from expectations.findings import find_breaches
from expectations.judge import OF_QUERIES, GateResult, conclude, validate
from expectations.release_suite import build_finding_suite
from expectations.rules import read_rules

SUBJECTS = {"ingest": "prompt_id", "responses": "response_id"}  # by what a suite names a bad row


def run_store_gate(
    suite: str, read: Callable[[str], pa.Table], rows: int, digest: str
) -> GateResult:
    """Evaluate the rules `sql/rules/<suite>_*.sql`, each by `read`, over `rows` rows of the store.

    The verdict bears the digest of what it depends on. Raises GateBroken naming the file of a rule
    that cannot be evaluated.
    """
    rules = read_rules(suite)
    found = find_breaches(read, rules, SUBJECTS[suite])
    with open_database() as database:
        database.connection.from_arrow(found).create(FINDINGS)
        database.confine(None)
        judged = validate(database.address, FINDINGS, build_finding_suite(suite, rules), OF_QUERIES)
    return conclude(suite, rows, [judged], digest=digest)
