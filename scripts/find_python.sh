#!/bin/sh
# Prints a Python that can hold the virtual environment, or says what to install and ends with 3.
# Apart from make, it is the only thing here that runs before anything is installed: POSIX sh, nothing else.
#
#   sh scripts/find_python.sh [PYTHON]     PYTHON: take this one, or fail; empty: look on the path
set -eu

newest=13 # TensorFlow 2.21, the newest that the `keras` extra takes, has builds up to Python 3.13

fits() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $newest))" 2>/dev/null
}

if [ -n "${1:-}" ]; then
    if fits "$1"; then
        found=$1
    else
        echo "PYTHON=$1 is not a Python from 3.11 to 3.$newest." >&2
        echo "Point PYTHON at one that is: make PYTHON=/path/to/python3.12 ..." >&2
        exit 3
    fi
else
    found=
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        if fits "$candidate"; then
            found=$candidate
            break
        fi
    done
    if [ -z "$found" ]; then
        echo "No Python from 3.11 to 3.$newest found (looked for python3, python3.13, python3.12, python3.11, python)." >&2
        echo "Install one (Debian, Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3 ..." >&2
        exit 3
    fi
fi

# Debian and Ubuntu ship Python without ensurepip; the venv would be made halfway and then fail.
if ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$found has no venv module that works (ensurepip is missing)." >&2
    echo "On Debian and Ubuntu: apt install python$version-venv" >&2
    exit 3
fi
echo "$found"
