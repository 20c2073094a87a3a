"""What an image is, in numpy: axes, intensities, resizing, units, where its pixels lie."""
