"""The business domains of each service of a pool, with a confidence: by label, or else learned from the pool.

Sources, best first: the domain given in tdlab's own files; a label that the taxonomy knows (a broad one, such as
*Travel & Maps*, leaves the choice between its domains to the words); a labeller, if the caller passes one; and else the
service's text. Texts are classified by a model trained on the pool itself: ridge regression on TF-IDF words and on the
taxonomy's keywords. Its examples are the pool's labelled services and, with a small weight, each domain's keywords, so
that it can also find domains that no label names. No training data ships with tdlab: where a pool has too few labels,
the keywords alone decide. A service without any evidence is *other*.

The confidence of a classification by text is the probability that a label would have named the same domain. It comes
from a softmax followed by a straight line, both fitted on the examples with each example left out in turn (the exact
leave-one-out residual of ridge regression). Without examples the line is fixed, set by hand. For a broad label the
confidence is the share of the chosen domain. Everything is deterministic: weights are rounded to three decimals, which
is coarser than the differences between BLAS libraries.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tdlab.errors import PoolError
from tdlab.pool.issues import Placement
from tdlab.pool.taxonomy import LEAST_EVIDENCE, Domain, Taxonomy, name_words, plain_words, text_words
from tdlab.records import Domains, Service, canonical_json, digest

if TYPE_CHECKING:
    import numpy as np
    import scipy.sparse as sparse

    Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

__all__ = ["FEWEST_EXAMPLES", "CachedLabeller", "Example", "Placement", "Scores", "learn_scores", "place_services"]

FEWEST_EXAMPLES = 100
"""With fewer labelled services than this, nothing is learned and the keywords alone decide."""

_MOST_EXAMPLES = 3_000  # the solver's matrix has one row and one column for each example
_RIDGE = 1.0
_BALANCE = 0.3  # exponent that raises the weight of rare domains: 0 treats examples alike, 1 treats domains alike
_KEYWORDS = 0.7  # length of the keyword features beside the word features, whose length is 1
_BROAD_WEIGHT = 0.5  # an example with a broad label teaches half as much as one with an exact label
_LESSON_WEIGHT = 0.3  # a domain's keywords teach less than a real service
_LESSON_WORDS = 8
_KEPT_SHARE = 0.5
_MOST_DOMAINS = 3
_LEAST_CONFIDENCE = 0.12
_TEMPERATURES = (0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.14, 0.17, 0.2, 0.25, 0.3, 0.4)
_WORDS_LINE = (0.05, 0.8)  # confidence from the first probability where there are no examples to fit it on
_TOOLS_READ = 12
_HEAD = 120  # characters of a tool's description that are read
_STOP = frozenset(
    "a an and the of to for in on with by from or is are be as at your you it its this that using use used via can will"
    " into all any provide provides enable enabling seamlessly server tool ai through data integrate integrates"
    " integration allow allows interact access directly easily based real interface user application llm claude"
    " assistant"
    " get list create update delete set search add id name arg args return returns string int str parameter type"
    " optional"
    " default mcp model context protocol".split()
)


class Example(NamedTuple):
    """The domains that a service's label names: one, several or none."""

    domains: tuple[str, ...] = ()


class Scores(NamedTuple):
    """Probabilities by service and domain, the confidence in each service's first domain, and how they were computed.

    Shapes: ``probabilities`` and ``evidence`` are (services, domains), ``confidence`` is (services,).
    """

    probabilities: Floats
    confidence: Floats
    evidence: Floats
    by: Literal["learned", "words"]
    temperature: float


def place_services(
    services: Sequence[Service],
    *,
    taxonomy: Taxonomy,
    given: Sequence[Domains | None] = (),
    labels: Sequence[Iterable[str]] = (),
    label: Callable[[Service], Domains] | None = None,
) -> list[Placement]:
    """Return a placement in domains for each service, in order.

    Args:
        services: The services to classify.
        taxonomy: The list of domains.
        given: Domains that are already known, one entry for each service (None: not known), or empty.
        labels: Each service's further labels, after its category, one entry for each service, or empty.
        label: A labeller, asked about each service that has neither; it returns weights that sum to 1 over the
            taxonomy's domains.

    Raises:
        PoolError: The labeller's answer is not such a distribution.
    """
    known_domains = list(given) or [None] * len(services)
    further_labels = list(labels) or [()] * len(services)
    examples = []
    for service, domains, further in zip(services, known_domains, further_labels, strict=True):
        allowed: tuple[str, ...] = tuple(domains) if domains and len(domains) == 1 else ()
        for text in () if domains else (service.category, *further):
            allowed = () if text is None else taxonomy.choices(text)
            if allowed:
                break
        examples.append(Example(allowed))
    scores: Scores | None = None
    result = []
    for row, (service, domains, example) in enumerate(zip(services, known_domains, examples, strict=True)):
        if domains:
            result.append(Placement(domains=domains, confidence=1.0, by="file"))
        elif len(example.domains) == 1:
            result.append(Placement(domains={example.domains[0]: 1.0}, confidence=1.0, by="label"))
        elif label is not None and not example.domains:
            result.append(_placement_by_labeller(label(service), service, taxonomy))
        else:
            scores = scores or learn_scores(services, examples, taxonomy=taxonomy)
            result.append(_placement_by_text(scores, row, example.domains, taxonomy))
    return result


