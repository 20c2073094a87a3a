"""What a microscope does to an image, and how that is measured on images."""
