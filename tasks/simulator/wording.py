r"""How problems are worded: options after the question, the same asked openly, an answer leaked.

"Which of the following is the unit of force?\n\nA. newton\nB. joule"
->  "What is the unit of force? Give only the final result."
"""

import re

OPEN_TAILS = (
    "Give only the final result.",
    "State your answer in its simplest form.",
    "Answer with a short phrase or value.",
    "Write the answer itself, not a letter.",
    "Give the exact answer.",
    "Answer in as few words as possible.",
    "What is the correct answer?",
    "Work it out and state the result.",
)
LEAKS = (" (Hint: the answer is {answer}.)", " Show that the result is {answer}.")
# A further step: what is asked, and the program of it, r being the result of the question before.
STEPS = (
    ("Take {a} times this result and add {b}. What is the final number?", "{a} * ({r}) + {b}"),
    (
        "Add {b} to this result and multiply by {a}. What is the final number?",
        "(({r}) + {b}) * {a}",
    ),
)
STEP = re.compile(
    r" (?:Take (\d+) times this result and add (\d+)"
    r"|Add (\d+) to this result and multiply by (\d+))\. What is the final number\?$"
)
LEAK = re.compile(r" (?:\(Hint: the answer is (.+)\.\)|Show that the result is (.+)\.)$")
_OPTION = re.compile(r"^\s*\(?([A-Z])[.)]\s+(\S.*)$")
_WHICH = re.compile(
    r"\b([Ww])hich (?:one )?of (?:the following|these)(?: [a-z]+)? (is|are|was|were)\b"
)


def split_options(text: str) -> tuple[str, tuple[str, ...]]:
    """Split a prompt into the question and its options ("A. first", "B. second" … at the end)."""
    if "\n" not in text:
        return text, ()
    lines = text.split("\n")
    starts = [place for place, line in enumerate(lines) if _letter(line) == "A"]
    if not starts or starts[-1] == 0:
        return text, ()
    options: list[str] = []
    for line in lines[starts[-1] :]:
        found = _OPTION.match(line)
        if found and found[1] == chr(ord("A") + len(options)):
            options.append(found[2].strip())
        else:
            options[-1] = f"{options[-1]}\n{line}".strip()
    if len(options) < 2:
        return text, ()
    return "\n".join(lines[: starts[-1]]).rstrip(), tuple(options)


def open_form(stem: str) -> str:
    """Ask a choice question without its options: "Which of the following is" → "What is"."""
    return _WHICH.sub(lambda found: ("W" if found[1] == "W" else "w") + f"hat {found[2]}", stem)


def _letter(line: str) -> str | None:
    found = _OPTION.match(line)
    return found[1] if found else None
