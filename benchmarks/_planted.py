"""Sound rewrites of the bundled seeds, and the same with one fault each, for benchmarks.rewrites.

    sound   "A baker fills 14 trays with 8 rolls each and sells 31 rolls. How many rolls are left?"
    planted Planted(kind="missing datum", reply={"problem": "A baker fills some trays with …"}, …)

`answers` is what a solver who knows the truth says to it: the key, another answer, one of several,
or none at all.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import orjson

from tasks.recipe import ModelSettings
from tasks.rewrite.candidate import Candidate, Parent
from tasks.rewrite.program import ProgramError, evaluate, steps_of
from tasks.rewrite.routes import route_of
from tasks.rewrite.strategies import STRATEGIES, FollowedUp, InParts
from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.items import read_item
from tasks.simulator.models import ROSTER
from tasks.simulator.new_numbers import put_numbers
from tasks.simulator.programs import find_numbers
from tasks.simulator.structured import write_rewrite

SEEDS = Path(__file__).resolve().parents[1] / "seeds"
KINDS = (
    "answer leaked", "two answers", "empty solution set", "missing datum", "options left",
    "wrong key", "near-copy", "easier", "still open",
)  # fmt: skip
_VARIANTS = 3
_NUMBER = re.compile(r"(?<![\w.,^{])\d[\d,]*(?:\.\d+)?(?![\w.,^}]*\d)")

Reply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sound:
    """A rewrite that is right, as the rewriter would reply with it."""

    strategy: str
    parent: Parent
    reply: Reply
    answer: str


@dataclass(frozen=True, slots=True)
class Planted:
    """A rewrite with one fault. `answers`: what is true of it; none if nothing is."""

    kind: str
    way: str
    strategy: str
    parent: Parent
    reply: Reply
    answers: tuple[str, ...]


def load_seeds() -> tuple[list[Parent], AnswerKey]:
    """Return the bundled seeds as parents, and the simulator's knowledge of them."""
    rows = [
        orjson.loads(line)
        for file in sorted(SEEDS.glob("*.jsonl"))
        for line in file.read_bytes().splitlines()
    ]
    parents = [
        Parent(
            prompt_id=row["id"],
            root_id=row["id"],
            domain=row["domain"],
            text=row["prompt"],
            choices=tuple(row["choices"] or ()),
            answer=row["answer"],
            answer_type=row["answer_type"],
            program=row["program"],
            reference=row["reference"],
            tests=tuple(row["tests"] or ()),
        )
        for row in rows
    ]
    return parents, AnswerKey([read_item(row) for row in rows])


def make_sound(parents: Sequence[Parent], key: AnswerKey, wanted: int) -> list[Sound]:
    """Have a rewriter that makes no mistake rewrite the seeds, evenly over the strategies.

    What it cannot do it declines; nothing is chosen by whether the gates like it.
    """
    by_strategy = {name: list(_rewrites_of(name, parents, key)) for name in STRATEGIES}
    found: list[Sound] = []
    rounds = zip(*(_padded(made, wanted) for made in by_strategy.values()), strict=True)
    for each in rounds:
        found += [made for made in each if made is not None]
    return found[:wanted]


def plant(sound: Sound, kind: str, chance: Random) -> Planted | None:
    """Plant one fault of a kind; None if the strategy leaves no room for it."""
    ways = [way for way in _WAYS[kind] if way.__name__ in _POSSIBLE[sound.strategy]]
    chance.shuffle(ways)
    for way in ways:
        changed = way(sound, chance)
        if changed is not None:
            reply, answers = changed
            name = way.__name__.strip("_")
            return Planted(kind, name, sound.strategy, sound.parent, reply, answers)
    return None


def _rewrites_of(name: str, parents: Sequence[Parent], key: AnswerKey) -> Iterator[Sound]:
    strategy = STRATEGIES[name]
    model = replace(
        ROSTER["sim-rewriter"], wrong_key=0.0, leaked=0.0, unchanged=0.0, malformed_json=0.0
    )
    fitting = [
        parent
        for parent in parents
        if route_of(parent) in strategy.ROUTES and strategy.applies(parent)
    ]
    Random(name).shuffle(fitting)
    for variant in range(_VARIANTS):
        for parent in fitting:
            if isinstance(strategy, InParts) and variant >= strategy.parts(parent):
                continue
            (_, asked) = strategy.messages(parent, variant, ModelSettings(model="m"))[-1]
            if isinstance(strategy, FollowedUp):  # A draft may be faulty; the last word is meant.
                asked = orjson.dumps({**orjson.loads(asked), "round": strategy.ROUNDS}).decode()
            reply = orjson.loads(write_rewrite(0, model, key, orjson.loads(asked), "sound"))
            candidate = strategy.read(reply, parent) if reply["valid"] else None
            if not isinstance(candidate, Candidate):
                continue
            question = key.find(candidate.text)
            if question.item is not None:
                solution = question.item.reference or parent.reference or ""
                is_code = candidate.answer_type == "code"
                yield Sound(name, parent, reply, solution if is_code else question.answer)


