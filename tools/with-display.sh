#!/usr/bin/env bash
# Run a command that opens windows: tools/with-display.sh virtual|any COMMAND...
#   virtual  on a display of its own wherever there is xvfb-run, so that tests disturb nobody
#   any      on the user's display where there is one, else on a virtual one
set -euo pipefail

mode=$1
shift
if [ "$mode" = any ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    exec "$@"
fi
if command -v xvfb-run >/dev/null; then
    # OpenGL in software: a virtual display has no GPU, and pictures are the same on every machine.
    export QT_QPA_PLATFORM=xcb LIBGL_ALWAYS_SOFTWARE=1 NAPARI_SRCNN_VIRTUAL_DISPLAY=1
    unset WAYLAND_DISPLAY
    exec xvfb-run -a -s "-screen 0 1280x1024x24 +extension GLX +render -noreset" "$@"
fi
if [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    echo "There is neither a display nor xvfb-run: napari's window cannot be shown." >&2
    export QT_QPA_PLATFORM=offscreen
fi
exec "$@"
