"""LitServe: `python -m benchmarks.serving.peers.litserve_api`, with and without batching.

https://lightning.ai/docs/litserve/features/batching
"""

# no annotations from the future: LitServe reads those of the Api, and as types
from collections.abc import Sequence
from typing import Any

import litserve
from fastapi import Request

from benchmarks.serving.peers.told import Told
from model_types import Json, Predictor


class Api(litserve.LitAPI):  # type: ignore[misc]  # LitServe's types are not there
    _predictor: Predictor

    def setup(self, device: str) -> None:
        self._predictor = Told.from_environment().load()

    def decode_request(self, request: Request) -> str:
        document: Any = request  # which LitServe has parsed
        return str(document["text"])

    def predict(self, text: str) -> Json:
        [result] = self._predictor.predict([text])
        return result

    def encode_response(self, output: Json) -> Any:
        return output


class BatchApi(Api):
    def batch(self, inputs: Sequence[str]) -> Sequence[str]:
        return inputs

    def predict(self, x: Sequence[str]) -> list[Json]:
        return self._predictor.predict(x)

    def unbatch(self, output: list[Json]) -> list[Json]:
        return output


def main() -> None:
    told = Told.from_environment()
    if told.batch > 1:
        api: Api = BatchApi(max_batch_size=told.batch, batch_timeout=0.005)
    else:
        api = Api()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=told.workers)
    server.run(
        host="127.0.0.1",
        port=told.port,
        log_level="warning",  # no line for each request
        generate_client_file=False,
    )


if __name__ == "__main__":
    main()