def _padded(made: list[Sound], wanted: int) -> list[Sound | None]:
    return [*made[:wanted], *[None] * (wanted - len(made))]


Change = tuple[Reply, tuple[str, ...]] | None


def _said(sound: Sound, text: str, answers: tuple[str, ...]) -> Change:
    return {**sound.reply, "problem": text}, answers


def _text(sound: Sound) -> str:
    return str(sound.reply["problem"])


def _tell_answer(sound: Sound, chance: Random) -> Change:
    told = chance.choice(
        (
            " (Hint: the answer is {}.)", " Show that the result is {}.",
            " The result, {}, is known.", " Check that you get {}.", " Explain why it is {}.",
        )
    )  # fmt: skip
    return _said(sound, _text(sound) + told.format(sound.answer), (sound.answer,))


def _tell_answer_first(sound: Sound, chance: Random) -> Change:
    return _said(sound, f"It comes to {sound.answer}. {_text(sound)}", (sound.answer,))


def _call_with_output(sound: Sound, chance: Random) -> Change:
    name = str(sound.reply["call"]).partition("(")[0]
    argument = sound.answer if _is_literal(sound.answer) else repr(sound.answer)
    return {**sound.reply, "call": f"{name}({argument})"}, (sound.answer,)


def _ask_any(sound: Sound, chance: Random) -> Change:
    text = _text(sound)
    for old, new in (
        (r"\b(?:What|Which) is (?:the|its)\b", "Name a possible"),
        (r"\bFind the\b", "Find a possible"),
        (r"\b(?:How many|What number of) (\w+)\b", r"Name one possible number of \1 for which"),
        (r"\b(?:What|Which) (\w+)\b", r"Name one \1 for which"),
    ):
        changed = re.sub(old, new, text, count=1)
        if changed != text:
            return _said(sound, changed, (sound.answer, "another", "a third"))
    return None


def _ask_roughly(sound: Sound, chance: Random) -> Change:
    added = chance.choice((" Roughly will do.", " Any answer that might be right counts."))
    return _said(sound, _text(sound) + added, (sound.answer, "another"))


def _drop_condition(sound: Sound, chance: Random) -> Change:
    """Leave out the word that makes the answer the only one."""
    words = r"\b(?:largest|smallest|greatest|least|positive|different|exactly|first|only|whole) "
    for word in re.findall(words, sound.parent.text):
        changed = _text(sound).replace(word, "", 1)
        if changed != _text(sound):
            return _said(sound, changed, (sound.answer, "another"))
    return None


def _contradict(sound: Sound, chance: Random) -> Change:
    added = chance.choice(
        (
            " It is known that no such case exists.",
            " The result must be both even and odd.",
            " The result is less than the smallest of its parts and more than all of them.",
            " It must not be any of the values that are possible.",
        )
    )
    return _said(sound, _text(sound) + added, ())


def _take_too_much(sound: Sound, chance: Random) -> Change:
    """Raise one number until nothing is left; whoever computes it agrees with the program."""
    program, numbers = sound.reply.get("program"), find_numbers(_text(sound))
    if program is None or sound.parent.program is None:
        return None
    for place in range(len(numbers)):
        values = list(numbers)
        values[place] = numbers[place] * 1000 + 7
        named = {f"n{index}": value for index, value in enumerate(values)}
        try:
            result = evaluate(sound.parent.program, named)
        except ProgramError:
            continue
        if result < 0:
            if any(value.denominator != 1 for value in values):
                return None
            return _with_numbers(sound, values, str(result))
    return None


def _call_that_raises(sound: Sound, chance: Random) -> Change:
    name = str(sound.reply["call"]).partition("(")[0]
    return {**sound.reply, "call": f"{name}({', '.join(['None'] * 9)})"}, ()


def _blur_number(sound: Sound, chance: Random) -> Change:
    changed = _NUMBER.sub(chance.choice(("some", "several", "a few")), _text(sound), count=1)
    return _said(sound, changed, ()) if changed != _text(sound) else None


