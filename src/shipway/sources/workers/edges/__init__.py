"""One file per conversion (`../edge.py` says what it promises); found by the entry points `shipway.edges`."""
