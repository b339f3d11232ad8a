"""A file for each peer, to be read and corrected by who knows it best. Each runs on its own."""
