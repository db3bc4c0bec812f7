r"""Symbols: the signs that people type and the LaTeX commands that mean them, either way.

>>> to_latex("2√3 + ½x²"), to_latex(r"0.1\overline{6}"), to_signs(r"p \land q")
('2\\sqrt{3} + \\frac{1}{2}x^{2}', '\\frac{1}{6}', 'p ∧ q')
"""

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

# The first command of a sign is the one that it is written with.
_COMMANDS = {
    **{"≤": "le leq leqslant", "≥": "ge geq geqslant", "≠": "ne neq", "≈": "approx"},
    **{"×": "times", "·": "cdot", "÷": "div", "±": "pm", "∓": "mp", "∞": "infty", "√": "sqrt"},
    **{"∪": "cup", "∩": "cap", "∈": "in", "∉": "notin", "∅": "emptyset varnothing"},
    **{"⊂": "subset", "⊃": "supset", "⊆": "subseteq", "⊇": "supseteq", "∖": "setminus"},
    **{"∧": "land wedge", "∨": "lor vee", "¬": "lnot neg", "⊕": "oplus", "∀": "forall"},
    **{"∃": "exists", "→": "to rightarrow", "←": "leftarrow gets", "↔": "leftrightarrow"},
    **{"⇒": "Rightarrow implies", "⇔": "Leftrightarrow iff", "≡": "equiv", "∼": "sim"},
    **{"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "θ": "theta"},
    **{"λ": "lambda", "μ": "mu", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi"},
    **{"ω": "omega", "Δ": "Delta", "Σ": "Sigma", "Ω": "Omega"},
}
_SIGNS = {command: sign for sign, names in _COMMANDS.items() for command in names.split()}
_LATEX = {sign: f"\\{names.split()[0]} " for sign, names in _COMMANDS.items()}
_COMMAND = re.compile(r"\\([A-Za-z]+)(?![A-Za-z])")
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_RAISED = re.compile(f"[{''.join(_SUPERSCRIPTS)}]+")
_LOWERED = re.compile(f"[{''.join(_SUBSCRIPTS)}]+")
_VULGAR = re.compile("[¼½¾⅐-⅞]")
_ROOT = re.compile(r"√\s*(?:\((?P<group>[^()]*)\)|(?P<number>\d+(?:\.\d+)?)|(?P<letter>[A-Za-z]))")
_REPEATING = re.compile(
    r"(?P<whole>\d{0,15})\.(?P<fixed>\d{0,15})\\(?:overline|bar)\s*(?:\{\s*(?P<wide>\d{1,15})\s*\}"
    r"|(?P<one>\d))"
)
_SCIENTIFIC = re.compile(r"^([-+]?\d{1,20}(?:\.\d{0,20})?)[eE]([-+]?\d{1,3})$")
_DEGREE = re.compile(r"\s*[°º˚]")
# A dash before a number is its sign, unless it stands between two: 2–3.
_DASH = re.compile(r"(?<![\w)}\]%°])(\s*)[\u2013\ufe63](?=\s*[\d.\\√])")
_HIDDEN = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f\u3000"), " ")
_PLAINER = str.maketrans({"\u2212": "-", "⋅": "·", "∙": "·", "÷": "/", "∣": "|", "′": "'"})


@lru_cache(maxsize=65_536)
def to_latex(text: str) -> str:
    r"""Write the signs of typed mathematics as LaTeX, `1.5e-3` as `1.5\times 10^{-3}`.

    A repeating decimal becomes its fraction. What no command is known for stays as it is.
    """
    if text.isascii():
        if "\\" in text:
            return _REPEATING.sub(_as_fraction, text)
        return _SCIENTIFIC.sub(r"\1\\times 10^{\2}", text) if "e" in text or "E" in text else text
    plain = text.translate(_HIDDEN).translate(_SPACES).translate(_PLAINER)
    plain = _DASH.sub(r"\1-", plain)
    plain = _VULGAR.sub(_as_vulgar, _RAISED.sub(_raise, plain))
    plain = _LOWERED.sub(lambda low: f"_{{{_spell(low[0], _SUBSCRIPTS)}}}", plain)
    plain = _DEGREE.sub(r"^\\circ", _ROOT.sub(_take_root, plain))
    plain = "".join(_LATEX.get(sign, _narrow(sign)) for sign in plain)
    return _REPEATING.sub(_as_fraction, plain)


@lru_cache(maxsize=65_536)
def to_signs(text: str) -> str:
    r"""Write what commands such as `\cup` mean as signs, and raised characters with a `^`."""
    plain = text.translate(_HIDDEN)
    plain = _RAISED.sub(lambda high: f"^{_spell(high[0], _SUPERSCRIPTS)}", plain)
    return _COMMAND.sub(lambda match: _SIGNS.get(match[1], match[0]), plain)


def _as_fraction(match: re.Match[str]) -> str:
    r"""Return `\frac{1}{6}` for `0.1\overline{6}`: (16 - 1) / 90."""
    fixed, period = match["fixed"], match["wide"] or match["one"]
    if (
        not match["whole"]
        and not fixed
        and match.start()
        and match.string[match.start() - 1] == "}"
    ):
        return match[0]  # A number that goes on to the left.
    whole = match["whole"] or "0"
    scale = 10 ** len(fixed) * (10 ** len(period) - 1)
    value = Fraction(int(whole + fixed + period) - int(whole + fixed), scale)
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


def _as_vulgar(match: re.Match[str]) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", match[0]).partition("\u2044")
    return f"\\frac{{{top}}}{{{bottom}}}" if bottom else match[0]


def _take_root(match: re.Match[str]) -> str:
    inner = next(part for part in match.groups() if part is not None)
    return f"\\sqrt{{{inner}}}"


def _raise(match: re.Match[str]) -> str:
    return f"^{{{_spell(match[0], _SUPERSCRIPTS)}}}"


def _spell(signs: str, spelled: dict[str, str]) -> str:
    return "".join(spelled[sign] for sign in signs)


def _narrow(sign: str) -> str:
    """Return `1` for a wide `\uff11`, and whatever else as it is."""
    return unicodedata.normalize("NFKC", sign) if "\uff01" <= sign <= "\uff5e" else sign
