"""Tools and servers wherever they are in a document: lists and maps of tools, of servers, and both inside each other.

What holds tools (``tools``, ``functions``, ``functionDeclarations``, ...) is a service if it has a name, or a key in a
map of such objects; it is never a tool itself. Tools without a service around them are *loose*: they belong to the
file. A name is looked for nearest first: the holder's own, then its key, then that of what holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tdlab.pool.files.bodies import built_in, has_schema, is_known_built_in, tool_body
from tdlab.pool.files.definitions import Definitions
from tdlab.records import Json
from tdlab.tools import JsonError, read_json, shape_of, shorten

__all__ = ["Content", "definition_kind", "holds_tools", "read_layout", "tool_list"]

_HOLDING = ("tools", "functions", "functionDeclarations", "function_declarations", "api_list", "function")
_SERVERS = ("servers", "mcpServers", "mcp_servers", "toolkits", "services", "registry")
_WRAPPERS = frozenset(
    (*_SERVERS, "result", "results", "data", "config", "toolConfig", "tool_config", "request", "body", "params",
     "response", "payload", "items", "value", "tools", "functions", "kwargs", "extra", "input", "inputs", "mcp")
)  # fmt: skip
_NOT_TOOLS = frozenset(
    "messages conversations conversation question questions ground_truth tool_calls toolCalls choices traj trajectory"
    " history initial_config examples properties paths components schema schemas inputSchema input_schema outputSchema"
    " parameters arguments env args codeExample documentationChunks $defs definitions".split()
)
_NAMES = ("server", "server_name", "serverName", "name", "tool_name", "qualifiedName")
_IN_CONVERSATION = ("messages", "conversations", "question", "trajectory", "traj", "input", "choices", "model")
_DEEPEST = 8


@dataclass
class Content:
    """What a document holds: services, loose tools with the notation of each, and problems with other parts.

    ``more`` says that the last page of tools in it names a next one.
    """

    services: list[Definitions] = field(default_factory=list)
    loose: list[Json] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    bare: bool = False
    more: bool = False
    unnamed: list[Definitions] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was recognised."""
        return not (self.services or self.loose or self.kinds or self.problems)

    def all_services(self, stem: str) -> list[Definitions]:
        """Return the services, and one of the file's name for the loose tools."""
        facts = self.unnamed[0] if len(self.unnamed) == 1 else Definitions("")
        loose = [replace(facts, name=stem, tools=self.loose, named=False)] if self.loose else []
        return [*self.services, *loose]


_Known = Callable[[dict[str, Json]], tuple[list[Definitions], list[str]] | None]


def read_layout(document: Json, known: _Known) -> Content:
    """Return the services and loose tools of a document.

    Args:
        document: The decoded document.
        known: Reads an object in one of the formats that describe services; None for any other object.
    """
    content = Content()
    _Walk(content, known).visit(document, None, 0)
    if isinstance(document, dict):
        content.bare = not content.services and content.loose == [document]
    return content


def definition_kind(tool: Json, holder: str = "") -> str:
    """Return the notation of one tool: the name of a pool format, or an empty string.

    Args:
        tool: The tool as written.
        holder: The member that holds it.
    """
    if not isinstance(tool, dict) or built_in(tool) is not None:
        return ""
    body = tool_body(tool)
    if "toolSpec" in tool or "tool_spec" in tool:
        return "bedrock"
    if holder in ("functionDeclarations", "function_declarations") or "parametersJsonSchema" in body:
        return "gemini"
    if "args_schema" in body or "args" in body or "lc" in tool:
        return "langchain"
    if "inputSchema" in body:
        return "vercel" if tool.get("type") == "function" else "mcp"
    if "input_schema" in body:
        return "anthropic"
    if tool.get("type") == "function" or holder == "functions" or body is not tool:
        return "openai"
    parameters = body.get("parameters")
    if isinstance(parameters, dict) and isinstance(parameters.get("type"), str) and parameters["type"].isupper():
        return "gemini"
    if isinstance(body.get("arguments"), list):
        return "docker"
    return "bfcl" if "parameters" in body else "mcp" if isinstance(body.get("name"), str) else ""


