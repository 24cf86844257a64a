"""The page of REST, from the service's own OpenAPI."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from docgen.tables import made_from, table
from service.api.rest.app import create_app
from service.config.settings import Settings

Schema = dict[str, Any]
INTRODUCTION = """
The same as OpenAPI is at `/openapi.json`, with a page to try it at `/docs`, on loopback or with `RED_WEB=true`;
elsewhere `/openapi.json` is for those with a key. How the fields are meant: [REST and gRPC](../api.md). Where keys are
asked for, every path but `/healthz` and `/readyz` takes one as `Authorization: Bearer ...` or `X-API-Key`
([who may call](../operations.md#who-may-call)). `GET /metrics` gives Prometheus its figures and is not in OpenAPI.
"""


def openapi() -> Schema:
    """The service's OpenAPI; no engine is loaded for it."""
    # The application reads nothing of its data plane but the settings before a request comes.
    settings = Settings(allow_anonymous=True, web=True)
    dataplane: Any = SimpleNamespace(settings=settings, auth=SimpleNamespace(asks=False))
    return create_app(dataplane).openapi()


def rest_page() -> str:
    """Markdown of the page: paths, then schemas."""
    schema = openapi()
    parts = [f"{made_from('the OpenAPI of service/api/rest')}\n# REST, path by path\n{INTRODUCTION}"]
    for path, operations in schema["paths"].items():
        parts += [_operation(method, path, operation) for method, operation in operations.items()]
    parts.append("## Schemas\n")
    parts += [_schema(name, model) for name, model in sorted(schema["components"]["schemas"].items())]
    return "\n".join(parts)


def _operation(method: str, path: str, operation: Schema) -> str:
    text = operation.get("description") or operation.get("summary", "")
    parts = [f"## `{method.upper()} {path}`\n\n{text}\n"]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [
            (f"`{p['name']}`", _type(p["schema"]), _default(p["schema"]), p.get("description", "")) for p in parameters
        ]
        parts.append(table((f"{parameters[0]['in']} parameter", "type", "default", "what"), rows))
    if "requestBody" in operation:
        parts.append(_body(operation["requestBody"]))
    answers = [(status, _answer(answer), answer["description"]) for status, answer in operation["responses"].items()]
    parts.append(table(("status", "body", "when"), answers))
    return "\n".join(parts)


def _body(body: Schema) -> str:
    rows = []
    for kind, content in body["content"].items():
        schema = content["schema"]
        fields = [f"`{name}` ({field['description']})" for name, field in schema.get("properties", {}).items()]
        rows.append((f"`{kind}`", "fields " + ", ".join(fields) if fields else "the file as it is"))
    return table(("request body", "what"), rows)


def _answer(answer: Schema) -> str:
    contents = answer.get("content", {})
    kinds = []
    for kind, content in sorted(contents.items()):
        name = _type(content.get("schema", {}))
        kinds.append(name if kind == "application/json" else f"`{kind}`")
    headers = [f"header `{name}`: {header['description']}" for name, header in answer.get("headers", {}).items()]
    return "; ".join([", ".join(kinds), *headers]) if kinds else "; ".join(headers)


def _schema(name: str, model: Schema) -> str:
    required = set(model.get("required", []))
    rows = [
        (f"`{field}`" + ("" if field in required else " (may be absent)"), _type(values), values.get("description", ""))
        for field, values in model.get("properties", {}).items()
    ]
    return f"### {name}\n\n{model.get('description', '')}\n\n" + table(("field", "type", "what"), rows)


def _type(schema: Schema) -> str:
    """A type in words, with a link where it is a schema of this page."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(kind) for kind in schema["anyOf"] if kind.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and "additionalProperties" in schema:
        return f"object of {_type(schema['additionalProperties'])}"
    bounds = [f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
    return f"{kind}, {' and '.join(bounds)}" if bounds else str(kind)


_BOUNDS = {"minimum": "at least", "maximum": "at most", "maxLength": "length at most"}


def _default(schema: Schema) -> str:
    value = schema.get("default")
    return "" if value in (None, "") else f"`{str(value).lower() if isinstance(value, bool) else value}`"
