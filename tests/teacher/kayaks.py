"""A service as an MCP server lists it (no errors, one output schema), and the pack that a good author writes for it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

SERVICE = "kayak_hire"

TOOLS: list[dict[str, Any]] = [
    {
        "name": "searchKayaks",
        "description": "Find kayaks by a word of their name.",
        "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "outputSchema": {
            "type": "object",
            "properties": {
                "kayaks": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "kayak_id": {"type": "string"},
                            "name": {"type": "string"},
                            "is_out": {"type": "boolean"},
                        },
                        "required": ["kayak_id", "name", "is_out"],
                    },
                }
            },
            "required": ["kayaks"],
        },
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "rent-kayak",
        "description": "Rent a kayak to a paddler until tomorrow evening.",
        "inputSchema": {
            "type": "object",
            "properties": {"kayak_id": {"type": "string"}, "paddler": {"type": "string"}},
            "required": ["kayak_id", "paddler"],
        },
    },
    {
        "name": "return_kayak",
        "description": "Take a rented kayak back.",
        "inputSchema": {"type": "object", "properties": {"slip": {"type": "string"}}, "required": ["slip"]},
    },
]

ADDED: dict[str, Any] = {
    "tools": [
        {
            "name": "rent-kayak",
            "outputSchema": {
                "type": "object",
                "properties": {"slip": {"type": "string"}, "due": {"type": "string", "format": "date"}},
                "required": ["slip", "due"],
            },
            "_meta": {
                "tdlab/errors": [
                    {"code": "kayak_not_found", "message": "There is no kayak {kayak_id}."},
                    {"code": "kayak_out", "message": "{kayak_id} is out until {due}."},
                ]
            },
        },
        {
            "name": "return_kayak",
            "outputSchema": {
                "type": "object",
                "properties": {"slip": {"type": "string"}, "returned": {"type": "string", "format": "date"}},
                "required": ["slip", "returned"],
            },
            "annotations": {"readOnlyHint": False},
            "_meta": {
                "tdlab/errors": [
                    {"code": "slip_not_found", "message": "There is no slip {slip}."},
                    {"code": "already_returned", "message": "{slip} came back on {returned}."},
                ]
            },
        },
    ]
}

WORLD = """\
--- tables
CREATE TABLE kayaks (kayak_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE hires (slip TEXT PRIMARY KEY, kayak_id TEXT NOT NULL REFERENCES kayaks, paddler TEXT NOT NULL,
                    due TEXT NOT NULL, returned TEXT);

--- populate
INSERT INTO kayaks SELECT 'kyk_' || digits(4, 'kayak', n), nth('names', n) FROM numbers WHERE n <= 8 ORDER BY n;
INSERT INTO hires SELECT 'S' || digits(5, 'slip', n), kayak_id, person(n), at(now(), '+1 day', 'date'), NULL
FROM kayaks JOIN numbers ON n = kayaks.rowid WHERE n <= 3 ORDER BY n;
INSERT INTO hires SELECT 'S' || digits(5, 'slip', n), kayak_id, person(n), at(now(), '-3 days', 'date'),
                         at(now(), '-4 days', 'date')
FROM kayaks JOIN numbers ON n = kayaks.rowid + 3 WHERE n BETWEEN 5 AND 7 ORDER BY n;

--- invariant a kayak is out once
SELECT kayak_id FROM hires WHERE returned IS NULL GROUP BY kayak_id HAVING count(*) > 1;

--- tool searchKayaks
--- rows kayaks
SELECT kayak_id, name, EXISTS (SELECT 1 FROM hires h WHERE h.kayak_id = k.kayak_id AND returned IS NULL) AS is_out
FROM kayaks k WHERE matches(name, :name) ORDER BY kayak_id;

--- tool rent-kayak
--- error kayak_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM kayaks WHERE kayak_id = :kayak_id);
--- error kayak_out
SELECT due FROM hires WHERE kayak_id = :kayak_id AND returned IS NULL;
--- let
SELECT 'S' || digits(5, 'slip', fresh(0)) AS slip;
--- do
INSERT INTO hires VALUES (:slip, :kayak_id, :paddler, at(now(), '+1 day', 'date'), NULL);
--- result
SELECT slip, due FROM hires WHERE slip = :slip;

--- tool return_kayak
--- error slip_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM hires WHERE slip = :slip);
--- error already_returned
SELECT returned FROM hires WHERE slip = :slip AND returned IS NOT NULL;
--- do
UPDATE hires SET returned = at(now(), '0 days', 'date') WHERE slip = :slip;
--- result
SELECT slip, returned FROM hires WHERE slip = :slip;
"""

TASKS = """\
lists:
  names: [Grey Heron, Grey Otter, Kingfisher, Little Auk, Grey Seal, Marsh Harrier, Tern, Dabchick]
roles: [paddler, scout leader]
slots:
  paddler:
    ask: whose name goes on the slip
    tell: ["{paddler}.", "Put down {paddler}."]
