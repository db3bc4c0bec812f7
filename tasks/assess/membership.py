"""Membership: how probable it is that a student's true pass rate lies in the band.

    correct  wrong  low    high   in_band
    1        7      0.125  0.75   0.558

The true rate's distribution after `correct` and `wrong` is Beta(correct + ½, wrong + ½), which is
what Jeffreys' prior becomes. A verifier that errs shows another rate than the true one,
observed = true · recall + (1 - true) · false positives; the formulas are turned around by Rogan and
Gladen (1978): an edge of the band is looked for where the verifier would show it, and what it shows
below its false positives or above its recall counts as a rate of 0 or 1.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaincinv

from tasks.recipe import VerifierError

TAIL = 0.025
FAULTLESS = VerifierError()
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64] | Sequence[int]
Rate = TypeVar("Rate", float, npt.NDArray[np.float64])


def probability_in_band(
    correct: Counts,
    wrong: Counts,
    low: float,
    high: float,
    error: VerifierError = FAULTLESS,
) -> Floats:
    """Return P(low <= true rate <= high) for arrays of counts; an edge at 0 or 1 is no edge."""
    a, b = np.asarray(correct) + 0.5, np.asarray(wrong) + 0.5
    below = betainc(a, b, observe(low, error)) if low > 0 else np.zeros(a.shape)
    above = 1 - betainc(a, b, observe(high, error)) if high < 1 else np.zeros(a.shape)
    return np.clip(1 - below - above, 0, 1)


def observe(rate: Rate, error: VerifierError) -> Rate:
    """Return the rate that a verifier shows for a true one."""
    return error.false_positive + rate * (error.recall - error.false_positive)


def correct_rates(observed: Floats, error: VerifierError) -> Floats:
    """Return the true rates that a verifier shows as the observed ones, held within 0 and 1."""
    return np.clip(
        (observed - error.false_positive) / (error.recall - error.false_positive), 0.0, 1.0
    )


def jeffreys_interval(
    correct: Counts, wrong: Counts, error: VerifierError = FAULTLESS
) -> tuple[Floats, Floats]:
    """Return the 95 % interval of the true rate, as arrays of lower and upper ends.

    The quantiles of Beta(correct + ½, wrong + ½), with the end at 0 or 1 where all were wrong or
    right. Correcting for the verifier stretches it by 1 / (recall - false positives).
    """
    right, missed = np.asarray(correct), np.asarray(wrong)
    low = np.where(right == 0, 0.0, betaincinv(right + 0.5, missed + 0.5, TAIL))
    high = np.where(missed == 0, 1.0, betaincinv(right + 0.5, missed + 0.5, 1 - TAIL))
    return correct_rates(low, error), correct_rates(high, error)
