"""Select: duplicates, contamination and the one decision that every prompt gets."""
