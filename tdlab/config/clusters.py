"""The settings of mining: how dependencies are scored, how clusters grow and which are selected.

Which operation naturally follows which (in `tdlab.clusters.dependencies`), how surely a tool returns a value (in
`tdlab.tools.outputs`) and which names stand for real-world concepts (in `tdlab.tools.parameters`) are not settings:
they say what a dependency is, so that dependencies of different runs can be compared. Bounds on work and lists of words
are not settings either; each is marked as fixed where it is defined.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from tdlab.config._section import Section, Share

__all__ = [
    "AcrossConfig",
    "ClusterConfig",
    "CompanionConfig",
    "GrowthConfig",
    "KindWeights",
    "MatchWeights",
    "MentionWeights",
    "SchemaWeights",
    "TopicWeights",
]

Weight = Annotated[float, Field(ge=0.0, le=100.0)]
Count = Annotated[int, Field(ge=1, le=1000)]


class KindWeights(Section):
    """How specific a parameter is, by its kind."""

    id: Share = Field(default=1.0, description="An identifier of an entity.")
    ref: Share = Field(default=0.92, description="Another reference to an entity, such as a number or a key.")
    world: Share = Field(default=0.75, description="A real-world concept, such as a ticker or a city.")
    label: Share = Field(default=0.6, description="A name or title.")
    value: Share = Field(default=0.55, description="Any other value that belongs to an entity.")
    time: Share = Field(default=0.25, description="A date or time.")
    quantity: Share = Field(default=0.15, description="An amount.")
    choice: Share = Field(default=0.12, description="One of a fixed list of values.")
    prose: Share = Field(default=0.08, description="Free text.")
    flag: Share = Field(default=0.0, description="A switch.")
    control: Share = Field(default=0.0, description="A setting of the call itself, such as a page size.")


class MatchWeights(Section):
    """Factors of a dependency's score: how well a returned value fits a parameter, and how much it is needed."""

    same_entity: Share = Field(default=0.85, description="An identifier of the right entity under another name.")
    made: Share = Field(
        default=0.8,
        description="A handle that the source is called with, of a thing that it makes: the document that it creates.",
    )
    made_part: Share = Field(
        default=0.85,
        description="Further factor where the source makes only a part of that thing: the heading that it adds.",
    )
    other_sort: Share = Field(
        default=0.35,
        description="Further factor of an identifier of another sort of that entity (two sorts of receipt).",
    )
    named_entity: Share = Field(default=0.6, description="An identifier or value of the entity that a parameter names.")
    whole_record: Share = Field(default=0.75, description="A whole record, for a parameter that takes any object.")
    same_concept: Share = Field(default=0.8, description="The same real-world concept under another name.")
    text_as_number: Share = Field(default=0.8, description="Text where a number is needed, or the reverse.")
    other_type: Share = Field(default=0.2, description="A value of any other wrong type.")
    other_format: Share = Field(default=0.6, description="A different declared format.")
    other_pattern: Share = Field(default=0.25, description="A different declared pattern.")
    optional: Share = Field(default=0.7, description="The parameter is optional.")
    nested: Share = Field(default=0.85, description="The parameter is a field of an object.")
    described_object: Share = Field(default=0.5, description="The parameter is an object with declared fields.")
    made_up: Share = Field(
        default=0.3, description="The parameter is a name that the caller makes up for a new or changed entity."
    )
    said: Share = Field(default=0.75, description="A value that a user mostly knows and says, such as a city.")
    focus_value: Share = Field(
        default=0.85, description="Weight of a plain value that names an entity which the service lists or creates."
    )
    shared_value: Share = Field(
        default=0.75, description="Least weight of a required value that several tools of the service ask for."
    )
    shared_by: Count = Field(default=3, description="Tools that have to ask for such a value.")
    common_name: Share = Field(default=0.4, description="Factor for a parameter name that every service uses.")
    rare_name: float = Field(
        default=1.5, ge=0.0, le=100.0, description="How fast that factor rises to 1 as fewer services use the name."
    )


