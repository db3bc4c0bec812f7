"""Without pandas: what DuckDB asks of it, answered by a stand-in in a process that is all ours.

    leave_pandas_out()          # a command, at its start
    bind_first(connection)      # while the stand-in lies where pandas would

DuckDB compares each value that is bound with pandas' NaT and NA, and imports pandas to know them:
0.4 s and 50 MB of a command that has no other use for it. It looks them up once, for the process:
from then on it takes neither for a missing value. So a program that has Teachset for a library,
and data frames of its own, is left as it is.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # A command says at its start what it leaves out; many need no DuckDB either.
    import duckdb

PANDAS = "pandas"


class Process:
    """What is still to be done in this process: to bind its first value without pandas."""

    is_to_bind = False


class PandasOnDemand(ModuleType):
    """What DuckDB takes for pandas: a missing value is None, all else is pandas' own."""

    NaT = None
    NA = None

    def __getattr__(self, name: str) -> Any:
        _take_away(self)
        return getattr(importlib.import_module(PANDAS), name)


def leave_pandas_out() -> None:
    """Say that nothing in this process binds a missing value of pandas."""
    Process.is_to_bind = True


def bind_first(connection: "duckdb.DuckDBPyConnection") -> None:
    """Bind a process's first value without pandas, if that was said and pandas is not there yet."""
    if PANDAS in sys.modules or not Process.is_to_bind:
        return
    Process.is_to_bind = False
    stand_in = PandasOnDemand(PANDAS)
    sys.modules[PANDAS] = stand_in
    try:
        connection.execute("select ?", [True])
    finally:
        _take_away(stand_in)


def _take_away(stand_in: ModuleType) -> None:
    if sys.modules.get(PANDAS) is stand_in:
        del sys.modules[PANDAS]
