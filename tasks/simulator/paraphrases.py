"""The same question in other words, by substitutions that leave its answer as it is.

    "How many kilometres does a train travel in 3 hours?"
    -> "What number of kilometres does a train cover in 3 hours?"

Also questions that only look the same: a datum left out, another number, the opposite asked for.
"""

import re
from collections.abc import Mapping
from random import Random

_FEWEST = 2  # substitutions, and one for every so many words; with fewer it would be a copy
_WORDS_A_CHANGE = 9
_VARIANTS = 4
# Openings of a question; the first that fits is used.
_OPENINGS = (
    (r"\bIn how many (ways|orders)\b", r"In what number of \1"),
    (r"\bHow many (?!of\b)(?=[a-z])", "What number of "),
    (r"\bhow many (?!of\b)(?=[a-z])", "what number of "),
    (r"\bHow far does\b", "What distance does"),
    (r"\bHow much (?=[a-z]+ )", "What amount of "),
    (r"(?<![\w,] )\bWhat is ((?:the|its|\d)[^?]*)\?", r"Find \1."),
    (r"(?<=, )what is ((?:the|its|\d)[^?]*)\?", r"find \1."),
    (r"\bWhich (?=(?:chemical|gas|nitrogenous|element|metal|planet|organ|layer|name)\b)", "What "),
    (r"\bWhat is the name of\b", "What is the correct name for"),
    (r"^Compute\b", "Calculate"),
    (r"^Solve\b", "Find the solution of"),
    (r"^Find all\b", "Determine all"),
    (r"^What\b", "Say what"),
)
# Ordinary words and what may stand for them, a variant after the other.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "fills": ("loads", "packs"), "holds": ("contains",), "contains": ("holds",),
    "buys": ("purchases", "gets"), "sells": ("parts with",), "costs": ("is sold for",),
    "starts": ("begins",), "begins": ("starts",), "start": ("begin",),
    "is drawn": ("is taken", "is picked"), "are drawn": ("are taken", "are picked"),
    "dice are thrown": ("dice are rolled",), "tossed": ("flipped",), "are also": ("are too",),
    "chosen": ("picked", "selected"), "whole numbers": ("integers",), "whole number": ("integer",),
    "whole number of": ("whole amount of",),
    "the sum of": ("the total of",), "reach": ("arrive at",),
    "rises by": ("goes up by",), "falls by": ("goes down by",), "grows": ("increases",),
    "children": ("kids", "young people"), "people": ("persons",), "travels": ("moves", "goes"),
    "rides": ("cycles",), "drives": ("goes by car",), "moves": ("travels",),
    "travel": ("cover", "go"), "is lifted": ("is raised",),
    "placed": ("put",), "put": ("placed",), "mixed": ("combined",), "connected": ("joined",),
    "steady": ("constant",), "constant": ("steady",), "student": ("pupil",),
    "pupil": ("student",), "needed": ("required",), "required": ("needed",), "gets": ("receives",),
    "get back": ("receive back",), "altogether": ("in total", "overall"),
    "in total": ("altogether", "overall"), "consists of": ("is made up of",),
    "called": ("known as",), "kind": ("type", "sort"), "type": ("kind",), "main": ("chief",),
    "with sides of": ("whose sides measure",), "with a base of": ("whose base is",),
    "has sides of": ("has sides that measure",), "has a mass of": ("has the mass",),
    "with a mass of": ("whose mass is",),
    "find the": ("determine the",), "is heated": ("is warmed",),
    "is divided by": ("gets divided by",),
    "made": ("produced",), "made up to": ("filled up to",), "is made": ("is produced",),
    "when": ("if", "whenever"), "if": ("when",), "produces": ("gives",), "gives": ("yields",),
    "flows": ("runs",), "enters": ("comes into",), "wants to": ("would like to",),
    "large": ("big",), "road": ("street",), "house": ("building",), "shop": ("store",),
    "there are": ("one finds",), "are there": ("exist",), "in reality": ("in the real world",),
    "the value of": ("the result of",), "formed": ("made",),
    "exact value": ("precise value",), "possible": ("conceivable",), "meets": ("runs into",),
    "through": ("by way of",),
    "given by": ("described by",), "far away": ("distant",),
    "does it take": ("does it need",), "contain": ("include",), "is used": ("is employed",),
    "found in": ("present in",), "measures": ("reads off",), "released": ("let go",),
    "shows": ("displays",), "weighs": ("has a weight of",),
}  # fmt: skip
# The same for a coding task, which is mostly rules: its opening is turned round, the verb in the
# third person or without its ending.
_CODE_OPENING = re.compile(r"^Write a Python function (`[^`]+`) that ([a-z]+)s\b")
_CODE_OPENINGS = (
    r"Please write \1 in Python. It should \2",
    r"I need a Python function \1. It has to \2",
    r"How would you write \1 in Python? The function \2s",
    r"Define \1 in Python. A call of it \2s",
)
_CODE_WORDS: Mapping[str, tuple[str, ...]] = {
    "Return": ("Give", "Give back"), "return": ("give", "give back"),
    "returns": ("gives", "gives back"),
    "and returns": ("and give", "and give", "and gives", "and gives back"),
    "tells whether": ("says whether", "decides whether"),
    "whether": ("if",), "tell whether": ("say whether", "decide whether"),
    "text": ("string",), "texts": ("strings",), "string": ("text",),
    "a whole number": ("an integer",), "whole number": ("integer",), "whole numbers": ("integers",),
    "the least number of": ("the smallest number of",),
    "the smallest number of": ("the least number of",),
    "contains": ("includes",), "consist of": ("are made up of",),
    "occurs": ("appears",), "occur": ("appear",),
    "as a list of": ("in the form of a list of",), "given as": ("passed in as",),
    "The given": ("The",), "is given": ("is passed in",),
    "elements": ("entries",), "element": ("entry",),
    "Ignore": ("Disregard",), "are ignored": ("do not count", "play no part"),
    "is ignored": ("does not count", "plays no part"),
    "must not be changed": ("may not be altered", "is not to be modified"),
    "It must": ("It has to",),
    "if there is none": ("when there is none",), "if": ("when",),
    "ascending": ("increasing",), "consecutive": ("adjacent",),
    "at most once": ("no more than once",), "at most": ("no more than",),
    "at least": ("no fewer than",),
    "at least as often as": ("at least as many times as",),
    "where": ("in which",), "in which": ("where",),
    "so that": ("such that",), "the order of": ("the ordering of",),
    "different": ("distinct",), "largest": ("greatest",), "greatest": ("largest",),
    "smaller than": ("less than",), "larger than": ("greater than",),
    "for each": ("for every",), "for every": ("for each",), "of every": ("of each",),
    "may be": ("can be",), "may exceed": ("can exceed",), "may repeat": ("can repeat",),
    "may stand": ("can stand",), "a pair of": ("a tuple of",),
    "stay as they are": ("remain unchanged",), "as often as": ("as many times as",),
    "how often": ("how many times",), "sorted by": ("ordered by",), "begins with": ("starts with",),
    "in order": ("from first to last",), "For other": ("For all other",),
    "in alphabetical order": ("alphabetically",), "taken from": ("drawn from",),
    "gives": ("results in",), "of several the leftmost": ("the leftmost if there are several",),
}  # fmt: skip
_CODE_WORD = re.compile(r"\b(?:" + "|".join(sorted(_CODE_WORDS, key=len, reverse=True)) + r")\b")
_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"")
_WORD = re.compile(
    r"\b(?:" + "|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True)) + r")\b"
)
_KEPT = re.compile(r"\$[^$]*\$|```.*?```|\"[^\"]*\"", re.DOTALL)
_FORM = re.compile(r"(?:^|(?<=[.?!] ))(?:Give|Answer|Write|State|Express|Round)\b.*$", re.DOTALL)
_OPPOSITES = (
    ("largest", "smallest"), ("smallest", "largest"), ("greatest", "least"), ("more", "fewer"),
    ("at least", "at most"), ("at most", "at least"), ("sum", "product"), ("total", "average"),
    ("sells", "buys"), ("left", "used up"), ("different", "equal"), ("second", "third"),
    ("longest", "shortest"), ("diameter", "radius"), ("radius", "diameter"), ("area", "perimeter"),
    ("first", "last"), ("before", "after"), ("rises", "falls"), ("falls", "rises"),
)  # fmt: skip
_SENTENCE = re.compile(r"(?<=[.?!])\s+")
_NUMBER = re.compile(r"(?<![\w.,^{])\d+(?![\w.,^}]*\d)")


