"""What there is to know of a machine when something goes wrong on it."""
