"""The output of a tool: its declared schema if that says something, else what its own and its siblings' words imply.

Few real tools declare an output. The inference here uses four things: the verb (a list returns many, a delete returns a
receipt), the entity, the tool's own inputs (an answer usually shows what a call sets or asks by), and the sibling tools
of the same service (the identifiers that *they* need must come from somewhere). It is defined by this project; the
paper gives no rule. Certainties are estimates of how often such a field is really there, not measured frequencies.

Everything is a pure function of the tool and of its service's tools, in any order of calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from tdlab.records import Tool
from tdlab.tools._finders import Found, found_values, shows_members
from tdlab.tools._sorts import Sorts, is_aspect
from tdlab.tools.cache import cached_per_tool
from tdlab.tools.names import ToolNature, is_identifier, nature, referenced_entity, split_words
from tdlab.tools.nouns import plural, singular
from tdlab.tools.parameters import (
    ENTITY_NOISE,
    Slot,
    brand_words,
    entity_words,
    parameter_kind,
    shared_concept,
    slots_of,
)
from tdlab.tools.schema_shapes import clean, informative, inner_properties, item, types_of

__all__ = ["ReturnedField", "Returns", "returned_fields", "returned_schema", "with_outputs"]


class ReturnedField(NamedTuple):
    """One value in a tool's answer.

    ``path`` leads to it (an integer 0 stands for any list position). ``name`` is its own name, ``entity`` the noun that
    it identifies or describes, ``schema`` its JSON Schema, ``certainty`` in [0, 1] how certain it is to be there. An
    ``attribute`` is what a caller chooses when a thing is made or changed, or asks by, and identifies nothing.
    """

    path: tuple[str | int, ...]
    name: str
    entity: str
    schema: dict[str, Any]
    certainty: float
    attribute: bool = False


class _Planned(NamedTuple):
    schema: dict[str, Any]
    certainty: float
    entity: str
    attribute: bool = False


# Fixed by definition, these tables and the numbers in the methods below: how surely a tool of some operation returns a
# value is a reading of what people mean by its name. It decides the output schema of a tool, which is a fact about the
# tool and not about a run. `tests/benchmarks/dependencies.py` measures it against recorded dataflow.
_ECHO = {"list": 0.45, "read": 0.6, "create": 0.75, "update": 0.75, "delete": 0.6, "act": 0.7, "compute": 0.3}
_OWN_HANDLE = {"list": 0.9, "read": 0.8, "create": 0.95, "update": 0.75, "delete": 0.6, "act": 0.7, "compute": 0.3}
_LINKED = {"list": 0.45, "read": 0.7, "create": 0.55, "update": 0.5, "delete": 0.15, "act": 0.45, "compute": 0.15}
_OTHER_SORT = 0.3
_SHOWN = 0.12
"""Values less certain than this are not in the inferred schema."""
_MENTION = re.compile(
    r"\b(?:return\w*|includ\w+|contain\w*|with|show\w*|list\w*|giv\w+|retriev\w+|fetch\w*|get\w*|follow\w+|name\w*)\b([^.;:]{0,140})",
    re.IGNORECASE,
)
_SCOPE = re.compile(r"\b(?:for|from|in|within|on|to|by|using|via|based|associated|linked|under|through|when)\b")
"""Words before what an answer is about, or where it comes from: "retrieve the aliases for a user or team"."""
_LIST_OF = re.compile(r"\b(?:a |the )?(?:[a-z]+ )?lists? of\b", re.IGNORECASE)
_SAYS_RETURNS = re.compile(r"\b(?:returns?|returning|including|containing)\b:?([^.;]{0,140})", re.IGNORECASE)
_OF_WHAT = re.compile(
    r"\b([A-Za-z]+) (?:ids?|identifiers?|uuid|names?|titles?)\b"
    r"|\b(?:ids?|identifiers?|uuid|names?|titles?) (?:of|for) (?:the |an? |this |your )?([A-Za-z]+(?:[ _-][A-Za-z]+)?)",
    re.IGNORECASE,
)
_RETURNS_SECTION = re.compile(r"\breturns?\s*:(.{0,400})", re.IGNORECASE | re.DOTALL)


class Returns:
    """The outputs of all tools of one service; build it once per service, since answers are cached.

    ``tools`` are all tools of the service; a tool outside them is answered from their words as well.

    Example:
        >>> from tdlab.records import Tool
        >>> get = Tool(service="shop", name="get_order", input_schema={"properties": {"order_id": {"type": "string"}}})
        >>> Returns([get]).fields(get)[0].path
        ('order_id',)
    """

    def __init__(self, tools: Iterable[Tool]) -> None:
        self.tools: tuple[Tool, ...] = tuple(tools)
        self._schemas: dict[str, dict[str, Any]] = {}
        self._fields: dict[str, tuple[ReturnedField, ...]] = {}
        self._plans: dict[str, tuple[str, dict[str, _Planned]]] = {}
        self._slots: dict[str, tuple[Slot, ...]] = {}
        self._focus: dict[str, str] = {}
        self._natures: dict[str, ToolNature] = {}
        self._handles: dict[str, dict[str, tuple[dict[str, Any], float]]] = {}
        self._set_by: dict[str, dict[str, Slot]] = {}
        self._linked: dict[str, dict[str, None]] = {}
        self._acted: set[str] = set()
        self._common_table: dict[str, dict[str, Any]] | None = None
        self._link_table: dict[str, dict[str, float]] | None = None
        self._found_table: dict[str, list[Found]] | None = None
        self._brand = brand_words(self.tools)
        self._words = {singular(word) for tool in self.tools for word in self.nature(tool).entity.split("_") if word}
        self._sorts = Sorts(self.tools)
        for tool in self.tools:
            self._collect(tool)

    # ------------------------------------------------------------------------------------------------------ evidence

    def nature(self, tool: Tool) -> ToolNature:
        """Return the tool's nature, cached."""
        if tool.key not in self._natures:
            tool_nature = nature(tool)
            if tool_nature.operation == "list" and tool_nature.effect != "search" and not _asks_for_many(tool):
                tool_nature = tool_nature._replace(operation="read")
            elif tool_nature.operation == "compute" and not tool_nature.verb and len(split_words(tool.name)) <= 2:
                # directory_tree(path), geocode(address): a noun that asks neither for a number nor for prose is looked
                # up; a longer name without a known verb rather begins with an unknown one (highlight_table_header)
                required = [(name, tool.parameters[name]) for name in tool.required if name in tool.parameters]
                if required and not any(
                    types_of(schema) & {"number", "integer"} or parameter_kind(name, schema) in ("quantity", "prose")
                    for name, schema in required
                ):
                    tool_nature = tool_nature._replace(operation="read")
            elif tool_nature.operation in ("act", "compute") and is_identifier(tool.name):
                tool_nature = tool_nature._replace(operation="read")  # resolve-library-id looks it up
            self._natures[tool.key] = tool_nature
        return self._natures[tool.key]

    def focus(self, tool: Tool) -> str:
        """Return the one noun that the tool's answer is about; ``""`` if its name has none.

        A tool that changes or reads by identifier is about the entity that it identifies
        (``modify_order_items(order_id)`` is about the order). One that creates or lists is about the last noun of its
        name.
        """
        if tool.key in self._focus:
            return self._focus[tool.key]
        words = entity_words(tool)
        words = tuple(word for word in words if word not in self._brand) or words
        focus = words[-1] if words else ""
        if self.nature(tool).operation in ("read", "update", "act", "delete"):
            for parameter in (*tool.required, *tool.parameters):
                noun = (referenced_entity(parameter, focus) or "").split("_")[-1]
                if noun and noun in words and parameter_kind(parameter, tool.parameters[parameter]) == "id":
                    focus = noun
                    break
        self._focus[tool.key] = focus
        return focus

    def slots(self, tool: Tool) -> tuple[Slot, ...]:
        """Return the tool's slots, cached."""
        if tool.key not in self._slots:
            words = entity_words(tool)
            # list_category_topics(id) asks for the category
            listed = self.nature(tool).operation == "list" and len(words) > 1 and words[-1] == self.focus(tool)
            entity = words[-2] if listed and words[-2] not in self._brand else self.focus(tool)
            self._slots[tool.key] = tuple(self._with_described_entity(slot) for slot in slots_of(tool, entity))
        return self._slots[tool.key]

    def _with_described_entity(self, slot: Slot) -> Slot:
        """Give a bare ``id`` or ``name`` the entity in its description ("name of the city")."""
        text = slot.schema.get("description")
        if slot.kind not in ("id", "label") or "_" in (slot.inside or slot.parameter) or not isinstance(text, str):
            return slot
        if len(split_words(slot.inside or slot.parameter)) > 1:
            return slot
        for match in _OF_WHAT.finditer(text[:300]):
            for word in split_words(match.group(1) or match.group(2)):
                noun = singular(word)
                if noun in self._words:
                    return slot._replace(entity=noun, name=f"{noun}_id" if slot.kind == "id" else slot.name)
        return slot

    def _collect(self, tool: Tool) -> None:
        operation, focus, slots = self.nature(tool).operation, self.focus(tool), self.slots(tool)
        identifying = [
            s for s in slots if not s.inside and s.kind in ("id", "ref", "label", "value", "world") and s.required
        ]
        for slot in slots:
            if slot.handle and slot.entity:
                self._handle(slot.entity, slot, 1.0 if slot.kind == "id" else 0.85)
            elif (
                slot.kind == "value"
                and not slot.inside
                and slot.required
                and "string" in (types_of(slot.schema) or {"string"})
            ):
                self._handle(slot.entity, slot, 0.6)
        is_own = len(identifying) == 1 and (identifying[0].kind != "id" or identifying[0].entity in ("", focus))
        if operation in ("read", "update", "act", "delete") and focus and is_own:
            self._handle(focus, identifying[0], 0.8 if identifying[0].kind in ("id", "ref", "label") else 0.6)
        if operation in ("create", "update") and focus:
            setters = self._set_by.setdefault(focus, {})
            for slot in slots:
                if not slot.inside and slot.kind not in ("control", "flag"):
                    setters.setdefault(slot.parameter, slot)
        if operation in ("act", "update"):
            self._acted.add(focus)
        if operation in ("create", "update", "act"):
            referenced = [slot.entity for slot in slots if slot.kind == "id" and slot.entity]
            for other in referenced:
                if other != focus:
                    self._linked.setdefault(focus, {})[other] = None

    def _handle(self, entity: str, slot: Slot, weight: float) -> None:
        handles = self._handles.setdefault(entity, {})
        name = slot.inside or slot.parameter
        if name not in handles or handles[name][1] < weight:
            handles[name] = (item(clean(slot.schema)), weight)

    # ---------------------------------------------------------------------------------------------------------- answers

    def schema(self, tool: Tool) -> dict[str, Any]:
        """Return the JSON Schema of what the tool returns: always valid, always ``type: object`` at the root."""
        if tool.key not in self._schemas:
            declared = informative(tool.output_schema)
            self._schemas[tool.key] = declared if declared is not None else self._inferred_schema(tool)
        return self._schemas[tool.key]

    def fields(self, tool: Tool) -> tuple[ReturnedField, ...]:
        """Return the values in the tool's answer, most certain first, then by path."""
        if tool.key not in self._fields:
            declared = informative(tool.output_schema)
            fields = self._declared_fields(tool, declared) if declared is not None else self._inferred_fields(tool)
            fields.sort(key=lambda field: (-field.certainty, tuple(str(p) for p in field.path)))
            self._fields[tool.key] = tuple(fields[:200])
        return self._fields[tool.key]

    def _declared_fields(self, tool: Tool, schema: dict[str, Any]) -> list[ReturnedField]:
        fields: list[ReturnedField] = []
        focus = self.focus(tool)

        def walk(node: dict[str, Any], path: tuple[str | int, ...], entity: str, depth: int) -> None:
            if depth > 5 or len(fields) > 300:
                return
            properties = node.get("properties")
            if isinstance(properties, dict):
                for name, inner in properties.items():
                    if not isinstance(inner, dict):
                        continue
                    step = (*path, name)
                    types = types_of(inner)
                    if "array" in types and isinstance(inner.get("items"), dict):
                        items = inner["items"]
                        if isinstance(items.get("properties"), dict):
                            walk(
                                items,
                                (*step, 0),
                                singular(split_words(name)[-1]) if split_words(name) else entity,
                                depth + 1,
                            )
                        else:
                            fields.append(_field((*step, 0), name, entity, items, 0.95))
                    elif isinstance(inner.get("properties"), dict):
                        walk(inner, step, singular(split_words(name)[-1]) if split_words(name) else entity, depth + 1)
                    else:
                        fields.append(_field(step, name, entity, inner, 0.97))

        walk(schema, (), focus, 0)
        return fields

    def _common(self) -> dict[str, dict[str, Any]]:
        """Return parameters that matter to the whole service: required by at least three tools and a third of all.

        They name what the service is about (the title of an article, a ticker), so its lists show them.
        """
        if self._common_table is None:
            schemas_by_parameter: dict[str, list[dict[str, Any]]] = {}
            for tool in self.tools:
                for slot in self.slots(tool):
                    is_plain = not slot.inside and types_of(slot.schema) <= {"string", "integer"}
                    if is_plain and slot.required and slot.kind in ("ref", "label", "value", "world"):
                        schemas_by_parameter.setdefault(slot.parameter, []).append(slot.schema)
            fewest = max(3, -(-len(self.tools) // 3))
            self._common_table = {
                name: schemas[0] for name, schemas in schemas_by_parameter.items() if len(schemas) >= fewest
            }
        return self._common_table

    def _links(self) -> dict[str, dict[str, float]]:
        """Return for each entity the others that its record refers to, with a strength in [0, 1].

        The strength is 1.0 where a change of the entity also takes the other's identifier. It is less where a read of
        it mentions that it shows the others (each of those then refers back, 0.7), where a tool's name joins the two
        (``update_order_items``, 0.6), where a parameter's description says so ("the payment id stored in the user's
        profile", 0.5), or where prose about it merely names them (0.45).
        """
        if self._link_table is None:
            table: dict[str, dict[str, float]] = {}

            def link(entity: str, other: str, strength: float) -> None:
                if entity != other and table.setdefault(entity, {}).get(other, 0.0) < strength:
                    table[entity][other] = strength

            for tool in self.tools:
                focus = self.focus(tool)
                for other, certainty in self._mentioned(tool, focus):
                    if certainty >= 0.75:
                        link(other, focus, 0.7)
                if self.nature(tool).operation not in ("compute", "delete"):
                    own = [noun for noun in entity_words(tool) if noun in self._handles or noun == focus]
                    for noun in own:
                        link(focus, noun, 0.6)
                    for noun in self._nouns(tool.description[:1500]):
                        for entity in own:
                            link(entity, noun, 0.45)
                for slot in self.slots(tool):
                    text = slot.schema.get("description")
                    if slot.handle and slot.entity and isinstance(text, str):
                        for noun in self._nouns(text[:300]):
                            link(noun, slot.entity, 0.5)
            for entity, others in self._linked.items():
                for other in others:
                    link(entity, other, 1.0)
            self._link_table = table
        return self._link_table

    def _plan(self, tool: Tool) -> tuple[str, dict[str, _Planned]]:
        """Return the fields of the entity in the tool's answer, by name, before they are shaped; cached."""
        if tool.key not in self._plans:
            focus, planned = self._planned(tool)
            for value in self._found().get(tool.key, ()):
                if value.parameter not in planned or planned[value.parameter].certainty < value.certainty:
                    planned[value.parameter] = _Planned(value.schema, value.certainty, value.entity or focus)
            self._plans[tool.key] = focus, planned
        return self._plans[tool.key]

    def _found(self) -> dict[str, list[Found]]:
        """Return what each tool presumably finds out for its siblings (`tdlab.tools._finders`); cached."""
        if self._found_table is None:
            self._found_table = found_values(self, self._given)
        return self._found_table

    def _given(self, tool: Tool) -> list[tuple[str, str, float]]:
        """Return names, entities and certainties of what a tool returns by itself, whatever its siblings need."""
        if informative(tool.output_schema) is not None:
            return [(field.name, field.entity, field.certainty) for field in self.fields(tool)]
        return [(name, plan.entity, plan.certainty) for name, plan in self._planned(tool)[1].items()]

    def _planned(self, tool: Tool) -> tuple[str, dict[str, _Planned]]:
        operation, focus = self.nature(tool).operation, self.focus(tool)
        slots = [slot for slot in self.slots(tool) if not slot.inside]
        identified = {slot.entity for slot in slots if slot.kind == "id"}
        planned: dict[str, _Planned] = {}

        aspect = _OTHER_SORT if operation in ("read", "list") and is_aspect(tool, self._handles) else 1.0

        def put(name: str, schema: dict[str, Any], certainty: float, entity: str, attribute: bool = False) -> None:
            if name not in planned or planned[name].certainty < certainty:
                planned[name] = _Planned(schema, round(min(certainty, 0.97), 4), entity, attribute)

        for name, (schema, weight) in self._handles.get(focus, {}).items():
            sure = _OWN_HANDLE[operation] * weight * aspect
            put(name, schema, sure * _OTHER_SORT if self._sorts.is_other(name, tool) else sure, focus)
        for slot in slots:
            if slot.kind == "control" or slot.kind == "flag":
                continue
            certainty = _ECHO[operation]
            if slot.handle:
                certainty = max(certainty, _OWN_HANDLE[operation] if slot.entity == focus else certainty)
            elif slot.world in ("file_path", "url") and shows_members(tool, operation):
                certainty = 0.75  # a directory lists the paths in it, a crawl the pages of a site
            elif slot.kind == "prose" and operation in ("list", "read", "compute"):
                certainty = 0.1
            elif slot.kind in ("choice", "time", "quantity") and operation in ("list", "read", "compute"):
                certainty *= 0.7
            put(slot.parameter, clean(slot.schema), certainty, slot.entity or focus, not slot.handle and not slot.world)
        if operation in ("read", "list", "create", "update", "act"):
            for name, slot in self._set_by.get(focus, {}).items():
                if name not in planned:
                    foreign = self._sorts.is_another_owner(slot.entity, tool, focus, identified)
                    sure = 0.6 * (_OTHER_SORT if foreign else 1.0)
                    put(name, clean(slot.schema), sure, slot.entity or focus, not slot.handle)
        for entity, strength in self._links().get(focus, {}).items():
            if self._sorts.is_another_owner(entity, tool, focus, identified):
                strength *= _OTHER_SORT
            strength *= aspect
            for name, (schema, weight) in self._handles.get(entity, {}).items():
                other = _OTHER_SORT if self._sorts.is_other(name, tool) else 1.0
                put(name, schema, _LINKED[operation] * strength * weight * other, entity)
        if operation == "list":
            for name, schema in self._common().items():
                words = split_words(name)
                other = len(words) > 1 and focus not in map(singular, words)  # an emoji has no repository_name
                if name not in tool.parameters and not (other and parameter_kind(name, schema) in ("label", "ref")):
                    put(name, clean(schema), 0.65, focus)
        for match in _SAYS_RETURNS.finditer(tool.description[:3000]):
            for word in split_words(match.group(1)):
                concept, telling = shared_concept(word)
                if telling >= 0.45 and concept not in tool.parameters:
                    put(concept, {"type": "string"}, 0.6, focus)
        for entity, certainty in self._mentioned(tool, focus):
            for name, (schema, weight) in self._handles.get(entity, {}).items():
                other = _OTHER_SORT if self._sorts.is_other(name, tool) else 1.0
                other *= 0.5 if operation in ("compute", "delete") else aspect
                put(name, schema, certainty * weight * other, entity)
        return focus, planned

    def _mentioned(self, tool: Tool, focus: str) -> list[tuple[str, float]]:
        """Return the entities of the service that the tool's description says or suggests it returns."""
        text = tool.description[:3000]
        reads = self.nature(tool).operation in ("read", "list")
        certainties: dict[str, float] = {}
        clauses = [(match.group(1), 0.8) for match in _RETURNS_SECTION.finditer(text)]
        if reads:
            clauses += [(match.group(1), 0.75) for match in _MENTION.finditer(text)]
            clauses.append((text.split(".")[0], 0.35))
        for clause, certainty in clauses:
            for noun in self._shown(clause):
                if noun != focus and certainties.get(noun, 0.0) < certainty:
                    certainties[noun] = certainty
        return sorted(certainties.items())

    def _shown(self, clause: str) -> list[str]:
        """Return the entities that a clause says are shown: none after a preposition, nor the words "a list of"."""
        return self._nouns(_SCOPE.split(_LIST_OF.sub(" ", clause))[0])

    def _nouns(self, text: str) -> list[str]:
        """Return the entities of this service that a text names, each once."""
        return list(dict.fromkeys(noun for word in split_words(text) if (noun := singular(word)) in self._handles))

    def _inferred_fields(self, tool: Tool) -> list[ReturnedField]:
        """Return the planned values that are in the inferred schema."""
        focus, planned = self._plan(tool)
        record, root = self.schema(tool), ()  # type: dict[str, Any], tuple[str | int, ...]
        if self.nature(tool).operation == "list":
            root = (plural(focus), 0)
            record = record["properties"][root[0]]["items"]
        fields: list[ReturnedField] = []
        for name, schema in record["properties"].items():
            if name not in planned:
                continue
            plan = planned[name]
            path = (*root, name, 0) if "array" in types_of(schema) else (*root, name)
            value_schema = item(schema)
            for inner, inner_schema in inner_properties(value_schema).items():
                noun = _noun_of(inner, singular(split_words(name)[-1]) if split_words(name) else "")
                fields.append(ReturnedField((*path, inner), inner, noun, inner_schema, round(0.9 * plan.certainty, 4)))
            fields.append(ReturnedField(path, name, plan.entity, value_schema, plan.certainty, plan.attribute))
        return fields

    def _inferred_schema(self, tool: Tool) -> dict[str, Any]:
        operation = self.nature(tool).operation
        focus, planned = self._plan(tool)
        properties = {
            name: plan.schema
            for name, plan in planned.items()
            if plan.certainty >= _SHOWN or (operation not in ("list", "read", "compute") and name in tool.parameters)
        }
        noun = focus or "item"
        if operation == "compute":
            properties.pop("result", None)
            kept = {name: schema for name, schema in properties.items() if name in tool.parameters}
            return {"type": "object", "properties": {**kept, "result": _result(tool)}, "required": ["result"]}
        known = [_noun_of(n, focus) for n, s in properties.items() if parameter_kind(n, s) in ("id", "ref", "world")]
        if not known or (operation in ("create", "list") and noun not in known and not self._handles.get(focus)):
            properties = {f"{noun}_id": {"type": "string"}, **properties}
        if operation == "delete":
            kept = {
                n: s for n, s in properties.items() if parameter_kind(n, s) in ("id", "ref") or n in tool.parameters
            }
            kept = {n: s for n, s in kept.items() if n != "deleted"}
            kept["deleted"] = {"type": "boolean", "const": True}
            return {"type": "object", "properties": kept, "required": ["deleted"]}
        if operation in ("read", "list") and not any(parameter_kind(n, s) == "label" for n, s in properties.items()):
            properties["name"] = {"type": "string"}
        if operation in ("act", "create") or focus in self._acted:
            properties.setdefault("status", {"type": "string"})
        record = {"type": "object", "properties": properties, "required": list(properties)}
        if operation != "list":
            return record
        many = plural(focus)
        return {"type": "object", "properties": {many: {"type": "array", "items": record}}, "required": [many]}


# ---------------------------------------------------------------------------------------------------- module functions


_MANY_VERBS = frozenset("list ls all browse discover enumerate lists query filter match find search".split())


def _asks_for_many(tool: Tool) -> bool:
    """Return whether a tool that lists by its name really does: ``get_orders`` does, ``get_order_details`` does not."""
    words = split_words(tool.name)
    if any(word in _MANY_VERBS for word in words):
        return True
    remaining = list(words)
    while len(remaining) > 1 and (singular(remaining[-1]) in ENTITY_NOISE or remaining[-1] in ENTITY_NOISE):
        remaining.pop()
    return len(remaining) > 1 and remaining[-1] != singular(remaining[-1])


def returned_schema(tool: Tool, siblings: Iterable[Tool] = ()) -> dict[str, Any]:
    """Return the JSON Schema of what a tool returns, without references.

    For many tools of one service, build `Returns` once instead: with siblings, this function examines all of them at
    each call; without them, its answer is cached.

    Args:
        tool: The tool.
        siblings: The other tools of its service.

    Returns:
        A valid schema with ``type: object`` at its root.

    Example:
        >>> from tdlab.records import Tool
        >>> schema = {"properties": {"order_id": {"type": "string"}}}
        >>> sorted(returned_schema(Tool(service="shop", name="delete_order", input_schema=schema))["properties"])
        ['deleted', 'order_id']
    """
    others = [other for other in siblings if other.key != tool.key]
    if not others:
        return _alone(tool).schema(tool)
    return Returns([tool, *others]).schema(tool)


def returned_fields(tool: Tool, siblings: Iterable[Tool] = ()) -> tuple[ReturnedField, ...]:
    """Return the values in what a tool returns, most certain first.

    Args:
        tool: The tool.
        siblings: The other tools of its service; see `returned_schema`.

    Returns:
        The values with their paths, entities and certainties.

    Example:
        >>> from tdlab.records import Tool
        >>> schema = {"properties": {"order_id": {"type": "string"}}}
        >>> [field.name for field in returned_fields(Tool(service="shop", name="delete_order", input_schema=schema))]
        ['order_id']
    """
    others = [other for other in siblings if other.key != tool.key]
    if not others:
        return _alone(tool).fields(tool)
    return Returns([tool, *others]).fields(tool)


def with_outputs(tools: Iterable[Tool]) -> tuple[Tool, ...]:
    """Return all tools of one service with output schemas: their own if informative, else inferred ones.

    For such tools `returned_schema` alone returns what their siblings' words implied, so that plans, the simulated
    environment and the paths of mined dependencies agree.

    Args:
        tools: All tools of the service.

    Returns:
        Copies of the tools.

    Example:
        >>> from tdlab.records import Tool
        >>> (tool,) = with_outputs([Tool(service="shop", name="list_orders", input_schema={"type": "object"})])
        >>> list(tool.output_schema["properties"])
        ['orders']
    """
    returns = Returns(tools)
    return tuple(tool.model_copy(update={"output_schema": returns.schema(tool)}) for tool in returns.tools)


@cached_per_tool
def _alone(tool: Tool) -> Returns:
    return Returns([tool])


def _noun_of(name: str, entity: str) -> str:
    """Return the noun that a field of ``entity`` identifies, else ``entity``."""
    noun = (referenced_entity(name, entity) or "").split("_")
    if len(noun) > 1 and parameter_kind(name, {}) != "id":
        noun = noun[:-1]
    return noun[-1] if noun and noun[-1] else entity


def _field(
    path: tuple[str | int, ...], name: str, entity: str, schema: dict[str, Any], certainty: float
) -> ReturnedField:
    return ReturnedField(path, name, _noun_of(name, entity), schema, certainty)


_NUMERIC = frozenset(
    "convert calculate compute count sum measure score add subtract multiply divide average round estimate".split()
)


def _result(tool: Tool) -> dict[str, Any]:
    return {"type": "number"} if nature(tool).verb in _NUMERIC else {"type": "string"}
