r"""Find the answer in a response: the last box, else a closing JSON object with an answer in it,
else `<answer>`, else a "final answer" form, else a short last line.

    >>> extract_answer("She earns 9 * 2 = 18.\nFinal answer: \\boxed{18}", "number")
    '18'

A number is never taken from the middle of a chain of thought: a response that states no answer has
none. A change here that changes an answer raises the VERSION of every verifier.
"""

import itertools
import re

import orjson

from tasks.assess.code_blocks import extract_program, find_fenced
from tasks.boxes import find_boxes
from tasks.number_words import SMALL, TENS
from tasks.python_source import UNREADABLE, parse_module

LONGEST_LINE = 120
LONGEST_ANSWER = 2_000
LONGEST_TAIL = 8_000
_BETWEEN_BOXES = re.compile(
    r"(?:[\s,;.$]|\\[()\[\]]|\\q?quad|\\[,;:! ]|\band\b|\bor\b"
    r"|\\(?:text|mbox)\s*\{[^{}]{0,40}\}|[A-Za-z](?:_\{?\d\}?)?\s*=)*"
)
_STATED = re.compile(
    r"(?:\bfinal\s+answer[\s*_#]*\n+\s*|\b(?:final\s+answers?|correct\s+(?:answer|option|choice)"
    r"|(?<!other )(?<!wrong )(?<!incorrect )answers?)\b"
    r"(?:\s+(?:to|for|of)\b[^\n.:]{0,80}?)?[\s*_]*(?:\bis\b|\bare\b|:|=)[\s*_:]*"
    r")(?P<answer>[^\n]+)",
    re.IGNORECASE,
)
_PLAINLY = re.compile(
    r"[\s*_$(\\\[]{0,9}(?:[-+\u2212]?\.?\d|d?frac|sqrt|pi\b"
    r"|(?:(?i:option|choice)\s+)?\(?[A-HJ-Z](?=[\s.,;:)*]|$))"
)
_MARKED = re.compile(r"^[ \t]{0,9}(?:####|A:)[ \t]{0,9}(?P<answer>[^\n]+)", re.MULTILINE)
# The form that Minerva's prompts ask for; boxes before it hold steps.
_FINAL = re.compile(
    r"\bfinal answer is:?\s*(?P<answer>[^\n]{1,200}?)\.?\s*I hope it is correct", re.IGNORECASE
)
_TAGGED = re.compile(r"<answer>\s*(?P<answer>[^<]{1,400}?)\s*</answer>", re.IGNORECASE)
# A display formula written over several lines is read as one.
_FLATTENED = re.compile(r"(\\\[|\$\$)[ \t]{0,9}\n\s{0,9}|\n[ \t]{0,9}(\\\]|\$\$)")
_NUMBER = (
    r"[-+\u2212]?(?:\d{1,3}(?:(?:,|\{,\}|\\,|\\!)\d{3})+|\d+)?(?:\.\d+|(?<=\d))(?:\s*/\s*\d+)?"
)
_LEADING_NUMBER = re.compile(rf"(?:\\?\$)?\s*(?P<number>{_NUMBER})\s*(?:\\?%)?(?=[\s.,;:!?)]|$)")
NUMBER_WORDS = "(?:" + "|".join((*SMALL, *TENS, "half", "a", "an")) + ")"
# `3.14 to two decimal places` is rounded and not a range.
TO = r"to(?!\s+(?:the\s+nearest|\w+\s+(?:decimal|significant|sig|places|digits|figures|d\.?p)))"
_SCALE_AFTER = re.compile(
    r"(?:\s*\\?%|\s+(?:percent|dozen|hundred|thousand|[mb]illion|trillion|and\s+(?:a|one)\s+half"
    r"|halves|thirds|fourths|fifths|(?:six|seven|eigh|nin|ten|hundred|thousand|million)ths"
    r"|squared|cubed|factorial)\b)+",
    re.IGNORECASE,
)
# What a sentence computes before it says what it comes to: `3 + 4 = 7 apples`.
_COMPUTED = re.compile(r"[-+*/\u00d7\u00b7\u00f7(){}$\d.,\s]{1,80}\d[)\s]*=\s*(?=[-$]?\d)")
_MORE_AFTER = re.compile(
    # What goes on with a sign, another number or a second unit is more than its first number.
    rf"\s*[-\u2013:,;]\s*(?:(?:and|or)\s+)?\$?\d|\s+\d|!\s+[a-z]|\s+[xX]\s*\d"
    r"|\s*[+*/^<>\u2264\u2265\u2260\u2248\u00b1\u00d7\u00b7\u00f7\u221a\u03c0]|\s+-\s*[(\\]"
    r"|\s*\\(?!text|mathrm|mbox|quad|qquad|[%,;:! )\]])|\s+[A-Za-z]+,?\s+(?:and\s+)?\d"
    r"|\s+(?:over|divided|multiplied|raised|mod(?:ulo)?|out\s+of|in\s+\d)\b|,?\s+or\b"
    rf"|\s+(?:[A-Za-z]+\s+)?(?:(?:more|less|fewer|greater)\s+than|{TO}|or|and)\s+"
    rf"(?:[$\d]|(?:{NUMBER_WORDS}|more|less|fewer)\b)"
    rf"|\s+(?:{TO}|or|plus|minus|times|(?:more|less|fewer|greater)\s+than|below\s+zero"
    r"|and\s+(?:a|an|one|two|three|half))\b",
    re.IGNORECASE,
)
_WHOLE_NUMBER_LINE = re.compile(
    rf"(?:[A-Za-z]\w{{0,15}}\s*=\s*)?(?:\\?[$€£])?\s*{_NUMBER}"
    r"(?:\s*(?:\\?%|°|[A-Za-z][A-Za-z/²³^0-9]*)(?:\s+[A-Za-z]+){0,2})?"
)
_LATEX_LINE = re.compile(
    r"\$\$?(?P<dollar>[^$]+)\$\$?|\\\((?P<round>.+)\\\)|\\\[(?P<square>.+)\\\]"
)
_PROSE_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_LETTER = r"[A-Za-z]"
_LETTER_FIRST = re.compile(
    rf"(?:option|choice)?\s*(?:\((?P<round>{_LETTER})\)|(?P<plain>[A-Z])(?=[).:,;\s]|$))",
    re.IGNORECASE,
)
# I is a person far more often than the tenth option but one.
_LETTER_TOO = re.compile(
    r"\)?\s*(?:or|and|/|&)\s*(?:(?i:option|choice)\s*)?(?:\([A-Z]\)|[A-HJ-Z])(?=[\s).,:;]|$)"
)
_LETTER_ALONE = re.compile(
    rf"(?:option|choice)?\s*[(\[]?(?P<letter>{_LETTER})[)\]]?[.:]?", re.IGNORECASE
)
_LETTER_WITH_TEXT = re.compile(r"\(?(?P<letter>[A-Z])(?:[).:]|\s*[-\u2013]\s)\s*\S.*", re.DOTALL)
_LETTER_CHOSEN = re.compile(
    r"\b(?i:option|choice)\s*\(?(?P<letter>[A-Z])\)?\s+is\s+(?:the\s+)?(?:correct|right|best|answer)"
    r"|\((?P<round>[A-Z])\)\s+is\s+(?:the\s+)?(?:correct|right|best|answer)"
)
_OPENING = re.compile(r"^[\[{]", re.MULTILINE)
_OPENING_SOMEWHERE = re.compile(r"(?<!\S)[\[{]")
_JSON_STARTS = ("{", "[")
_OBJECT = re.compile(r"\{\s{0,40}\"")
_MOST_OBJECTS = 32
_ANSWER_FIELDS = ("final_answer", "answer", "choice", "option", "result")
_BACKSLASH = re.compile(r"\\([\\\"/])?")
_ESCAPED_BY_CHANCE = re.compile(r"[\b\f\t\r]")
_SCALAR = re.compile(r'"[^"\n]*"|-?\d[\d.eE+-]*|true|false|null')
_SHORT_TEXT = ("text", "date", "quantity")
_FULL_STOP = re.compile(r"(?<=[^.])\.$")
_FORMULA_STOP = re.compile(r"(?<=[^.\\])\.$")
_WRAPPERS = re.compile(r"\\(?:text|textbf|textit|texttt|mathrm|mathbf|mbox|rm|bf)\s*\{([^{}]*)\}")


