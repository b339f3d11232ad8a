"""The model type `image_classification`: which of a set of labels a picture carries."""
