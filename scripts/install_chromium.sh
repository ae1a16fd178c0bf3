#!/bin/sh
# Makes sure that a Chromium is there for the tests of the HTML report, and prints its path.
# Debian's own package, driven by playwright: no browser is downloaded from anywhere else. POSIX sh.
#
#   sh scripts/install_chromium.sh     installs it where it is missing; needs root, or says what to do and ends with 3
set -eu

find_chromium() {
    command -v chromium 2>/dev/null || command -v chromium-browser 2>/dev/null ||
        command -v google-chrome-stable 2>/dev/null || command -v google-chrome 2>/dev/null
}

if find_chromium; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "No Chromium on the path, and no apt-get to install it with." >&2
    echo "Install Chromium or Google Chrome with your system's package manager, so that \`chromium\` runs." >&2
    exit 3
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "No Chromium on the path, and installing it needs root:" >&2
    echo "  sudo apt-get install -y --no-install-recommends chromium" >&2
    exit 3
fi
{
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
} >&2
find_chromium
