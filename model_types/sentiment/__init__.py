"""The model type `sentiment`: which of a set of labels a text carries."""
