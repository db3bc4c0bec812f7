"""Replies in a named JSON schema: rewrites of problems, and least valid instances of the rest.

    asked    {"strategy": "new_numbers", "problem": "A baker fills 12 trays …", "answer": "73",
              "choices": null, "variant": 0}
    replied  {"valid": true, "problem": "A baker fills 14 trays …", "program": "14 * 8 - 31",
              "answer": "81"}

The rewriter is wrong at its model's rates, as real ones are: a wrong key, the answer leaked into
the statement, an unchanged copy, JSON that does not parse. `valid: false` says that it declines.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from random import Random
from typing import Any

import orjson

from tasks.identity import normalise
from tasks.simulator.answer_key import AnswerKey, show_answer
from tasks.simulator.chance import stream
from tasks.simulator.deriving import STRATEGIES as DERIVED
from tasks.simulator.deriving import derive
from tasks.simulator.items import infer_answer_type
from tasks.simulator.models import ModelProfile
from tasks.simulator.new_numbers import choose_numbers, put_numbers
from tasks.simulator.outputs import choose_call
from tasks.simulator.paraphrases import alter, paraphrase
from tasks.simulator.programs import evaluate, fill_in, find_numbers, parse_number, parse_program
from tasks.simulator.wording import LEAKS, OPEN_TAILS, STEPS, open_form, split_options

_DECLINED: dict[str, dict[str, object]] = {
    "new_numbers": {"valid": False, "problem": "", "program": "", "answer": ""},
    "choice_to_open": {"valid": False, "problem": "", "answer": "", "answer_type": "text"},
    "paraphrase": {"valid": False, "problem": ""},
    "predict_output": {"valid": False, "call": ""},
    "harder": {"valid": False, "problem": "", "program": "", "answer": ""},
}
STRATEGIES = frozenset(_DECLINED) | DERIVED
_MISFITS = ("all of the above", "none of the above", "both ", "neither ", "none of these")
_LONGEST_ANSWER = 80
_OPERATOR = re.compile(r"(?<=[\w)] )[-+*/](?= [\w(])|(?<=[\w)])[-+*/](?=[\w(])")
_MISTAKEN = {"+": "-", "-": "+", "*": "+", "/": "*"}


def read_rewrite_request(prompt: str) -> dict[str, Any] | None:
    """Return the rewrite asked for in a user message, None if it asks for no rewrite."""
    try:
        asked = orjson.loads(prompt)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(asked, dict) or not isinstance(asked.get("problem", asked.get("code")), str):
        return None
    return asked if asked.get("strategy") in STRATEGIES else None


def write_rewrite(
    seed: int, model: ModelProfile, key: AnswerKey, asked: Mapping[str, Any], said: str
) -> str:
    """Answer a rewrite request with JSON text, sound or faulty. `said` identifies the sample."""
    strategy = str(asked["strategy"])
    choices = tuple(map(str, asked.get("choices") or ()))
    problem = str(asked.get("problem") or "")
    variant = int(asked.get("variant") or 0)
    chance = stream(seed, "rewrite", said)
    if strategy in DERIVED:
        reply = derive(key, asked, chance)
    elif strategy == "new_numbers":
        reply = _new_numbers(seed, key, problem, choices, variant)
    elif strategy == "choice_to_open":
        reply = _choice_to_open(key, problem, choices, str(asked.get("answer") or ""), variant)
    elif strategy == "paraphrase":
        reply = _paraphrase(key, problem, variant)
    elif strategy == "harder":
        reply = _harder(seed, key, problem, variant)
    else:
        reply = _predict_output(key, problem, variant)
    if strategy == "code_to_tests" and reply["valid"]:
        _plant_few_calls(reply, model, chance)
    elif strategy == "predict_output" and reply["valid"]:
        _plant_bad_call(reply, model, chance)
    elif reply["valid"]:
        _plant_fault(reply, problem, choices, model, chance, key.find(problem).answer)
    text = orjson.dumps(reply).decode()
    return _malform(text, chance) if chance.random() < model.malformed_json else text


def least_instance(schema: object, root: object = None) -> object:
    """Return a small value that a JSON schema allows."""
    root = schema if root is None else root
    if not isinstance(schema, Mapping):
        return None
    if isinstance(reference := schema.get("$ref"), str):
        return least_instance(_follow(root, reference), root)
    if "const" in schema:
        return schema["const"]
    if values := schema.get("enum"):
        return values[0]
    for union in ("anyOf", "oneOf", "allOf"):
        if options := schema.get(union):
            return least_instance(options[0], root)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        required = schema.get("required", list(properties))
        return {name: least_instance(properties.get(name, {}), root) for name in required}
    if kind == "array":
        return [least_instance(schema.get("items", {}), root)] * int(schema.get("minItems", 0))
    if kind in ("integer", "number"):
        return _least_number(schema, whole=kind == "integer")
    if kind == "string":
        return "x" * int(schema.get("minLength", 0))
    return False if kind == "boolean" else None


def _new_numbers(
    seed: int, key: AnswerKey, problem: str, choices: tuple[str, ...], variant: int
) -> dict[str, object]:
    question = key.find(problem)
    closed = bool(choices or question.options or question.answer_type == "choice")
    if question.item is None or closed or question.key.endswith("|open"):
        return dict(_DECLINED["new_numbers"])
    program = question.program or key.program_of(question.item)
    numbers = choose_numbers(seed, question, program, variant) if program else None
    answer = evaluate(program, numbers) if program and numbers else None
    if program is None or numbers is None or answer is None:
        return dict(_DECLINED["new_numbers"])
    text = problem if find_numbers(problem) == question.numbers else question.text
    return {
        "valid": True,
        "problem": put_numbers(text, numbers),
        "program": fill_in(program, numbers),
        "answer": show_answer(answer, question.answer),
    }


def _choice_to_open(
    key: AnswerKey, problem: str, choices: tuple[str, ...], answer: str, variant: int
) -> dict[str, object]:
    stem, written = split_options(problem)
    options = choices or written
    question = key.find("\n".join([stem, "", *_letter_lines(options)]))
    letter = question.answer if question.item and question.answer_type == "choice" else answer
    place = ord(letter) - ord("A") if len(letter) == 1 else -1
    right = options[place] if 0 <= place < len(options) else ""
    opened = open_form(stem.strip())
    unfit = right.lower().startswith(_MISFITS) or "of the following" in opened.lower()
    if not right or unfit or len(right) > _LONGEST_ANSWER:
        return dict(_DECLINED["choice_to_open"])
    return {
        "valid": True,
        "problem": f"{opened} {OPEN_TAILS[variant % len(OPEN_TAILS)]}",
        "answer": right,
        "answer_type": infer_answer_type(right),
    }


def _paraphrase(key: AnswerKey, problem: str, variant: int) -> dict[str, object]:
    question = key.find(problem)
    closed = question.options or question.answer_type in ("choice", "code", "open")
    if question.item is None or closed or not key.can_reword(question.item):
        return dict(_DECLINED["paraphrase"])
    worded = paraphrase(problem, variant)
    return {"valid": True, "problem": worded} if worded else dict(_DECLINED["paraphrase"])


def _harder(seed: int, key: AnswerKey, problem: str, variant: int) -> dict[str, object]:
    question = key.find(problem)
    program = question.program or (key.program_of(question.item) if question.item else None)
    value = parse_number(question.answer)
    if program is None or value is None or question.options:
        return dict(_DECLINED["harder"])
    chance = stream(seed, "harder", question.key, variant)
    asked, computed = STEPS[variant % len(STEPS)]
    for _ in range(20):
        a, b = chance.randint(2, 9), chance.randint(11, 60)
        source = computed.format(a=a, b=b, r=fill_in(program, question.numbers))
        result = a * value + b if variant % len(STEPS) == 0 else (value + b) * a
        if result not in (*question.numbers, a, b, value) and value not in (a, b):
            text = f"{problem} {asked.format(a=a, b=b)}"
            shown = show_answer(result, question.answer)
            return {"valid": True, "problem": text, "program": source, "answer": shown}
    return dict(_DECLINED["harder"])


def _predict_output(key: AnswerKey, problem: str, variant: int) -> dict[str, object]:
    item = key.find(problem).item
    call = choose_call(item.tests, variant) if item else None
    return {"valid": True, "call": call} if call else dict(_DECLINED["predict_output"])


def _plant_bad_call(reply: dict[str, object], model: ModelProfile, chance: Random) -> None:
    """Now and then, reply with a call that raises, or that is none with plain values."""
    if chance.random() < model.wrong_key + model.leaked + model.unchanged:
        call = str(reply["call"])
        name = call.partition("(")[0]
        reply["call"] = chance.choice(
            (f"{name}()", f"{name}({call})", f"solve_{call}", f"{call} + 1")
        )


def _plant_few_calls(reply: dict[str, object], model: ModelProfile, chance: Random) -> None:
    """Now and then, choose too few calls, or one that the task does not allow."""
    calls = reply["calls"]
    assert isinstance(calls, list)
    place = chance.random()
    if place < model.wrong_key:
        reply["calls"] = calls[:2]
    elif place < model.wrong_key + model.leaked + model.unchanged:
        reply["calls"] = [*calls, f"{reply['function']}({', '.join(['None'] * 9)})"]


def _plant_fault(
    reply: dict[str, object],
    problem: str,
    wrong: tuple[str, ...],
    model: ModelProfile,
    chance: Random,
    answer: str,
) -> None:
    """Change a sound rewrite into a faulty one, at the model's rates."""
    place = chance.random()
    if place < model.wrong_key:
        _plant_wrong_key(reply, wrong, chance)
    elif place < model.wrong_key + model.leaked:
        told = {"answer": answer, **reply}
        reply["problem"] = f"{reply['problem']}{chance.choice(LEAKS).format(**told)}"
    elif place < model.wrong_key + model.leaked + model.unchanged:
        reply["problem"] = problem


