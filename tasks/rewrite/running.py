"""Running: what a program prints in the sandbox, if it prints the same twice.

print_steadily("print(6 * 7)")  →  "42" | Refusal("unsteady", "two runs print different things")
"""

from dataclasses import dataclass

from tasks.assess.sandbox import run_program, sandbox_works, warn_without_sandbox
from tasks.rewrite.candidate import Parent, Refusal
from tasks.rewrite.snippet import SnippetError, make_program, read_call, tidy_code

MOST_STEPS = 600  # lines run inside functions; nobody follows more on paper
FEWEST_STEPS = 3  # with fewer there is nothing to follow


def has_runnable_code(parent: Parent) -> bool:
    """Say whether a prompt has a solution to show, and there is a sandbox to run it in."""
    try:
        tidy_code(parent.reference or "")
    except SnippetError:
        return False
    if not sandbox_works():
        warn_without_sandbox("rewrites of code are left out")
        return False
    return True


@dataclass(frozen=True, slots=True)
class Called:
    """A parent's solution, one call of it, and what it prints."""

    code: str
    call: str
    printed: str


def call_solution(asked: str, parent: Parent) -> Called | Refusal:
    """Run the call that a rewriter asks for; `bad_call` if it is none of the parent's solution."""
    try:
        code = tidy_code(parent.reference or "")
        call = read_call(asked, code)
    except SnippetError as error:
        return Refusal("bad_call", f"{asked[:100]!r}: {error}")
    printed = print_steadily(make_program(code, call))
    return printed if isinstance(printed, Refusal) else Called(code, call, printed)


def print_steadily(
    program: str, *, fewest_steps: int = FEWEST_STEPS, most_steps: int = MOST_STEPS
) -> str | Refusal:
    """Run a program in two sandboxes, each with hashes of its own; `unsteady` if they differ."""
    if not sandbox_works():
        return Refusal("no_sandbox", "it is decided where bubblewrap (`bwrap`) can be used")
    outputs = []
    for _ in range(2):
        run = run_program(program)
        if not run.passed:
            return Refusal("program_failed", f"{run.reason} {run.detail}".strip())
        if not fewest_steps <= run.steps <= most_steps:
            reason = "easier" if run.steps < fewest_steps else "too_long"
            return Refusal(reason, f"{run.steps} steps, {fewest_steps} to {most_steps} are asked")
        outputs.append(run.printed.removesuffix("\n"))
    if outputs[0] != outputs[1]:
        return Refusal("unsteady", "two runs print different things")
    return outputs[0]
