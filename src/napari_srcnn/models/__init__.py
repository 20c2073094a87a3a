"""Which networks there are, bundled and the user's own, and which one to take."""
