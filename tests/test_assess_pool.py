"""The checker's limit is about the question: a fresh process does not spend it on warming up."""

import pytest

from tasks.assess.pool import Worker

TRIPLE = (
    r"(\frac{\sqrt{2}v^2_0}{g}-\frac{v^2_0}{5\pi g},\frac{\sqrt{2}v^2_0}{g}+\frac{v^2_0}{4g},"
    r"-\frac{v^2_0}{4g})"
)
REORDERED = (
    r"(\frac{v^2_0(5\sqrt{2}\pi-1)}{5\pi g},\frac{v^2_0(4\sqrt{2}+1)}{4g},-\frac{v^2_0}{4g})"
)


@pytest.mark.slow
def test_a_fresh_checker_decides_sums_of_fractions_in_time() -> None:
    worker = Worker()
    try:
        assert worker.wait_ready()
        assert worker.ask({"key": TRIPLE, "answer": REORDERED}, 10) == {"equal": True}
    finally:
        worker.kill()
