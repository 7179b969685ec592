"""BFCL: the published answers of every category, and the recorded results of models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tdlab.formats._definitions import definitions_in
from tdlab.formats._json import json_text, text_of
from tdlab.formats._literal import calls_of
from tdlab.formats._parts import RawCall, RawResult
from tdlab.formats._roles import role_of
from tdlab.formats.base import ConversationBuilder, Format, Item, Recording, Unreadable
from tdlab.formats.messages import say_assistant
from tdlab.records import Json, Tool, Trajectory

__all__ = ["BFCL"]

_BY_CLASS = {
    "GorillaFileSystem": "cat cd cp diff du echo find grep ls mkdir mv pwd rm rmdir sort tail touch wc",
    "MathAPI": "absolute_value add divide imperial_si_conversion logarithm max_value mean min_value multiply percentage"
    " power round_number si_unit_conversion square_root standard_deviation subtract sum_values",
    "MessageAPI": "add_contact delete_message get_message_stats get_user_id list_users message_get_login_status"
    " message_login search_messages send_message view_messages_sent",
    "TwitterAPI": "authenticate_twitter comment follow_user get_tweet get_tweet_comments get_user_stats get_user_tweets"
    " list_all_following mention post_tweet posting_get_login_status retweet search_tweets unfollow_user",
    "TicketAPI": "close_ticket create_ticket edit_ticket get_ticket get_user_tickets logout resolve_ticket"
    " ticket_get_login_status ticket_login",
    "TradingBot": "add_to_watchlist cancel_order filter_stocks_by_price fund_account get_account_info"
    " get_available_stocks get_current_time get_order_details get_order_history get_stock_info get_symbol_by_name"
    " get_transaction_history get_watchlist notify_price_change place_order remove_stock_from_watchlist"
    " trading_get_login_status trading_login trading_logout withdraw_funds",
    "TravelAPI": "authenticate_travel book_flight cancel_booking compute_exchange_rate contact_customer_support"
    " get_all_credit_cards get_booking_history get_budget_fiscal_year get_credit_card_balance get_flight_cost"
    " get_nearest_airport_by_city list_all_airports purchase_insurance register_credit_card retrieve_invoice"
    " set_budget_limit travel_get_login_status verify_traveler_information",
    "VehicleControlAPI": "activateParkingBrake adjustClimateControl check_tire_pressure displayCarStatus display_log"
    " estimate_distance estimate_drive_feasibility_by_mileage fillFuelTank find_nearest_tire_shop gallon_to_liter"
    " get_current_speed get_outside_temperature_from_google get_outside_temperature_from_weather_com"
    " get_zipcode_based_on_city liter_to_gallon lockDoors pressBrakePedal releaseBrakePedal setCruiseControl"
    " setHeadlights set_navigation startEngine",
}
_CLASS = {function: name for name, functions in _BY_CLASS.items() for function in functions.split()}
"""The class of each function of the benchmark's multi-turn backends: an answer file names only functions."""


_CATEGORY = re.compile(
    r"(?:live_|exec_|format_sensitivity_)?(?:simple|multiple|parallel|irrelevance|relevance|multi_turn|memory"
    r"|web_search|java|javascript|rest|sql|chatable)_"
)
_COUNTERS = {"input_token_count", "output_token_count", "latency", "inference_log"}
_INFERENCE_ERROR = "Error during inference"


def _unpack(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict):
        return None
    identity = value.get("id")
    is_own = isinstance(identity, str) and _CATEGORY.match(identity) is not None
    if "ground_truth" in value:
        answers = value["ground_truth"]
        is_own |= isinstance(answers, list) and bool(answers) and all(_is_turn(turn) for turn in answers)
    elif "result" in value:
        answers = value["result"]
        is_own |= bool(_COUNTERS & set(value)) and isinstance(identity, str)
        is_own |= isinstance(answers, list) and bool(answers) and all(isinstance(turn, list) for turn in answers)
    else:
        return None
    return iter([Item("", value)]) if is_own else None


def _is_turn(turn: Json) -> bool:
    """Return whether this is a turn of calls as texts, or a call with lists of values that are accepted."""
    if isinstance(turn, dict):
        return len(turn) == 1 and all(isinstance(arguments, dict) for arguments in turn.values())
    return isinstance(turn, list) and all(isinstance(step, str) for step in turn)


def _read(item: Item, fallback: str) -> Recording:
    """Read the answer or the result of one entry.

    A multi-turn entry is read turn by turn; each call of an answer is a message of its own, since they build on each
    other. The calls of another entry are one turn. An answer lists the accepted values of each argument: the first one
    is read, and an argument whose first one is an empty text (it may be left out) is left out. An answer
    without calls (memory, web search) is the reply.

    The service is the function's class in the benchmark; other functions have no service. The user's texts are there if
    the line has the ``question`` too. A positional argument is named ``arg_1``. No result is recorded in an answer, and
    none is invented; those of a model's run are in its ``inference_log``.
    """
    value = item.value
    recorded = "ground_truth" not in value
    answers = value["result"] if recorded else value["ground_truth"]
    definitions = list(definitions_in(value.get("function")))
    builder = ConversationBuilder(definitions)
    questions = value.get("question")
    questions = questions if isinstance(questions, list) else []
    if isinstance(answers, list) and answers and all(isinstance(turn, list) for turn in answers):
        results = _logged_results(value.get("inference_log"))
        for index, turn in enumerate(answers):
            _ask(builder, questions[index] if index < len(questions) else [])
            for number, step in enumerate(turn):
                _step(builder, step, index, recorded)
                for result in results.get((index, number), ()):
                    builder.answer(RawResult(None, result))
    else:
        for question in questions:
            _ask(builder, question)
        _single(builder, answers, recorded)
    if not builder.messages:
        raise Unreadable("; ".join(["has no calls", *(note.text for note in builder.notes)]))
    if not recorded and not builder.names:
        builder.note("noted", "the answer holds no call")
    names = {}
    tools: dict[str, Tool] = {}
    for called in dict.fromkeys((*(tool.name for tool in definitions), *builder.names)):
        service, _, bare = called.rpartition(".")
        service = service or _CLASS.get(bare, "")
        names[called] = f"{service}/{bare}"
    for tool in definitions:
        service, _, bare = names[tool.name].rpartition("/")
        tools.setdefault(names[tool.name], tool.model_copy(update={"service": service, "name": bare}))
    recorded_id = value.get("id")
    return Recording(
        Trajectory(
            id=recorded_id if isinstance(recorded_id, str) and recorded_id else fallback,
            messages=tuple(builder.messages),
            tools=names,
        ),
        tools,
        BFCL.name,
        notes=builder.notes,
    )


