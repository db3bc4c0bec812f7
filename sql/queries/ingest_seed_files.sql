-- One row per file that seeds were ever read from: whether the recipe named it last, and what was read of it.
select uri, state, reading
from current_seed_files
