"""`.npz` as a data set: every array is a column, its first axis the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shipway.bundle.files import sha256_of
from shipway.evaluation.data.base import Block, Column
from shipway.evaluation.data.npz import StoredArray, open_npz


class NpzReader:
    """Reads the headers when made; the file is open only while rows are read."""

    format = "npz"
    label_names: tuple[str, ...] = ("labels", "y")
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_npz(path) as file:
            self.columns: Mapping[str, Column] = {name: _column(array) for name, array in file.arrays.items()}

    def blocks(
        self,
        names: tuple[str, ...],
        dtypes: Mapping[str, np.dtype[Any]],  # noqa: ARG002 - arrays know theirs
        *,
        rows: int,
    ) -> Iterator[Block]:
        """As `Reader.blocks`; the arrays named have equal numbers of rows."""
        with open_npz(self.path) as file:
            streams = [file.stream(name, rows) for name in names]
            first = 0
            for pieces in zip(*streams, strict=True):
                yield Block(first, dict(zip(names, pieces, strict=True)))
                first += len(pieces[0])

    def sha256(self) -> str:
        """Of the file's bytes."""
        return sha256_of(self.path)

    def close(self) -> None:
        """Nothing is held."""


def _column(array: StoredArray) -> Column:
    rows, *row_shape = array.shape or (0,)
    return Column(
        array.name, array.dtype, tuple(row_shape), rows=rows, is_scalar=not array.shape, called=str(array)
    )
