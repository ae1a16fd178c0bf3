"""Names of classes as the model itself says them: scikit-learn's classifiers answer a text beside the scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shipway.types import Array


def names_from_answers(outputs: Mapping[str, Array], labels: Array) -> tuple[str, ...]:
    """The classes in the order of the scores' columns, or nothing where the answers do not tell.

    Read from a text output `[rows]` beside a float one `[rows, classes]`: the column of each row's largest score
    is the class that the text names. Columns that no row decided for are named by scikit-learn's rule, sorted,
    where the texts and the labels (`[rows]` of text) name all classes and the columns that are known agree.
    """
    texts = [
        array.reshape(-1)
        for array in outputs.values()
        if array.dtype.kind in "OSU" and array.size == len(array)
    ]
    scores = [array for array in outputs.values() if array.dtype.kind == "f" and array.ndim == 2]
    if len(texts) != 1 or len(scores) != 1 or len(texts[0]) != len(scores[0]) or scores[0].shape[1] < 2:
        return ()
    said = [_text(item) for item in texts[0].tolist()]
    known: dict[int, str] = {}
    for column, name in zip(scores[0].argmax(axis=1).tolist(), said, strict=True):
        if known.setdefault(column, name) != name:
            return ()
    columns = scores[0].shape[1]
    if len(known) == columns:
        return tuple(known[column] for column in range(columns))
    every = sorted({*said, *(_text(item) for item in labels.reshape(-1).tolist())})
    agrees = len(every) == columns and all(every[column] == name for column, name in known.items())
    return tuple(every) if agrees else ()


def _text(item: object) -> str:
    return item.decode(errors="replace") if isinstance(item, bytes) else str(np.asarray(item)[()])