def _plant_wrong_key(reply: dict[str, object], wrong: tuple[str, ...], chance: Random) -> None:
    """Make the answer wrong: another option, not what the program gives, or a wrong program's."""
    if "answer" not in reply:
        reply["problem"] = alter(str(reply["problem"]), chance)
        return
    if "program" not in reply:
        others = [
            option for option in wrong if normalise(option) != normalise(str(reply["answer"]))
        ]
        reply["answer"] = chance.choice(others or [f"not {reply['answer']}"])
        return
    answer, source = str(reply["answer"]), str(reply["program"])
    value = parse_number(answer) or Fraction(0)
    operators = list(_OPERATOR.finditer(source))
    if operators and chance.random() < 0.5:
        place = chance.choice(operators).start()
        changed = f"{source[:place]}{_MISTAKEN[source[place]]}{source[place + 1 :]}"
        program = parse_program(changed)
        other = evaluate(program, ()) if program else None
        if other is not None and other != value:
            reply["program"], reply["answer"] = changed, show_answer(other, answer)
            return
    reply["answer"] = show_answer(value + chance.choice((1, 2, 10)), answer)


def _malform(text: str, chance: Random) -> str:
    """Write JSON that does not parse: cut off, with a trailing comma, or with single quotes."""
    return chance.choice((text[: len(text) // 2], f"{text[:-1]},}}", text.replace('"', "'")))


def _letter_lines(options: tuple[str, ...]) -> list[str]:
    return [f"{chr(ord('A') + place)}. {option}" for place, option in enumerate(options)]


def _least_number(schema: Mapping[str, Any], *, whole: bool) -> float | int:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    least = least + 1 if "exclusiveMinimum" in schema and "minimum" not in schema else least
    if not isinstance(least, int | float):
        return 0
    most = schema.get("maximum")
    least = min(least, most) if isinstance(most, int | float) else max(least, 0)
    return int(least) if whole else least


def _follow(root: object, reference: str) -> object:
    node = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            node = node.get(step, {}) if isinstance(node, Mapping) else {}
    return node
