"""The same trained models behind Trainshed and behind its peers, under the same load."""