def learn_scores(services: Sequence[Service], examples: Sequence[Example], *, taxonomy: Taxonomy) -> Scores:
    """Return probabilities over the taxonomy's domains for every service, learned from the examples.

    Rows follow ``services``, columns follow ``taxonomy.ids``. With fewer than `FEWEST_EXAMPLES` examples of exactly one
    domain, the keywords alone decide.
    """
    import numpy as np

    ids = {domain: column for column, domain in enumerate(taxonomy.ids)}
    evidence = np.zeros((len(services), len(ids)))
    for row, service in enumerate(services):
        for domain, weight in taxonomy.evidence(service).items():
            evidence[row, ids[domain]] = weight
    norms = np.linalg.norm(evidence, axis=1, keepdims=True)
    keywords = evidence / np.where(norms > 0, norms, 1.0)
    example_rows = _example_rows(services, examples)
    if sum(len(examples[row].domains) == 1 for row in example_rows) < FEWEST_EXAMPLES:
        shares = _keyword_shares(evidence)
        return Scores(shares, _confidence(shares.max(axis=1), _WORDS_LINE), evidence, "words", 0.0)
    lessons = [(ids[domain.id], words) for domain in taxonomy for words in _lessons(domain)]
    keyword_targets = np.zeros((len(lessons), len(ids)))
    keyword_targets[np.arange(len(lessons)), [column for column, _ in lessons]] = 1.0
    matrix = _features(
        [*map(_counts, services), *(dict.fromkeys(words, 1.0) for _, words in lessons)],
        np.vstack([keywords, keyword_targets]),
        seen=len(services),
    )
    targets = np.zeros((len(example_rows), len(ids)))
    weights = np.ones(len(example_rows))
    for position, row in enumerate(example_rows):
        columns = [ids[domain] for domain in examples[row].domains]
        shares = keywords[row, columns] + 0.05
        targets[position, columns] = shares / shares.sum()
        weights[position] = 1.0 if len(columns) == 1 else _BROAD_WEIGHT
    sizes = (targets * weights[:, None]).sum(axis=0)
    weights *= (sizes.mean() / (targets @ sizes)) ** _BALANCE
    targets = np.vstack([targets, keyword_targets])
    weights = np.concatenate([weights, np.full(len(lessons), _LESSON_WEIGHT)])
    training = matrix[[*example_rows, *range(len(services), len(services) + len(lessons))]]
    kernel = (training @ training.T).toarray()
    kernel[np.diag_indices_from(kernel)] += _RIDGE / weights
    base = 1.0 / len(ids)
    dual, diagonal = _solve(kernel, targets - base)
    scores = matrix[: len(services)] @ (training.T @ dual) + base
    held_out = (targets - dual / diagonal[:, None])[: len(example_rows)]
    single = [p for p, row in enumerate(example_rows) if len(examples[row].domains) == 1]
    temperature = _fit_temperature(held_out[single], targets[single].argmax(axis=1))
    held_out_shares = _softmax(held_out[single], temperature)
    line = _fit_line(held_out_shares.max(axis=1), held_out_shares.argmax(axis=1) == targets[single].argmax(axis=1))
    scores[example_rows] = held_out  # an example is not judged by a model that has seen it
    probabilities = _softmax(scores, temperature)
    return Scores(probabilities, _confidence(probabilities.max(axis=1), line), evidence, "learned", temperature)


# ----------------------------------------------------------------------------------------------------------- the model


def _example_rows(services: Sequence[Service], examples: Sequence[Example]) -> list[int]:
    """Return the rows to learn from: one of each set of forks (same tools, same label), at most `_MOST_EXAMPLES`."""
    seen: dict[tuple[str, ...], int] = {}
    for row, (service, example) in enumerate(zip(services, examples, strict=True)):
        if example.domains:
            seen.setdefault((*example.domains, "/", *sorted({tool.name for tool in service.tools})), row)
    rows = list(seen.values())
    if len(rows) > _MOST_EXAMPLES:
        rows = sorted(sorted(rows, key=lambda row: digest(services[row].name))[:_MOST_EXAMPLES])
    return rows


