"""The two networks, as Flair sequence taggers, made of Flair's parts."""

from __future__ import annotations

from pathlib import Path

from flair.data import Dictionary
from flair.data import Sentence as FlairSentence
from flair.embeddings import TransformerWordEmbeddings
from flair.models import SequenceTagger

from model_types import InvalidData, TrainingJob
from model_types.ner.conll import DataSet, Sentence
from model_types.ner.embeddings import WordFeatureEmbeddings
from model_types.ner.evaluation import LABEL
from model_types.ner.features import WordEncoder
from model_types.ner.fine_tuning import FineTunedTagger

SCRATCH = "scratch"

_MAX_SUBWORDS = 512


def flair_sentences(sentences: list[Sentence]) -> list[FlairSentence]:
    made = []
    for sentence in sentences:
        flair_sentence = FlairSentence(sentence.words)
        for first, end, label in sentence.entities:
            flair_sentence[first:end].add_label(LABEL, label)
        made.append(flair_sentence)
    return made


def make_tagger(job: TrainingJob, data: DataSet) -> SequenceTagger:
    """The network that the hyperparameter `embeddings` asks for. Raises `InvalidData`."""
    if job.hyperparameters["embeddings"] == SCRATCH:
        if job.hyperparameters["int8"]:
            raise InvalidData(
                "int8: only a transformer is served in 8 bits; name one with embeddings, "
                "or leave int8 out."
            )
        return _scratch_tagger(job, data)
    return _transformer_tagger(job, data)


def _scratch_tagger(job: TrainingJob, data: DataSet) -> SequenceTagger:
    """Words and characters learned from the data set, under a BiLSTM-CRF."""
    settings = job.hyperparameters
    encoder = WordEncoder.of(sentence.words for sentence in data.train)
    embeddings = WordFeatureEmbeddings(
        encoder.words, encoder.characters, float(settings["unknown_rate"])
    )
    return SequenceTagger(
        embeddings,
        _dictionary(data.labels),
        LABEL,
        hidden_size=int(settings["hidden_size"]),
        reproject_embeddings=False,
        dropout=float(settings["dropout"]),
        word_dropout=0.0,
        locked_dropout=0.0,
    )


def _transformer_tagger(job: TrainingJob, data: DataSet) -> SequenceTagger:
    """A pretrained transformer, its table of subwords left as it is.

    Raises `InvalidData` if there is no such transformer.
    """
    name = str(job.hyperparameters["embeddings"])
    if not job.allow_downloads and not Path(name).is_dir():
        raise InvalidData(
            f"embeddings: {name!r} is neither 'scratch' nor a folder that is there. Give the "
            "folder of a transformer, or set TRAINSHED_ALLOW_DOWNLOADS=1 to fetch it by name."
        )
    try:
        embeddings = TransformerWordEmbeddings(
            name, fine_tune=True, layers="-1", use_context_separator=False
        )
    except (OSError, ValueError) as error:
        raise InvalidData(f"embeddings: {name!r} cannot be loaded: {error}") from error
    tokenizer = embeddings.tokenizer
    if not tokenizer.is_fast:
        raise InvalidData(f"embeddings: {name!r} has no fast tokenizer (tokenizer.json).")
    tokenizer.model_max_length = min(
        tokenizer.model_max_length,
        # two positions are kept for padding in transformers of RoBERTa's family
        getattr(embeddings.model.config, "max_position_embeddings", _MAX_SUBWORDS + 2) - 2,
        _MAX_SUBWORDS,
    )
    embeddings.truncate = True
    # A small data set would move the rows of its own words only, away from those it doesn't have.
    embeddings.model.get_input_embeddings().requires_grad_(False)
    return FineTunedTagger(
        embeddings,
        _dictionary(data.labels),
        LABEL,
        use_rnn=False,
        use_crf=False,
        reproject_embeddings=False,
        word_dropout=0.0,
        locked_dropout=0.0,
        dropout=0.1,
    )


def _dictionary(labels: list[str]) -> Dictionary:
    dictionary = Dictionary(add_unk=False)
    dictionary.span_labels = True
    for label in labels:
        dictionary.add_item(label)
    return dictionary
