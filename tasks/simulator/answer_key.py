"""The answer key: which item a prompt asks, and the right answer to it as it is asked.

    prompt    "A baker fills 14 trays with 8 rolls each and sells 31 rolls. How many are left?"
    question  Question(item=math-0001, answer="81", answer_type="number", numbers=(14, 8, 31), …)

A prompt is recognised word for word, with its options in any order or without them, with new
numbers, in the other words that the rewriter has for it, as a call of its code whose result a test
tells, or with the answer leaked into it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tasks.identity import normalise
from tasks.simulator.derivation import derive_program, keeps_pattern
from tasks.simulator.derived import derived_items
from tasks.simulator.items import Item, infer_answer_type
from tasks.simulator.outputs import form_of, read_calls, split_program
from tasks.simulator.paraphrases import wordings
from tasks.simulator.programs import (
    Program,
    evaluate,
    find_numbers,
    mask_numbers,
    parse_number,
    parse_program,
    show_number,
)
from tasks.simulator.wording import LEAK, OPEN_TAILS, STEP, open_form, split_options

_CACHE_SIZE = 200_000
MOST_ALIKE = 2_000  # items with the same numbers; more are not asked in other words


@dataclass(frozen=True, slots=True)
class Question:
    """What a prompt asks. `key` names it for chance: the item, and its numbers if they are new.

    `shift` is how much harder (or, with a leaked answer, easier) than the item the question is.
    """

    key: str
    item: Item | None
    text: str
    answer: str
    answer_type: str
    options: tuple[str, ...] = ()
    numbers: tuple[Fraction, ...] = ()
    program: Program | None = None
    is_rewrite: bool = False
    shift: float = 0.0


class AnswerKey:
    """All items, found by what a prompt says. The smallest id wins where a text is there twice."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self.items: dict[str, Item] = {}
        self._by_text: dict[str, list[Item]] = {}
        self._by_skeleton: dict[str, list[Item]] = {}
        self._open_forms: dict[str, Item] = {}
        self._programs: dict[str, Program | None] = {}
        self._by_numbers: dict[tuple[Fraction, ...], list[Item]] = {}
        self._wordings: dict[tuple[Fraction, ...], dict[str, Item]] = {}
        self._by_form: dict[str, Item] = {}
        self._found: dict[str, Question] = {}
        self.add(items)

    def add(self, items: Iterable[Item]) -> int:
        """Add items, later ones replacing those of the same text; return how many were new."""
        before = len(self.items)
        known = {**self.items, **{item.key: item for item in items}}
        self.items = dict(sorted(known.items(), key=lambda known: (known[1].item_id, known[0])))
        for index in (self._by_text, self._by_skeleton, self._open_forms, self._programs):
            index.clear()
        for other in (self._by_numbers, self._wordings, self._by_form):
            other.clear()
        self._found.clear()
        derived = (
            one
            for item in self.items.values()
            for one in derived_items().get(normalise(item.text), ())
        )
        for item in (*self.items.values(), *derived):
            stem = normalise(split_options(item.text)[0])
            self._by_text.setdefault(stem, []).append(item)
            self._by_skeleton.setdefault(mask_numbers(stem), []).append(item)
            self._by_numbers.setdefault(_sorted_numbers(stem), []).append(item)
            if item.reference and (form := form_of(item.reference)):
                self._by_form.setdefault(form, item)
            if item.choices:
                self._open_forms.setdefault(normalise(open_form(stem)), item)
        return len(self.items) - before

    def find(self, prompt: str) -> Question:
        """Say what a prompt asks; a prompt that no item explains is a question without an item."""
        question = self._found.get(prompt)
        if question is None:
            if len(self._found) >= _CACHE_SIZE:
                self._found.clear()
            question = self._found[prompt] = self._resolve(prompt)
        return question

    def program_of(self, item: Item) -> Program | None:
        """Return an item's own program, or the one its solution's annotations give, or none."""
        if item.key not in self._programs:
            self._programs[item.key] = _find_program(item)
        return self._programs[item.key]

    def item_of_code(self, form: str) -> Item | None:
        """Return the item whose solution has this form (`outputs.form_of`)."""
        return self._by_form.get(form)

    def can_reword(self, item: Item) -> bool:
        """Say whether the item would be recognised in other words."""
        stem = normalise(split_options(item.text)[0])
        return len(self._by_numbers.get(_sorted_numbers(stem), ())) <= MOST_ALIKE

    def question_of(self, item: Item) -> Question:
        """Return the question that an item asks as it stands."""
        stem, written = split_options(item.text)
        return self._ask(item, normalise(stem), item.choices or written)

    def _resolve(self, prompt: str) -> Question:
        stem, options = split_options(prompt)
        for text in (stem, *_inner_texts(stem)):
            if question := self._match(normalise(text), options):
                return question
        if question := self._match_output(prompt):
            return question
        plain = normalise(stem)
        answer_type = "choice" if options else "unknown"
        return Question(plain, None, plain, "", answer_type, options, find_numbers(plain))

    def _match(self, text: str, options: tuple[str, ...], peel: int = 2) -> Question | None:
        """Match a text, if need be after peeling off what a rewriter may have put at its end."""
        if items := self._by_text.get(text):
            return self._ask(_with_options(items, options), text, options)
        if item := self._open_forms.get(text):
            return self._ask(item, text, ())
        if peel and (leak := LEAK.search(text)):
            inner = self._match(text[: leak.start()], options, peel - 1)
            if inner:
                return replace(inner, text=text, shift=inner.shift - 3.0)
        tail = next((tail for tail in OPEN_TAILS if text.endswith(tail)), None)
        if peel and tail and (inner := self._match(text[: -len(tail)].rstrip(), (), peel - 1)):
            return inner
        if peel and (step := STEP.search(text)):
            inner = self._match(text[: step.start()], options, 0)
            return _ask_further(inner, step, text) if inner else None
        return self._match_new_numbers(text) or self._match_wording(text)

    def _match_new_numbers(self, text: str) -> Question | None:
        for item in self._by_skeleton.get(mask_numbers(text), ()):
            program = self.program_of(item)
            before = find_numbers(normalise(split_options(item.text)[0]))
            after = find_numbers(text)
            if program is None or not keeps_pattern(program, before, after):
                continue
            answer = evaluate(program, after)
            if answer is not None:
                key = f"{item.key}|{' '.join(map(show_number, after))}"
                shown = show_answer(answer, item.answer)
                return Question(key, item, text, shown, "number", (), after, program, True)
        return None

    def _match_wording(self, text: str) -> Question | None:
        """Match a text with what the rewriter makes of the items that have the same numbers."""
        numbers = _sorted_numbers(text)
        alike = self._by_numbers.get(numbers, ())
        if not alike or len(alike) > MOST_ALIKE:
            return None
        if numbers not in self._wordings:
            made = self._wordings[numbers] = {}
            for item in alike:
                if not item.choices:
                    for wording in wordings(item.text):
                        made.setdefault(normalise(wording), item)
        worded = self._wordings[numbers].get(text)
        if worded is None:
            return None
        question = self._ask(worded, text, ())
        return replace(question, key=f"{worded.key}|worded", is_rewrite=True)

    def _match_output(self, prompt: str) -> Question | None:
        """Match a program that is an item's code and prints the result of a known call of it."""
        program = split_program(prompt)
        item = self._by_form.get(program[0]) if program else None
        if program is None or item is None:
            return None
        printed = read_calls(item.tests).get(program[1])
        if printed is None:
            return None
        kind = infer_answer_type(printed)
        key = f"{item.key}|{program[1]}"
        return Question(key, item, normalise(prompt), printed, kind, is_rewrite=True, shift=0.3)

    def _ask(self, item: Item, text: str, options: tuple[str, ...]) -> Question:
        numbers = find_numbers(text)
        if item.answer_type != "choice":
            program = self.program_of(item) if item.program else None
            return Question(
                item.key, item, text, item.answer, item.answer_type, (), numbers, program
            )
        right = item.choices[ord(item.answer) - ord("A")]
        if not options:
            key, kind = f"{item.key}|open", infer_answer_type(right)
            return Question(key, item, text, right, kind, (), numbers, None, True, 0.5)
        places = [place for place, option in enumerate(options) if _same(option, right)]
        letter = chr(ord("A") + places[0]) if places else item.answer
        return Question(item.key, item, text, letter, "choice", options, numbers)


