"""The purpose of a parameter: an identifier, a fact of the world, a label, a quantity, prose, or control of the call.

A *slot* is one place for a value: a parameter, or a property one level inside it. Its kind decides whether a value that
another tool returned can sensibly fill it. The word lists here are general English and web vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from tdlab.records import Tool
from tdlab.tools.names import is_identifier, nature, referenced_entity, split_words
from tdlab.tools.nouns import singular
from tdlab.tools.references import inlined, refers
from tdlab.tools.schema_shapes import inner_properties, types_of

__all__ = [
    "ENTITY_NOISE",
    "SAID",
    "Slot",
    "brand_words",
    "entity_words",
    "identifying_name",
    "inner_properties",
    "normal_name",
    "parameter_kind",
    "parameters_of",
    "shared_concept",
    "slots_of",
    "types_of",
]

Kind = Literal["id", "ref", "world", "label", "value", "quantity", "time", "choice", "flag", "prose", "control"]


class Slot(NamedTuple):
    """One place for a value.

    ``name`` is the parameter's words joined by ``_``, the last one singular. ``entity`` is the noun that it identifies,
    ``world`` the shared real-world concept that it holds, ``inside`` the property inside an object or array parameter;
    each is ``""`` where there is none.
    """

    parameter: str
    inside: str
    name: str
    entity: str
    kind: Kind
    world: str
    required: bool
    schema: dict[str, Any]

    @property
    def handle(self) -> bool:
        """Whether the slot identifies something."""
        return self.kind in ("id", "ref") or (self.kind == "world" and bool(self.entity))


_CONTROL = frozenset(
    "limit offset page cursor per_page page_size page_number page_token next_token max_result num_result top_k top_n"
    " count size sort order order_by sort_by sort_order direction format output_format response_format lang locale"
    " verbose debug dry_run timeout timeout_m timeout_sec max_token api_key apikey access_token token auth_token"
    " skip take start_index max_item max_count max_length max_depth depth batch_size include field select expand fields"
    " reorder encoding indent pretty raw stream force recursive language random_string dummy intent user_agent header"
    " callback retry max_retry next_cursor continuation_token starting_after ending_before max_page limit_per_page"
    " num_page max_char temperature seed top_p idempotency_key reason output units unit mode style theme width height"
    " color background quality interval granularity timezone tz detail level max_size min_size".split()
)
_CONTROL_TAIL = frozenset("limit offset cursor timeout depth".split())
_CONTROL_HEAD = frozenset("pagination paginate paging expand".split())
_OF_ANSWER = frozenset("expand expanded include included exclude excluded return returned response".split())
_MOST = frozenset("max maximum number limit total".split())
_ROWS = frozenset("results records items objects rows entries page fetch list return".split())
_PROSE = frozenset(
    "query q search keyword keywords term text prompt question message content body description summary note notes"
    " comment comments instruction instructions input thought reason markdown html code script sql expression formula"
    " command data payload caption bio feedback context search_query search_term user_input request template remark"
    " filter where condition statement subject explanation answer response idea goal objective task_description".split()
)
_TIME_TAIL = frozenset("date time datetime timestamp at since until day month year hour deadline".split())
_LABEL = frozenset("name title label".split())
_FLAG_HEAD = frozenset("is has include show enable use allow should with no exclude only".split())
_QUANTITY_TAIL = frozenset(
    "amount price total quantity count score rating rate percent percentage ratio weight length radius distance"
    " duration cent cents minor minute minutes day days hour hours second seconds size age km meter metre".split()
)
ENTITY_NOISE = frozenset(
    "detail info information status data content list result summary overview statistic stat record history count by"
    " all metadata property value full complete entry batch bulk multiple single level basic current latest recent"
    " available specific id ids uuid name slug number key hash url uri".split()
)

# Fixed by definition, as a vocabulary: how surely a name stands for the one concept, whatever service uses it. An
# identifier that a registry issues (0.75 and more) is one thing; a city or a link may be any.
_WORLD: dict[str, tuple[str, float]] = {}
for _concept, _weight, _names in (
    ("email", 0.62, "email email_address mail_address"),
    ("phone", 0.58, "phone phone_number mobile_number telephone"),
    ("ticker", 0.8, "ticker ticker_symbol stock_symbol stock_ticker"),
    ("symbol", 0.55, "symbol trading_pair"),
    ("coin", 0.6, "coin_id coin crypto_id cryptocurrency"),
    ("isin", 0.85, "isin isin_code"),
    ("repository", 0.7, "repository repo repo_name repository_name repo_url repository_url repo_full_name"),
    ("tracking_number", 0.85, "tracking_number tracking_code waybill_number"),
    ("address", 0.55, "street_address postal_address shipping_address delivery_address full_address"),
    ("postcode", 0.6, "zip zip_code postal_code postcode zipcode"),
    ("latitude", 0.65, "latitude lat"),
    ("longitude", 0.65, "longitude lng lon long"),
    ("coordinates", 0.65, "coordinate lat_lng latlng lat_lon location_coordinate"),
    ("city", 0.45, "city city_name"),
    ("place_id", 0.75, "place_id google_place_id"),
    ("country_code", 0.45, "country_code country iso_country"),
    ("currency", 0.4, "currency currency_code base_currency"),
    ("wallet", 0.75, "wallet_address wallet eth_address"),
    ("contract", 0.75, "contract_address token_address token_contract mint_address"),
    ("transaction", 0.8, "tx_hash transaction_hash txid tx_id"),
    ("doi", 0.85, "doi"),
    ("arxiv", 0.85, "arxiv_id arxiv"),
    ("pmid", 0.85, "pmid pubmed_id"),
    ("isbn", 0.85, "isbn isbn13 isbn10"),
    ("imdb", 0.85, "imdb_id imdb"),
    ("domain", 0.65, "domain domain_name hostname"),
    ("ip", 0.7, "ip ip_address ipaddr ipv4"),
    ("url", 0.45, "url link website website_url page_url web_url uri source_url"),
    ("image_url", 0.6, "image_url img_url image_uri photo_url"),
    ("video_url", 0.65, "video_url youtube_url video_link"),
    ("place", 0.4, "place place_name location location_name origin destination venue start_location end_location"),
    ("account", 0.4, "username user_name login screen_name owner author assignee"),
    ("file_path", 0.45, "file_path filepath path filename file_name absolute_path"),
    ("cve", 0.85, "cve cve_id"),
    ("package", 0.6, "package_name package npm_package"),
    ("airport", 0.7, "airport_code iata_code iata airport"),
    ("flight_number", 0.75, "flight_number flight_no"),
    ("vin", 0.85, "vin"),
    ("iban", 0.85, "iban"),
    ("vat", 0.8, "vat_number vat_id"),
    ("postal_tracking", 0.8, "parcel_number"),
    ("uniprot", 0.85, "uniprot_id uniprot accession accession_number"),
    ("gene", 0.75, "gene gene_symbol gene_name"),
    ("smiles", 0.85, "smiles"),
    ("steam_app", 0.75, "steam_app_id app_id steam_id"),
    ("sku", 0.7, "sku"),
):
    for _name in _names.split():
        _WORLD[_name] = (_concept, _weight)


_QUALIFIED = frozenset(
    "email ticker symbol latitude longitude iban isin doi url path filepath filename location place".split()
)
"""Names that stand for their concept with any word before them: ``article_url``, ``output_path``."""
_NO_HANDLE = frozenset({"email", "phone", "address", "postcode", "ip", "country_code", "currency", "place", "account"})
"""Concepts that describe a thing without identifying it."""


SAID = frozenset("email phone address postcode country_code currency city isbn domain ip account".split())
"""Concepts of values that a user mostly knows and says: no tool has to find them out."""


@lru_cache(maxsize=65536)
def normal_name(parameter: str) -> tuple[str, tuple[str, ...]]:
    """Return a name in one form, with its last word in the singular.

    Args:
        parameter: The name of a parameter or field.

    Returns:
        The words joined by ``_``, and the words.

    Example:
        >>> normal_name("orderItems")
        ('order_item', ('order', 'item'))
    """
    words = split_words(parameter)
    if not words:
        return "", ()
    words = (*words[:-1], singular(words[-1]))
    return "_".join(words), words


@lru_cache(maxsize=65536)
def shared_concept(parameter: str) -> tuple[str, float]:
    """Return the real-world concept that a name stands for in any service, such as an e-mail address or a city.

    A name counts as a whole, or by its last one or two words where other words qualify them (``buyer_email``).

    Args:
        parameter: The name of a parameter or field.

    Returns:
        The concept and how telling the name is in [0, 1]; ``("", 0.0)`` for none.

    Example:
        >>> shared_concept("stock_ticker"), shared_concept("buyer_email")[0], shared_concept("note")
        (('ticker', 0.8), 'email', ('', 0.0))
    """
    name, words = normal_name(parameter)
    if name in _WORLD:
        return _WORLD[name]
    for length in (2, 1):
        tail = "_".join(words[-length:])
        if len(words) > length and tail in _WORLD and (length == 2 or tail in _QUALIFIED):
            concept, weight = _WORLD[tail]
            return concept, weight * 0.9
    return "", 0.0


def _shapes_answer(parameter: str) -> bool:
    """Return whether a parameter only says how much of an answer to show.

    Collections that people and models wrote have a hundred such names: ``fields_to_return``, ``exclude_fields``,
    ``max_domains_to_return``, ``number_of_records_to_return``.
    """
    words = set(split_words(parameter))
    return bool(("fields" in words and words & _OF_ANSWER) or (words & _MOST and words & _ROWS))


def parameter_kind(parameter: str, schema: dict[str, Any]) -> Kind:
    """Return the purpose of a parameter.

    Args:
        parameter: Its name.
        schema: Its JSON Schema.

    Returns:
        One of ``id``, ``ref``, ``world``, ``label``, ``value``, ``quantity``, ``time``, ``choice``, ``flag``, ``prose``
        and ``control``.

    Example:
        >>> parameter_kind("order_id", {"type": "string"}), parameter_kind("limit", {"type": "integer"})
        ('id', 'control')
    """
    name, words = normal_name(parameter)
    types = types_of(schema)
    if not words or name in _CONTROL or words[-1] in _CONTROL_TAIL or parameter.startswith("_"):
        return "control"
    if words[0] in _CONTROL_HEAD or _shapes_answer(parameter):
        return "control"
    if types == {"boolean"} or (
        words[0] in _FLAG_HEAD and len(words) > 1 and types <= {"boolean", "string"} and "string" not in types
    ):
        return "flag"
    if "enum" in schema or "const" in schema:
        return "choice"
    if is_identifier(parameter):
        return "id"
    if shared_concept(parameter)[0] or schema.get("format") in ("email", "uri", "ipv4"):
        return "world"
    if (
        schema.get("format") in ("date", "date-time", "time")
        or words[-1] in _TIME_TAIL
        # from_station is no time, since and from alone are
        or words[0] in ("since", "until")
        or name in ("start", "end", "from")
    ):
        return "time"
    if referenced_entity(parameter) is not None:
        return "ref"
    if name in _PROSE or words[-1] in (
        "query",
        "prompt",
        "text",
        "message",
        "description",
        "content",
        "note",
        "html",
        "markdown",
    ):
        return "prose"
    if (types and types <= {"number", "integer"}) or words[-1] in _QUANTITY_TAIL:
        return "quantity"
    if words[-1] in _LABEL:
        return "label"
    return "value"


@lru_cache(maxsize=65536)
def identifying_name(parameter: str, entity: str) -> str:
    """Return the one form of the name of an identifier: ``order_id`` for ``orderIdentifier`` and an order's ``id``.

    Args:
        parameter: The name of a parameter or field that is an identifier.
        entity: The entity to which a bare ``id`` refers.

    Returns:
        The entity with ``_id``; the name's own words if it has no entity.

    Example:
        >>> identifying_name("storeIdentifier", ""), identifying_name("id", "order")
        ('store_id', 'order_id')
    """
    noun = referenced_entity(parameter, entity)
    return f"{noun}_id" if noun else normal_name(parameter)[0]


def _slot(parameter: str, inside: str, schema: dict[str, Any], required: bool, entity: str) -> Slot:
    own = inside or parameter
    kind = parameter_kind(own, schema)
    name, words = normal_name(own)
    concept = shared_concept(own)[0] or ("email" if schema.get("format") == "email" else "")
    noun = ""
    if kind == "id":
        noun = (referenced_entity(own, entity) or entity).split("_")[-1]
        name = identifying_name(own, entity)
    elif kind in ("ref", "label"):
        noun = singular(words[-2]) if len(words) > 1 else entity if kind == "label" else ""
    elif kind == "world" and len(words) > 1 and referenced_entity(own) and concept not in _NO_HANDLE:
        noun = singular(words[-2])
    elif kind == "value":
        noun = words[-1]
    return Slot(parameter, inside, name, noun, kind, concept, required, schema)


def entity_words(tool: Tool) -> tuple[str, ...]:
    """Return the nouns of a tool's name that say what it is about, in the singular and without filler.

    Args:
        tool: The tool.

    Returns:
        The nouns in order; empty if there are none.

    Example:
        >>> from tdlab.records import Tool
        >>> entity_words(Tool(service="s", name="get_invoice_details", input_schema={}))
        ('invoice',)
    """
    words = [singular(word) for word in nature(tool).entity.split("_") if word]
    while len(words) > 1 and words[-1] in ENTITY_NOISE:
        words.pop()
    return tuple(words)


def brand_words(tools: Sequence[Tool]) -> set[str]:
    """Return the words of a service's name that name no thing of it, since no parameter identifies such a thing.

    ``create_mailchimp_list`` and ``add_product_mailchimp`` are about a list and a product, not about a mailchimp.

    Args:
        tools: All tools of the service.

    Returns:
        The words, in the singular.

    Example:
        >>> from tdlab.records import Tool
        >>> schema = {"properties": {"board_id": {"type": "string"}}}
        >>> sorted(brand_words([Tool(service="Trello boards", name="get_trello_board", input_schema=schema)]))
        ['trello']
    """
    names = {singular(word) for service in {tool.service for tool in tools} for word in split_words(service)}
    things = {(referenced_entity(name) or "").split("_")[-1] for tool in tools for name in tool.parameters}
    return names - things


def slots_of(tool: Tool, entity: str) -> tuple[Slot, ...]:
    """Return every slot of a tool whose main entity is ``entity``, in declared order; at most 200, one level deep."""
    required = set(tool.required)
    slots: list[Slot] = []
    for parameter, schema in list(parameters_of(tool).items())[:200]:
        slots.append(_slot(parameter, "", schema, parameter in required, entity))
        for name, inner in list(inner_properties(schema).items())[:30]:
            if len(slots) < 400:
                slots.append(_slot(parameter, name, inner, parameter in required, singular(parameter)))
    return tuple(slots)


def parameters_of(tool: Tool) -> dict[str, dict[str, Any]]:
    """Return the tool's parameters with local references replaced by their targets."""
    if not refers(tool.input_schema):
        return tool.parameters
    properties = inlined(tool.input_schema).get("properties")
    if not isinstance(properties, dict):
        return {}
    return {name: schema if isinstance(schema, dict) else {} for name, schema in properties.items()}
