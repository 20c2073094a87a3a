"""Write into the cards of `weights/` what their networks do and what their images looked like.

    python tools/describe_weights.py

The weights stay as they are; `weights/README.md`, which has the files' checksums, is written anew.
"""

from __future__ import annotations

from dataclasses import asdict

from bundle_weights import WEIGHTS, describe

from napari_srcnn.models.library import load_model, model_info
from napari_srcnn.network.checkpoint import SUFFIX, load_checkpoint, save_model
from napari_srcnn.upscaling.response import measure_response


def main() -> None:
    """Measure every bundled network, and write its card."""
    for path in sorted(WEIGHTS.glob(f"*{SUFFIX}")):
        model, card = load_checkpoint(path)
        kind = "microscope" if "stacks" in card else "photograph"
        card["domain"] = {"kind": kind}
        window = model_info(path).window(kind)
        card["response"] = asdict(measure_response(load_model(path), window))
        save_model(path, model, card)
        print(path.stem, card["response"])
    (WEIGHTS / "README.md").write_text(describe())


if __name__ == "__main__":
    main()
