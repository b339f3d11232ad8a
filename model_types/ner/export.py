"""What serving needs of a trained tagger: its ONNX graphs and its vocabulary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flair.models import SequenceTagger

from model_types import Json
from model_types.ner.embeddings import WordFeatureEmbeddings
from model_types.ner.encoder import MODEL, TOKENIZER, VOCABULARY, WORDS, Encoder, load_encoder
from model_types.ner.lstm_graph import export_lstm, export_words
from model_types.ner.transformer_graph import export_transformer


def export(tagger: SequenceTagger, folder: Path) -> Encoder:
    """Write model.onnx, vocabulary.json and words.onnx or, for a transformer, tokenizer.json; give
    the encoder that serving will use."""
    vocabulary: Json = {"tags": tagger.label_dictionary.get_items(), "crf": None}
    if tagger.use_crf:
        vocabulary["crf"] = {
            "transitions": tagger.crf.transitions.tolist(),
            "start": tagger.viterbi_decoder.start_tag,
            "stop": tagger.viterbi_decoder.stop_tag,
        }
    embeddings: Any = tagger.embeddings
    if isinstance(embeddings, WordFeatureEmbeddings):
        vocabulary["encoder"] = {"kind": "words", **embeddings.encoder.to_json()}
        export_words(tagger, folder / WORDS)
        export_lstm(tagger, folder / MODEL)
    else:
        tokenizer = embeddings.tokenizer
        vocabulary["encoder"] = {"kind": "subwords", "max_subwords": tokenizer.model_max_length}
        tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
        export_transformer(tagger, folder / MODEL)
    (folder / VOCABULARY).write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    return load_encoder(vocabulary["encoder"], folder)
