"""Programs like those of code steps, made from a seed, and ways to alter their output."""

# ruff: noqa: E501 (programs in one line each)

from __future__ import annotations

import random
import re

from tdlab.records import rng_for
from tdlab.sandbox.tool import CodeOutput

HONEST = [
    "rows = {rows}\nprint(sum(r['amount'] for r in rows))\nfor r in sorted(rows, key=lambda r: -r['amount']): print(r['name'], round(r['amount'] * 1.19, 2))",
    "import json\nprint(json.dumps({rows}, indent=1))",
    "import statistics\nx = {numbers}\nprint(statistics.mean(x), statistics.stdev(x), sorted(x)[len(x) // 2])",
    "import collections\nprint(collections.Counter('{word}' * 3).most_common(4))\nprint({{c for c in '{word}'}})",
    "import hashlib\nprint(hashlib.sha256(b'{word}').hexdigest())",
    "import math\nfor n in {numbers}: print(n, math.sqrt(n), math.log1p(n))",
    "import re\nprint(re.sub('[aeiou]', lambda m: m.group().upper(), '{word}'))\nprint(hash('{word}'))",
    "import csv, sys\nw = csv.writer(sys.stdout)\nfor r in {rows}: w.writerow([r['name'], r['amount']])",
    "x = {numbers}\nprint(x[99])",
    "import datetime\nd = datetime.date(2024, 1, 31)\nfor n in {numbers}: print(d + datetime.timedelta(days=n))",
]
VOLATILE = [
    "import time\nt = time.perf_counter()\nsum(range(10**{power}))\nprint('took', time.perf_counter() - t, 's')\nprint('done {word}')",
    "import datetime\nprint('now:', datetime.datetime.now().isoformat())\nprint({numbers})",
    "import datetime\nprint('report of', datetime.date.today())\nprint('{word}')",
    "import time\nprint(time.time())\nprint('{word}')",
    "import tempfile\nprint(tempfile.mkdtemp())\nprint('{word}')",
    "class T: pass\nx = [T() for _ in range(3)]\nprint(x[0])\nprint('{word}')",
    "import logging, sys\nlogging.basicConfig(stream=sys.stdout, format='%(asctime)s %(message)s')\nlogging.warning('{word}')",
]


def program(seed: int, *, volatile_share: float = 0.15) -> str:
    """Return a program; the same seed gives the same program."""
    rng = rng_for("program", seed)
    word = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(9))
    values = {
        "word": word,
        "numbers": [rng.randrange(1, 500) for _ in range(6)],
        "rows": [{"name": f"{word}{i}", "amount": rng.randrange(100, 9999) / 100} for i in range(4)],
        "power": rng.choice([4, 5]),
    }
    return rng.choice(VOLATILE if rng.random() < volatile_share else HONEST).format(**values)


def altered(output: CodeOutput, rng: random.Random) -> CodeOutput:
    """Return the output with one character, number or line changed, in stdout (in stderr if stdout is empty)."""
    part = "stdout" if output.stdout.strip() else "stderr"
    text = getattr(output, part)
    how = rng.choice(["character", "number", "line"])
    numbers = list(re.finditer(r"\d+", text))
    if how == "number" and numbers:
        match = rng.choice(numbers)
        changed = text[: match.start()] + str(int(match.group()) + rng.choice([1, -1, 10])) + text[match.end() :]
    elif how == "line":
        lines = text.splitlines(keepends=True)
        at = rng.randrange(len(lines))
        changed = "".join(rng.choice([[*lines[:at], *lines[at + 1 :]], [*lines[:at], "and more\n", *lines[at:]]]))
    else:
        at = rng.randrange(len(text))
        changed = text[:at] + rng.choice([c for c in "abcxyz0189 " if c != text[at]]) + text[at + 1 :]
    return output.model_copy(update={part: changed})
