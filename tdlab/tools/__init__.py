"""What a tool means: its schema, verb, entity, parameters and outputs, and example values and phrases for them.

Everything that reads meaning from a tool definition lives here, so that pool, clusters, blueprints, rollout and verify
agree about it. Modules, low to high: `text` (text helpers for people), `schema` (validation; the only importer of
``jsonschema_rs``), `schema_shapes` (types, properties and references of a schema), `names` (verb, entity and effect),
`parameters` (what a parameter refers to), `outputs` (what a tool returns), `entities` (the roles of parameters),
`patterns`, `lexicon` and `values` (example values), `phrases` (values and goals in words).
"""

from __future__ import annotations

from tdlab.tools.entities import Roles, issued_ids, output_of, per_tool, roles
from tdlab.tools.lexicon import names_a_person
from tdlab.tools.names import (
    NAMING_VERSION,
    ToolNature,
    nature,
    nature_of_name,
    outcome,
    reference,
    singular,
    split_words,
)
from tdlab.tools.outputs import ReturnedField, Returns, returned_fields, returned_schema, with_outputs
from tdlab.tools.parameters import ENTITY_NOISE, Slot, entity_words, kind_of, normal, plural, world_name
from tdlab.tools.phrases import detail, goal_phrase, label, leaves, mentions, past, said_as, say, says_no, says_yes
from tdlab.tools.schema import CompiledSchema, compile_schema, schema_problem
from tdlab.tools.schema_shapes import inner_properties, kinds_fit, schema_at, types_of
from tdlab.tools.text import counted, plain, show
from tdlab.tools.values import make_identifier, make_person, make_value, ordered_pairs

__all__ = [
    "ENTITY_NOISE",
    "NAMING_VERSION",
    "CompiledSchema",
    "ReturnedField",
    "Returns",
    "Roles",
    "Slot",
    "ToolNature",
    "compile_schema",
    "counted",
    "detail",
    "entity_words",
    "goal_phrase",
    "inner_properties",
    "issued_ids",
    "kind_of",
    "kinds_fit",
    "label",
    "leaves",
    "make_identifier",
    "make_person",
    "make_value",
    "mentions",
    "names_a_person",
    "nature",
    "nature_of_name",
    "normal",
    "ordered_pairs",
    "outcome",
    "output_of",
    "past",
    "per_tool",
    "plain",
    "plural",
    "reference",
    "returned_fields",
    "returned_schema",
    "roles",
    "said_as",
    "say",
    "says_no",
    "says_yes",
    "schema_at",
    "schema_problem",
    "show",
    "singular",
    "split_words",
    "types_of",
    "with_outputs",
    "world_name",
]
