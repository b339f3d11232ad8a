"""How well and how fast the three model types' trainings learn."""
