"""Answers requests from bundles: a serving image holds a runtime, this package, and nothing else.

Only bundle, runtimes, types, errors and the registry may be imported here; never graph, sources, evaluation,
onnx or scikit-learn. `service.py` is the heart and knows no transport; `http/` translates.
"""
