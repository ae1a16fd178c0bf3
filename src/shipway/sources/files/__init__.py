"""Readers of files that may be hostile: pure Python, no framework, claimed sizes checked first."""