def extract_answer(
    content: str,
    answer_type: str,
    *,
    finished: bool = True,
    names: frozenset[str] = frozenset(),
) -> str | None:
    """Return the answer that a response states, or None.

    `finished=False` is a response cut off at its token ceiling: only a closed box or a closed code
    block counts there, since anything else may be half an answer. `open` answers are never found.
    `names` are those that the tests of code use.
    """
    if answer_type == "open":
        return None
    _, _, after = content.rpartition("</think>")
    content = after if after.strip() else content
    if not finished and content.rfind("<think>") > content.rfind("</think>"):
        return None  # Cut off while it thought: what it tried there is no answer yet.
    if answer_type == "code":
        return extract_code(content, finished=finished, names=names)
    if answer_type == "json":
        return extract_json(content, finished=finished)
    boxed = extract_boxed(content, finished=finished)
    content = content[-LONGEST_TAIL:]
    if "$$" in content or "\\[" in content or "\\]" in content:
        content = _FLATTENED.sub(r"\1\2", content)
    if boxed:
        if finished and (final := _FINAL.search(content, max(content.rfind("\\boxed"), 0))):
            return _tidy(final["answer"])
        return _tidy_choice(boxed) if answer_type == "choice" else _tidy(boxed)
    if not finished:
        return None
    if said := _find_field(content):
        return _tidy_choice(said) if answer_type == "choice" else _tidy(said)
    if tagged := list(_TAGGED.finditer(content)):
        said = tagged[-1]["answer"]
        return _tidy_choice(said) if answer_type == "choice" else _tidy(said)
    if answer_type == "choice":
        return _find_choice(content)
    return _find_stated(content, answer_type) or _read_last_line(content, answer_type)


