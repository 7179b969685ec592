"""The lending library of ``tests/worlds/packs.py`` with task frames: the smallest pack that passes every check."""

from __future__ import annotations

from tests.worlds.packs import TASKS as LISTS

TASKS = (
    LISTS
    + """\
slots:
  reader:
    ask: who is borrowing it
    tell: ["{reader}.", "It's for {reader}."]
terms: {}
frames:
  borrow:
    wish: borrow a book
    target: |
      SELECT book_id, title FROM books b WHERE NOT EXISTS (SELECT 1 FROM loans l WHERE l.book_id = b.book_id)
    user: {reader: name}
    act: [{lend: [book_id, reader]}]
    goal: SELECT 1 FROM loans WHERE book_id = :book_id AND reader = :reader
    tell: [due]
    open:
      - "I'd love to read {title}, can I take it home?"
      - "Do you have {title}? I would borrow it."
      - "{title} for me, please. The name is {reader}."
      - "My daughter needs {title} for school."
      - "Hello, {reader} here, could you lend me {title}?"
    done:
      - "It is yours until {due:day}."
      - "Done. Bring it back by {due:day}, please."
      - "Enjoy {title}. It is due {due:on}."
    twists:
      lent_out:
        meets: lend on_loan
        target: SELECT b.book_id, b.title FROM books b JOIN loans USING (book_id)
        reply: ["Somebody else has {title} at the moment."]
        then:
          - stop: true
            say: ["Pity. I'll come back then."]
            reply: ["All right, I have lent you nothing."]
    follows:
      - frame: is_it_there
        carry: {title: title}
        say: ["And is {title} marked as lent now?"]
  is_it_there:
    wish: find out whether a book is there
    target: |
      SELECT book_id, title, EXISTS (SELECT 1 FROM loans l WHERE l.book_id = b.book_id) AS on_loan FROM books b
    tell: [on_loan]
    open:
      - "Is {title} on the shelf right now?"
      - "Has anybody got {title} out?"
      - "Before I cycle over: is {title} in?"
      - "Quick question about {title}, lent or not?"
      - "Would I find {title} if I came by today?"
    done:
      - "{if on_loan}No, {title} is out.{else}Yes, {title} is here.{end}"
  what_is_there:
    wish: find books by a word of their title
    target: SELECT 'blue' AS title
    tell: [books]
    open:
      - "Which titles with {title} in them do you keep?"
      - "I only remember the word {title}. What could it be?"
      - "Something with {title} on the cover, any ideas?"
      - "List whatever is called {title} something."
      - "Our quiz asks for novels named after {title}. Any?"
    done:
      - "There are {each books and 5}{title}{end}."
reach:
  lend book_not_found: SELECT 'bk_none' AS book_id, 'Ada' AS reader
beyond:
  - wish: buy a book
    say: ["Could I buy a copy from you?"]
    reply: ["We only lend books, I can't sell any."]
"""
)
