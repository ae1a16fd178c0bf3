"""Programs that run a training framework in a child process; `sources/child.py` starts them.

These files also run in an interpreter that has no Shipway: standard library, numpy, the framework and its
converter only, Python 3.10 or newer, and no import from the rest of Shipway.
"""
