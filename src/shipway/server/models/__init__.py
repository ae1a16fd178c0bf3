"""A model version from its folder to its end: loaded, proven, served, replaced, closed."""
