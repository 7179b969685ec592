"""What a tool and a service speak of: weighted words, to tell which tools serve one task though no value joins them.

A word counts by how few of its fellows use it (in the service for tools, in the pool for services); words of names
count most, then parameters, then the first words of descriptions. Vocabulary of the trade itself (*server*, *API*,
*enables*) counts for nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tdlab.config import TopicWeights
from tdlab.records import Service, Tool
from tdlab.tools import ENTITY_NOISE, kind_of, nature_of_name, normal, singular, split_words

__all__ = ["ServiceWords", "common_words", "content_words", "service_words", "similarity", "tool_topics"]

# Fixed by definition: words that say nothing about what a tool is for.
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
    """The words of a text that say something, singular; an ordered set."""
    return dict.fromkeys(
        singular(word) for word in split_words(text) if len(word) > 2 and word not in _STOP and not word.isdigit()
    )


def tool_topics(tools: Sequence[Tool], weights: TopicWeights) -> list[dict[str, float]]:
    """For each tool of one service its words and parameters (``p:`` before the name), weighted."""
    found = [_traits(tool, weights) for tool in tools]
    having = Counter(trait for traits in found for trait in traits)
    rare = {trait: math.log(1 + len(tools) / count) for trait, count in having.items()}
    return [{trait: weight * rare[trait] for trait, weight in traits.items()} for traits in found]


def _traits(tool: Tool, weights: TopicWeights) -> dict[str, float]:
    traits: dict[str, float] = {}
    verb = nature_of_name(tool.name).verb
    for word in split_words(tool.name):
        one = singular(word)
        if len(word) > 1 and word not in ("the", "for", "and", "with", "from", "of", "by", "to", "in"):
            traits[one] = weights.verb if one in ENTITY_NOISE or word == verb else weights.name
    for parameter, schema in list(tool.parameters.items())[:60]:
        if kind_of(parameter, schema) not in ("control", "flag"):
            traits[f"p:{normal(parameter)[0]}"] = weights.parameter
    for word in content_words(tool.description[:_PROSE_LENGTH]):
        traits.setdefault(word, weights.prose)
    return traits


def similarity(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Shared weight over the geometric mean of both weights, in [0, 1]."""
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
    """The heaviest words that both have, for people to read."""
    shared = sorted(((-min(weight, other[word]), word) for word, weight in one.items() if word in other))
    return list(dict.fromkeys(word.removeprefix("p:") for _, word in shared))[:most]


class ServiceWords(NamedTuple):
    """What services are about: for each the weights of all its words, of the *plain* ones, and of those in names.

    Plain are the words of its name, its title and its tools; what only its description says is often advertisement,
    and weighs a quarter.
    """

    all: list[dict[str, float]]
    plain: list[dict[str, float]]
    named: list[dict[str, float]]


def service_words(services: Sequence[Service], weights: TopicWeights) -> ServiceWords:
    """The words of each service, weighted by how few services use them; a word of one service alone is left out.

    The owner in a name (``@owner/name``) says nothing.
    """
    found: list[dict[str, float]] = []
    plain: list[dict[str, float]] = []
    named: list[dict[str, float]] = []
    for service in services:
        parts = [service.name.rsplit("/", 1)[-1], service.title.rsplit("/", 1)[-1]]
        text = " ".join([*parts, *(tool.name for tool in service.tools[:12])])
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
        found.append({**dict.fromkeys(content_words(service.description[:400]), weights.service_prose), **own})
    having = Counter(word for words in found for word in words)
    rare = {word: math.log(1 + len(found) / count) for word, count in having.items() if count > 1}

    def weighted(words: Mapping[str, float]) -> dict[str, float]:
        return {word: weight * rare[word] for word, weight in words.items() if word in rare}

    return ServiceWords(*([weighted(words) for words in group] for group in (found, plain, named)))
