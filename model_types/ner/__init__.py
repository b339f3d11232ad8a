"""The model type `ner`: names of people, places and organisations in text."""
