"""Units: pint's registry, which takes a second to load.

>>> REGISTRY.parse_units("km/h")
<Unit('kilometer / hour')>

It is a module so that it is loaded once, by whichever thread first imports it: units of two
registries cannot be compared.
"""

from decimal import Decimal
from typing import Any

import pint

REGISTRY: Any = pint.UnitRegistry(non_int_type=Decimal, cache_folder=None)
