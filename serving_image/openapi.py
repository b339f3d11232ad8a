"""The OpenAPI 3.1 document of a server, made from what its model says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from model_types import Json, Predictor
from serving_image import api_keys, feedback, feedback_post, json_body, metrics, problems
from serving_image.served_model import ServedModel
from trainshed import feedback_csv

_PREDICTION_PROBLEMS: Mapping[int, str] = {
    400: "The body is not what its media type says.",
    413: "The body is too long.",
    415: "The media type is not one that the model reads.",
    422: "The input cannot be predicted on.",
    500: "The model failed.",
    503: "The model is loading, was refused, or is overloaded.",
}

_OPEN_TO_ALL = ("/livez", "/readyz", "/health", "/ping")


_FEEDBACK_PROBLEMS: Mapping[int, str] = {
    400: "The body is not JSON.",
    409: "Another model is served by now.",
    413: "The body, or the input in it, is too long.",
    415: "The body is not said to be JSON.",
    422: "It is no feedback, or not on an input and with a right answer that this model can have.",
    500: "The model failed.",
    503: "The model is loading, was refused or is overloaded, or feedback cannot be kept now.",
}


def openapi_document(
    served: ServedModel, predictor: Predictor, *, needs_key: bool, keeps_feedback: bool
) -> Json:
    readiness = _get("Whether the model is in service", _json({"type": "object"}), 503)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": served.model_id,
            "version": str(served.attempt),
            "description": f"A model of type {served.model_type}, sha256 {served.digest}.",
        },
        "paths": {
            **{path: _prediction(path, predictor) for path in served.paths},
            **(_feedback(served, predictor) if keeps_feedback else {}),
            "/": _get("What is served", _json({"type": "object"})),
            "/training_curves.png": _get("Loss and score per epoch", {"image/png": {}}, 404),
            "/livez": _get("Whether the process answers", _json({"type": "object"})),
            "/readyz": readiness,
            "/health": readiness,
            "/ping": readiness,
            "/metrics": _get("Metrics for Prometheus", {metrics.MEDIA_TYPE: {}}),
            "/openapi.json": _get("This document", _json({"type": "object"}), 503),
        },
        "components": {"schemas": {"Result": predictor.result_schema, "Problem": problems.SCHEMA}},
    }
    if needs_key:
        _add_security(document)
    return document


def _add_security(document: Json) -> None:
    document["components"]["securitySchemes"] = api_keys.SECURITY_SCHEMES
    for path, operations in document["paths"].items():
        if path in _OPEN_TO_ALL:
            continue
        for operation in operations.values():
            operation["security"] = [{scheme: []} for scheme in api_keys.SECURITY_SCHEMES]
            operation["responses"]["401"] = _problem("The key is missing or wrong.")


def _prediction(path: str, predictor: Predictor) -> Json:
    result = {"$ref": "#/components/schemas/Result"}
    return {
        "post": {
            "operationId": f"predict_{path.strip('/')}",
            "summary": "Predict",
            "requestBody": {
                "required": True,
                "content": {
                    media_type: {"schema": schema}
                    for media_type, schema in predictor.request_schemas.items()
                },
            },
            "responses": {
                "200": {
                    "description": "The result, or the list of results, in the inputs' order.",
                    "content": _json({"anyOf": [result, {"type": "array", "items": result}]}),
                },
                **{
                    str(status): _problem(description)
                    for status, description in _PREDICTION_PROBLEMS.items()
                },
            },
        }
    }


def _feedback(served: ServedModel, predictor: Predictor) -> Json:
    if not feedback_post.can_be_corrected(predictor):
        return {}
    kept = _json(
        {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    )
    post = {
        "operationId": "feedback",
        "summary": "Approve or correct an answer",
        "requestBody": {
            "required": True,
            "content": _json(feedback_post.schema(served, predictor)),
        },
        "responses": {
            "201": {"description": "It is kept.", "content": kept},
            "200": {"description": "It had been kept already, under this id.", "content": kept},
            **{str(s): _problem(description) for s, description in _FEEDBACK_PROBLEMS.items()},
        },
    }
    table = {feedback_csv.MEDIA_TYPE: {"schema": {"type": "string"}}}
    return {
        feedback.PATH: {"post": post},
        feedback.CSV_PATH: _get("All feedback on the models of this name", table, 503),
    }


def _get(summary: str, content: Json, *problem_statuses: int) -> Json:
    return {
        "get": {
            "summary": summary,
            "responses": {
                "200": {"description": summary, "content": content},
                **{str(s): _problem(HTTPStatus(s).phrase) for s in problem_statuses},
            },
        }
    }


def _json(schema: Json) -> Json:
    return {json_body.MEDIA_TYPE: {"schema": schema}}


def _problem(description: str) -> Json:
    reference = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {problems.MEDIA_TYPE: {"schema": reference}}}
