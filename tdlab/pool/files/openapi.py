"""OpenAPI 3.0 and 3.1 and Swagger 2.0: each operation is a tool.

- Name: ``operationId``, or method and path (``get_weirs_weir_id``). Description: summary and description.
- Parameters: those of the path and of the operation (which take precedence), except the headers ``Accept``,
  ``Content-Type`` and ``Authorization``, which the specification says to ignore.
- Body: the properties of an object beside the parameters; any other body as one parameter ``body``. The JSON form is
  taken where there are several. Read-only properties are left out of bodies, write-only ones out of results.
- Result: the first 2xx response; one that is no object becomes the member ``result`` of one.
- Schemas become JSON Schema: ``nullable``, draft-4 limits, ``example``. Local references are resolved; those that are
  cyclic or large stay references, into ``$defs``. Other documents are never fetched.

What cannot be read is reported, and the rest is kept. A library would not do that: openapi-pydantic 0.5 refuses a whole
document for one ``"type": "int"``, and prance expands references, which cyclic schemas never end. References are
resolved by the one resolver of tdlab (`tdlab.tools.References`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tdlab.pool.files._openapi_schemas import Schemas
from tdlab.pool.files.definitions import Definitions, Remark
from tdlab.records import Json
from tdlab.tools import shape_of

__all__ = ["read_openapi"]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_IGNORED_HEADERS = frozenset(("accept", "content-type", "authorization"))
_JSON_FORM = re.compile(r"application/(?:[\w.+-]+\+)?json\b|\*/\*", re.IGNORECASE)
_SUCCESS = re.compile(r"2\d\d|2XX", re.IGNORECASE)
_LONGEST_NAME = 128


class _Parameter(NamedTuple):
    name: str
    where: str
    schema: Json
    required: bool


def read_openapi(document: Json, stem: str) -> tuple[list[Definitions], list[str]] | None:
    """Return the service that a document describes and the problems with parts of it; None for another format."""
    if not isinstance(document, dict):
        return None
    version = str(document.get("openapi", document.get("swagger", "")))
    if not version.startswith(("3.", "2.")) or not any(key in document for key in ("paths", "components", "webhooks")):
        return None
    reader = _Reader(document)
    tools = list(reader.tools())
    info = document.get("info")
    info = info if isinstance(info, dict) else {}
    title = info["title"].strip() if isinstance(info.get("title"), str) else ""
    licence = info.get("license")
    service = Definitions(
        title or stem,
        tools,
        title=title,
        description=info.get("description", info.get("summary", "")),
        license=licence.get("name", "") if isinstance(licence, dict) else "",
        named=bool(title),
    )
    return [service], [*reader.problems, *reader.schemas.report()]


class _Reader:
    """Reads the operations of one document."""

    def __init__(self, document: dict[str, Json]) -> None:
        self.document = document
        self.schemas = Schemas(document)
        self.problems: list[str] = []

    def tools(self) -> Iterator[dict[str, Json]]:
        """Yield a tool definition for each operation."""
        paths = self.document.get("paths")
        if not isinstance(paths, dict):
            self.problems.append(f"its paths are {shape_of(paths, 60)}, expected an object")
            return
        if self.document.get("webhooks"):
            self.problems.append(Remark("its webhooks are calls that the API makes itself: left out"))
        for path, item in paths.items():
            if str(path).startswith("x-"):
                continue
            item = self.schemas.resolve(item, f"the path {path}")
            if item is None:
                continue  # the reference is reported
            if not isinstance(item, dict):
                self.problems.append(f"the path {path!r:.120} is {shape_of(item, 60)}, expected an object")
                continue
            for method in item:
                if method.lower() not in _METHODS:
                    continue
                operation = self.schemas.resolve(item[method], f"{method} {path}")
                if isinstance(operation, dict):
                    yield self._tool(str(path), method.lower(), item, operation)
                else:
                    self.problems.append(f"{method} {path!r:.120} is {shape_of(operation, 60)}, not an object")

    def _tool(self, path: str, method: str, item: dict[str, Json], operation: dict[str, Json]) -> dict[str, Json]:
        where = f"{method} {path}"
        identifier = operation.get("operationId")
        name = identifier if isinstance(identifier, str) and identifier.strip() else _name(method, path)
        texts = [operation.get(key, item.get(key)) for key in ("summary", "description")]
        words = list(dict.fromkeys(text.strip() for text in texts if isinstance(text, str) and text.strip()))
        tool: dict[str, Json] = {"name": name, "description": "\n\n".join(words)}
        tool["inputSchema"] = self._input(where, path, item, operation)
        output = self._output(where, operation)
        if output is not None:
            tool["outputSchema"] = output
        if method in ("get", "head", "delete"):  # what HTTP itself says of them
            tool["annotations"] = {"destructiveHint" if method == "delete" else "readOnlyHint": True}
        return tool

    # ------------------------------------------------------------------------------------------------------- input

    def _input(self, where: str, path: str, item: dict[str, Json], operation: dict[str, Json]) -> dict[str, Json]:
        self.schemas.start()
        properties: dict[str, Json] = {}
        required: list[str] = []
        parameters, body = self._parameters(where, path, item, operation)
        for parameter in parameters:
            name = parameter.name
            if name in properties:  # two parameters of one name, one in the path and one in the query, say
                name = f"{parameter.name}_{parameter.where}"
                words = f"{where}: two parameters are named {parameter.name!r:.60}: the second is read as {name!r:.80}"
                self.problems.append(Remark(words))
            properties[name] = parameter.schema
            if parameter.required:
                required.append(name)
        if body is not None:
            self._add_body(where, body, properties, required)
        schema: dict[str, Json] = {"type": "object", "properties": properties}
        if required:
            schema["required"] = list(dict.fromkeys(required))
        return self.schemas.finish(schema)

    def _parameters(
        self, where: str, path: str, item: dict[str, Json], operation: dict[str, Json]
    ) -> tuple[list[_Parameter], tuple[Json, bool] | None]:
        chosen: dict[tuple[str, str], dict[str, Json]] = {}
        for listed in (item.get("parameters"), operation.get("parameters")):
            if listed is not None and not isinstance(listed, list):
                self.problems.append(f"{where}: its parameters are {shape_of(listed, 60)}, expected a list")
                continue
            for raw in listed or []:
                entry = self.schemas.resolve(raw, where)
                if isinstance(entry, dict) and isinstance(entry.get("name"), str) and entry["name"]:
                    chosen[entry["name"], str(entry.get("in", "query"))] = entry
                elif entry is not None:
                    self.problems.append(f"{where}: a parameter is {shape_of(entry, 60)}, without a name: left out")
        parameters: list[_Parameter] = []
        body: tuple[Json, bool] | None = None
        form: dict[str, Json] = {}
        for (name, place), entry in chosen.items():
            if place == "header" and name.lower() in _IGNORED_HEADERS:
                continue
            required = entry.get("required") is True or place == "path"
            if place == "body":
                body = (entry.get("schema", {}), required)
                continue
            if place == "formData":
                form[name] = entry
            parameters.append(_Parameter(name, place, self._schema_of(entry), required))
        for name in re.findall(r"\{([^{}/]+)\}", path):
            if not any(parameter.name == name for parameter in parameters):
                self.problems.append(f"{where}: the path has {{{name}}}, which no parameter declares; read as a string")
                parameters.append(_Parameter(name, "path", {"type": "string"}, True))
        raw_body = self.schemas.resolve(operation.get("requestBody"), where)
        if isinstance(raw_body, dict):
            content = self._content(raw_body.get("content"))
            if content is not None:
                body = (content, raw_body.get("required") is True)
        elif raw_body is not None:
            self.problems.append(f"{where}: its body is {shape_of(raw_body, 60)}, expected an object: left out")
        return parameters, body

    def _schema_of(self, entry: dict[str, Json]) -> Json:
        """Return the schema of a parameter, with its own description."""
        if "schema" in entry:
            raw = entry["schema"]
        elif "content" in entry:
            raw = self._content(entry["content"]) or {}
        else:  # Swagger 2: the keywords are those of the parameter
            raw = {
                key: value
                for key, value in entry.items()
                if key not in ("name", "in", "required", "description", "collectionFormat", "allowEmptyValue")
                and not key.startswith("x-")
                and key not in ("example", "examples", "style", "explode", "deprecated", "allowReserved")
            }
        schema = self.schemas.convert(raw, "readOnly")
        if isinstance(schema, dict):
            extra = {key: entry[key] for key in ("description", "deprecated") if entry.get(key)}
            if isinstance(extra.get("description"), str):
                schema = {**schema, **extra}
        return schema

    def _content(self, content: Json) -> Json | None:
        """Return the schema of the JSON form, or of the first form that has one."""
        forms = content if isinstance(content, dict) else {}
        order = sorted(forms, key=lambda form: not _JSON_FORM.match(form))
        for form in order:
            media = forms[form]
            if isinstance(media, dict) and isinstance(media.get("schema"), (dict, bool)):
                return media["schema"]
        return {} if forms else None

    def _add_body(self, where: str, body: tuple[Json, bool], properties: dict[str, Json], required: list[str]) -> None:
        """Add the body's properties beside the parameters; one ``body`` where it is no plain object, or names clash."""
        raw, is_required = body
        fields = self.schemas.fields(raw, "readOnly")
        clashes = sorted(set(properties) & set(fields[0])) if fields is not None else []
        alike = all(_type(properties[name]) == _type(fields[0][name]) for name in clashes) if fields else False
        if fields is None or not fields[0] or not alike:
            name = "body"
            while name in properties:
                name = f"{name}_"
            properties[name] = self.schemas.convert(raw, "readOnly")
            if is_required:
                required.append(name)
            return
        if clashes:
            words = f"{where}: {', '.join(clashes):.120} is a parameter and also in the body: one parameter for both"
            self.problems.append(Remark(words))
        for name, schema in fields[0].items():
            properties.setdefault(name, schema)
        if is_required:
            required.extend(fields[1])

    # ------------------------------------------------------------------------------------------------------ output

    def _output(self, where: str, operation: dict[str, Json]) -> dict[str, Json] | None:
        responses = operation.get("responses")
        if not isinstance(responses, dict):
            return None
        codes = sorted(code for code in responses if _SUCCESS.fullmatch(str(code)))
        for code in [*codes, *(["default"] if "default" in responses and not codes else [])]:
            response = self.schemas.resolve(responses[code], where)
            if not isinstance(response, dict):
                continue
            raw = response.get("schema") if "schema" in response else self._content(response.get("content"))
            if not isinstance(raw, dict) or not raw:
                continue
            self.schemas.start()
            schema = self.schemas.convert(raw, "writeOnly")
            if not isinstance(schema, dict):
                return None
            if not self.schemas.is_object(raw):
                schema = {"type": "object", "properties": {"result": schema}, "required": ["result"]}
            return self.schemas.finish({"type": "object", **schema})
        return None


def _name(method: str, path: str) -> str:
    words = re.findall(r"[A-Za-z0-9_]+", path)
    return "_".join([method, *words])[:_LONGEST_NAME]


def _type(schema: Json) -> Json:
    return schema.get("type") if isinstance(schema, dict) else None
