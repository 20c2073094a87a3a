"""An image in, a larger one out: the plan, the tiles, the run."""