def paraphrase(text: str, variant: int) -> str | None:
    """Return another wording; None if too few words are known, or none is left for this variant."""
    if variant >= _VARIANTS:
        return None
    head, form = _split_form(text)
    parts, changed = [], 0
    for place, part in enumerate(_split_kept(head)):
        if place % 2:
            parts.append(part)
            continue
        worded, count = _reword(part, variant)
        parts.append(worded)
        changed += count
    for pattern, instead in _OPENINGS:
        opened = re.sub(pattern, instead, "".join(parts), count=1)
        if opened != "".join(parts):
            parts, changed = [opened], changed + 1
            break
    worded = "".join(parts) + form
    return worded if changed >= max(_FEWEST, len(text.split()) // _WORDS_A_CHANGE) else None


def describe_task(text: str, variant: int) -> str | None:
    """Return a coding task in other words; None if it does not begin as ours do."""
    if variant >= len(_CODE_OPENINGS) or not _CODE_OPENING.search(text):
        return None
    opened = _CODE_OPENING.sub(_CODE_OPENINGS[variant], text, count=1)
    parts, end, changed = [], 0, 1

    def instead(found: re.Match[str]) -> str:
        others = _CODE_WORDS[found.group()]
        return others[variant % len(others)]

    for kept in (*_QUOTED.finditer(opened), None):
        worded, count = _CODE_WORD.subn(instead, opened[end : kept.start() if kept else None])
        parts += [worded, kept.group() if kept else ""]
        end, changed = kept.end() if kept else end, changed + count
    return "".join(parts) if changed >= len(text.split()) // _WORDS_A_CHANGE else None


def wordings(text: str) -> list[str]:
    """Return every paraphrase that a rewriter may make of a text."""
    made = [
        make(text, variant) for make in (paraphrase, describe_task) for variant in range(_VARIANTS)
    ]
    return [wording for wording in made if wording is not None]


def alter(wording: str, chance: Random) -> str:
    """Return a wording that asks something else: less is given, other numbers or the opposite."""
    options = [_drop_datum(wording), _change_number(wording, chance), _ask_opposite(wording)]
    fitting = [option for option in options if option is not None and option != wording]
    return chance.choice(fitting) if fitting else f"{wording} Consider a half of it only."


def _split_form(text: str) -> tuple[str, str]:
    """Split off the sentence that says in which form to answer; the text may be nothing else."""
    found = _FORM.search(text)
    return (text[: found.start()], found.group()) if found and found.start() else (text, "")


def _split_kept(text: str) -> list[str]:
    """Return what may be reworded and what may not, in turns."""
    parts, end = [], 0
    for found in _KEPT.finditer(text):
        parts += [text[end : found.start()], found.group()]
        end = found.end()
    return [*parts, text[end:]]


def _reword(text: str, variant: int) -> tuple[str, int]:
    def instead(found: re.Match[str]) -> str:
        others = _WORDS[found.group()]
        return others[variant % len(others)]

    return _WORD.subn(instead, text)


def _drop_datum(text: str) -> str | None:
    """Leave out a sentence that gives a number, or a number itself."""
    sentences = _SENTENCE.split(text)
    given = [place for place, one in enumerate(sentences[:-1]) if _NUMBER.search(one)]
    if given and len(sentences) > 1:
        return " ".join(sentences[: given[0]] + sentences[given[0] + 1 :])
    return _NUMBER.sub("some", text, count=1) if _NUMBER.search(text) else None


def _change_number(text: str, chance: Random) -> str | None:
    places = list(_NUMBER.finditer(text))
    if not places:
        return None
    found = chance.choice(places)
    return f"{text[: found.start()]}{int(found.group()) + 1}{text[found.end() :]}"


def _ask_opposite(text: str) -> str | None:
    for word, opposite in _OPPOSITES:
        changed = re.sub(rf"\b{word}\b", opposite, text, count=1)
        if changed != text:
            return changed
    return None
