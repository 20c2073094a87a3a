"""Models as packages for bioimage.io: written for other programs, and read from others."""