def _lessons(domain: Domain) -> list[list[str]]:
    """Return a domain's keywords, a few at a time, as texts to learn from, so that no domain lacks an example."""
    words = [" ".join(plain_words(keyword)) for keyword in domain.keywords]
    return [words[start : start + _LESSON_WORDS] for start in range(0, len(words), _LESSON_WORDS)]


def _features(word_counts: Sequence[Mapping[str, float]], keywords: Floats, *, seen: int) -> sparse.csr_matrix:
    """Return unit rows of TF-IDF words and word pairs, followed by the keyword evidence.

    The rarity of a word is computed from the first ``seen`` rows; a word counts if at least two of them contain it.
    """
    import numpy as np
    import scipy.sparse as sparse

    document_counts = Counter(word for counts in word_counts[:seen] for word in counts)
    columns = {word: column for column, word in enumerate(sorted(word for word, n in document_counts.items() if n > 1))}
    rarity = {word: math.log(seen / document_counts[word]) for word in columns}
    data: list[float] = []
    indices: list[int] = []
    starts = [0]
    for counts in word_counts:
        values = {
            columns[word]: (1 + math.log(weight) if weight >= 1 else weight) * rarity[word]
            for word, weight in counts.items()
            if word in columns
        }
        length = math.sqrt(sum(value * value for value in values.values())) or 1.0
        for column in sorted(values):
            indices.append(column)
            data.append(values[column] / length)
        starts.append(len(indices))
    words = sparse.csr_matrix(
        (np.array(data), np.array(indices, dtype=np.int64), np.array(starts, dtype=np.int64)),
        shape=(len(word_counts), len(columns)),
    )
    return sparse.csr_matrix(sparse.hstack([words, sparse.csr_matrix(keywords * _KEYWORDS)]))


def _counts(service: Service) -> dict[str, float]:
    """Return the words and word pairs of a service, weighted by where they occur."""
    counts: defaultdict[str, float] = defaultdict(float)
    for weight, text in ((2.0, service.name), (2.0, service.title), (1.0, service.description)):
        words = [word for word in plain_words(text) if word not in _STOP and len(word) > 1]
        for word in words:
            counts[word] += weight
        for first, second in pairwise(words):
            counts[f"{first} {second}"] += weight / 2
    name_counts: Counter[str] = Counter(word for tool in service.tools for word in name_words(tool.name))
    for word, count in name_counts.items():
        if word not in _STOP and len(word) > 1:
            counts[word] += min(3.0, 1 + math.log(count))
    described: Counter[str] = Counter()
    for tool in service.tools[:_TOOLS_READ]:
        described.update(text_words(tool.description[:_HEAD]))
    for word, count in described.items():
        if word not in _STOP and len(word) > 1:
            counts[word] += min(2.0, 0.5 * (1 + math.log(count)))
    return counts


