"""napari's side of the library: they turn fields into one call and messages into what is seen."""
