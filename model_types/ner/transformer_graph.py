"""A fine-tuned transformer as an ONNX graph that gives `emissions`, a score per word and tag."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from flair.models import SequenceTagger
from torch import Tensor, nn

_OPSET = 17


def export_transformer(tagger: SequenceTagger, path: Path) -> None:
    """Write the graph of a tagger on `TransformerWordEmbeddings`. Its inputs are what
    `SubwordEncoder.encode` gives."""
    network = _WordTagger(tagger).cpu().eval()
    ids = torch.ones((2, 5), dtype=torch.int64)
    first = torch.tensor([[1, 2, 3], [1, 3, -1]])
    with warnings.catch_warnings(), torch.no_grad():
        # Tracing remarks on every shape that the transformers' code looks at; golden.json tells
        # whether the graph is right.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (ids, torch.ones_like(ids), first),
            str(path),
            input_names=["input_ids", "attention_mask", "first"],
            output_names=["emissions"],
            dynamic_axes={
                "input_ids": {0: "B", 1: "S"},
                "attention_mask": {0: "B", 1: "S"},
                "first": {0: "B", 1: "T"},
                "emissions": {0: "B", 1: "T"},
            },
            opset_version=_OPSET,
            dynamo=False,
        )


class _WordTagger(nn.Module):
    """From subwords to a score per word and tag, through each word's first subword."""

    transformer: Any

    def __init__(self, tagger: SequenceTagger) -> None:
        super().__init__()
        self.transformer = copy.deepcopy(tagger.embeddings.model)
        self.transformer.set_attn_implementation("eager")  # the others don't trace
        self.linear = copy.deepcopy(tagger.linear)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, first: Tensor) -> Tensor:
        hidden = self.transformer(input_ids, attention_mask=attention_mask).last_hidden_state
        places = first.clamp(min=0).unsqueeze(-1).expand(-1, -1, hidden.shape[-1])
        words = hidden.gather(1, places)
        # Flair embeds a word of which the tokenizer leaves nothing as zeros.
        words = words * (first >= 0).unsqueeze(-1).to(words.dtype)
        scores: Tensor = self.linear(words)
        return scores
