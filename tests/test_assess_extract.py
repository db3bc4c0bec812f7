"""What counts as a response's answer, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assess.extract import extract_answer, extract_boxed


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (r"First \boxed{1}. Then, after a check, it is \boxed{18}.", "18"),
        (r"so \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"so \boxed {7}", "7"),
        (r"\boxed{(1,2)}, \boxed{(2,1)}", "(1,2), (2,1)"),
        (r"\boxed{2} \quad \text{and} \quad \boxed{6}", "2, 6"),
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
        '{"answer": 18} is how I would begin, and then I would go on.',
        '{"answer": true}',
        '{"answer": {"value": 18}}',
        '{"a": ' * 2_000 + "1" + "}" * 2_000,
        '{"' * 4_000 + "}",
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


def test_a_cut_off_response_answers_only_with_a_closed_box_or_block() -> None:
    assert extract_answer(r"so \boxed{12} and to verify", "number", finished=False) == "12"
    assert extract_answer("The final answer is 12", "number", finished=False) is None
    assert extract_answer(r"so \boxed{12", "number", finished=False) is None
    assert extract_answer("```python\nx = 1", "code", finished=False) is None
    assert extract_answer("```python\nx = 1", "code", finished=True) == "x = 1"


def test_open_prompts_have_no_answer() -> None:
    assert extract_answer(r"\boxed{3}", "open") is None


@given(
    st.text(alphabet="ab{}\\$1 ", max_size=60),
    st.sampled_from(["number", "choice", "code", "text"]),
)
def test_any_text_is_read_without_an_error(text: str, answer_type: str) -> None:
    extract_answer("\\boxed{" + text + "} the answer is " + text, answer_type)


@given(st.integers(), st.text(alphabet="abc 123.\n", max_size=80))
def test_a_box_is_found_behind_any_prose(number: int, prose: str) -> None:
    assert extract_boxed(prose + "\\boxed{" + str(number) + "}") == str(number)


def test_long_garbage_is_read_quickly() -> None:
    for garbage in ("{" * 200_000, "answer is " * 20_000, "\\boxed{" * 5_000, "1," * 100_000):
        extract_answer(garbage, "number")
