"""Release: stage the pairs, gate them, publish them at once."""