def _drop_sentence(sound: Sound, chance: Random) -> Change:
    sentences = re.split(r"(?<=[.?!])\s+", _text(sound))
    given = [place for place, one in enumerate(sentences[:-1]) if re.search(r"\d", one)]
    if not given or "```" in _text(sound):
        return None
    place = chance.choice(given)
    return _said(sound, " ".join(sentences[:place] + sentences[place + 1 :]), ())


def _refer_to_figure(sound: Sound, chance: Random) -> Change:
    """Point to what is not there instead of giving a number."""
    places = list(_NUMBER.finditer(_text(sound)))
    if not places:
        return None
    found = chance.choice(places)
    text = f"{_text(sound)[: found.start()]}the number shown{_text(sound)[found.end() :]}"
    return _said(sound, text, ())


def _list_options(sound: Sound, chance: Random) -> Change:
    options = list(sound.parent.choices) or [sound.answer, f"{sound.answer}0", "none of these"]
    listed = chance.choice(
        (
            "\n\n" + "\n".join(f"{chr(65 + n)}. {option}" for n, option in enumerate(options)),
            " (" + " ".join(f"({chr(65 + n)}) {option}" for n, option in enumerate(options)) + ")",
        )
    )
    return _said(sound, _text(sound) + listed, (sound.answer,))


def _talk_of_options(sound: Sound, chance: Random) -> Change:
    said = (" Choose the right option.", " Which of the following is it?", " Pick one of these.")
    return _said(sound, _text(sound) + chance.choice(said), (sound.answer,))


def _answer_otherwise(sound: Sound, chance: Random) -> Change:
    reply = dict(sound.reply)
    if sound.parent.choices:
        others = [one for one in sound.parent.choices if one != sound.parent.right_option]
        reply["answer"] = chance.choice(others)
    elif re.fullmatch(r"-?[\d./]+", sound.answer):
        reply["answer"] = str(Fraction(sound.reply["answer"]) + chance.choice((1, 2, 10)))
    else:
        reply["answer"] = f"no {sound.answer}"
    return reply, (sound.answer,)


def _compute_otherwise(sound: Sound, chance: Random) -> Change:
    """Exchange an operator of the program and answer what it then gives."""
    program = str(sound.reply["program"])
    places = list(re.finditer(r"(?<=[\w)] )[-+*/](?= [\w(])", program))
    chance.shuffle(places)
    for found in places:
        other = {"+": "-", "-": "+", "*": "+", "/": "*"}[found.group()]
        changed = f"{program[: found.start()]}{other}{program[found.end() :]}"
        try:
            value = evaluate(changed)
        except ProgramError:
            continue
        if str(value) != sound.answer:
            return {**sound.reply, "program": changed, "answer": str(value)}, (sound.answer,)
    return None


def _ask_something_else(sound: Sound, chance: Random) -> Change:
    """Change what is asked for by words alone; the parent's answer is the key as before."""
    text = _text(sound)
    swaps = [
        ("sum", "product"), ("total", "difference"), ("left", "sold"), ("area", "perimeter"),
        ("probability that", "probability, in percent, that"), ("in metres", "in centimetres"),
        ("radius", "diameter"), ("largest", "smallest"), ("smallest", "largest"),
        ("get back", "pay"), ("remainder", "quotient"), ("name", "opposite"), ("hours", "minutes"),
        ("What number of", "What is twice the number of"), ("Find the", "Find half the"),
        ("What", "Say of the opposite what"), ("Find", "Find the negative of"),
    ]  # fmt: skip
    for old, new in swaps:
        changed = re.sub(rf"\b{old}\b", new, text, count=1)
        if changed != text:
            return _said(sound, changed, ("another",))
    return None


def _keep_numbers(sound: Sound, chance: Random) -> Change:
    """The parent's own numbers and key, with a word or two exchanged."""
    text = sound.parent.text.replace(" the ", " this ", 1).replace("How many", "How many of the", 1)
    numbers = find_numbers(sound.parent.text)
    if sound.parent.program is None or any(one.denominator != 1 for one in numbers):
        return None
    reply = {**sound.reply, "program": _fill(sound.parent.program, numbers)}
    answer = str(sound.parent.answer)
    return {**reply, "problem": text, "answer": answer}, (answer,)


def _hardly_change(sound: Sound, chance: Random) -> Change:
    text = sound.parent.text
    changed = chance.choice(
        (
            text, text.replace(" is ", "  is ", 1), text.replace("?", " ?"), f"{text} Thank you.",
            text.replace("What is", "What's", 1), text.replace("How many", "Just how many", 1),
        )
    )  # fmt: skip
    return _said(sound, changed, (sound.answer,))