def _softmax(scores: Floats, temperature: float) -> Floats:
    import numpy as np

    raised = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _fit_temperature(scores: Floats, answers: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
    """Return the temperature that makes the right answers most likely; the smallest one on a tie."""
    import numpy as np

    losses = []
    for temperature in _TEMPERATURES:
        picked = _softmax(scores, temperature)[np.arange(len(answers)), answers]
        losses.append((round(float(-np.log(np.maximum(picked, 1e-12)).mean()), 6), temperature))
    return min(losses)[1]


def _solve(kernel: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Return a positive definite system's solution and the diagonal of the inverse; ``kernel`` is overwritten."""
    import numpy as np
    from scipy.linalg import lapack

    factor, _ = lapack.dpotrf(kernel.T, lower=1, overwrite_a=1, clean=1)
    half, _ = lapack.dtrtri(factor, lower=1, overwrite_c=1)
    solution: Floats = half.T @ (half @ right)
    return solution, np.einsum("ij,ij->j", half, half)


def _fit_line(probability: Floats, correct: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[float, float]:
    """Return (intercept, slope) of the least-squares line from the first probability to being right; it never falls."""
    import numpy as np

    spread = float(probability.var())
    slope = (
        max(0.0, float(np.mean((probability - probability.mean()) * (correct - correct.mean()))) / spread)
        if spread > 1e-9
        else 0.0
    )
    return round(float(correct.mean() - slope * probability.mean()), 3), round(slope, 3)


def _confidence(probability: Floats, line: tuple[float, float]) -> Floats:
    import numpy as np

    confidence: Floats = np.clip(line[0] + line[1] * probability, 0.01, 0.99)
    return confidence


def _keyword_shares(evidence: Floats) -> Floats:
    """Return shares of the squared keyword evidence, with doubt (two units, squared) spread over all domains."""
    import numpy as np

    sharp = np.square(evidence)
    doubt = 4.0
    shares: Floats = (sharp + doubt / evidence.shape[1]) / (sharp.sum(axis=1, keepdims=True) + doubt)
    return shares


def _placement_by_text(scores: Scores, row: int, choices: tuple[str, ...], taxonomy: Taxonomy) -> Placement:
    weights = dict(zip(taxonomy.ids, (round(float(p), 3) for p in scores.probabilities[row]), strict=True))
    if choices:
        total = sum(weights[domain] for domain in choices)
        weights = {d: round(weights[d] / total if total else 1 / len(choices), 3) for d in choices}
    ranked = sorted(weights, key=lambda domain: -weights[domain])[:_MOST_DOMAINS]
    best = weights[ranked[0]]
    strongest = float(scores.evidence[row].max())
    no_evidence = strongest < LEAST_EVIDENCE if scores.by == "words" else not strongest and best < 2 * _LEAST_CONFIDENCE
    if not choices and (no_evidence or best < _LEAST_CONFIDENCE):
        return Placement(domains={taxonomy.unknown.id: 1.0}, confidence=0.0, by="none")
    kept = {domain: weights[domain] for domain in ranked if weights[domain] >= _KEPT_SHARE * best}
    confidence = best if choices else round(float(scores.confidence[row]), 3)
    return Placement(domains=_distribution(kept), confidence=confidence, by="label" if choices else scores.by)


def _distribution(weights: Mapping[str, float]) -> Domains:
    total = sum(weights.values())
    shares = {domain: round(weight / total, 3) for domain, weight in weights.items()}
    first = next(iter(shares))
    shares[first] = round(1.0 - sum(share for domain, share in shares.items() if domain != first), 3)
    return shares


# ---------------------------------------------------------------------------------------------------------- a labeller


def _placement_by_labeller(domains: Domains, service: Service, taxonomy: Taxonomy) -> Placement:
    unknown = [domain for domain in domains if domain not in taxonomy]
    if unknown or not domains or min(domains.values()) < 0 or abs(sum(domains.values()) - 1.0) > 1e-6:
        raise PoolError(
            f"the labeller's answer for {service.name!r} is {domains!r:.200}",
            expected="weights that sum to 1 over domains of the taxonomy",
            do="correct the labeller; Taxonomy.bundled().ids lists the domains",
        )
    ranked = sorted(domains, key=lambda domain: (-domains[domain], domain))
    return Placement(
        domains={d: domains[d] for d in ranked if domains[d] > 0}, confidence=domains[ranked[0]], by="labeller"
    )


class CachedLabeller:
    """A labeller that remembers its answers in a JSONL file, under the digest of each service's content.

    ``label`` is any callable from a service to its domains (an LLM client, a manual table). It is called once for each
    content, whatever the service is named in other pools. An unreadable line of the file is ignored, so that service is
    labelled again.

    Example:
        >>> calls = []
        >>> def by_hand(service):
        ...     calls.append(service.name)
        ...     return {"ecommerce": 1.0}
        >>> labeller = CachedLabeller(by_hand, "labels.jsonl")
        >>> shop = ToolPool.bundled().service("basalt_outfitters")
        >>> labeller(shop), labeller(shop), calls
        ({'ecommerce': 1.0}, {'ecommerce': 1.0}, ['basalt_outfitters'])
    """

    def __init__(self, label: Callable[[Service], Domains], path: str | Path) -> None:
        self._label = label
        self._path = Path(path)
        self._known: dict[str, Domains] = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    self._known[entry["service"]] = {str(d): float(w) for d, w in entry["domains"].items()}
                except (ValueError, TypeError, KeyError, AttributeError):
                    continue

    def __len__(self) -> int:
        """Return the number of remembered answers."""
        return len(self._known)

    def __call__(self, service: Service) -> Domains:
        """Return the remembered answer, or ask for one and write it to the file before it is used.

        Raises:
            PoolError: The file cannot be written.
        """
        content_digest = digest(
            [service.title, service.description, [[tool.name, tool.description] for tool in service.tools]], length=32
        )
        if content_digest not in self._known:
            domains = dict(self._label(service))
            try:
                with open(self._path, "a", encoding="utf-8") as file:
                    file.write(canonical_json({"service": content_digest, "domains": domains}) + "\n")
            except OSError as error:
                raise PoolError(
                    f"{self._path}: cannot be written ({error.strerror})", do="choose a file that you may write to"
                ) from None
            self._known[content_digest] = domains
        return dict(self._known[content_digest])
