"""Layout: what the files of a release, and those beside it, are called.

releases/quickstart-3f9c01d2a4b7/manifest.json   releases/latest -> quickstart-3f9c01d2a4b7
"""

MANIFEST, GATE, CARD = "manifest.json", "gate.json", "README.md"
ORIGIN, REPORT = "origin.json", "report.html"
DATA_DOCS = "data_docs.html"
INDEX = "pairs.parquet"
LATEST = "latest"
# The report and the Data Docs on an attempt that the gate refused, until one passes.
REFUSED, REFUSED_DOCS = "refused.html", "refused_data_docs.html"
