"""What OpenAPI says of an endpoint: what depends on its model, and both kinds of body."""

from __future__ import annotations

from typing import Any

from serve.endpoints import Route
from serve.media import FILES, JSON, NPY, ZIP
from serve.refusal import CODES
from serve.schema import AnyServed, Problem

BINARY = {"schema": {"type": "string", "format": "binary"}}


def request_of(route: Route, model: AnyServed) -> dict[str, Any]:
    """Parameters of the query, and the body."""
    words = f"default {{:g}}{' (.npy bodies)' if route.takes_array else ''}"
    values = [in_query(one.name, {"type": "number"}, words.format(one.default)) for one in model.params]
    fields = route.asked.model_json_schema()
    required = fields.get("required", ())
    values += [
        in_query(name, field, field.get("description", ""), required=name in required)
        for name, field in fields["properties"].items()
        if name != "params"
    ]
    if route.takes_file:
        return {"parameters": values, "requestBody": {"required": True, "content": dict.fromkeys(FILES, BINARY)}}
    bodies = dict.fromkeys((NPY, "application/octet-stream"), BINARY) if route.takes_array else {}
    told = {"schema": route.request.model_json_schema()}
    body = {"required": route.takes_array, "content": bodies | {JSON: told}}
    return {"parameters": values, "requestBody": body}


def in_query(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> dict[str, Any]:
    """A parameter of the query; where the body is JSON, none of them may stand there."""
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


def answers_of(route: Route) -> dict[int | str, dict[str, Any]]:
    """What comes back."""
    content = dict.fromkeys((ZIP, NPY) if route.takes_file else (NPY,), BINARY)
    found: dict[int | str, dict[str, Any]] = {
        200: {"description": route.description, "model": route.answer, "content": content}
    }
    return found | {code: {"description": text, "model": Problem} for code, text in CODES.items()}
