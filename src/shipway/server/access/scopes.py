"""How far a key reaches. Every path of the server has one of these."""

from __future__ import annotations

from enum import IntEnum


class Scope(IntEnum):
    """Each holds those before it."""

    OPEN = 0
    """Whoever can connect: whether the server lives and is ready."""
    INFER = 1
    """Ask models, read what they are and how they do."""
    ADMIN = 2
    """Load and unload models, read and change how the server runs."""
