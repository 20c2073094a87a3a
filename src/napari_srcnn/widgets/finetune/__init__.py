"""The fine-tuning widget."""