class MentionWeights(Section):
    """Score of a dependency stated in a description, by how explicit it is."""

    parameter: Share = Field(default=0.85, description="The parameter's description names the tool.")
    earlier: Share = Field(default=0.75, description="The tool's description says what to call first.")
    later: Share = Field(default=0.7, description="The tool's description says what to call next.")
    named: Share = Field(default=0.3, description="The tool's description names another tool and gives no order.")


class AcrossConfig(Section):
    """Dependencies between tools of different services."""

    sources_per_parameter: int = Field(default=4, ge=1, le=10_000, description="Most sources kept for a parameter.")
    into_one_service: Count = Field(default=4, description="Most dependencies from one tool into one other service.")
    word_services: Count = Field(default=64, description="Words used by more services do not make services neighbours.")
    neighbours: Count = Field(default=10, description="Nearest services to consider.")
    asked: Count = Field(default=3, description="Most services searched for the source of one value.")
    sources: Count = Field(default=2, description="Most tools of one service searched for the source of one value.")
    small_service: Count = Field(
        default=5, description="Services with at most this many tools also search services of their domain."
    )
    close: float = Field(default=0.4, gt=0.0, le=1.0, description="Affinity from which two services are close.")
    same_domain: Share = Field(default=0.25, description="Least affinity of two services of the same main domain.")
    telling: Share = Field(
        default=0.65, description="Weight from which a concept is specific enough to join services that are not close."
    )
    trust_telling: Share = Field(default=0.85, description="Factor of such a concept between distant services.")
    trust_other: Share = Field(default=0.6, description="Factor of any other concept between distant services.")
    changed: Share = Field(default=0.9, description="Factor of a value that a writing tool returns.")
    fork: Share = Field(
        default=0.5, description="Services that share a larger part of their tool names are copies of one server."
    )


class CompanionConfig(Section):
    """Ties between tools that share a topic but no value."""

    least_score: Share = Field(default=0.1, description="Score of the loosest tie.")
    most_score: Share = Field(default=0.3, description="Score of the closest tie.")
    ties: Count = Field(default=3, description="Most first ties of a tool inside its service.")
    services: Count = Field(default=6, description="Most other services that a small service is tied to.")
    same_topic: Share = Field(default=0.25, description="Affinity from which services of different domains are tied.")
    some_topic: Share = Field(default=0.12, description="Affinity from which services of the same domain are tied.")
    domain_bonus: float = Field(default=1.3, ge=1.0, le=10.0, description="Factor of the affinity inside a domain.")
    alike: Share = Field(default=0.06, description="Similarity from which tools of two services are tied.")
    alike_inside: Share = Field(
        default=0.14,
        description="The same for tools of one service that is larger than a cluster, or of two services of which the"
        " first has enough tools for a cluster.",
    )
    widely_used: Share = Field(default=0.05, description="Words used by a larger share of services are not topics.")
    few_services: Count = Field(default=6, description="Words used by at most this many services can be topics.")
    fork: Share = Field(
        default=0.6, description="Affinity from which services with the same tool names are copies of one server."
    )
    same_words: Share = Field(
        default=0.6, description="Share of common words from which tools with the same name have the same description."
    )


class TopicWeights(Section):
    """Weights of words when tools and services are compared by topic."""

    name: Weight = Field(default=1.0, description="A word of a tool's name.")
    verb: Weight = Field(default=0.3, description="The verb of a tool's name, and words such as *data*.")
    parameter: Weight = Field(default=0.8, description="The name of a parameter.")
    prose: Weight = Field(default=0.3, description="A word of a tool's description.")
    service_name: Weight = Field(default=1.0, description="A word of a service's name or of its tools' names.")
    service_tools: Weight = Field(default=0.6, description="A word of the descriptions of a service's tools.")
    service_parameters: Weight = Field(default=0.4, description="A word of the parameter names of a service's tools.")
    service_prose: Weight = Field(default=0.25, description="A word of a service's description.")


