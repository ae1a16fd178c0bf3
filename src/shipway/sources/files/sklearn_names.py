"""Which names a scikit-learn model needs of its own accord, and which somebody would have to trust.

The list is for a person who decides: a file of pickle can hide what it does among names that look harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_PLAIN: Final = frozenset((
    "collections.OrderedDict", "collections.defaultdict", "_codecs.encode", "copyreg._reconstructor",
    "joblib.numpy_pickle.NumpyArrayWrapper", "sklearn.tree._tree.Tree", "builtins.NoneType",
))  # fmt: skip
_BUILTINS = re.compile(
    r"(?:builtins|__builtin__)\.(?:str|int|float|complex|bool|bytes|bytearray|list|tuple|dict|set|frozenset"
    r"|slice|type|object|range)\Z"
)
_NUMPY = re.compile(
    r"numpy(?:\.(?:core|_core)\.(?:multiarray\.(?:_reconstruct|scalar)|numeric\._frombuffer))?"
    r"(?:\.(?:ndarray|dtype|matrix|generic|number|bool_?|str_|bytes_|object_|void|datetime64|timedelta64"
    r"|u?int\d*|float\d+|complex\d+|longlong|double|dtypes\.\w+DType))?\Z"
)
_RANDOM = re.compile(
    r"numpy\.random\.(?:_pickle\.\w+|_mt19937\.MT19937|_pcg64\.PCG64|_generator\.Generator|mtrand\.RandomState)\Z"
)
_UFUNC = re.compile(r"numpy\.(?:log|log1p|log2|log10|exp|expm1|sqrt|cbrt|square|abs|absolute|sin|cos|tanh)\Z")
_SCIPY = re.compile(r"scipy\.sparse\.(?:_?\w+\.)?(?:cs[rc]|coo|dok|lil|dia|bsr)_(?:matrix|array)\Z")
_SKLEARN = re.compile(r"sklearn(?:\.\w+)+\.(?:_?[A-Z]\w*|__pyx_unpickle_\w+|newObj|_identity|identity)\Z")


def is_own(name: str) -> bool:
    """True for the classes of scikit-learn, the arrays of numpy and scipy, and plain containers."""
    return name in _PLAIN or any(
        pattern.match(name) for pattern in (_SKLEARN, _NUMPY, _BUILTINS, _SCIPY, _UFUNC, _RANDOM)
    )


def is_estimator(name: str) -> bool:
    """True for a class of scikit-learn itself."""
    return _SKLEARN.match(name) is not None


def find_foreign(names: Iterable[str]) -> tuple[str, ...]:
    """The names that would have to be trusted, sorted."""
    return tuple(sorted(name for name in set(names) if not is_own(name)))
