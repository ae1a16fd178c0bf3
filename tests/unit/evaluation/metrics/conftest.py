"""Small trained models, and the signature that their outputs have."""

from functools import cache

import numpy as np
import pytest
from sklearn import datasets, linear_model

from shipway.evaluation.metrics.judge import judge
from shipway.types import DType, Signature, TensorSpec


def judge_values(labels, values, **settings):
    """Judges one output `y`."""
    values = np.asarray(values)
    spec = TensorSpec("y", DType.of(values.dtype), ("batch", *values.shape[1:]))
    return judge(np.asarray(labels), {"y": values}, Signature((), (spec,)), **settings)


@cache
def classified(name):
    """Labels and probabilities of a model that saw a third of the data set."""
    x, y = getattr(datasets, name)(return_X_y=True)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    model = linear_model.LogisticRegression(max_iter=200, C=0.1).fit(x[::3], y[::3])
    return y, model.predict_proba(x)


@pytest.fixture(scope="session")
def judge_y():
    return judge_values


@pytest.fixture(scope="session")
def trained():
    return classified
