"""Trainshed side by side with what a user would pick instead; each figure a ratio from one run."""
