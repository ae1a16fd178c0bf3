"""The rule `label-fit`: do the labels count the classes as the model does?

Labels off by one, or in another order of classes, make a perfect model look useless, and no comparison of two
models can see it: both look equally bad. `docs/reference/verdicts.md` has the rule in words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import linear_sum_assignment

from shipway.bundle.evidence import Json, Result, Verdict

LABEL_FIT = "label-fit"
SIGNIFICANCE = 1e-4
"""Chance of a FAIL on labels that are merely hard: each data set is judged once, and a FAIL stops the user."""
MOST_CLASSES = 2_000
"""Above, only labels off by one are tried: the best order takes the cube of the classes."""
LEAST_CLASSES = 3
"""Labelled classes that it takes: a weak model's answers to one or two classes fit some other order by chance
(a net of one epoch on rows of a single class: 36 of 120)."""
LEAST_REORDERED = 0.8
"""Accuracy that another order must reach: what is left wrong then is not the model's weakness."""
LEAST_GAIN = 0.2
"""Accuracy that another order of the classes must win: a model may truly confuse two rare classes."""


def label_fit(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], *, class_count: int, subject: str
) -> Verdict:
    """Judges labels by what a model decided, both class indices below `class_count`, `[rows]`.

    The order of classes that fits best is found on the even rows and tried on the odd ones: FAIL when it is
    right there where the labels as given are wrong significantly more often than the reverse (exact one-sided
    McNemar test at 1e-4), wins at least 20 points of accuracy and reaches 80 %, on three labelled classes or more
    (two of a model of two). Else PASS, also for a model that is merely bad.
    """
    order = _best_order(labels[::2], predicted[::2], class_count)
    judged, decided = labels[1::2], predicted[1::2]
    given, other = judged == decided, order[judged] == decided
    gained, lost = int((other & ~given).sum()), int((given & ~other).sum())
    accuracy = float((labels == predicted).mean()) if len(labels) else 0.0
    better = float(other.mean()) if len(judged) else 0.0
    chance = float(stats.binom.sf(gained - 1, gained + lost, 0.5)) if gained + lost else 1.0
    figures: dict[str, Json] = {
        "n": len(labels),
        "accuracy": accuracy,
        "accuracy_reordered": better,
        "p_value": chance,
    }
    is_other = better >= LEAST_REORDERED and len(np.unique(labels)) >= min(LEAST_CLASSES, class_count)
    if is_other and chance < SIGNIFICANCE and gained - lost >= LEAST_GAIN * len(judged):
        words = _order_in_words(order)
        reason = f"accuracy is {accuracy:.1%} with the labels as given and {better:.1%} with {words}"
        return Verdict(LABEL_FIT, subject, Result.FAIL, reason, figures)
    reason = f"no other order of the classes fits better; accuracy {accuracy:.1%}"
    return Verdict(LABEL_FIT, subject, Result.PASS, reason, figures)


def _best_order(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], class_count: int
) -> NDArray[np.int64]:
    """For each label the class that it most likely means; each class once, where they are few enough to try."""
    same = np.arange(class_count)
    if class_count > MOST_CLASSES:
        shifts = [same, np.maximum(same - 1, 0), np.minimum(same + 1, class_count - 1)]
        return max(shifts, key=lambda order: int((order[labels] == predicted).sum()))
    cells = np.bincount(labels * class_count + predicted, minlength=class_count * class_count)
    # Half a row for staying: on equal counts a label means its own class.
    gains = cells.reshape(class_count, class_count) + 0.5 * np.eye(class_count)
    order = same.copy()
    rows, columns = linear_sum_assignment(gains, maximize=True)
    order[rows] = columns
    return order


def _order_in_words(order: NDArray[np.int64]) -> str:
    """What to do to the labels."""
    count = len(order)
    for shift in (-1, 1):
        moved = np.arange(count) + shift
        inside = (moved >= 0) & (moved < count)
        if (order[inside] == moved[inside]).all():
            return f"every label {'less' if shift < 0 else 'more'} one: they are off by one"
    if (order == np.arange(count)[::-1]).all():
        return "the classes in reversed order"
    changed = [f"{index} meaning {target}" for index, target in enumerate(order.tolist()) if index != target]
    return f"the classes in another order ({', '.join(changed[:5])}{', …' if len(changed) > 5 else ''})"
