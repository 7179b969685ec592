"""Which business domains a service belongs to, with a confidence: its own label first, else what can be learned.

Sources, best first: the domain that tdlab's own file gives; a label that the taxonomy knows (one that names several
domains, such as *Travel & Maps*, leaves the choice between these to the words); a labeller, where one is given; and
else the service's text. Texts are read by a model made from the pool at hand: ridge regression on TF-IDF words and on
the taxonomy's keywords, with the pool's labelled services as its examples, and each domain's keywords as small ones,
so that a domain that no label names can be found as well. No training data travels with tdlab: where a pool
has too few labels, the keywords decide alone. A service whose words say nothing is *other*.

The confidence of a placement by text is the chance that the first domain is the one a label would have named: a
softmax, then a straight line, both set on the examples, each left out in turn (the exact leave-one-out residual of
ridge regression). Without examples the line is a fixed one, set by hand. For a broad label it is the share of the
chosen domain. Everything is deterministic; weights are rounded to three decimals, above the differences between BLAS
libraries.
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
"""Labelled services below which nothing is learned and the keywords decide alone."""

_MOST_EXAMPLES = 3_000
_RIDGE = 1.0
_BALANCE = 0.3
_KEYWORDS = 0.7
_BROAD_WEIGHT = 0.5
_LESSON_WEIGHT = 0.3
_LESSON_WORDS = 8
_KEPT_SHARE = 0.5
_MOST_DOMAINS = 3
_LEAST_CONFIDENCE = 0.12
_TEMPERATURES = (0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.14, 0.17, 0.2, 0.25, 0.3, 0.4)
_WORDS_LINE = (0.05, 0.8)
_TOOLS_READ = 12
_HEAD = 120
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
    """What is known of a service: the domains its label names (one, several or none)."""

    domains: tuple[str, ...] = ()


class Scores(NamedTuple):
    """A probability for each service and domain, the confidence in each service's first, and how they came about."""

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
    """A placement for each service, in order.

    ``given`` are domains that stand already, ``labels`` each service's further labels after its category; both empty or
    one a service. ``label`` is asked for each service that has neither; its answer must be a distribution over the
    taxonomy's domains (PoolError otherwise).
    """
    stands = list(given) or [None] * len(services)
    further = list(labels) or [()] * len(services)
    examples = []
    for service, domains, more in zip(services, stands, further, strict=True):
        known: tuple[str, ...] = tuple(domains) if domains and len(domains) == 1 else ()
        for text in () if domains else (service.category, *more):
            known = () if text is None else taxonomy.choices(text)
            if known:
                break
        examples.append(Example(known))
    scores: Scores | None = None
    result = []
    for place, (service, domains, example) in enumerate(zip(services, stands, examples, strict=True)):
        if domains:
            result.append(Placement(domains=domains, confidence=1.0, by="file"))
        elif len(example.domains) == 1:
            result.append(Placement(domains={example.domains[0]: 1.0}, confidence=1.0, by="label"))
        elif label is not None and not example.domains:
            result.append(_labelled(label(service), service, taxonomy))
        else:
            scores = scores or learn_scores(services, examples, taxonomy=taxonomy)
            result.append(_by_text(scores, place, example.domains, taxonomy))
    return result