def _ask_further(inner: Question, step: re.Match[str], text: str) -> Question | None:
    """Return the question with one more step, about half a level harder."""
    value = parse_number(inner.answer)
    if value is None or inner.options:
        return None
    first_times, last_added, first_added, last_times = step.groups()
    if first_times:
        result = int(first_times) * value + int(last_added)
    else:
        result = (value + int(first_added)) * int(last_times)
    return replace(
        inner,
        key=f"{inner.key}|{step.group().strip()}",
        text=text,
        answer=show_answer(result, inner.answer),
        answer_type="number",
        program=None,
        is_rewrite=True,
        shift=inner.shift + 0.5,
    )


def _sorted_numbers(text: str) -> tuple[Fraction, ...]:
    return tuple(sorted(find_numbers(text)))


def show_answer(value: Fraction, like: str) -> str:
    """Write a computed answer in the manner of the original one: 3/4 if that was a fraction."""
    if "/" in like and value.denominator != 1:
        return f"{value.numerator}/{value.denominator}"
    return show_number(value)


def _find_program(item: Item) -> Program | None:
    stem = normalise(split_options(item.text)[0])
    if item.program:
        program = parse_program(item.program)
        numbers = find_numbers(stem)
        if program is None or evaluate(program, numbers) != parse_number(item.answer):
            return None
        return program
    if item.solution and "<<" in item.solution and item.answer_type == "number":
        return derive_program(stem, item.solution, item.answer)
    return None


def _inner_texts(stem: str) -> list[str]:
    """Return what is left without leading or trailing paragraphs, which may be instructions."""
    paragraphs = [part for part in stem.split("\n\n") if part.strip()]
    if len(paragraphs) < 2:
        return []
    spans = [
        (start, end)
        for start in range(min(3, len(paragraphs)))
        for end in range(len(paragraphs), max(start, len(paragraphs) - 3), -1)
    ]
    return ["\n\n".join(paragraphs[start:end]) for start, end in spans[1:]]


def _with_options(items: Sequence[Item], options: tuple[str, ...]) -> Item:
    shown = {normalise(option) for option in options}
    matching = [item for item in items if shown == {normalise(choice) for choice in item.choices}]
    return (matching or items)[0]


def _same(one: str, other: str) -> bool:
    return normalise(one) == normalise(other)