def extract_boxed(content: str, *, finished: bool = True) -> str | None:
    r"""Return what the last balanced \boxed{} holds; those right beside it are joined by `, `.

    A `\boxed 12` that ends a response cut off may be the half of a number.
    """
    joined: list[str] = []
    left = len(content)
    for start, end, text, braced in reversed(find_boxes(content)):
        if end > left or not (braced or finished or end < len(content)):
            continue
        if joined and not _BETWEEN_BOXES.fullmatch(content, end, left):
            break
        joined.insert(0, text)
        left = start
    return ", ".join(dict.fromkeys(filter(None, joined))) or None


def extract_code(
    content: str, *, finished: bool = True, names: frozenset[str] = frozenset()
) -> str | None:
    """Return the program that a response's code blocks hold, else the whole if it is a program."""
    if program := extract_program(content, names, finished=finished):
        return program
    return content if finished and _is_program(content) else None


def extract_json(content: str, *, finished: bool = True) -> str | None:
    """Return the last closed block that is JSON's or nobody's, else a box, else all or the end.

    The end is the first object or array that goes to the end, else what begins with the last line
    that opens one. Whether it is JSON is for the verifier to say.
    """
    blocks = [
        body
        for language, body, closed in find_fenced(content)
        if closed and language in ("json", "")
    ]
    if blocks:
        return blocks[-1].strip() or None
    if boxed := extract_boxed(content):
        return boxed
    if not finished:
        return None
    bare = content.strip()
    if bare[:1] in _JSON_STARTS or _SCALAR.fullmatch(bare):
        return bare
    for opening in itertools.islice(_OPENING_SOMEWHERE.finditer(bare), _MOST_OBJECTS):
        if _is_json(bare[opening.start() :]):
            return bare[opening.start() :]
    openings = [match for match in _OPENING.finditer(bare)]
    return bare[openings[-1].start() :] if openings else None


def measure_depth(text: str) -> int:
    """Return how deeply a text's brackets are nested, whatever their kinds."""
    depth = deepest = 0
    for character in text:
        if character in "{([":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "})]":
            depth -= 1
    return deepest


def strip_wrappers(text: str) -> str:
    r"""Take \text{}, \mathrm{} and the like off, at most three deep."""
    for _ in range(3):
        text, changed = _WRAPPERS.subn(r"\1", text)
        if not changed:
            break
    return text


def _find_field(content: str) -> str | None:
    r"""Return the answer of a JSON object that ends the response, bare or in a code block.

    In JSON models write `"\frac12"` as often as `"\\frac12"`, and the former is a form feed.
    """
    text = content.rstrip().removesuffix("```").rstrip()
    if not text.endswith("}"):
        return None
    for opening in itertools.islice(_OBJECT.finditer(text), _MOST_OBJECTS):
        for spelling in (text[opening.start() :], _double_backslashes(text[opening.start() :])):
            said = _read_field(spelling)
            if said is not None and not _ESCAPED_BY_CHANCE.search(said):
                return extract_boxed(said) or said.strip() or None
    return None


def _double_backslashes(text: str) -> str:
    return _BACKSLASH.sub(lambda match: match[0] if match[1] else "\\\\", text)


def _read_field(text: str) -> str | None:
    """Return the field of an object that is named as answers are; None if there is none."""
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    named = {str(name).strip().lower().replace(" ", "_"): value for name, value in read.items()}
    for name in _ANSWER_FIELDS:
        value = named.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value)
    return None


def _find_statements(content: str) -> list[re.Match[str]]:
    """Return where an answer is announced, the last first; the costly pattern only where it can."""
    found: list[re.Match[str]] = []
    lowered = content.lower()
    if "answer" in lowered or "correct" in lowered:
        position = 0
        while match := _STATED.search(content, position):
            # "The answer is 5. Wait, the answer is 6." states another, "The answer is clear." none.
            before = content[position : match.start("answer")]
            if not found or "\n" in before or _PLAINLY.match(match["answer"]):
                found.append(match)
            position = match.start("answer") + len(_cut_sentence(match["answer"]))
    if "####" in content or "A:" in content:
        found = sorted([*found, *_MARKED.finditer(content)], key=re.Match.end)
    return found[::-1]


