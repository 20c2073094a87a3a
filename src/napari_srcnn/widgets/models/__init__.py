"""The user's own models in napari."""