def learn_scores(services: Sequence[Service], examples: Sequence[Example], *, taxonomy: Taxonomy) -> Scores:
    """Probabilities over the taxonomy's domains for every service, learned from the examples that name a domain.

    Rows follow ``services``, columns ``taxonomy.ids``. Fewer than `FEWEST_EXAMPLES` examples with exactly one domain:
    keywords alone.
    """
    import numpy as np

    ids = {domain: column for column, domain in enumerate(taxonomy.ids)}
    evidence = np.zeros((len(services), len(ids)))
    for row, service in enumerate(services):
        for domain, weight in taxonomy.evidence(service).items():
            evidence[row, ids[domain]] = weight
    norms = np.linalg.norm(evidence, axis=1, keepdims=True)
    keywords = evidence / np.where(norms > 0, norms, 1.0)
    chosen = _examples(services, examples)
    if sum(len(examples[row].domains) == 1 for row in chosen) < FEWEST_EXAMPLES:
        shares = _words_alone(evidence)
        return Scores(shares, _straight(shares.max(axis=1), _WORDS_LINE), evidence, "words", 0.0)
    lessons = [(ids[domain.id], words) for domain in taxonomy for words in _lessons(domain)]
    taught = np.zeros((len(lessons), len(ids)))
    taught[np.arange(len(lessons)), [column for column, _ in lessons]] = 1.0
    matrix = _features(
        [*map(_counts, services), *(dict.fromkeys(words, 1.0) for _, words in lessons)],
        np.vstack([keywords, taught]),
        seen=len(services),
    )
    targets = np.zeros((len(chosen), len(ids)))
    weights = np.ones(len(chosen))
    for position, row in enumerate(chosen):
        columns = [ids[domain] for domain in examples[row].domains]
        shares = keywords[row, columns] + 0.05
        targets[position, columns] = shares / shares.sum()
        weights[position] = 1.0 if len(columns) == 1 else _BROAD_WEIGHT
    sizes = (targets * weights[:, None]).sum(axis=0)
    weights *= (sizes.mean() / (targets @ sizes)) ** _BALANCE
    targets = np.vstack([targets, taught])
    weights = np.concatenate([weights, np.full(len(lessons), _LESSON_WEIGHT)])
    known = matrix[[*chosen, *range(len(services), len(services) + len(lessons))]]
    kernel = (known @ known.T).toarray()
    kernel[np.diag_indices_from(kernel)] += _RIDGE / weights
    base = 1.0 / len(ids)
    dual, diagonal = _solved(kernel, targets - base)
    scores = matrix[: len(services)] @ (known.T @ dual) + base
    held_out = (targets - dual / diagonal[:, None])[: len(chosen)]
    single = [p for p, row in enumerate(chosen) if len(examples[row].domains) == 1]
    temperature = _temperature(held_out[single], targets[single].argmax(axis=1))
    told = _softmax(held_out[single], temperature)
    line = _line(told.max(axis=1), told.argmax(axis=1) == targets[single].argmax(axis=1))
    scores[chosen] = held_out  # an example is not judged by itself
    probabilities = _softmax(scores, temperature)
    return Scores(probabilities, _straight(probabilities.max(axis=1), line), evidence, "learned", temperature)


# ----------------------------------------------------------------------------------------------------------- the model


def _examples(services: Sequence[Service], examples: Sequence[Example]) -> list[int]:
    """Rows to learn from: one of each set of forks (same tools, same label), at most `_MOST_EXAMPLES` of them."""
    seen: dict[tuple[str, ...], int] = {}
    for row, (service, example) in enumerate(zip(services, examples, strict=True)):
        if example.domains:
            seen.setdefault((*example.domains, "/", *sorted({tool.name for tool in service.tools})), row)
    rows = list(seen.values())
    if len(rows) > _MOST_EXAMPLES:
        rows = sorted(sorted(rows, key=lambda row: digest(services[row].name))[:_MOST_EXAMPLES])
    return rows


def _lessons(domain: Domain) -> list[list[str]]:
    """A domain's keywords, a few at a time, as texts to learn from: so that no domain is without an example."""
    words = [" ".join(plain_words(keyword)) for keyword in domain.keywords]
    return [words[start : start + _LESSON_WORDS] for start in range(0, len(words), _LESSON_WORDS)]


def _features(counted: Sequence[Mapping[str, float]], keywords: Floats, *, seen: int) -> sparse.csr_matrix:
    """Unit rows of TF-IDF words and pairs of words, with the keyword evidence beside them.

    How rare a word is follows from the first ``seen`` rows, of which two at least must hold it.
    """
    import numpy as np
    import scipy.sparse as sparse

    spread = Counter(word for counts in counted[:seen] for word in counts)
    columns = {word: column for column, word in enumerate(sorted(word for word, n in spread.items() if n > 1))}
    rarity = {word: math.log(seen / spread[word]) for word in columns}
    data: list[float] = []
    indices: list[int] = []
    starts = [0]
    for counts in counted:
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
        shape=(len(counted), len(columns)),
    )
    return sparse.csr_matrix(sparse.hstack([words, sparse.csr_matrix(keywords * _KEYWORDS)]))


def _counts(service: Service) -> dict[str, float]:
    """Words and pairs of words of a service, weighted by where they stand."""
    counts: defaultdict[str, float] = defaultdict(float)
    for weight, text in ((2.0, service.name), (2.0, service.title), (1.0, service.description)):
        words = [word for word in plain_words(text) if word not in _STOP and len(word) > 1]
        for word in words:
            counts[word] += weight
        for first, second in pairwise(words):
            counts[f"{first} {second}"] += weight / 2
    named: Counter[str] = Counter(word for tool in service.tools for word in name_words(tool.name))
    for word, count in named.items():
        if word not in _STOP and len(word) > 1:
            counts[word] += min(3.0, 1 + math.log(count))
    told: Counter[str] = Counter()
    for tool in service.tools[:_TOOLS_READ]:
        told.update(text_words(tool.description[:_HEAD]))
    for word, count in told.items():
        if word not in _STOP and len(word) > 1:
            counts[word] += min(2.0, 0.5 * (1 + math.log(count)))
    return counts


