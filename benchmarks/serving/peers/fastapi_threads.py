"""FastAPI: a plain `def` endpoint, which it runs on its thread pool.

    uvicorn benchmarks.serving.peers.fastapi_threads:app --workers 2 --no-access-log

With a declared response model, FastAPI serialises with pydantic, in Rust, which it says is fastest:
https://fastapi.tiangolo.com/advanced/response-directly/
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, FastAPI

from benchmarks.serving.peers.told import Told

_told = Told.from_environment()
_predictor = _told.load()

app = FastAPI()


@app.post("/predict")  # type: ignore[untyped-decorator]
def predict(text: Annotated[str, Body(media_type="text/plain")]) -> Any:
    [result] = _predictor.predict([text])
    return result
