"""What a tool means: its schema, verb, entity, parameters and outputs, with example values and phrases for them.

All code that reads meaning from a tool definition is here, so that pool, clusters, blueprints, rollout and verify agree
about it. Modules, low to high: `text` (text for people), `json_text` (decoding JSON), `nouns` (singular and plural),
`cache` (results per tool), `references` (targets of ``$ref``), `schema` (validation; the only importer of
``jsonschema_rs``), `schema_shapes` (types and properties of a schema), `names` (verb, entity and effect of a name),
`parameters` (the purpose of a parameter), `outputs` (what a tool returns), `entities` (the roles of entities),
`patterns`, `lexicon` and `values` (example values) and `phrases` (values and goals in words).
"""

from __future__ import annotations

from tdlab.tools._finders import shows_members
from tdlab.tools.cache import cached_per_tool
from tdlab.tools.entities import Roles, issued_ids, roles
from tdlab.tools.json_text import STRICT_DECODER, JsonError, NestingError, read_commented_json, read_json
from tdlab.tools.lexicon import make_person, names_a_person
from tdlab.tools.names import (
    NAMING_VERSION,
    ToolNature,
    nature,
    nature_of_name,
    outcome_of_field,
    referenced_entity,
    service_in_name,
    split_words,
)
from tdlab.tools.nouns import counted, is_one_word, keyword_form, plural, singular
from tdlab.tools.outputs import ReturnedField, Returns, returned_fields, returned_schema, with_outputs
from tdlab.tools.parameters import (
    ENTITY_NOISE,
    SAID,
    Slot,
    brand_words,
    entity_words,
    identifying_name,
    normal_name,
    parameter_kind,
    shared_concept,
)
from tdlab.tools.phrases import (
    LIMITS,
    asks,
    asks_for_yes,
    contains_whole,
    goal_phrase,
    label,
    leaves,
    mentions,
    past_tense,
    say,
    say_detail,
    says_a_form_of,
    says_no,
    says_yes,
)
from tdlab.tools.references import References, objects_in
from tdlab.tools.schema import CompiledSchema, compile_schema, schema_problem
from tdlab.tools.schema_shapes import informative, inner_properties, output_fit, schema_at, types_of
from tdlab.tools.text import preview, printable, shape_of, shorten
from tdlab.tools.values import make_identifier, make_value, ordered_pairs

__all__ = [
    "ENTITY_NOISE",
    "LIMITS",
    "NAMING_VERSION",
    "SAID",
    "STRICT_DECODER",
    "CompiledSchema",
    "JsonError",
    "NestingError",
    "References",
    "ReturnedField",
    "Returns",
    "Roles",
    "Slot",
    "ToolNature",
    "asks",
    "asks_for_yes",
    "brand_words",
    "cached_per_tool",
    "compile_schema",
    "contains_whole",
    "counted",
    "entity_words",
    "goal_phrase",
    "identifying_name",
    "informative",
    "inner_properties",
    "is_one_word",
    "issued_ids",
    "keyword_form",
    "label",
    "leaves",
    "make_identifier",
    "make_person",
    "make_value",
    "mentions",
    "names_a_person",
    "nature",
    "nature_of_name",
    "normal_name",
    "objects_in",
    "ordered_pairs",
    "outcome_of_field",
    "output_fit",
    "parameter_kind",
    "past_tense",
    "plural",
    "preview",
    "printable",
    "read_commented_json",
    "read_json",
    "referenced_entity",
    "returned_fields",
    "returned_schema",
    "roles",
    "say",
    "say_detail",
    "says_a_form_of",
    "says_no",
    "says_yes",
    "schema_at",
    "schema_problem",
    "service_in_name",
    "shape_of",
    "shared_concept",
    "shorten",
    "shows_members",
    "singular",
    "split_words",
    "types_of",
    "with_outputs",
]