frames:
  rent:
    wish: rent a kayak
    target: |
      SELECT kayak_id, name FROM kayaks k
      WHERE NOT EXISTS (SELECT 1 FROM hires h WHERE h.kayak_id = k.kayak_id AND returned IS NULL)
    user: {paddler: name}
    act: [{rent-kayak: [kayak_id, paddler]}]
    goal: SELECT 1 FROM hires WHERE kayak_id = :kayak_id AND paddler = :paddler AND returned IS NULL
    tell: [slip, due]
    open:
      - "The river is calm at last, could we take {name} out?"
      - "Is {name} mine for today if I ask nicely?"
      - "{paddler} speaking. I hear {name} suits tall people, please book it."
      - "My niece insists on {name}. Let's do that."
      - "One boat for an afternoon: {name}, on the name of {paddler}."
    done:
      - "It is yours, slip {slip}. Please be back {due:on}."
      - "Done, your slip is {slip} and the boat is due {due:day}."
      - "Enjoy the water. The slip says {slip}, and we expect it back by {due:day}."
    twists:
      out_already:
        meets: rent-kayak kayak_out
        target: SELECT k.kayak_id, k.name FROM kayaks k JOIN hires h USING (kayak_id) WHERE h.returned IS NULL
        reply: ["Somebody else is out with {name} until tomorrow."]
        then:
          - stop: true
            say: ["Pity, then we will walk instead."]
            reply: ["All right. It should be free again the day after tomorrow."]
  bring_back:
    wish: give a kayak back
    target: |
      SELECT slip, name FROM hires JOIN kayaks USING (kayak_id) WHERE returned IS NULL
    act: [{return_kayak: [slip]}]
    goal: SELECT 1 FROM hires WHERE slip = :slip AND returned IS NOT NULL
    tell: [returned]
    open:
      - "We are off the water with {name}, here is the slip: {slip}."
      - "Slip {slip}, boat dry and locked. Could you close it?"
      - "Just tied up {name}. The paper in my hand reads {slip}."
      - "Before the shop shuts: I am returning what {slip} is about."
      - "That was lovely! {slip} is finished, please tick it off."
    done:
      - "Thank you, it is back as of {returned:day}."
      - "Closed, with {returned:day} as the day of return."
      - "Got it, I noted {returned:day}. See you soon."
    twists:
      closed_before:
        meets: return_kayak already_returned
        target: SELECT slip, name FROM hires JOIN kayaks USING (kayak_id) WHERE returned IS NOT NULL
        reply: ["That slip was closed a few days ago."]
        then:
          - stop: true
            say: ["Oh, my brother must have been here first."]
            reply: ["Then nothing is open on that slip any more."]
  look:
    wish: see which kayaks there are
    target: SELECT 'grey' AS name
    tell: [kayaks]
    open:
      - "What do you have that is called {name} something?"
      - "I forgot the full name, it began with {name}."
      - "Read me everything with {name} painted on it."
      - "A friend raved about a {name} one, which could that be?"
      - "Which boats carry the word {name}?"
    done:
      - "We have {each kayaks and 5}{name}{end}."
reach:
  rent-kayak kayak_not_found: SELECT 'kyk_none' AS kayak_id, 'Ada' AS paddler
  return_kayak slip_not_found: SELECT 'S_none' AS slip
beyond:
  - wish: buy a kayak
    say: ["Would you sell me one of these boats?"]
    reply: ["We only rent them out, none is for sale."]
"""

RIGHT = {"tools.json": json.dumps(ADDED), "world.sql": WORLD, "tasks.yaml": TASKS}
"""The files of the right reply."""


def pool_file(folder: Path, *, tools: list[dict[str, Any]] | None = None) -> Path:
    """Write the answer of the server's ``tools/list``; the service gets the file's name."""
    path = folder / f"{SERVICE}.json"
    path.write_text(json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools or TOOLS}}), encoding="utf-8")
    return path


def files(**changes: str | None) -> dict[str, str]:
    """Return the right files with some replaced (world, tasks, tools) or left out (None)."""
    names = {"world": "world.sql", "tasks": "tasks.yaml", "tools": "tools.json"}
    changed = {**RIGHT, **{names[key]: text for key, text in changes.items()}}
    return {name: text for name, text in changed.items() if text is not None}


def replaced(text: str, old: str, new: str) -> str:
    """Return a text with one passage replaced, which has to be there."""
    assert old in text, old
    return text.replace(old, new, 1)


def with_tool(name: str, **changes: Any) -> str:
    """Return the right ``tools.json`` with more keys for one tool."""
    added = copy.deepcopy(ADDED)
    entry = next((tool for tool in added["tools"] if tool["name"] == name), None)
    if entry is None:
        entry = {"name": name}
        added["tools"].append(entry)
    entry.update(changes)
    return json.dumps(added)