def _softmax(scores: Floats, temperature: float) -> Floats:
    import numpy as np

    raised = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _temperature(scores: Floats, right: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
    """The temperature under which what is right is likeliest; the smallest of equals."""
    import numpy as np

    losses = []
    for temperature in _TEMPERATURES:
        picked = _softmax(scores, temperature)[np.arange(len(right)), right]
        losses.append((round(float(-np.log(np.maximum(picked, 1e-12)).mean()), 6), temperature))
    return min(losses)[1]


def _solved(kernel: Floats, right: Floats) -> tuple[Floats, Floats]:
    """The solution of a symmetric positive definite system and the diagonal of its inverse; ``kernel`` is used up."""
    import numpy as np
    from scipy.linalg import lapack

    factor, _ = lapack.dpotrf(kernel.T, lower=1, overwrite_a=1, clean=1)
    half, _ = lapack.dtrtri(factor, lower=1, overwrite_c=1)
    solution: Floats = half.T @ (half @ right)
    return solution, np.einsum("ij,ij->j", half, half)


def _line(said: Floats, right: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[float, float]:
    """The least-squares line from the first probability to the share that is right, never falling."""
    import numpy as np

    spread = float(said.var())
    slope = max(0.0, float(np.mean((said - said.mean()) * (right - right.mean()))) / spread) if spread > 1e-9 else 0.0
    return round(float(right.mean() - slope * said.mean()), 3), round(slope, 3)


def _straight(said: Floats, line: tuple[float, float]) -> Floats:
    import numpy as np

    found: Floats = np.clip(line[0] + line[1] * said, 0.01, 0.99)
    return found


def _words_alone(evidence: Floats) -> Floats:
    """Keyword evidence as probabilities: shares of the evidence, with two units of doubt spread over all domains."""
    import numpy as np

    sharp = np.square(evidence)
    doubt = 4.0
    shares: Floats = (sharp + doubt / evidence.shape[1]) / (sharp.sum(axis=1, keepdims=True) + doubt)
    return shares


def _by_text(scores: Scores, row: int, choices: tuple[str, ...], taxonomy: Taxonomy) -> Placement:
    weights = dict(zip(taxonomy.ids, (round(float(p), 3) for p in scores.probabilities[row]), strict=True))
    if choices:
        total = sum(weights[domain] for domain in choices)
        weights = {d: round(weights[d] / total if total else 1 / len(choices), 3) for d in choices}
    ranked = sorted(weights, key=lambda domain: -weights[domain])[:_MOST_DOMAINS]
    best = weights[ranked[0]]
    said = float(scores.evidence[row].max())
    silent = said < LEAST_EVIDENCE if scores.by == "words" else not said and best < 2 * _LEAST_CONFIDENCE
    if not choices and (silent or best < _LEAST_CONFIDENCE):
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


def _labelled(domains: Domains, service: Service, taxonomy: Taxonomy) -> Placement:
    wrong = [domain for domain in domains if domain not in taxonomy]
    if wrong or not domains or min(domains.values()) < 0 or abs(sum(domains.values()) - 1.0) > 1e-6:
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
    """A labeller that remembers: each service's answer is kept in a JSONL file under the digest of its content.

    ``label`` is any callable from a service to its domains (an LLM client, a person's table); it is asked once for each
    content, whatever the service is called in other pools. A line that cannot be read is asked for again.
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
        """Number of remembered answers."""
        return len(self._known)

    def __call__(self, service: Service) -> Domains:
        """The remembered answer, or a new one, written to the file before it is used."""
        name = digest(
            [service.title, service.description, [[tool.name, tool.description] for tool in service.tools]], length=32
        )
        if name not in self._known:
            domains = dict(self._label(service))
            try:
                with open(self._path, "a", encoding="utf-8") as file:
                    file.write(canonical_json({"service": name, "domains": domains}) + "\n")
            except OSError as error:
                raise PoolError(
                    f"{self._path}: cannot be written ({error.strerror})", do="choose a file that you may write to"
                ) from None
            self._known[name] = domains
        return dict(self._known[name])