def _find_stated(content: str, answer_type: str) -> str | None:
    """Return what follows the last "the answer is", if it looks like an answer, not like prose."""
    for match in _find_statements(content):
        stated = _tidy(_cut_sentence(match["answer"]))
        if not stated:
            continue
        if answer_type == "number" and len(_PROSE_WORD.findall(stated)) > 3:
            stated = _COMPUTED.sub("", stated, 1)
        if answer_type == "number" and (number := _LEADING_NUMBER.match(stated)):
            if len(_PROSE_WORD.findall(stated[number.end() :])) <= 3:
                return stated
            return _cut_number(stated, number.end())
        if answer_type in _SHORT_TEXT and len(stated) <= LONGEST_LINE:
            return stated
        if len(stated) <= LONGEST_ANSWER and len(_PROSE_WORD.findall(stated)) <= 4:
            return stated
    return None


def _cut_number(stated: str, end: int) -> str | None:
    """Return the number that a sentence begins with, and the words behind it that belong to it.

    None where they make it another number than is said: `3 to 4 days`, `10 more than 5`.
    """
    scale = _SCALE_AFTER.match(stated, end)
    if scale:
        end = scale.end()
    if _MORE_AFTER.match(stated, end):
        return None
    return stated[:end].strip(" .,;:")


def _read_last_line(content: str, answer_type: str) -> str | None:
    line = content.rstrip().rsplit("\n", 1)[-1].strip()
    if not line or len(line) > LONGEST_LINE:
        return None
    line = _tidy(line)
    if answer_type in _SHORT_TEXT:
        return line if len(line.split()) <= 6 else None
    if _WHOLE_NUMBER_LINE.fullmatch(line):
        return line
    if answer_type == "expression" and line and not _PROSE_WORD.search(strip_wrappers(line)):
        return line
    return None


def _find_choice(content: str) -> str | None:
    """Return the letter a response states, or the text of an option if it states that."""
    for match in _find_statements(content):
        stated = strip_wrappers(_tidy(match["answer"]))
        if letter := _LETTER_FIRST.match(stated):
            found = letter["round"] or letter["plain"]
            if _LETTER_TOO.match(stated, letter.end()):
                return _tidy(_cut_sentence(stated))
            # "the answer is a matter of …": a lower-case letter counts only in brackets or alone.
            if letter["round"] or found.isupper() or _LETTER_ALONE.fullmatch(stated):
                return str(found.upper())
        elif 0 < len(stated) <= LONGEST_LINE:
            return _tidy(_cut_sentence(stated))
    if chosen := list(_LETTER_CHOSEN.finditer(content)):
        return str(chosen[-1]["letter"] or chosen[-1]["round"])
    line = strip_wrappers(_tidy(content.rstrip().rsplit("\n", 1)[-1].strip()))
    if _LETTER_ALONE.fullmatch(line) or (
        len(line) <= LONGEST_LINE and _LETTER_WITH_TEXT.fullmatch(line)
    ):
        return _tidy_choice(line)
    return None


def _tidy_choice(text: str) -> str:
    plain = strip_wrappers(_tidy(text)).strip()
    match = _LETTER_ALONE.fullmatch(plain) or _LETTER_WITH_TEXT.fullmatch(plain)
    return match["letter"].upper() if match else plain


def _cut_sentence(text: str) -> str:
    """Cut at the end of a sentence; a full stop inside a number or a formula is none."""
    return re.split(r"(?<=[^\s.])\.\s+(?=[A-Z])|\.?\s+I hope it is correct", text, maxsplit=1)[0]


def _tidy(text: str) -> str:
    """Take off markdown emphasis, mathematics delimiters and the final full stop."""
    text = _FULL_STOP.sub("", text.strip().strip("*_`").strip()).strip().strip("*`").strip()
    if (latex := _LATEX_LINE.fullmatch(text)) is not None:
        inner = latex["dollar"] or latex["round"] or latex["square"]
        if "\\)" not in inner and "\\]" not in inner:
            text = inner.strip()
    return _FORMULA_STOP.sub("", text).strip() if text.endswith(".") else text


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _is_program(text: str) -> bool:
    if len(text) > 50_000 or not ("def " in text or "print(" in text):
        return False
    try:
        parse_module(text)
    except UNREADABLE:
        return False
    return True
