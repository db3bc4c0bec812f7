"""Rate: what judges say of prompts and responses on a rubric, and what is objected to."""
