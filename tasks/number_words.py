"""Number words: how English writes the numbers that a task counts with.

    SMALL["fifteen"]  TENS["forty"]  COMPOUNDS["forty-two"]  SCALES["dozen"]
    15                40             42                      12

Whoever reads a text takes from these what it can tell from other words there: where texts are split
at hyphens the two halves of "forty-two" are words of their own.
"""

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
SMALL = {word: value for value, word in enumerate(_UNITS.split())}
UNMISTAKABLE = {word: value for word, value in SMALL.items() if word != "one"}
"""The small ones without "one", which is a pronoun more often than a number."""
TENS = {word: 10 * value for value, word in enumerate(_TENS.split(), start=2)}
COMPOUNDS = {
    f"{ten}-{word}": TENS[ten] + value
    for ten in TENS
    for word, value in SMALL.items()
    if 1 <= value <= 9
}
SCALES = {"dozen": 12, "hundred": 100, "thousand": 1_000, "million": 1_000_000}
