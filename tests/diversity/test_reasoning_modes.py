"""Test the letters of a trajectory: when each is written, and how texts of people, models and the script are read."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.diversity import ALPHABET, POSSIBLE_TRIGRAMS, signature, tool_sequence, trigrams, utterance
from tdlab.records import Message, ToolCall, Trajectory
from tests.diversity.builders import TOOLS, trajectory

ORDER = ("get_order", {"order_id": "A-100"}, {"ok": 1})


def test_every_letter_of_the_alphabet() -> None:
    told = trajectory(
        "s:You are a shop's assistant.",
        "u:hello",
        "a:Could you tell me the order id?",
        "u:A-100",
        [ORDER],
        [("find_orders", {"query": "tea"}, {"orders": []})],
        "a:This will create the order. Shall I go ahead?",
        "u:yes",
        [("create_order", {"item": "tea"}, ValueError("out of stock"))],
        [("create_order", {"item": "tea"}, {"order_id": "A-101"})],
        [("delete_order", {"order_id": "A-100"}, {"deleted": True}), ("convert_currency", {"amount": 3}, 4)],
        [ORDER, ORDER, ("run_code", {"code": "1"}, "1")],
        [ORDER] * 7,
        "a:I'm sorry, I can't do that: none of my tools can fly.",
        "a:Done.",
    )
    assert signature(told, TOOLS) == (
        "ask",
        "read",
        "search",
        "confirm",
        "write",
        "error",
        "write",
        "recover",
        "parallel-2",
        "delete",
        "compute",
        "parallel-3",
        "read",
        "code",
        "parallel-4+",
        "read",
        "refuse",
        "reply",
    )
    assert set(signature(told, TOOLS)) == set(ALPHABET)


def test_repeats_collapse_and_a_user_between_changes_nothing() -> None:
    once = trajectory("u:hi", "a:Which one?", [ORDER], "a:Here it is.")
    often = trajectory("u:hi", "a:Which one?", "u:hm", "a:What is its id?", [ORDER], [ORDER], "a:Here.", "a:It is.")
    assert signature(once, TOOLS) == signature(often, TOOLS) == ("ask", "read", "reply")


def test_a_batch_has_no_order() -> None:
    one = trajectory([("delete_order", {}, 1), ("get_order", {}, 1)])
    other = trajectory([("get_order", {}, 1), ("delete_order", {}, 1)])
    assert signature(one, TOOLS) == signature(other, TOOLS) == ("parallel-2", "read", "delete")


def test_recovery_needs_an_error_of_the_same_tool_first() -> None:
    other_tool = trajectory([("create_order", {"item": "x"}, ValueError("no"))], [ORDER])
    assert signature(other_tool, TOOLS) == ("write", "error", "read")
    twice = trajectory([("get_order", {}, ValueError("a"))], [("get_order", {}, ValueError("b"))], [ORDER], [ORDER])
    assert signature(twice, TOOLS) == ("read", "error", "read", "error", "read", "recover", "read")


def test_text_beside_calls_and_empty_text_write_nothing() -> None:
    call = ToolCall(id="1", name="get_order")
    told = Trajectory(
        id="x",
        messages=(
            Message(role="assistant", content="Shall I look?", tool_calls=(call,)),
            Message(role="tool", content="{}", tool_call_id="1"),
            Message(role="assistant", content="  \n"),
            Message(role="tool", content="Error: nobody asked", tool_call_id="9", is_error=True),
        ),
    )
    assert signature(told, {}) == ("read",)
    assert signature(Trajectory(id="y", messages=()), {}) == ()


def test_a_tool_without_a_definition_goes_by_the_last_part_of_its_name() -> None:
    told = trajectory([("svc__x", {}, 1)], [("delete_order", {}, 1)], tools={"svc__x": "deletions/find_things"})
    assert signature(told, {}) == ("search", "delete")


def test_reused_call_ids_do_not_confuse_results() -> None:
    def call(name: str) -> Message:
        return Message(role="assistant", tool_calls=(ToolCall(id="call_0", name=name),))

    def result(text: str, failed: bool) -> Message:
        return Message(role="tool", content=text, tool_call_id="call_0", is_error=failed)

    told = Trajectory(
        id="x",
        messages=(call("get_order"), result("no", True), call("get_order"), result("yes", False), call("create_order")),
    )
    assert signature(told, {}) == ("read", "error", "read", "recover", "write")


def test_tool_sequence_is_of_keys_with_repeats_collapsed() -> None:
    told = trajectory([ORDER, ORDER], [("nameless", {}, 1)], [ORDER], "a:ok")
    assert tool_sequence(told) == ("shop/get_order", "nameless", "shop/get_order")
    assert tool_sequence(trajectory("u:hi", "a:hello")) == ()


# --------------------------------------------------------------------------------------------------------- trigrams


def test_trigrams_by_hand() -> None:
    assert trigrams(("ask", "read")) == (("^", "ask", "read"), ("ask", "read", "$"))
    assert trigrams(("ask",)) == (("^", "ask", "$"),)
    assert trigrams(()) == (("^", "$", ""),)


letters = st.lists(st.sampled_from(ALPHABET), max_size=12).map(lambda s: tuple(k for k, _ in itertools.groupby(s)))


@given(letters)
def test_there_are_as_many_trigrams_as_letters_and_they_spell_the_signature(found: tuple[str, ...]) -> None:
    grams = trigrams(found)
    assert len(grams) == max(1, len(found))
    if found:
        assert tuple(gram[1] for gram in grams) == found


def test_the_number_of_possible_trigrams_is_right() -> None:
    size = 4  # the formula, counted out over a small alphabet
    alphabet = [str(i) for i in range(size)]
    words = (w for n in range(5) for w in itertools.product(alphabet, repeat=n))
    seen = {gram for w in words if all(a != b for a, b in itertools.pairwise(w)) for gram in trigrams(w)}
    assert len(seen) == size * (size - 1) ** 2 + 2 * size * (size - 1) + size + 1
    n = len(ALPHABET)
    assert n * (n - 1) ** 2 + 2 * n * (n - 1) + n + 1 == POSSIBLE_TRIGRAMS == 3376


# ------------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    "text",
    [
        "Could you tell me the order id and the postcode?",
        "To go on I need the order id. Could you give me that?",
        "What is the order id?",
        "I'll need your email to look that up.",
        "Please provide the date of birth, and I will continue.",
        "Which of these do you mean?\n\n1. Green tea\n2. Black tea\n\nOnce I know, I can order it.",
        "I can't open the booking without its reference. Please check your email.",
        "Would you like to add travel insurance, or is there anything else I can assist you with?",
        "¿Cuál es el número de pedido?",
        "注文番号は何ですか？",
    ],
)
def test_asks(text: str) -> None:
    assert utterance(text) == "ask"


@pytest.mark.parametrize(
    "text",
    [
        'This will delete the draft (draft id d_12, title "Why not?"). Shall I go ahead?',
        "Before I send the invoice with amount 20: shall I go ahead?",
        "Would you like me to cancel it?",
        "The fee is 20 EUR. Do you want me to book it?",
        'The refund goes to your card. Please confirm with a "yes" to proceed.',
        "Reply YES to proceed with the exchange.",
        "Proceed? (yes/no)",
        '{"message": "The change costs 20.\\n\\nPlease confirm that I may make it."}',
    ],
)
def test_confirms(text: str) -> None:
    assert utterance(text) == "confirm"


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, I can't do that: none of my tools can fly before noon.",
        "I can't help with that one, since none of the tools I have can find other requests.",
        "I can\u2019t go on: the order id is neither in what you told me nor in what the tools returned.",
        "Unfortunately, I am unable to refund a basic ticket. Is there anything else I can help with?",
        "I don't have a tool for that.",
        "We have to decline this request.",
        '{"return_type": "give_up_and_restart"}',
    ],
)
def test_refuses(text: str) -> None:
    assert utterance(text) == "refuse"


@pytest.mark.parametrize(
    "text",
    [
        "Done. order id: A-100; status: sent.",
        'Done. title: "Could you tell me why?"; note: "please confirm that I can\'t come".',
        "All set. Is there anything else I can help you with?",
        "Hi! How can I help you today?",
        "Your booking is confirmed. If you have any other questions, please let me know!",
        "The order cannot be changed any more; a refund was sent.",
        "You're welcome! Have a wonderful day!",
        "The page is at https://example.org/?q=1 and was read today.",
        "Here is the report. " + "It says a good deal. " * 50 + "Was it good? " + "It was long. " * 100,
        "",
    ],
)
def test_replies(text: str) -> None:
    assert utterance(text) == "reply"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>Shall I go ahead?</think>\n\nDone.", "reply"),
        ("I wonder whether I can't do this. </think>Which order do you mean?", "ask"),
        ("All is done. <think>Which one did they mean? <think>", "reply"),
        ("<think>a</think>Shall I <think>b?</think> go ahead?", "confirm"),
    ],
)
def test_thoughts_are_not_said(text: str, said: str) -> None:
    assert utterance(text) == said
    silent = Trajectory(id="x", messages=(Message(role="assistant", content="<think>Which one?</think>"),))
    assert signature(silent, {}) == ()


def test_asking_for_facts_and_declining_in_part() -> None:
    assert utterance("I need the order id first. While you look, please confirm:\n- the size is 15 inch") == "ask"
    assert utterance("I can send it, but I can't gift-wrap it. Reply yes to proceed.") == "confirm"
    assert utterance("I currently don't have access to the reasons of delays.") == "refuse"


@given(st.text(max_size=300))
def test_any_text_is_something(text: str) -> None:
    assert utterance(text) in ("ask", "confirm", "refuse", "reply")


@pytest.mark.parametrize(
    "piece", ["?", "<think>", "</think>", "<think>a</think>", "\u201c", '"', ". ", "i can ", "{", "please ", "\n", "a"]
)
def test_long_hostile_texts_take_no_time(piece: str) -> None:
    start = time.process_time()
    utterance(piece * 300_000)
    utterance("{" + piece * 300_000)
    assert time.process_time() - start < 2.0
