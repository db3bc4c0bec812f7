"""What counts as a response's answer, and what does not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assess.code_tests import names_tested
from tasks.assess.extract import extract_answer, extract_boxed


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (r"First \boxed{1}. Then, after a check, it is \boxed{18}.", "18"),
        (r"so \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"so \boxed {7}", "7"),
        (r"\boxed{(1,2)}, \boxed{(2,1)}", "(1,2), (2,1)"),
        (r"\boxed{2} \quad \text{and} \quad \boxed{6}", "2, 6"),
        (r"so \boxed 12.", "12"),
        (r"so \boxed\frac12", r"\frac12"),
        ("The answer is 2 million people live in the whole city.", "2 million"),
        ("The answer is 3 and a half hours for the whole long trip.", "3 and a half"),
        ("The answer is 20 percent of the total amount of money.", "20 percent"),
        ("The answer is 12 to the nearest whole number of apples that fit.", "12"),
        ("The answer is 5 and I am sure that this is right.", "5"),
        (r"half a box: \boxed{12} and then \boxed{1", "12"),
        (r"a set: \boxed{\{1, 2\}}", r"\{1, 2\}"),
        ("The final answer is 42.", "42"),
        ("**Final Answer:** $\\frac{3}{4}$", r"\frac{3}{4}"),
        ("**Final Answer**\n\n\\[\n9\n\\]", "9"),
        ("Answer: 1,234", "1,234"),
        ("The answer is 72 because she sold half as many clips in May", "72"),
        ("She sells 9 eggs.\n#### 18", "18"),
        ("so 9 * 2 = 18 dollars\nA: 18", "18"),
        ("so there are 9 left\n18", "18"),
        ("so there are 9 left\n18 clips", "18 clips"),
        ("hence\nx = 18", "x = 18"),
        ('{"reasoning": "9 times 2", "answer": 18}', "18"),
        ('so\n```json\n{"Final Answer": "1,234"}\n```', "1,234"),
        ('The answer is 7. In the form asked for: {"steps": [{"answer": 7}], "answer": 8}', "8"),
        (r'{"answer": "\frac{1}{2}"}', r"\frac{1}{2}"),
        (r'{"reasoning": "a\n\tb", "answer": "\\frac{1}{2}"}', r"\frac{1}{2}"),
        (r'{"answer": "\sqrt{2}"}', r"\sqrt{2}"),
        (r'{"answer": "so \\boxed{3}"}', "3"),
        ("<think>The answer is 7.</think>The answer is 8.", "8"),
        ("The answer is 7. Wait, the answer is 8.", "8"),
        ("The answer is 7. This answer is correct, as was shown.", "7"),
        ("The answer is 7.\nThe answer is 8. The answer is clear.", "8"),
        ("The answer is 3 + 4 = 7 apples for her and for him.", "7"),
        ("4 and 4.\n<answer> 8 </answer>", "8"),
        ("The answer is 12 (twelve) apples for her and for him.", "12"),
        (
            r"\boxed{255} more. Final Answer: The final answer is $10,455$. I hope it is correct.",
            "10,455",
        ),
    ],
)
def test_the_stated_answer_is_found(content: str, answer: str) -> None:
    assert extract_answer(content, "number") == answer


@pytest.mark.parametrize(
    "content",
    [
        "",
        "She has 16 eggs and eats 3 of them, which leaves 13 for the market.",
        "I will think about 3 + 4 first.\nThen about 5.",
        "The answer is that nobody can say for sure how many eggs she had",
        r"\boxed{}",
        "The answer is 3 to 4 days for every one of them.",
        "The answer is 10 more than 5, so 15 apples in total.",
        "The answer is 3 hours and 20 minutes after the start.",
        "The answer is 5 or perhaps 6 of the apples in there.",
        "Write it in \\boxed format, as everybody else does.",
        '{"answer": 18} is how I would begin, and then I would go on.',
        '{"answer": true}',
        '{"answer": {"value": 18}}',
        '{"a": ' * 2_000 + "1" + "}" * 2_000,
        '{"' * 4_000 + "}",
        r"The answer is 2 \times 10^5 in the notation that is asked for.",
        r"The answer is 2 \sqrt{3} which is about three point four six.",
        "The answer is 1 1/2 hours which is the total time taken.",
        "The answer is 5, 6, and 7 as all of them are solutions.",
        "The answer is 5 feet 3 inches as the height of the boy.",
        "The answer is 2:3 which is the ratio of boys to girls.",
        "The answer is 5 + 3i as the complex root that was wanted.",
        "The answer is 5 ≤ x which is the set of all the values.",
        "The answer is 5! which is a factorial of five, you know.",
        "The answer is 5 out of 8 balls that are in the urn now.",
    ],
)
def test_no_number_is_taken_from_a_chain_of_thought(content: str) -> None:
    assert extract_answer(content, "number") is None


@pytest.mark.parametrize(
    ("content", "letter"),
    [
        (r"\boxed{B}", "B"),
        (r"\boxed{\text{B}}", "B"),
        (r"\boxed{\textbf{(B)}}", "B"),
        (r"\boxed{B. Paris}", "B"),
        ('<think>So the answer is J.</think>\n\n{"answer": "B"}', "B"),
        ('{"answer": "B. Paris"}', "B"),
        (r"\boxed{b}", "B"),
        ("Answer: B", "B"),
        ("**Answer:** (B)", "B"),
        ("The correct answer is B) Paris.", "B"),
        ("the answer is (b)", "B"),
        ("Rome is in Italy.\n(B)", "B"),
        ("Rome is in Italy.\nB.", "B"),
        ("Rome is in Italy.\nB. Paris", "B"),
        ("Option B is correct, since the others are false and I checked them all.", "B"),
    ],
)
def test_choice_letters_in_the_usual_forms(content: str, letter: str) -> None:
    assert extract_answer(content, "choice") == letter


def test_an_article_is_no_letter() -> None:
    content = "The answer is a matter of taste, as everybody knows who has ever thought about it."
    assert extract_answer(content, "choice") != "A"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("The answer is A or B.", "A or B"),
        ("The answer is (A) and (C).", "(A) and (C)"),
        ("The answer is A, not B.", "A"),
        ("The answer is A and I am sure.", "A"),
    ],
)
def test_two_letters_are_not_the_first_of_them(content: str, said: str) -> None:
    assert extract_answer(content, "choice") == said


def test_an_options_text_is_returned_as_text() -> None:
    assert extract_answer(r"\boxed{\text{carbon dioxide}}", "choice") == "carbon dioxide"


def test_text_answers() -> None:
    assert extract_answer(r"\boxed{\text{The Nile}}", "text") == r"\text{The Nile}"
    assert extract_answer("It flows north.\nThe answer is the Nile.", "text") == "the Nile"
    assert extract_answer("It flows north.\nThe Nile", "text") == "The Nile"


def test_the_last_closed_python_block_is_the_code() -> None:
    content = "```python\nx = 1\n```\nBetter:\n```python\nx = 2\n```\nOutput:\n```text\n2\n```\n"
    assert extract_answer(content, "code") == "x = 2"
    assert extract_answer("def f(x):\n    return x", "code") == "def f(x):\n    return x"
    assert extract_answer("I cannot write that.", "code") is None


FUNCTION = "```python\ndef f(x):\n    return x + 1\n```\n"
HELPER = "```python\nONE = 1\n\ndef add(x):\n    return x + ONE\n```\n"
CALLER = "```python\ndef f(x):\n    return add(x)\n```\n"


@pytest.mark.parametrize(
    ("content", "names", "starts", "parts"),
    [
        (FUNCTION + "Output:\n```\n2\n```\n", {"f"}, "def f", 1),
        (FUNCTION + "Example:\n```python\nprint(f(1))\n```\n", {"f"}, "def f", 1),
        (FUNCTION + FUNCTION.replace("+ 1", "+ 2"), {"f"}, "def f(x):\n    return x + 2", 1),
        (HELPER + CALLER + "```\n2\n```\n", {"f"}, "ONE = 1", 2),
        (HELPER + CALLER, {"f", "add"}, "ONE = 1", 2),
        ("```\ndef f(x):\n    return x\n```\nprints\n```\n>>> f(1)\n```", {"f"}, "def f", 1),
        (FUNCTION + "```python\ndef f(x:\n```\n", {"f"}, "def f(x:", 1),
        ("```py\nn = int(input())\nprint(n)\n```\n```python\nprint(3)\n```", set(), "n = ", 1),
        ("```py\ndef main():\n    print(input())\n```\n```py\nmain()\n```", set(), "def ma", 2),
        ("```\nNo program at all.\n```\n", {"f"}, None, 0),
    ],
)
def test_the_block_that_the_tests_are_about_is_the_program(
    content: str, names: set[str], starts: str | None, parts: int
) -> None:
    found = extract_answer(content, "code", names=frozenset(names))
    assert (found or "").startswith(starts or "") and (found is None) == (starts is None)
    assert len((found or "").split("\n\n")) == max(parts, 1) + (HELPER in content)


def test_the_names_that_tests_use() -> None:
    asserts = ("assert f(1) == len(g.h)", "import math\nassert math.isclose(k(2), 3)", "assert (")
    assert names_tested(asserts) == {"f", "g", "k"}
    assert names_tested(('{"call": "mean", "arguments": [], "returns": 1}',)) == {"mean"}
    assert names_tested(('{"input": "", "output": ""}', "{")) == frozenset()


@given(st.text(alphabet="`python\ndef f(x):= 1\t", max_size=120), st.booleans())
def test_any_blocks_are_read_without_an_error(text: str, finished: bool) -> None:
    content = f"```python\n{text}\n```\n```\n{text}"
    extract_answer(content, "code", names=frozenset({"f"}), finished=finished)


def test_a_cut_off_response_answers_only_with_a_closed_box_or_block() -> None:
    assert extract_answer(r"so \boxed{12} and to verify", "number", finished=False) == "12"
    assert extract_answer("The final answer is 12", "number", finished=False) is None
    assert extract_answer(r"<think>Try \boxed{12}. No,", "number", finished=False) is None
    assert extract_answer(r"<think>a</think>\boxed{12} is", "number", finished=False) == "12"
    assert extract_answer(r"so \boxed{12", "number", finished=False) is None
    assert extract_answer(r"so \boxed 12", "number", finished=False) is None
    assert extract_answer(r"so \boxed 12 and", "number", finished=False) == "12"
    assert extract_answer("```python\nx = 1", "code", finished=False) is None
    assert extract_answer("```python\nx = 1", "code", finished=True) == "x = 1"


def test_open_prompts_have_no_answer() -> None:
    assert extract_answer(r"\boxed{3}", "open") is None


@given(
    st.text(alphabet="ab{}\\$1 ", max_size=60),
    st.sampled_from(["number", "choice", "code", "text"]),
)
def test_of_any_text_an_answer_is_read_that_says_something_or_none(
    text: str, answer_type: str
) -> None:
    began = time.process_time()
    found = extract_answer("\\boxed{" + text + "} the answer is " + text, answer_type)
    assert time.process_time() - began < 0.5
    assert found is None or found.strip()


@given(st.integers(), st.text(alphabet="abc 123.\n", max_size=80))
def test_a_box_is_found_behind_any_prose(number: int, prose: str) -> None:
    assert extract_boxed(prose + "\\boxed{" + str(number) + "}") == str(number)


@pytest.mark.parametrize(
    ("garbage", "number", "code"),
    [
        ("{" * 200_000, None, None),
        ("answer is " * 20_000, None, None),
        ("\\boxed{" * 5_000, None, None),
        ("1," * 100_000, None, None),
        ("\\boxed 1 " * 20_000, "1", None),
        ("```\n1\n```\n" * 20_000, None, "1"),
    ],
)
def test_long_garbage_is_read_quickly(garbage: str, number: str | None, code: str | None) -> None:
    began = time.thread_time()  # Of this thread alone: others of the process may be at work.
    assert extract_answer(garbage, "number") == number
    assert extract_answer(garbage, "code", names=frozenset({"f"})) == code
    assert time.thread_time() - began < 1  # 0.15 s; a quadratic reading takes minutes.


def test_a_response_that_opens_blocks_without_end_is_read_in_one_pass() -> None:
    """Models that repeat themselves do this; from each opening to the end took four minutes."""
    assert extract_answer("```python\n" * 20_000, "json") is None
