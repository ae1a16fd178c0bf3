"""Checks of the Open Inference Protocol V2 and of its extensions, over HTTP."""
