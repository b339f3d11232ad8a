"""Feedback over HTTP: POST /feedback takes it in, GET /feedback.csv gives out all of it."""

from __future__ import annotations

from datetime import UTC, datetime

import falcon
import falcon.asgi

from model_types import Correctable, InvalidInput, Json, MalformedBody, Predictor
from serving_image import feedback_post, json_body
from serving_image.asking import Asking, while_connected
from serving_image.batching import Overloaded
from serving_image.csv_stream import CsvStream
from serving_image.feedback_post import FeedbackPost
from serving_image.feedback_writer import FeedbackWriter, OpenStore
from serving_image.model import Model
from serving_image.problems import RETRY_SECONDS
from serving_image.request_body import BodyReader, Request, media_type
from trainshed import feedback_csv
from trainshed.errors import InvalidFeedback, TrainshedError
from trainshed.feedback import MAX_INPUT_BYTES, Feedback, Verdict, name_of, written

Response = falcon.asgi.Response

PATH = "/feedback"
CSV_PATH = "/feedback.csv"
MAX_EXPORTS = 4
"""At once; each has a thread and a connection of its own."""


def correctable(predictor: Predictor) -> Correctable:
    """Raises a 404 where nobody can say what a right answer is."""
    if not feedback_post.can_be_corrected(predictor):
        raise falcon.HTTPNotFound(description="Answers of this type of model are not corrected.")
    return predictor


class NoFeedback:
    """Stands where feedback would be taken, had the server somewhere to keep it."""

    async def on_post(self, _: Request, __: Response) -> None:
        raise falcon.HTTPNotFound(description="This server takes no feedback.")

    on_get = on_head = on_post


class FeedbackPosts:
    """POST what a person says of an answer."""

    def __init__(
        self, model: Model, reader: BodyReader, asking: Asking, writer: FeedbackWriter
    ) -> None:
        self._model = model
        self._reader = reader
        self._asking = asking
        self._writer = writer

    async def on_post(self, request: Request, response: Response) -> None:
        predictor = correctable(self._model.predictor)
        media_type(request, (json_body.MEDIA_TYPE,))
        async with self._reader.read(request) as body:
            is_long = self._reader.is_long(body)
            post = await self._asking.run(is_long, feedback_post.parse, body)
            self._check_served(post)
            feedback = await self._ask_again(request, predictor, post, is_long)
            await self._asking.run(is_long, _check_size, feedback)
            is_new = await self._keep(request, feedback)
        response.status = falcon.HTTP_201 if is_new else falcon.HTTP_200
        response.content_type = json_body.MEDIA_TYPE
        response.data = json_body.encode({"id": post.feedback_id})

    def _check_served(self, post: FeedbackPost) -> None:
        served = self._model.served
        if (post.model_id, post.digest) != (served.model_id, served.digest):
            raise falcon.HTTPConflict(
                description=f"Another model is served by now: {served.model_id}."
            )

    async def _ask_again(
        self, request: Request, predictor: Correctable, post: FeedbackPost, is_long: bool
    ) -> Feedback:
        """The feedback, with the answer that the model gives: a client's word is not taken."""
        kind, content = await self._asking.run(is_long, post.asked)
        if len(content) > MAX_INPUT_BYTES:
            raise falcon.HTTPContentTooLarge(
                description=f"Feedback is taken on inputs of up to {MAX_INPUT_BYTES} bytes."
            )
        if kind not in feedback_post.media_types(predictor):
            raise InvalidInput(f"The model does not read {kind} as it is.")
        try:
            inputs = await self._asking.decode(content, kind, is_long)
            if inputs.many:
                raise InvalidInput("Feedback is taken on one input at a time.")
            if post.verdict is Verdict.CORRECTED:
                await self._asking.run(is_long, predictor.check, inputs.items[0], post.correction)
            [answer] = await self._asking.predict(request, inputs, is_long)
        except MalformedBody as error:  # not this request's body: what it speaks of
            raise InvalidInput(str(error)) from None
        return self._feedback(predictor, post, kind, content, answer)

    def _feedback(
        self, predictor: Correctable, post: FeedbackPost, kind: str, content: bytes, answer: Json
    ) -> Feedback:
        served = self._model.served
        approved = post.verdict is Verdict.APPROVED
        return Feedback(
            feedback_id=post.feedback_id,
            name=name_of(served.model_id),
            model_id=served.model_id,
            digest=served.digest,
            model_type=served.model_type,
            at=datetime.now(UTC),
            media_type=kind,
            input=written(kind, content),
            answer=answer,
            verdict=post.verdict,
            expected=predictor.expected(answer) if approved else post.correction,
        )

    async def _keep(self, request: Request, feedback: Feedback) -> bool:
        try:
            [is_new] = await while_connected(request, self._writer.put(feedback))
        except TrainshedError:
            raise unavailable("Feedback cannot be kept at the moment.") from None
        return is_new


class FeedbackExport:
    """GET all feedback on the models of this name, as CSV, however much there is."""

    def __init__(self, model_id: str, open_store: OpenStore) -> None:
        self._name = name_of(model_id)
        self._open_store = open_store
        self._running: set[CsvStream] = set()

    async def on_get(self, request: Request, response: Response) -> None:
        if len(self._running) >= MAX_EXPORTS:
            raise Overloaded(f"{MAX_EXPORTS} exports are running already.")
        stream = CsvStream(self._name, self._open_store, self._running.discard)
        self._running.add(stream)
        try:
            await stream.begin(request)
        except TrainshedError:
            raise unavailable("The feedback cannot be read at the moment.") from None
        await self.on_head(request, response)
        response.stream = stream

    async def on_head(self, _: Request, response: Response) -> None:
        response.content_type = f"{feedback_csv.MEDIA_TYPE}; charset=utf-8"
        response.cache_control = ("no-store",)  # people's texts, behind a key
        response.downloadable_as = f"{self._name}-feedback.csv"


def _check_size(feedback: Feedback) -> None:
    try:
        feedback.encode()
    except InvalidFeedback as error:
        raise falcon.HTTPContentTooLarge(description=str(error)) from None


def unavailable(description: str) -> falcon.HTTPServiceUnavailable:
    return falcon.HTTPServiceUnavailable(description=description, retry_after=RETRY_SECONDS)
