"""The engine: the only module that calls models, and the only one that spends money.

A stage makes requests and hands them to `engine.complete`; what comes back is rows in `responses`
and `failures`. See docs/engine.md for what is promised and how it is kept.
"""
