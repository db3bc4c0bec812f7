"""Run the reference solutions and the snippets of our own code seeds in child processes."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

TIME_LIMIT_S = 20.0
LEAST_TESTS = 5
SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)

# Prints, as JSON, the faults of the reference and the number of tests that `return None` passes.
_JUDGE = """
import json, sys
reference, tests, name = json.load(sys.stdin)
def failures(namespace):
    found = []
    for number, test in enumerate(tests):
        try:
            exec(test, namespace)
        except Exception as error:
            found.append([number, type(error).__name__])
    return found
solution = {}
exec(reference, solution)
stub = dict(solution)
stub[name] = lambda *arguments, **keywords: None
json.dump([failures(solution), len(tests) - len(failures(stub))], sys.stdout)
"""


def check_code(row: dict[str, Any]) -> Iterator[str]:
    """Check a row of the domain code: a function, an output to predict or a choice."""
    if row["answer_type"] == "code":
        yield from _check_function(row)
    elif row["answer_type"] == "open":
        yield from _check_unchecked(row)
    else:
        yield from _check_snippet(row)


def _check_function(row: dict[str, Any]) -> Iterator[str]:
    name, tests = row["answer"], row["tests"]
    if f"`{name}" not in row["prompt"]:
        yield f"the prompt does not name `{name}`, expected the function of answer in backquotes"
    if len(tests) < LEAST_TESTS:
        yield f"has {len(tests)} tests, expected at least {LEAST_TESTS}"
    for number, test in enumerate(tests, start=1):
        if not _is_assert_calling(test, name):
            yield f"test {number} is {test!r}, expected one assert that calls {name}"
    output, fault = _run(_JUDGE, json.dumps([row["reference"], tests, name]))
    if fault:
        yield f"the reference cannot be run ({fault}), expected it to pass its tests"
        return
    failures, passed_by_none = json.loads(output)
    for index, error in failures:
        yield f"the reference fails test {index + 1} ({error}), expected it to pass: {tests[index]}"
    if passed_by_none * 2 > len(tests):
        yield f"a function that returns None passes {passed_by_none} of {len(tests)} tests"


def _check_unchecked(row: dict[str, Any]) -> Iterator[str]:
    """Run the solution of a task without tests: it has to define the one function there is."""
    defined = re.findall(r"(?m)^def (\w+)", row["reference"] or "")
    if len(defined) != 1:
        yield f"the reference defines {len(defined)} functions, expected the one that is asked for"
        return
    _, fault = _run(f"{row['reference']}\ncallable({defined[0]})", "")
    if fault:
        yield f"the reference cannot be run ({fault}), expected it to define {defined[0]}"


def _check_snippet(row: dict[str, Any]) -> Iterator[str]:
    """Run the snippet where it prints: what it prints is the answer, or the right option."""
    snippets = SNIPPET.findall(row["prompt"])
    if row["answer_type"] == "choice":
        expected = row["choices"][ord(row["answer"]) - ord("A")]
        snippets = [snippet for snippet in snippets if "print(" in snippet]
    else:
        expected = row["answer"]
        if len(snippets) != 1:
            yield f"has {len(snippets)} ```python blocks, expected one whose output is the answer"
    for snippet in snippets:
        output, fault = _run(snippet, "")
        if fault:
            yield f"the snippet cannot be run ({fault}), expected it to print {expected!r}"
        elif output.strip() != expected:
            yield f"the snippet prints {output.strip()!r}, expected the answer {expected!r}"


def _is_assert_calling(test: str, name: str) -> bool:
    try:
        statements = ast.parse(test).body
    except SyntaxError:
        return False
    return (len(statements) == 1 and isinstance(statements[0], ast.Assert)) and any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        for node in ast.walk(statements[0])
    )


def _run(source: str, text: str) -> tuple[str, str | None]:
    """Return what a child process prints, and the last line of its complaint if it failed."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", source],
            input=text,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return "", f"no end after {TIME_LIMIT_S:g} s"
    if done.returncode != 0:
        return "", (done.stderr.strip().splitlines() or ["no message"])[-1]
    return done.stdout, None
