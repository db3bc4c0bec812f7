"""Report: one self-contained page on a release, or on an attempt that the gate refused."""
