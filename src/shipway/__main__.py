"""The program `shipway`, also as `python -m shipway`; so small that Ctrl-C is caught from the start."""

from __future__ import annotations

import sys

_INTERRUPTED = 130
"""What a shell gives a program that Ctrl-C ended (128 + SIGINT)."""


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        from shipway.cli.app import run  # inside, so that Ctrl-C while it loads gives no traceback

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = _INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
