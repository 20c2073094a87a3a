"""SRCNN itself: its configuration, its layers, its files, and the device it runs on."""