def tool_list(raw: Json) -> tuple[list[Json], list[str]]:
    """Return the tools of a list, of a map from name to tool, or of a JSON text of either; the problem with others."""
    if isinstance(raw, str) and raw.lstrip().startswith(("[", "{")):
        try:
            raw = read_json(raw, strict=False)
        except JsonError as error:
            return [], [f"its tools are a text that {error.reason}"]
    if isinstance(raw, list):
        return raw, []
    if isinstance(raw, dict):
        tools: list[Json] = []
        problems = []
        for name, tool in raw.items():
            if tool is None:
                problems.append(f"the tool {name!r:.80} is null")
            else:
                tools.append({"name": name, **tool} if isinstance(tool, dict) and tool_body(tool) is tool else tool)
        return tools, problems
    return [], [f"its tools are {shape_of(raw, 80)}, expected a list"]


class _Walk:
    """Goes through a document once, and fills a `Content`."""

    def __init__(self, content: Content, known: _Known) -> None:
        self.content = content
        self.known = known

    def visit(self, value: Json, service: Definitions | None, depth: int) -> None:
        """Read a value; ``service`` has the facts of what is around it, None where nothing has a name."""
        if depth > _DEEPEST:
            if any(holds_tools(inner) for inner in _members(value)):
                self.content.problems.append(f"tools below {_DEEPEST} levels of lists and objects are not looked for")
            return
        if isinstance(value, list):
            self._list(value, service, depth)
        elif isinstance(value, dict):
            self._object(value, service, depth)

    def _list(self, entries: list[Json], service: Definitions | None, depth: int) -> None:
        objects = [entry for entry in entries if isinstance(entry, dict)]
        holders = [entry for entry in objects if holds_tools(entry)]
        is_tools = any(has_schema(entry) for entry in objects if not holds_tools(entry)) or (
            not holders and any(is_known_built_in(entry) for entry in objects)
        )
        tools: list[Json] = []
        for entry in entries:
            if isinstance(entry, dict) and not holds_tools(entry) and is_known_built_in(entry):
                tools.append(entry)
            elif isinstance(entry, dict) and (holds_tools(entry) or not is_tools):
                self.visit(entry, service, depth + 1)
            elif is_tools or (holders and not isinstance(entry, (dict, list))):
                tools.append(entry)  # what is no tool among tools is reported as one
            else:
                self.visit(entry, service, depth + 1)
        self._add(tools, service, "")

    def _object(self, value: dict[str, Json], service: Definitions | None, depth: int) -> None:
        known = self.known(value)
        if known is not None:
            self.content.services.extend(_with_facts(found, service) for found in known[0])
            self.content.problems.extend(known[1])
            self.content.kinds.append("")
        elif "jsonrpc" in value and "error" in value and "result" not in value:
            self.content.problems.append(f"a JSON-RPC error instead of a result: {shorten(repr(value['error']), 200)}")
        elif holds_tools(value):
            self._holder(value, service, depth)
        elif has_schema(value):
            self._add([value], service, "")
        elif _is_map_of_tools(value):
            self._add_listed(value, service, "")
        else:
            self._members(value, service, depth)

    def _holder(self, value: dict[str, Json], outer: Definitions | None, depth: int) -> None:
        service = _service_of(value, outer)
        self.content.more = isinstance(value.get("nextCursor"), str) and bool(value["nextCursor"])
        for key in _HOLDING:
            raw = value.get(key)
            if key not in value or (key == "function" and not _is_function(value)):
                continue
            if raw is None and key != "tools":
                continue
            if key == "function" and isinstance(raw, dict):
                raw = [raw]
            if isinstance(raw, dict) and any(holds_tools(inner) or _lists_tools(inner) for inner in raw.values()):
                for name, inner in raw.items():
                    inside = _service_of(inner if isinstance(inner, dict) else {}, _child(name, service, len(raw)))
                    self._server(name, inner, inside, service, depth)
                continue
            tools = self._listed(raw, service)
            plain = [tool for tool in tools if not holds_tools(tool)]
            self._add(plain, service, key, always=service is not None and service.named and len(plain) == len(tools))
            for tool in tools:
                if holds_tools(tool):
                    self.visit(tool, service, depth + 1)
        for key in _SERVERS:
            if isinstance(value.get(key), (dict, list)):
                self.visit({key: value[key]}, None, depth + 1)

    def _server(
        self, name: str, value: Json, inside: Definitions | None, outer: Definitions | None, depth: int
    ) -> None:
        """Read one member of a map whose members are servers."""
        if isinstance(value, dict) and (holds_tools(value) or self.known(value) is not None):
            self._object(value, inside, depth + 1)
        elif _lists_tools(value):
            self._add_listed(value, inside, "tools")
        elif isinstance(value, dict) and has_schema({"name": name, **value}):
            self._add([{"name": name, **value}], outer, "")
        else:
            self.content.problems.append(f"the server {name!r:.80} is {shape_of(value, 80)}: it holds no tools")

    def _members(self, value: dict[str, Json], service: Definitions | None, depth: int) -> None:
        """Look into the members of an object that is neither a tool nor a holder of tools."""
        outer = _service_of(value, service)
        serving = [key for key, inner in value.items() if holds_tools(inner) or _lists_tools(inner)]
        for key, inner in value.items():
            if key in _NOT_TOOLS or not isinstance(inner, (dict, list)):
                continue
            if key in _WRAPPERS:
                if isinstance(inner, dict) and key in _SERVERS and any(_serves(entry) for entry in inner.values()):
                    for name, entry in inner.items():
                        inside = _service_of(entry if isinstance(entry, dict) else {}, _child(name, None, len(inner)))
                        self._server(name, entry, inside, None, depth + 1)
                else:
                    several = key in _SERVERS and not (isinstance(inner, list) and len(inner) == 1)
                    self.visit(inner, None if several else outer, depth + 1)
            elif _lists_tools(inner):
                self._add_listed(inner, _child(key, outer, len(serving)), "tools")
            elif len(serving) > 1 and key not in serving and inner:
                before = len(self.content.kinds)
                self.visit(inner, outer, depth + 1)
                if len(self.content.kinds) == before:
                    words = f"the member {key!r:.80} is {shape_of(inner, 80)}: it holds no tools"
                    self.content.problems.append(words)
            else:
                self.visit(inner, _child(key, outer, 2) if holds_tools(inner) else outer, depth + 1)

    def _listed(self, raw: Json, service: Definitions | None) -> list[Json]:
        """Return the tools of a list, a map or a text, with problems noted."""
        tools, problems = tool_list(raw)
        prefix = f"{service.name}: " if service is not None and service.named else ""
        self.content.problems.extend(prefix + problem for problem in problems)
        return tools

    def _add_listed(self, raw: Json, service: Definitions | None, holder: str) -> None:
        self._add(self._listed(raw, service), service, holder)

    def _add(self, tools: list[Json], service: Definitions | None, holder: str, *, always: bool = False) -> None:
        if not tools and not always:
            if holder:
                self.content.kinds.append("")
            return
        kinds = [kind for tool in tools if (kind := definition_kind(tool, holder))]
        self.content.kinds.extend(kinds or [""])
        if service is None or not service.named:
            self.content.loose.extend(tools)
            if service is not None:
                self.content.unnamed.append(service)
        else:
            self.content.services.append(replace(service, tools=list(tools)))


