"""One file per framework: `load(path, settings)` gives the model behind the face of `loaded.py`."""