class GrowthConfig(Section):
    """How a candidate cluster grows from a seed tool."""

    services: Count = Field(default=3, description="Most services in a candidate.")
    guests: Count = Field(default=3, description="Most tools from each service that a small service grows into.")
    bridge: Share = Field(default=0.5, description="Score from which a dependency leads a candidate into a service.")
    about: Share = Field(default=0.13, description="Similarity to the seed from which a tool is about the same topic.")
    strong: Share = Field(
        default=0.7, description="Score from which half that similarity is enough, with a further dependency."
    )
    unlike: Share = Field(default=0.5, description="Factor of a dependency's score if it leads to another topic.")
    link_bonus: Share = Field(default=0.05, description="Added to a tool's priority for each further dependency.")
    links: Count = Field(default=4, description="Further dependencies that are counted.")
    loosest: Share = Field(
        default=0.5, description="Least random factor of a priority in the later, looser attempts from a seed."
    )


class SchemaWeights(Section):
    """Factor of a tool's weight, by the source of its schema."""

    live: Share = Field(default=1.0, description="A live server.")
    bundled: Share = Field(default=1.0, description="The bundled pool.")
    published: Share = Field(default=1.0, description="A published file.")
    scraped: Share = Field(default=0.8, description="A web page.")
    none: Share = Field(default=0.4, description="No schema; also the upper limit for a schema without parameters.")


class ClusterConfig(Section):
    """How Business Clusters are mined."""

    min_tools: int = Field(default=3, ge=1, le=50, description="Fewest tools in a cluster.")
    max_tools: int = Field(default=12, ge=1, le=50, description="Most tools in a cluster.")
    edge_threshold: Share = Field(default=0.35, description="Ignore dependencies that score lower than this.")
    sources_per_parameter: int = Field(
        default=16, ge=1, le=10_000, description="Most sources in its own service that are kept for a parameter."
    )
    echoes_per_parameter: int = Field(
        default=1,
        ge=0,
        le=10_000,
        description="Sources that are kept for a parameter if they only repeat the value from their own arguments, "
        "where fewer tools find it out.",
    )
    weakest_source: Share = Field(
        default=0.75,
        description="Drop sources of a parameter that score less than this share of its best source's score.",
    )
    context_sources: int = Field(
        default=3,
        ge=1,
        le=10_000,
        description="Most sources that are kept for a parameter which most tools of the service ask for.",
    )
    served: Share = Field(
        default=0.5,
        description="Dependency score inside a service from which other services are not searched for the parameter.",
    )
    few_services: int = Field(
        default=30,
        ge=0,
        le=10_000,
        description="With fewer services, do not weigh words by rarity, make small clusters of unconnected tools, "
        "and cover every tool.",
    )
    candidates_per_tool: int = Field(
        default=3, ge=1, le=100, description="Candidate clusters grown from each seed tool."
    )
    coverage: Share = Field(default=0.98, description="Stop selecting clusters at this share of the reachable weight.")
    cover_all_from: Share = Field(
        default=0.95, description="Coverage from which a pool of few services has every tool covered."
    )
    max_clusters: int | None = Field(
        default=None, ge=1, description="Stop selecting at this many clusters; null: no limit."
    )
    tool_weight: Weight = Field(default=1.0, description="Weight of covering a tool.")
    edge_weight: Weight = Field(default=0.5, description="Weight of covering a dependency, multiplied by its score.")
    schemas: SchemaWeights = SchemaWeights()
    kinds: KindWeights = KindWeights()
    matching: MatchWeights = MatchWeights()
    mentions: MentionWeights = MentionWeights()
    across: AcrossConfig = AcrossConfig()
    companions: CompanionConfig = CompanionConfig()
    topics: TopicWeights = TopicWeights()
    growth: GrowthConfig = GrowthConfig()

    @model_validator(mode="after")
    def _sizes_in_order(self) -> Self:
        if self.min_tools > self.max_tools:
            raise ValueError(
                f"clusters.min_tools ({self.min_tools}) is larger than clusters.max_tools ({self.max_tools})"
            )
        if self.companions.least_score > self.companions.most_score:
            raise ValueError(
                f"clusters.companions.least_score ({self.companions.least_score:g}) is larger than "
                f"clusters.companions.most_score ({self.companions.most_score:g})"
            )
        return self
