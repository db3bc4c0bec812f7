"""Python source as a tree, whoever reads at the same time."""

import ast
import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.python_source import UNREADABLE, parse_expression, parse_module

DEEP = "(" * 30 + "1" + " + 1)" * 30


class _Garbage:
    """Lets another thread go on when it is collected, in the middle of building a tree."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        time.sleep(0)


@pytest.fixture
def frequent_collections() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(50)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("frequent_collections")
def test_threads_that_read_at_once_do_not_count_each_others_depth() -> None:
    """Unlocked, ast.parse ends here with a SystemError on CPython 3.11.7."""

    def read(number: int) -> str:
        _Garbage()
        return ast.unparse(parse_expression(DEEP if number % 2 else "1 + 2 * 3"))

    with ThreadPoolExecutor(8) as threads:
        read_back = list(threads.map(read, range(1_000)))
    assert set(read_back[::2]) == {"1 + 2 * 3"}


@pytest.mark.parametrize("source", ["1 +", "(" * 1_000, "x = \x00"])
def test_what_is_no_python_is_told_by_one_set_of_errors(source: str) -> None:
    for parse in (parse_expression, parse_module):
        with pytest.raises(UNREADABLE):
            parse(source)


FORKED = """
import os, sys, threading
from tasks import python_source

held = threading.Event()
def hold():
    with python_source._ONE_AT_A_TIME:
        held.set()
        threading.Event().wait(0.2)

threading.Thread(target=hold).start()
held.wait()
child = os.fork()
python_source.parse_module("x = 1")
if child:
    sys.exit(os.waitpid(child, 0)[1])
os._exit(0)
"""


def test_a_process_that_is_forked_while_a_thread_reads_can_read() -> None:
    assert subprocess.run([sys.executable, "-c", FORKED], timeout=60).returncode == 0
