"""The topics of tools and services, as weighted words: tools may serve one task although no value joins them.

A word counts the more, the fewer tools of the service (or services of the pool) use it. Words of names count most, then
parameters, then the beginnings of descriptions. Words of the field itself (*server*, *API*, *enables*) do not count.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tdlab.config import TopicWeights
from tdlab.records import Service, Tool
from tdlab.tools import (
    ENTITY_NOISE,
    brand_words,
    entity_words,
    nature_of_name,
    normal_name,
    parameter_kind,
    referenced_entity,
    singular,
    split_words,
)

__all__ = [
    "ServiceWords",
    "common_words",
    "content_words",
    "name_families",
    "service_words",
    "similarity",
    "tool_topics",
]

# Fixed by definition: words that say nothing about the purpose of a tool.
_STOP = frozenset(
    "the and for with from this that your you via into are can use used using uses user users will all any its"
    " not has have more most other over when which who whom whose what where how each also may must should only"
    " such than then them they there their these those both between under about after before during per within"
    " without across based including include includes like etc new one two our out off but was were been being"
    " does did done just very mcp server servers tool tools api apis model context protocol llm llms ai agent"
    " agents assistant assistants claude chatgpt gpt openai anthropic client clients application applications app"
    " service services platform interface interfaces integration integrations integrate integrates integrated"
    " enable enables enabling provide provides providing allow allows allowing support supports supporting offer"
    " offers access accessing seamless seamlessly easily efficient efficiently effortless effortlessly simple"
    " advanced powerful comprehensive real enhance enhances enhancing capability capabilities functionality"
    " feature features workflow workflows task tasks operation operations perform performs interact interacts"
    " interaction interacting natural language process processing data information content various multiple"
    " specific different custom direct directly available deploy try playground claim returns return returning"
    " given get set list string value values number name names id ids args arg optional required default true"
    " false none null int str bool dict object array parameter parameters result results request requests"
    " response responses call calls function functions method methods input output type types make makes run runs"
    " search searching find finding query keyword text info detail argument page url message show item action add"
    " connect connects connecting connection let lets help helps need needs current currently single"
    " always never doc docs documentation guide".split()
)
# Fixed: how much is read. First sentences say what a tool does; the rest is usage, and reading it takes time.
_PROSE_LENGTH = 200


def content_words(text: str) -> dict[str, None]:
    """Return the words of a text that name a topic, in the singular, as an ordered set."""
    return dict.fromkeys(
        singular(word) for word in split_words(text) if len(word) > 2 and word not in _STOP and not word.isdigit()
    )


def tool_topics(tools: Sequence[Tool], weights: TopicWeights) -> list[dict[str, float]]:
    """Return the weighted words and parameters (with the prefix ``p:``) of each tool of one service."""
    brand = brand_words(tools)
    by_tool = [{word: w for word, w in _traits(tool, weights).items() if word not in brand} for tool in tools]
    counts = Counter(trait for traits in by_tool for trait in traits)
    rarity = {trait: math.log(1 + len(tools) / count) for trait, count in counts.items()}
    return [{trait: weight * rarity[trait] for trait, weight in traits.items()} for traits in by_tool]


def _traits(tool: Tool, weights: TopicWeights) -> dict[str, float]:
    traits: dict[str, float] = {}
    verb = nature_of_name(tool.name).verb
    for word in split_words(tool.name):
        noun = singular(word)
        if len(word) > 1 and word not in ("the", "for", "and", "with", "from", "of", "by", "to", "in"):
            traits[noun] = weights.verb if noun in ENTITY_NOISE or word == verb else weights.name
    for parameter, schema in list(tool.parameters.items())[:60]:
        if len(parameter) > 1 and parameter_kind(parameter, schema) not in ("control", "flag"):
            traits[f"p:{normal_name(parameter)[0]}"] = weights.parameter
    for word in content_words(tool.description[:_PROSE_LENGTH]):
        traits.setdefault(word, weights.prose)
    return traits


def name_families(tools: Sequence[Tool]) -> list[str]:
    """Return for each tool of a service the product that its name begins with; "" if it begins with none.

    ``tft-meta-items`` and ``valorant-meta-maps`` are of two families of one server. A word that a parameter identifies
    is a thing (``package_show(id)``), a verb is an act, and a word that one tool begins with is no family.
    """
    first = [(split_words(tool.name) or ("",))[0] for tool in tools]
    counts = Counter(first)
    things = {
        (referenced_entity(parameter, (entity_words(tool) or ("",))[-1]) or "").split("_")[0]
        for tool in tools
        for parameter in tool.parameters
    }
    return [
        word if counts[word] > 1 and word != nature_of_name(tool.name).verb and singular(word) not in things else ""
        for word, tool in zip(first, tools, strict=True)
    ]


def similarity(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the shared weight over the geometric mean of both weights, in [0, 1]."""
    if len(other) < len(one):
        one, other = other, one
    shared = 0.0
    for word, weight in one.items():
        if word in other:
            shared += min(weight, other[word])
    if not shared:
        return 0.0
    return min(1.0, shared / math.sqrt(sum(one.values()) * sum(other.values())))


def common_words(one: Mapping[str, float], other: Mapping[str, float], most: int = 4) -> list[str]:
    """Return the heaviest words that both have, for display."""
    shared = sorted(((-min(weight, other[word]), word) for word, weight in one.items() if word in other))
    return list(dict.fromkeys(word.removeprefix("p:") for _, word in shared))[:most]


class ServiceWords(NamedTuple):
    """The weighted words of each service: ``all``, the ``plain`` ones, and those in names (``named``).

    Plain words are those of its name, title and tools. Words that only its description has are often advertising, and
    weigh a quarter.
    """

    all: list[dict[str, float]]
    plain: list[dict[str, float]]
    named: list[dict[str, float]]


def service_words(services: Sequence[Service], weights: TopicWeights) -> ServiceWords:
    """Return the words of each service, weighted by rarity; words that only one service uses are left out.

    The owner in a name (``@owner/name``) does not count.
    """
    every: list[dict[str, float]] = []
    plain: list[dict[str, float]] = []
    named: list[dict[str, float]] = []
    for service in services:
        titles = [service.name.rsplit("/", 1)[-1], service.title.rsplit("/", 1)[-1]]
        text = " ".join([*titles, *(tool.name for tool in service.tools[:12])])
        names = dict.fromkeys(content_words(text), weights.service_name)
        own = dict(names)
        for passage, weight in (
            (" ".join(tool.description[:_PROSE_LENGTH] for tool in service.tools[:8]), weights.service_tools),
            (
                " ".join(name for tool in service.tools[:8] for name in list(tool.parameters)[:12]),
                weights.service_parameters,
            ),
        ):
            for word in content_words(passage):
                own.setdefault(word, weight)
        named.append(names)
        plain.append(own)
        every.append({**dict.fromkeys(content_words(service.description[:400]), weights.service_prose), **own})
    counts = Counter(word for words in every for word in words)
    rarity = {word: math.log(1 + len(every) / count) for word, count in counts.items() if count > 1}

    def weighted(words: Mapping[str, float]) -> dict[str, float]:
        return {word: weight * rarity[word] for word, weight in words.items() if word in rarity}

    return ServiceWords(*([weighted(words) for words in group] for group in (every, plain, named)))