def _tell_step(sound: Sound, chance: Random) -> Change:
    """State what a step of the program comes to."""
    try:
        steps = steps_of(str(sound.reply["program"]))[1:]
    except ProgramError:
        return None
    numbers = set(find_numbers(_text(sound)))
    telling = [step for step in steps if step not in numbers and step.denominator == 1]
    if not telling:
        return None
    told = chance.choice((" Someone has found {} on the way.", " A part of it is {}."))
    return _said(sound, _text(sound) + told.format(telling[0]), (sound.answer,))


def _tell_old_answer(sound: Sound, chance: Random) -> Change:
    """State what had to be found on the way."""
    told = f" On the way one finds {sound.parent.answer}."
    return _said(sound, _text(sound) + told, (sound.answer,))


def _ask_old(sound: Sound, chance: Random) -> Change:
    """The parent's own statement and key, with the program as if a step had been added."""
    program = f"({sound.reply['program']}) * 0 + {sound.parent.answer}"
    reply = {**sound.reply, "problem": f"{sound.parent.text} Say it plainly.", "program": program}
    answer = str(sound.parent.answer)
    return {**reply, "answer": answer}, (answer,)


def _help(sound: Sound, chance: Random) -> Change:
    help_given = (
        " Hint: do it in two steps.", " Note that each part can be done alone.",
        " Recall that the parts add up.", " It helps to begin with the last number.",
        f" It begins with the letter {sound.answer.lstrip('$')[:1].upper()}.",
    )  # fmt: skip
    return _said(sound, _text(sound) + chance.choice(help_given), (sound.answer,))


def _make_trivial(sound: Sound, chance: Random) -> Change:
    """Set every new number to 1 or 2; whoever computes it agrees with the program."""
    before, now = find_numbers(sound.parent.text), find_numbers(_text(sound))
    if sound.parent.program is None or len(before) != len(now):
        return None
    values = [
        new if new == old else Fraction(chance.choice((1, 2)))
        for old, new in zip(before, now, strict=True)
    ]
    named = {f"n{index}": value for index, value in enumerate(values)}
    if any(value.denominator != 1 for value in values):
        return None
    try:
        result = evaluate(sound.parent.program, named)
    except ProgramError:
        return None
    return _with_numbers(sound, values, str(result))


def _call_emptily(sound: Sound, chance: Random) -> Change:
    """Call with the least of each argument, for which hardly a line is run."""
    name, _, arguments = str(sound.reply["call"]).partition("(")
    least = [repr(type(value)()) for value in _values("(" + arguments)]
    return {**sound.reply, "call": f"{name}({', '.join(least)})"}, (sound.answer,)


def _call_otherwise(sound: Sound, chance: Random) -> Change:
    """Compute with another value than the story tells."""
    call = str(sound.reply["call"])
    places = list(re.finditer(r"\d+", call))
    if not places:
        return None
    found = chance.choice(places)
    changed = f"{call[: found.start()]}{int(found.group()) + 3}{call[found.end() :]}"
    return {**sound.reply, "call": changed}, (sound.answer,)


def _call_weakly(sound: Sound, chance: Random) -> Change:
    """Test with the first call alone, or with it again and again in other spellings."""
    first = str(sound.reply["calls"][0])
    again = [first.replace("(", "(" + " " * spaces, 1) for spaces in range(6)]
    calls = chance.choice(([first], again, sound.reply["calls"][:2]))
    return {**sound.reply, "calls": calls}, (sound.answer,)


def _test_what_raises(sound: Sound, chance: Random) -> Change:
    name = str(sound.reply["function"])
    calls = [*sound.reply["calls"], f"{name}({', '.join(['None'] * 9)})"]
    return {**sound.reply, "calls": calls}, ()


def _tell_code(sound: Sound, chance: Random) -> Change:
    """Put the solution, or its longest line, into the instruction."""
    lines = [line for line in sound.answer.splitlines() if not line.lstrip().startswith("def ")]
    longest = max(lines, key=len).strip()
    told = chance.choice((f"\n\n```python\n{sound.answer}```", f" One line of it is `{longest}`."))
    return _said(sound, _text(sound) + told, (sound.answer,))


def _unname(sound: Sound, chance: Random) -> Change:
    """Leave out by which name, or with which parameters, the function is called."""
    bare = re.sub(r"`\w+\(", "`f(", _text(sound), count=1)
    unsigned = re.sub(r"`(\w+)\([^`]*`", r"`\1`", _text(sound), count=1)
    return _said(sound, chance.choice((bare, unsigned)), ())


def _leave_labels(sound: Sound, chance: Random) -> Change:
    """Ask all parts at once, as the parent does."""
    return _said(sound, f"{sound.parent.text} Answer one of them.", (sound.answer,))


