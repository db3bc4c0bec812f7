"""What a check found: one row a finding.

area   check  level    found                                  mend
store  files  problem  2 of 41 data files are missing: …      restore them from a backup (…)
"""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. A problem stops runs or has lost something; `mend` says how."""

    area: str
    check: str
    level: Level
    found: str
    mend: str = ""
