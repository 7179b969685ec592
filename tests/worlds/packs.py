"""A small service pack for tests: a lending library, in a folder, with parts replaced where tests need it."""

from __future__ import annotations

import json
from pathlib import Path

TOOLS = {
    "server": "lending",
    "title": "Lending",
    "description": "A library that lends books.",
    "domain": "education-learning",
    "tools": [
        {
            "name": "find_books",
            "description": "Find books by their title.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "limit": {"type": "integer", "minimum": 1, "default": 2},
                    "cursor": {"type": "string"},
                },
                "required": ["title"],
            },
            "outputSchema": {
                "type": "object",
                "properties": {
                    "books": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "book_id": {"type": "string"},
                                "title": {"type": "string"},
                                "on_loan": {"type": "boolean"},
                            },
                            "required": ["book_id", "title", "on_loan"],
                        },
                    },
                    "next_cursor": {"type": ["string", "null"]},
                },
                "required": ["books", "next_cursor"],
            },
            "annotations": {"readOnlyHint": True},
        },
        {
            "name": "lend",
            "description": "Lend a book to a reader.",
            "inputSchema": {
                "type": "object",
                "properties": {"book_id": {"type": "string"}, "reader": {"type": "string"}},
                "required": ["book_id", "reader"],
            },
            "outputSchema": {
                "type": "object",
                "properties": {"loan_id": {"type": "string"}, "due": {"type": "string", "format": "date"}},
                "required": ["loan_id", "due"],
            },
            "annotations": {"readOnlyHint": False},
            "_meta": {
                "tdlab/errors": [
                    {"code": "book_not_found", "message": "No book has the id {book_id}."},
                    {"code": "on_loan", "message": "{book_id} is lent until {due}."},
                ]
            },
        },
    ],
}

WORLD = """\
-- A lending library.

--- tables
CREATE TABLE books (book_id TEXT PRIMARY KEY, title TEXT NOT NULL);
CREATE TABLE loans (loan_id TEXT PRIMARY KEY, book_id TEXT NOT NULL REFERENCES books,
                    reader TEXT NOT NULL, due TEXT NOT NULL);

--- populate
INSERT INTO books SELECT 'bk_' || digits(4, 'book', n), nth('titles', n) FROM numbers WHERE n <= 5 ORDER BY n;
INSERT INTO loans SELECT 'ln_' || digits(4, 'loan', n), book_id, person(n), at(now(), '+5 days', 'date')
FROM books JOIN numbers ON n = books.rowid WHERE n <= 2 ORDER BY n;

--- invariant a book is lent once
SELECT book_id FROM loans GROUP BY book_id HAVING count(*) > 1;

--- tool find_books
--- page books
SELECT book_id, title, EXISTS (SELECT 1 FROM loans l WHERE l.book_id = b.book_id) AS on_loan
FROM books b WHERE matches(title, :title) ORDER BY title, book_id;

--- tool lend
--- error book_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM books WHERE book_id = :book_id);
--- error on_loan
SELECT due FROM loans WHERE book_id = :book_id;
--- let
SELECT 'ln_' || digits(4, 'loan', fresh(0)) AS loan_id;
--- do
INSERT INTO loans VALUES (:loan_id, :book_id, :reader, at(now(), '+14 days', 'date'));
--- result
SELECT loan_id, due FROM loans WHERE loan_id = :loan_id;
"""

TASKS = """\
lists:
  titles: [The Blue Lamp, The Blue Harbour, A Short Winter, Night Ferry, The Blue Door]
"""


def write_pack(folder: Path, *, world: str = WORLD, tasks: str = TASKS, tools: object = TOOLS) -> Path:
    """Write a pack and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tools.json").write_text(tools if isinstance(tools, str) else json.dumps(tools), encoding="utf-8")
    (folder / "world.sql").write_text(world, encoding="utf-8")
    (folder / "tasks.yaml").write_text(tasks, encoding="utf-8")
    return folder