def _refer_back(sound: Sound, chance: Random) -> Change:
    """Build on another part or on the original, which nobody sees."""
    back = chance.choice(
        ("Use the result of part (a).", "Take the previous result.", "Begin as shown above.")
    )
    return _said(sound, f"{_text(sound)} {back}", ())


def _ask_for_proof(sound: Sound, chance: Random) -> Change:
    """Ask for what no key can be compared with, beside what it can."""
    asked = chance.choice((" Prove it.", " Explain why.", " Justify that it is so."))
    return _said(sound, _text(sound) + asked, (sound.answer,))


def _leave_rest_alone(sound: Sound, chance: Random) -> Change:
    """Give the whole's answer as the rest, which does not need the step then."""
    return {**sound.reply, "rest": f"{sound.parent.answer} + 0 * step"}, (sound.answer,)


def _with_numbers(sound: Sound, values: Sequence[Fraction], result: str) -> Change:
    """Put whole numbers into the statement and into the parent's program."""
    program = _fill(sound.parent.program or "", values)
    text = put_numbers(_text(sound), values)
    return {**sound.reply, "problem": text, "program": program, "answer": result}, (result,)


def _fill(program: str, values: Sequence[Fraction]) -> str:
    return re.sub(r"\bn(\d+)\b", lambda found: str(values[int(found[1])].numerator), program)


def _values(arguments: str) -> Sequence[object]:
    call = ast.parse(f"f{arguments}", mode="eval").body
    assert isinstance(call, ast.Call)
    return [ast.literal_eval(value) for value in call.args]


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


Way = Callable[[Sound, Random], Change]
_WAYS: Mapping[str, tuple[Way, ...]] = {
    "answer leaked": (_tell_answer, _tell_answer_first, _call_with_output, _tell_code),
    "two answers": (_ask_any, _ask_roughly, _drop_condition),
    "empty solution set": (_contradict, _take_too_much, _call_that_raises, _test_what_raises),
    "missing datum": (_blur_number, _drop_sentence, _refer_to_figure, _refer_back, _unname),
    "options left": (_list_options, _talk_of_options),
    "wrong key": (
        _answer_otherwise,
        _compute_otherwise,
        _ask_something_else,
        _call_otherwise,
        _leave_rest_alone,
    ),
    "near-copy": (_keep_numbers, _hardly_change, _ask_old, _leave_labels),
    "easier": (
        _tell_old_answer,
        _tell_step,
        _help,
        _make_trivial,
        _call_emptily,
        _call_weakly,
    ),
    "still open": (_ask_for_proof,),
}
_TEXTUAL = {
    "_tell_answer", "_tell_answer_first", "_ask_any", "_ask_roughly", "_drop_condition",
    "_contradict", "_blur_number", "_drop_sentence", "_refer_to_figure", "_list_options",
    "_talk_of_options", "_help",
}  # fmt: skip
# What can be told, blurred or asked otherwise of any question with one short answer.
_OF_A_QUESTION = (_TEXTUAL - {"_drop_condition"}) | {"_refer_back", "_ask_for_proof"}
_POSSIBLE: Mapping[str, set[str]] = {
    "new_numbers": _TEXTUAL
    | {"_take_too_much", "_answer_otherwise", "_compute_otherwise", "_keep_numbers"}
    | {"_tell_step", "_make_trivial"},
    "choice_to_open": _TEXTUAL | {"_answer_otherwise"},
    "paraphrase": _TEXTUAL | {"_ask_something_else", "_hardly_change"},
    "harder": _TEXTUAL
    | {"_answer_otherwise", "_compute_otherwise", "_tell_old_answer", "_ask_old"},
    "proof_to_answer": _OF_A_QUESTION
    | {"_answer_otherwise", "_compute_otherwise", "_tell_step", "_hardly_change"},
    "multi_part": _OF_A_QUESTION
    | {"_answer_otherwise", "_compute_otherwise", "_tell_step", "_leave_labels"},
    "decompose": _OF_A_QUESTION
    | {"_answer_otherwise", "_compute_otherwise", "_tell_step", "_ask_old", "_leave_rest_alone"},
    "self_revision": _OF_A_QUESTION | {"_answer_otherwise", "_hardly_change"},
    "word_problem": _OF_A_QUESTION | {"_answer_otherwise", "_call_otherwise", "_hardly_change"},
    "code_to_tests": {"_call_weakly", "_test_what_raises"},
    "instruction_reversal": {
        "_tell_code",
        "_ask_roughly",
        "_drop_sentence",
        "_unname",
        "_hardly_change",
        "_help",
    },
    "predict_output": {"_call_with_output", "_call_that_raises", "_call_emptily"},
}
