#!/bin/sh
# Makes sure that `wrk`, the load generator of the serving benchmark, is there, and prints its path.
# Debian's own package. Without it the benchmark makes its load in Python. POSIX sh.
#
#   sh scripts/install_wrk.sh     installs it where it is missing; needs root, or says what to do and ends with 3
set -eu

if command -v wrk 2>/dev/null; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "No wrk on the path, and no apt-get to install it with." >&2
    echo "Install wrk with your system's package manager." >&2
    exit 3
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "No wrk on the path, and installing it needs root:" >&2
    echo "  sudo apt-get install -y --no-install-recommends wrk" >&2
    exit 3
fi
{
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk
} >&2
command -v wrk