# ------------------------------------------------------------------------------------------------------------- helpers


def _members(value: Json) -> Iterator[Json]:
    yield value
    if isinstance(value, (dict, list)):
        yield from value.values() if isinstance(value, dict) else value


def holds_tools(value: Json) -> bool:
    """Return whether this object has a member for its tools, which makes it no tool itself."""
    if not isinstance(value, dict):
        return False
    return any(
        key in value and (key != "function" or _is_function(value)) and (key != "functions" or _is_many(value[key]))
        for key in _HOLDING
    )


def _is_many(value: Json) -> bool:
    return isinstance(value, (list, dict, str)) or value is None


def _is_function(value: dict[str, Json]) -> bool:
    """Return whether the member ``function`` holds the functions of a benchmark's entry, not the body of one tool."""
    functions = value.get("function")
    if isinstance(functions, list):
        return True
    return isinstance(functions, dict) and "type" not in value and ("question" in value or "id" in value)


def _lists_tools(value: Json) -> bool:
    """Return whether this is a list in which some entry is a tool, or a map of nothing but tools."""
    if isinstance(value, list):
        return any(isinstance(entry, dict) and not holds_tools(entry) and has_schema(entry) for entry in value)
    return isinstance(value, dict) and not has_schema({"name": "", **value}) and _is_map_of_tools(value)


