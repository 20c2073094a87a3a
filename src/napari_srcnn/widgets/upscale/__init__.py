"""The upscale widget."""
