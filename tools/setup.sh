#!/usr/bin/env bash
# Make the environment that `make test` and `make demo` run in: tools/setup.sh GROUP
# (GROUP: a dependency group of pyproject.toml). Called again, it installs nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
group=${1:-test}
venv=${VENV:-.venv}
cpu_index=https://download.pytorch.org/whl/cpu

say() { printf 'setup: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }

# -- System libraries: Qt's xcb platform, OpenGL in software, a virtual display ------------------
debian_packages=(
    xvfb xauth x11-utils fontconfig fonts-dejavu-core
    libegl1 libgl1 libgl1-mesa-dri libopengl0
    libdbus-1-3 libfontconfig1 libfreetype6 libglib2.0-0
    libx11-xcb1 libxkbcommon0 libxkbcommon-x11-0
    libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
    libxcb-shape0 libxcb-shm0 libxcb-sync1 libxcb-xfixes0 libxcb-xinerama0 libxcb-xkb1
)

missing_debian_packages() {
    local installed package
    # Newer releases write t64 after some names (libglib2.0-0t64).
    installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^ii *//p' |
        sed 's/t64$//')
    for package in "${debian_packages[@]}"; do
        grep -qxF "$package" <<<"$installed" || echo "$package"
    done
}

install_debian_packages() {
    local as_root=() package
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            say "may not install system packages (neither root nor sudo without a password)."
            return
        fi
        as_root=(sudo -n)
    fi
    say "installing system packages: $*"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
    "${apt[@]}" update >"$log" 2>&1 || say "apt-get update failed; trying with the lists there are."
    if ! "${apt[@]}" install --no-install-recommends "$@" >>"$log" 2>&1; then
        # One name that this release lacks must not keep the others out.
        for package in "$@"; do
            "${apt[@]}" install --no-install-recommends "$package" >>"$log" 2>&1 || true
        done
    fi
}

system_packages() {
    command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || return 0
    local missing python
    # Debian's own Python comes without what makes an environment; others bring it.
    if python=$(find_python) && ! "$python" -c 'import ensurepip' 2>/dev/null; then
        debian_packages+=(python3-venv)
    fi
    mapfile -t missing < <(missing_debian_packages)
    [ ${#missing[@]} -eq 0 ] && return
    install_debian_packages "${missing[@]}"
    mapfile -t missing < <(missing_debian_packages)
    if [ ${#missing[@]} -gt 0 ]; then
        say "could not install: ${missing[*]}"
        say "an administrator can: apt-get install ${missing[*]}"
        say "going on without; what needs them will say so."
    fi
}

# -- Python -------------------------------------------------------------------------------------
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

pip_install() {
    if ! "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
        -c constraints.txt "$@" >"$log" 2>&1; then
        tail -n 25 "$log" >&2
        fail "pip could not install: $*"
    fi
}

# On Linux pip's default build of PyTorch brings CUDA along, several GB of it. Where there is no
# NVIDIA GPU the CPU build is looked for first: on the indexes pip is set up for, then on PyTorch's.
install_torch() {
    local pinned
    pinned=$(grep '^torch==' constraints.txt)
    if [ -n "${TORCH_INDEX:-}" ]; then
        pip_install --extra-index-url "$TORCH_INDEX" "$pinned"
    elif [ "$(uname -s)" = Linux ] && ! nvidia-smi >/dev/null 2>&1; then
        (pip_install "$pinned+cpu") 2>/dev/null ||
            (pip_install --extra-index-url "$cpu_index" "$pinned+cpu") 2>/dev/null ||
            say "found no CPU build of PyTorch; taking the default one (a large download)."
    fi
}

environment() {
    local python stamp wanted
    python=$(find_python) ||
        fail "needs Python 3.11 or newer; set PYTHON=/path/to/python if it is not on the PATH."
    stamp=$venv/.setup-$group
    # The place is part of it: an environment does not survive being moved.
    wanted=$({ cat pyproject.toml constraints.txt tools/setup.sh
        echo "$root ${TORCH_INDEX:-}"; } | sha256sum)
    if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    say "making the Python environment in $venv (a few minutes the first time)"
    rm -f "$stamp"
    # --upgrade mends an environment whose Python went away or that was moved.
    "$python" -m venv --upgrade-deps "$venv" >"$log" 2>&1 ||
        "$python" -m venv "$venv" >"$log" 2>&1 ||
        { cat "$log" >&2; fail "could not make a virtual environment with $python."; }
    pip_install --upgrade pip
    install_torch
    pip_install --group "$group"
    pip_install --no-build-isolation -e '.[all]'
    printf '%s\n' "$wanted" >"$stamp"
    say "done."
}

# -- What Qt still lacks, said by name -----------------------------------------------------------
check_qt() {
    [ "$(uname -s)" = Linux ] || return 0
    local plugin lacking
    plugin=$("$venv/bin/python" -c 'import PySide6, pathlib
print(pathlib.Path(PySide6.__file__).parent / "Qt/plugins/platforms/libqxcb.so")')
    lacking=$(ldd "$plugin" 2>/dev/null | awk '/not found/ {print $1}' | sort -u | tr '\n' ' ')
    [ -z "$lacking" ] || say "Qt cannot open a window: the system lacks $lacking"
    command -v xvfb-run >/dev/null || [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] ||
        say "there is neither a display nor xvfb-run; napari cannot be shown."
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
system_packages
environment
check_qt
