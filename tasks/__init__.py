"""How: one module or package a stage, in the order in which rows travel."""
