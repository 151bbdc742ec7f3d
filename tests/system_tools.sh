#!/usr/bin/env bash
# Installs what the tests need beside Python: Chromium, PostgreSQL, poppler and a C compiler. Without root it names
# what is missing, and the tests that need it are skipped with that reason.
set -u

missing=()
command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || missing+=(chromium-headless-shell)
command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
command -v pdftotext >/dev/null || missing+=(poppler-utils)
command -v cc >/dev/null || missing+=(gcc libc6-dev)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${missing[*]}"
    # RUNLEVEL=1 keeps the packages from starting services: the tests start their own.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    for _ in 1 2 3; do
        if apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
            exit 0
        fi
        sleep 5
    done
    echo "Could not install ${missing[*]}."
fi
echo "Missing: ${missing[*]}. Tests that need it are skipped; to run them: sudo apt-get install ${missing[*]}"
