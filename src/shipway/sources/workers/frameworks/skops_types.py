"""Which types a skops file may hold without being trusted, beyond those that skops itself takes for harmless.

skops makes an object without calling its class, and gives it its attributes; so a class of scikit-learn does
nothing then. Its functions are not among these: a function in a file is there to be called.
"""

from __future__ import annotations

import re

_CLASS = re.compile(r"sklearn(?:\.\w+)+\._?[A-Z]\w*|numpy\.dtype|numpy\.dtypes\.\w+DType")


def is_harmless(name: str) -> bool:
    """Whether a type (`module.Class`) is one of scikit-learn (a tree, a loss, an optimizer) or a numpy dtype."""
    return _CLASS.fullmatch(name) is not None