def _serves(value: Json) -> bool:
    return holds_tools(value) or _lists_tools(value)


def _is_map_of_tools(value: dict[str, Json]) -> bool:
    """Return whether every member is a tool, null, or at least described, and half of them and more are tools."""
    members = {name: tool for name, tool in value.items() if tool is not None}
    if not all(isinstance(tool, dict) and not holds_tools(tool) for tool in members.values()):
        return False
    tools = [name for name, tool in members.items() if has_schema({"name": name, **tool})]
    described = all("description" in tool for name, tool in members.items() if name not in tools)
    return bool(tools) and described and 2 * len(tools) >= len(value)


def _service_of(value: dict[str, Json], outer: Definitions | None) -> Definitions | None:
    """Return the facts that a holder of tools states about itself, over those of what is around it."""
    infos = [info for key in ("serverInfo", "server") if isinstance(info := value.get(key), dict)]
    names = [*(info.get("name") for info in infos), *(value.get(key) for key in _NAMES)]
    if not any(key in value for key in _IN_CONVERSATION) and any(
        key in value for key in ("label", "description", "version", "title")
    ):
        names.append(value.get("id"))  # toolkits are known by their id; that of a conversation is no server
    name = next((name for name in names if isinstance(name, str) and name.strip()), None)
    labels = tuple(_texts(value.get("category"), value.get("categories")))
    title = _first(
        *(info.get("title") for info in infos), *(value.get(key) for key in ("title", "label", "display_name"))
    )
    description = _first(value.get("description"), value.get("tool_description"))
    license_name = _first(value.get("license"))
    if outer is None and name is None:
        if not (title or description or license_name) or not any(key in value for key in _HOLDING):
            return None
        outer = Definitions("", named=False)
    service = Definitions("", []) if outer is None else outer
    if name is not None and service.name not in ("", name):
        service = Definitions("", labels=service.labels)  # the other facts are those of what holds this server
    return replace(
        service,
        name=service.name if name is None else name,
        named=service.named or name is not None,
        labels=labels or service.labels,
        title=title or service.title,
        description=description or service.description,
        license=license_name or service.license,
    )


def _child(name: str, outer: Definitions | None, siblings: int) -> Definitions:
    """Return the facts of a server of this key: those of what is around it only if it is the only one there."""
    if outer is not None and siblings == 1:
        return replace(outer, name=name, named=True)
    return Definitions(name, [], labels=outer.labels if outer is not None else ())


def _with_facts(found: Definitions, outer: Definitions | None) -> Definitions:
    return found if found.labels or outer is None else replace(found, labels=outer.labels)


def _first(*values: Json) -> str:
    return next((value for value in values if isinstance(value, str) and value.strip()), "")


def _texts(*values: Json) -> Iterator[str]:
    for value in values:
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text:
                yield text
