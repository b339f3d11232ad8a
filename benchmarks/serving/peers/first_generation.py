"""The first generation's server: CherryPy in one process, one request at a time through Flair's
tagger, the text split into sentences first.

    python -m benchmarks.serving.peers.first_generation
"""

from __future__ import annotations

import json

import cherrypy
from flair.models import SequenceTagger
from flair.splitter import SegtokSentenceSplitter

import model_types.ner.embeddings  # noqa: F401  tells Flair of the embeddings in the saved tagger
from benchmarks.serving.peers.told import Told
from model_types import FRAMEWORK_FOLDER


class Root:
    def __init__(self, tagger: SequenceTagger) -> None:
        self._tagger = tagger
        self._splitter = SegtokSentenceSplitter()

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def predict(self) -> bytes:
        text = cherrypy.request.body.read().decode()
        sentences = self._splitter.split(text)
        self._tagger.predict(sentences)
        entities = [
            {
                "text": span.text,
                "tag": span.tag,
                "score": span.score,
                "start": sentence.start_position + span.start_position,
                "end": sentence.start_position + span.end_position,
            }
            for sentence in sentences
            for span in sentence.get_spans(self._tagger.tag_type)
        ]
        cherrypy.response.headers["Content-Type"] = "application/json"
        return json.dumps(entities).encode()


def main() -> None:
    told = Told.from_environment()
    tagger = SequenceTagger.load(told.artifact / FRAMEWORK_FOLDER / "model.pt")
    cherrypy.config.update(
        {
            "environment": "production",
            "log.screen": False,
            "server.socket_host": "127.0.0.1",
            "server.socket_port": told.port,
            "server.thread_pool": 1,  # one request at a time
        }
    )
    cherrypy.quickstart(Root(tagger))


if __name__ == "__main__":
    main()
