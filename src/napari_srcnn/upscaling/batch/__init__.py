"""Many images in a row or several at a time: each gets an outcome, and none stops the rest."""