def _ask(builder: ConversationBuilder, question: Json) -> None:
    """Add the messages of one turn's question."""
    for message in question if isinstance(question, list) else [question]:
        if isinstance(message, dict):
            role = role_of(message)
            builder.say(role if role in ("system", "assistant") else "user", text_of(message.get("content")))
        elif isinstance(message, str):
            builder.say("user", message)


def _single(builder: ConversationBuilder, answer: Json, recorded: bool) -> None:
    """Add an answer or a result that is one turn."""
    if isinstance(answer, str) or not isinstance(answer, list):
        listed: list[Json] = [answer]
    elif not recorded and answer and all(isinstance(entry, str) and not _is_calls(entry) for entry in answer):
        listed = answer[:1]  # texts, any of which is right
        if len(answer) > 1:
            builder.note("noted", f"{len(answer)} answers are accepted; the first is read")
    else:
        listed = answer
    calls: list[RawCall] = []
    for entry in listed:
        if isinstance(entry, str):
            if recorded and entry.startswith(_INFERENCE_ERROR):
                builder.note("skipped", f"the model gave no answer: {entry[:60]!r}")
                continue
            try:
                calls += [RawCall(None, name, arguments) for name, arguments in calls_of(entry)]
            except ValueError:
                if entry.strip():
                    say_assistant(builder, entry)
        elif isinstance(entry, dict):
            for name, arguments in entry.items():
                if not name:
                    builder.note("skipped", f"a call names no tool: {str(arguments)[:60]!r}")
                elif recorded:
                    calls.append(RawCall(None, name, arguments))
                elif isinstance(arguments, dict):
                    # as a text, in which null is a value and no padding
                    calls.append(RawCall(None, name, json_text(_accepted(arguments))))
                else:
                    builder.note("skipped", f"the arguments of {name[:60]!r} are no object: {str(arguments)[:60]!r}")
        elif entry is not None:
            builder.note("skipped", f"an answer is {str(entry)[:60]!r}, neither calls nor text")
    if calls:
        builder.call("", calls)


def _is_calls(text: str) -> bool:
    try:
        return bool(calls_of(text))
    except ValueError:
        return False


def _accepted(arguments: dict[str, Any]) -> dict[str, Json]:
    """Return the first accepted value of each argument, without those that may be left out first of all."""
    return {name: _first(values) for name, values in arguments.items() if not _is_left_out(values)}


def _is_left_out(values: Json) -> bool:
    return values == "" or (isinstance(values, list) and (not values or values[0] == ""))


def _first(values: Json) -> Json:
    """Return the first accepted value; the fields of an object in it have lists of values of their own."""
    return _chosen(values[0] if isinstance(values, list) and values else values)


def _chosen(value: Json) -> Json:
    if isinstance(value, list):
        return [_chosen(entry) for entry in value]
    if isinstance(value, dict) and value and all(isinstance(entry, list) for entry in value.values()):
        return _accepted(value)
    return value


def _logged_results(log: Json) -> dict[tuple[int, int], list[Json]]:
    """Return what tools returned in a model's run, by turn and step, from the log beside its result."""
    results: dict[tuple[int, int], list[Json]] = {}
    turn = -1
    for entry in log if isinstance(log, list) else ():
        if not isinstance(entry, dict):
            continue
        turn += 1
        for key, messages in entry.items():
            number = key.removeprefix("step_")
            if not key.startswith("step_") or not number.isdecimal() or not isinstance(messages, list):
                continue
            found = [m.get("content") for m in messages if isinstance(m, dict) and m.get("role") == "tool"]
            if found:
                results[turn, int(number)] = found
    return results


def _step(builder: ConversationBuilder, step: Json, turn: int, recorded: bool) -> None:
    """Add one step of a turn: a call or several, in Python syntax or as objects, or in a result also the reply."""
    calls: list[RawCall] = []
    for answer in step if isinstance(step, list) else [step]:
        if isinstance(answer, dict):
            calls += [RawCall(None, name, arguments) for name, arguments in answer.items() if name]
        elif isinstance(answer, str):
            try:
                calls += [RawCall(None, name, arguments) for name, arguments in calls_of(answer)]
            except ValueError as error:
                if not recorded:
                    builder.note("skipped", f"turn {turn}: {answer[:60]!r} {error}")
                elif answer.strip():
                    builder.say("assistant", answer)
        elif answer is not None:
            builder.note("skipped", f"turn {turn} has a step that is neither calls nor text: {str(answer)[:60]!r}")
    if calls:
        builder.call("", calls)


BFCL = Format("bfcl", _unpack, _read, keys=frozenset({"ground_truth", "result"}))
