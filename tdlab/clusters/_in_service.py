"""Dependencies inside one service: for each parameter of each tool, the sources of a value that it needs.

The values of a service are sorted first (`tdlab.clusters._contexts`): values that are news to the caller of the source,
echoes, and context parameters. The sources of a context parameter are the few tools that find it out, and no sibling.
An echo is kept only where nothing finds the value out, or from the few makers of the thing that it names
(`tdlab.clusters._makers`), so that the number of edges grows with the tools and not with the pairs of tools that ask
for the same thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from tdlab.clusters._contexts import asks_in_context, contexts_of
from tdlab.clusters._makers import handle_key, makers_of, operation_of
from tdlab.clusters._matching import (
    ECHO_FLOW,
    FLOW,
    Index,
    Match,
    Offer,
    Similarity,
    compatible,
    index_values,
    is_kept_by,
    is_made_up,
    slot_weight,
    top_offers,
    wanted,
)
from tdlab.clusters._mentions import Mention, mentions_in
from tdlab.clusters._sorts import SortsOfThings
from tdlab.config import ClusterConfig
from tdlab.records import Dependency, DependencyKind, Evidence, Tool
from tdlab.tools import Returns, Slot, referenced_entity

__all__ = ["ServiceMiner"]

_PROVIDERS = ("list", "read", "create")
"""Operations that find out or make the value of a context parameter."""
_PARTS_PLAYED = frozenset("from to source target parent child new old current first last other primary default".split())
_NO_LIMIT = 1_000_000
_HANDLES = ("id", "ref", "world", "label")


class ServiceMiner:
    """The edges of one service; ``left_out`` counts what the limits of ``config`` cut off.

    Args:
        returned: The outputs of the service's tools.
        distinctness: How distinctive each normalised parameter name is among services.
        config: The factors and limits of scoring.
        left_out: Counts by reason, added to.
        all_flows: Keep every flow, without limits and also between siblings, to rank pairs of tools.
    """

    def __init__(
        self,
        returned: Returns,
        distinctness: Mapping[str, float],
        config: ClusterConfig,
        left_out: Counter[str],
        *,
        all_flows: bool = False,
    ) -> None:
        tools = returned.tools
        self._all = all_flows
        self._cap = _NO_LIMIT if all_flows else config.sources_per_parameter
        self._echo_cap = _NO_LIMIT if all_flows else config.echoes_per_parameter
        self._returned, self._distinctness, self._config, self._left_out = returned, distinctness, config, left_out
        self._contexts = contexts_of(returned)
        self._operations = [operation_of(tool, returned) for tool in tools]
        self._new, self._echoes = index_values(returned, self._operations, self._contexts, attributes=all_flows)
        left_out["contexts"] += len(self._contexts)
        self._makers = makers_of(returned, self._operations, config.context_sources)
        self._made: dict[tuple[str, str], list[tuple[Offer, bool]]] = {}
        self._focuses = {
            returned.focus(tool)
            for tool, operation in zip(tools, self._operations, strict=True)
            if operation in ("list", "read", "create")
        }
        self._shared = Counter(
            slot.name
            for tool, operation in zip(tools, self._operations, strict=True)
            if operation not in ("create", "update")
            for slot in returned.slots(tool)
            if not slot.inside and slot.required
        )
        self._ranked: dict[bool, dict[tuple[tuple[str, str], str], list[tuple[float, Offer]]]] = {False: {}, True: {}}
        self._providers: dict[str, Index] = {}
        self._of_sorts = SortsOfThings(returned, self._operations)
        self._alike = Similarity(tools, config.topics)

    def edges(self) -> Iterator[Dependency]:
        """Yield the edges, by target."""
        config, tools = self._config, self._returned.tools
        mentions = mentions_in(tools, config.mentions)
        for j, tool in enumerate(tools):
            mentioned = mentions.get(j, {})
            matches = self._matches(j, bool(mentioned))
            mention_of = {source: m.parameter or _best_parameter(matches, source) for source, m in mentioned.items()}
            for parameter, options in matches.items():
                named = {source: m for source, m in mentioned.items() if mention_of[source] == parameter}
                for source, score in self._kept(j, options, named):
                    match = options[source]
                    evidence = _evidence(tools[source], self._operations[source], self._operations[j], match)
                    if source in named:
                        evidence = (*evidence, _mention_evidence(named[source]))
                    yield Dependency(
                        source=tools[source].key,
                        target=tool.key,
                        kind=match.kind,
                        path=match.field.path,
                        parameter=parameter,
                        score=round(min(score, 1.0), 4),
                        evidence=evidence,
                    )
            for source, mention in mentioned.items():
                if source not in matches.get(mention_of[source], {}) and mention.weight >= config.edge_threshold:
                    yield Dependency(
                        source=tools[source].key,
                        target=tool.key,
                        kind="order",
                        score=round(mention.weight, 4),
                        evidence=(_mention_evidence(mention),),
                    )

    def _matches(self, j: int, mentioned: bool) -> dict[str, dict[int, Match]]:
        """Return for each parameter of a target its sources, each with its best match."""
        returned, config = self._returned, self._config
        tool, operation = returned.tools[j], self._operations[j]
        nature, focus = returned.nature(tool), returned.focus(tool)
        handles = sum(s.required and not s.inside and s.kind in _HANDLES for s in returned.slots(tool))
        matches: dict[str, dict[int, Match]] = {}
        for slot in returned.slots(tool):
            weight = slot_weight(slot, self._distinctness, self._focuses, self._shared, config)
            if is_made_up(slot, operation, focus, nature.verb, handles, self._focuses):
                weight *= config.matching.made_up
            if weight <= 0.0 or (weight < config.edge_threshold and not mentioned):
                continue
            options = matches.setdefault(slot.parameter, {})
            context = asks_in_context(slot, self._contexts, focus)
            for key, quality, how in wanted(slot, config.matching):
                for echo, index, flow in ((False, self._new, FLOW), (True, self._echoes, ECHO_FLOW)):
                    count = 2 * (self._echo_cap if echo else self._cap) + 1
                    ranked = self._ranked[echo]
                    if context and not echo and not self._all:
                        index, ranked = self._sources_in_context(slot), {}
                    for strength, offer in top_offers(
                        index,
                        ranked,
                        key,
                        operation,
                        count,
                        j,
                        self._alike,
                        self._left_out,
                        flow,
                    ):
                        if offer.tool == j:
                            continue
                        of_one = is_kept_by(slot, operation, focus, returned.focus(returned.tools[offer.tool]))
                        if of_one and not self._all:
                            continue
                        score = strength * quality * weight
                        score *= compatible(offer.field.schema, slot.schema, config.matching)
                        if (key[0] == "id" and _of_other_sort(offer.field.name, slot.inside or slot.parameter)) or (
                            slot.kind == "id" and self._of_sorts.differ(offer.tool, j, slot.entity)
                        ):
                            score *= config.matching.other_sort
                        known = options.get(offer.tool)
                        if known is None or score > known.score:
                            kind: DependencyKind = "echo" if echo else "context" if context else "new"
                            options[offer.tool] = Match(score, slot, offer.field, how, kind)
            self._add_made(j, slot, options, context)
        return matches

    def _add_made(self, j: int, slot: Slot, options: dict[int, Match], context: bool) -> None:
        """Add the makers of the thing that a slot names: whatever is done with it comes after them."""
        makers = self._makers.get(handle_key(slot), ())
        if slot.inside or j in makers:
            return
        returned, matching = self._returned, self._config.matching
        focus = returned.focus(returned.tools[j])
        score = matching.made * (1.0 if slot.required else matching.optional)
        offers = self._offers_of(slot, makers) if makers else ()
        # write_file and create_directory both take a path, but a directory is listed and a file is read
        same = [(offer, echo) for offer, echo in offers if returned.focus(returned.tools[offer.tool]) == focus]
        for offer, echo in same or offers:
            known = options[offer.tool].score if offer.tool in options else 0.0
            kind: DependencyKind = "echo" if echo else "context" if context else "new"
            flow = ECHO_FLOW["create"][self._operations[j]] if echo else 1.0
            options[offer.tool] = Match(max(score * flow, known), slot, offer.field, "same thing", kind, made=True)
        if self._all and makers:
            # add_heading(filename) answers with the document as well, and is surer to do so than a reader of it
            part = score * matching.made_part * ECHO_FLOW["create"][self._operations[j]]
            for source, match in options.items():
                if match.kind == "echo" and not match.made and self._operations[source] == "create":
                    options[source] = match._replace(score=max(match.score, part))

    def _offers_of(self, slot: Slot, makers: Sequence[int]) -> list[tuple[Offer, bool]]:
        """Return the handle in the answers of the makers of a thing, and whether it is an echo; cached."""
        key = handle_key(slot)
        if key not in self._made:
            self._made[key] = [
                (offer, echo)
                for echo, index in ((False, self._new), (True, self._echoes))
                for offer in index.get(("name", slot.name), ())
                if offer.tool in makers
            ]
            most = self._config.context_sources
            self._left_out["capped"] += max(0, len(self._made[key]) - most)
            del self._made[key][most:]
        return self._made[key]

    def _sources_in_context(self, slot: Slot) -> Index:
        """Return the few values that fill a context parameter: of the tools about its entity, else of the finders."""
        if slot.name not in self._providers:
            returned, entity = self._returned, self._contexts[slot.name]
            index: Index = {}
            for key, _, _ in wanted(slot, self._config.matching):
                offers = [o for o in self._new.get(key, ()) if o.operation in _PROVIDERS]
                own = [o for o in offers if returned.focus(returned.tools[o.tool]) == entity]
                # an issue that is created shows its project, which whoever created it knew; and a workspace is looked
                # up rather than created
                best = sorted(
                    own or [o for o in offers if o.operation != "create"],
                    key=lambda o: (_PROVIDERS.index(o.operation), -o.field.certainty, o.tool),
                )
                index[key] = best[: self._config.context_sources]
                self._left_out["in_context"] += len(self._new.get(key, ())) - len(index[key])
            self._providers[slot.name] = index
        return self._providers[slot.name]

    def _kept(self, j: int, options: Mapping[int, Match], mentioned: Mapping[int, Mention]) -> list[tuple[int, float]]:
        """Return the sources of a parameter that its limits leave, with their scores."""
        config, tools = self._config, self._returned.tools
        news: list[tuple[float, int]] = []
        echoes: list[tuple[float, int]] = []
        made: list[tuple[int, float]] = []
        for source, match in options.items():
            score = match.score
            if source in mentioned:
                score = 1.0 - (1.0 - score) * (1.0 - mentioned[source].weight)
            if score >= config.edge_threshold and match.made and match.kind == "echo":
                made.append((source, score))
            elif score >= config.edge_threshold:
                (echoes if match.kind == "echo" and source not in mentioned else news).append((-score, source))
        if news and not self._all:
            # who lists the teams tells a team's id; that some report may mention one is no second source
            least = -config.weakest_source * max(-negative for negative, _ in news)
            strong = [option for option in news if option[0] <= least]
            self._left_out["weak"] += len(news) - len(strong)
            news = strong
        kept = made
        for scored, cap, reason in (
            (news, self._cap, "capped"),
            (echoes, self._echo_cap, "echoes"),
        ):
            cap = cap if reason == "capped" else max(0, cap - len(kept))
            if len(scored) > cap:
                scored = sorted(scored, key=lambda s: (s[0], -self._alike(s[1], j), tools[s[1]].key))
                self._left_out[reason] += len(scored) - cap
                scored = scored[:cap]
            kept.extend((source, -negative) for negative, source in scored)
        return kept


@lru_cache(maxsize=65536)
def _of_other_sort(field: str, parameter: str) -> bool:
    """Return whether two identifiers of one noun are of different sorts (``sales_receipt_id``, ``tax_receipt_id``).

    Words for the part that a thing plays (``from_account_id``) are no sort.
    """
    sorts = [set((referenced_entity(name) or "").split("_")[:-1]) - _PARTS_PLAYED for name in (field, parameter)]
    return all(sorts) and not sorts[0] & sorts[1]


def _mention_evidence(mention: Mention) -> Evidence:
    return Evidence(kind="mention", detail=mention.detail, weight=mention.weight)


def _best_parameter(matches: Mapping[str, Mapping[int, Match]], source: int) -> str:
    """Return the parameter that a source fills best; empty if it fills none."""
    scores = [(options[source].score, parameter) for parameter, options in matches.items() if source in options]
    return max(scores)[1] if scores else ""


@lru_cache(maxsize=100_000)
def _shared_evidence(kind: str, detail: str, weight: float) -> Evidence:
    return Evidence(kind=kind, detail=detail, weight=weight)


def _evidence(source: Tool, before: str, after: str, match: Match) -> tuple[Evidence, ...]:
    # the weights of evidence are for display only and do not enter any score, so they are fixed
    field, slot = match.field, match.slot
    flow = ECHO_FLOW if match.kind == "echo" else FLOW
    declared = "declares" if field.certainty >= 0.95 and source.output_schema else "is inferred to return"
    what = f"{slot.parameter}.{slot.inside}" if slot.inside else slot.parameter
    return (
        _shared_evidence("returns", f"{source.name} {declared} {field.name}", round(field.certainty, 4)),
        _shared_evidence("match", f"{match.how}: {field.name} for {what}", 1.0 if match.how == "same name" else 0.85),
        _shared_evidence("order", f"{after} after {before}", flow[before][after]),
    )
