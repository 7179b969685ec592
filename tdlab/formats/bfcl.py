"""BFCL multi-turn: the published answers (calls in Python syntax, turn by turn) and models' recorded results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tdlab.formats._json import text_of
from tdlab.formats._literal import calls_of
from tdlab.formats._parts import RawCall
from tdlab.formats.base import ConversationBuilder, Format, Item, Recording, Unreadable
from tdlab.records import Json, Trajectory

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


def _unpack(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict):
        return None
    answers = value.get("ground_truth", value.get("result"))
    if not isinstance(answers, list) or not all(isinstance(turn, list) for turn in answers):
        return None
    return iter([Item("", value)]) if answers else None


def _read(item: Item, fallback: str) -> Recording:
    """Read one user turn after another; each call of an answer is a message of its own, since they build on each other.

    The service is the function's class in the benchmark; other functions have no service. The user's texts are there if
    the line has the ``question`` too. A positional argument is named ``arg_1``. No result is recorded, and none is
    invented. In a model's result, a step that is not a call is the reply.
    """
    value = item.value
    recorded = "ground_truth" not in value
    answers = value["result"] if recorded else value["ground_truth"]
    questions = value.get("question")
    builder = ConversationBuilder()
    for index, turn in enumerate(answers):
        question = questions[index] if isinstance(questions, list) and index < len(questions) else []
        for message in question if isinstance(question, list) else []:
            if isinstance(message, dict):
                builder.say("system" if message.get("role") == "system" else "user", text_of(message.get("content")))
        for step in turn:
            _step(builder, step, index, recorded)
    if not builder.messages:
        raise Unreadable("has no calls")
    names = {}
    for called in builder.names:
        service, _, bare = called.rpartition(".")
        service = service or _CLASS.get(bare, "")
        names[called] = f"{service}/{bare}"
    recorded_id = value.get("id")
    return Recording(
        Trajectory(
            id=recorded_id if isinstance(recorded_id, str) and recorded_id else fallback,
            messages=tuple(builder.messages),
            tools=names,
        ),
        {},
        BFCL.name,
        notes=builder.notes,
    )


def _step(builder: ConversationBuilder, step: Json, turn: int, recorded: bool) -> None:
    if isinstance(step, str):
        try:
            calls = [RawCall(None, name, arguments) for name, arguments in calls_of(step)]
        except ValueError as error:
            if not recorded:
                raise Unreadable(f"turn {turn}: {step[:60]!r} {error}") from None
            calls = []
        if calls:
            builder.call("", calls)
        elif step.strip():
            builder.say("assistant", step)
        return
    raw: list[Any] = step if isinstance(step, list) else [step]
    if not all(isinstance(answer, dict) for answer in raw):
        raise Unreadable(f"turn {turn} has a step that is neither calls nor text")
    calls = [RawCall(None, name, arguments) for answer in raw for name, arguments in answer.items() if name]
    if calls:
        builder.call("", calls)


BFCL = Format("bfcl", _unpack, _read)
