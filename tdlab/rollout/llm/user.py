"""The user that a model plays: it says in its own words what the task gives it to say, and what it says is checked.

The code decides what the user says next (a request, an answer, or the end), since it knows the task; the model writes
the words. A message must say the facts that are due, may say no number that the task does not hold, and may not say
early what is said only if asked. Facts are found in it by the speech layer, so any usual way to say them will do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tdlab.records import Blueprint, Json, canonical_json
from tdlab.rollout.llm.prompts import prompt
from tdlab.rollout.llm.session import MAX_TEXT, AgentSession, fill_in
from tdlab.rollout.views import Line, Request, RolloutStopped, UserTurn, UserView
from tdlab.speech import in_words, said_in
from tdlab.tasks import stage_here
from tdlab.tools import asks, asks_for_yes, contains_whole, label, leaves, mentions, preview, says_a_form_of, shorten

__all__ = ["DIRECTION", "STOP", "ModelUser", "digits_of"]

STOP = "###STOP###"
"""What the user replies when they have nothing more to say."""
DIRECTION = "\n\n(Direction: "
"""What stands between the assistant's words and the direction in a message to the user."""

_BEGIN = "(The conversation begins.)"
_EXTRA = 6  # messages of the user beyond those that the task foresees
_MACHINE = re.compile(r"```|[{}]|\b[a-z]+_[a-z_]+\b(?!@)|###")
_DIGITS = re.compile(r"\d+")
_WORDS = re.compile(r"[a-z]+(?:-[a-z]+)?")
_WORD = re.compile(r"[^\W\d_]{4,}")
_GROUPED = re.compile(r"\+?\d[\d ()/.,-]{3,}\d")  # a phone number or a large number, however it is grouped
_IDENTIFIER = re.compile(r"(?=.*\d)[A-Za-z]+[_-]?[A-Za-z0-9_-]+")
_DECIDES = ("agree", "adjust", "stop")
_STEM = 5  # letters of a word that are compared
_WORDING = 4  # words from which on a value is a phrase
_RECENT = 3  # messages of the user in which a line may have been said
_MAX_CUE = 120  # characters
_TOLD_EARLY = 4  # characters from which on a value is not said by chance


class ModelUser:
    """The user of one rollout.

    Args:
        session: Sends the requests.
        blueprint: The plan.
        follows_script: Whether the assistant is scripted, so that the user has to say the lines of the script in turn.
    """

    def __init__(self, session: AgentSession, blueprint: Blueprint, *, follows_script: bool) -> None:
        self._session = session
        self._intent = blueprint.intent
        self._told = bool(blueprint.story)
        self._follows_script = follows_script
        self._next = 0
        self._ended: set[int] = set()
        script = blueprint.script
        self._now = script.now if script is not None else ""
        services = dict.fromkeys(part.service for part in script.parts) if script is not None else ()
        self._terms = [stage_here().tasks(service).terms for service in services]

    def speak(self, view: UserView) -> UserTurn | None:
        """Return the user's next message; None if they have nothing more to say."""
        return self._on_a_world(view) if view.brief.lines else self._on_a_plan(view)

    # -- tasks on executable worlds

    def _on_a_world(self, view: UserView) -> UserTurn | None:
        lines = view.brief.lines
        if self._follows_script:
            if self._next >= len(lines):
                return None
            line = lines[self._next]
            self._next += 1
            return self._said(view, [line], must=True)
        heard = view.messages[-1].content if view.messages else ""
        matter = view.requests_made - 1
        texts = [message.content for message in view.messages if message.role == "user"]
        if len(texts) >= len(lines) + _EXTRA:
            raise RolloutStopped("user: the conversation does not come to an end")
        if matter >= 0 and matter not in self._ended:
            due = [line for line in lines if line.matter == matter and not line.opens and line.purpose != "close"]
            due = [line for line in due if not self._has_said(line, lines[: lines.index(line)], texts)]
            if asks_for_yes(heard) and due and due[0].purpose in _DECIDES and due[0].cue_purpose == "confirm":
                return self._said(view, due[:1], must=True)  # a change of mind, or the consent itself
            agrees = next((line for line in due if line.purpose == "agree"), None)
            if asks_for_yes(heard) and agrees is not None:
                # what the assistant never asked for is said with the yes, before it acts without it
                untold = [line for line in due[: due.index(agrees)] if line.purpose == "tell"]
                if untold and all(line.purpose in ("tell", "choose") for line in due[: due.index(agrees)]):
                    return self._said(view, [agrees, *untold], must=True)
            if asks(heard) or any(line.purpose != "agree" for line in due):
                turn = self._said(view, due, must=False)
                if turn is not None:
                    return turn
            self._ended.add(matter)
        opening = next((line for line in lines if line.opens and line.matter > matter), None)
        if opening is None:
            return None
        unasked = [line for line in lines if line.matter == opening.matter and line.unasked]
        return self._said(view, [opening, *unasked], must=True)

    def _has_said(self, line: Line, before: Sequence[Line], texts: Sequence[str]) -> bool:
        """Return whether the user has said a line already: the facts that are new in it, or most of its words."""
        known = {canonical_json(value) for other in before for value in other.tells.values()}
        new = {name: value for name, value in line.tells.items() if canonical_json(value) not in known}
        if new and all(self._tells([line.text], name, value) for name, value in new.items()):
            return all(self._tells(texts, name, value) for name, value in new.items())
        words = _stems(line.text)
        return bool(words) and any(2 * len(words & _stems(text)) > len(words) for text in texts[-_RECENT:])

    def _said(self, view: UserView, due: Sequence[Line], *, must: bool) -> UserTurn | None:
        """Return a message that says what is due, or what of it fits; None if the user ends the matter."""
        lines = view.brief.lines
        opens = must and due[0].opens
        texts = [message.content for message in view.messages if message.role == "user"]
        hidden = [] if not opens else [line for line in lines if line.purpose == "tell" and line not in due]
        known = [line for line in lines if line.matter <= max((d.matter for d in due), default=view.requests_made)]
        heard = [*(message.content for message in view.messages), *(line.text for line in known), self._intent]
        allowed = digits_of(heard, [value for line in known for value in line.tells.values()])
        context = "\n".join(heard)
        facts = {name: value for line in due for name, value in self._facts_of(line, view).items()} if must else {}

        def check(text: str) -> str:
            if text.strip() == STOP:
                return "there is something to say first" if must else ""
            problem = _problem(text, allowed, context)
            if problem:
                return problem
            missing = [
                f"the {label(name.rpartition('__')[2])}" + (f", {preview(value)}" if isinstance(value, str) else "")
                for name, value in facts.items()
                if not self._tells([*texts, text], name, value)
            ]
            if missing:
                words = "; ".join(f"\u00ab{line.text}\u00bb" for line in due)
                return f"it does not say {'; '.join(missing)}; in your words: {words}"
            if opens and not _shares_a_word(text, due[0].text):
                return f"it is not about \u00ab{due[0].text}\u00bb"
            for line in hidden:
                for name, value in line.tells.items():
                    early = isinstance(value, str) and len(value) >= _TOLD_EARLY and contains_whole(text, value)
                    if early and not any(contains_whole(d.text, str(value)) for d in due):
                        return f"it tells the {label(name.rpartition('__')[2])}, which is said only if asked"
            return ""

        direction = (
            ". And: ".join(self._must_say(view, line) for line in due)
            if must
            else _choices(due, view.messages[-1].content)
        )
        text = self._session.written("user", self._messages(view, direction), check).strip()
        return None if text == STOP else UserTurn(text, "request" if opens else "answer")

    def _must_say(self, view: UserView, line: Line) -> str:
        lead = "answer" if not line.opens else "now bring up this matter" if view.messages else "bring up this matter"
        parts = [f"{lead}. In your words: \u00ab{line.text}\u00bb"]
        exact = [value for value in line.tells.values() if self._follows_script and _is_wording(value)]
        parts += [f"Keep {value!r} word for word" for value in exact]
        unnamed = [value for value in line.tells.values() if self._unnamed(value, line, view)]
        parts += [f"The assistant has not named {value} to you: say what it stands for instead" for value in unnamed]
        return ". ".join(parts)

    def _facts_of(self, line: Line, view: UserView) -> dict[str, Json]:
        """Return the facts that a message for this line has to say: those that the speech layer finds in the line."""
        return {
            name: value
            for name, value in line.tells.items()
            if self._tells([line.text], name, value)
            and (self._follows_script or not _is_wording(value))
            and not self._unnamed(value, line, view)
        }

    def _unnamed(self, value: Json, line: Line, view: UserView) -> bool:
        """Return whether a value is an identifier of an earlier result that the assistant did not tell this user."""
        later = line.matter > 0 and isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None
        return later and not any(value in message.content for message in view.messages)

    def _tells(self, texts: Sequence[str], name: str, value: Json) -> bool:
        fact = name.rpartition("__")[2]
        key = canonical_json(value) if isinstance(value, bool) else str(value)
        words = [word for terms in self._terms for word in terms.get(fact, {}).get(key, ())]
        if all(said_in(texts, leaf, self._now, words=words) for _, leaf in leaves(value, fact)):
            return True
        if self._follows_script:
            return False
        said = "\n".join(texts)
        forms = [*words, value] if isinstance(value, str) else words
        return any(says_a_form_of(said, word) for word in forms) or any(_says_most_of(w, texts) for w in words)

    # -- plans for services without a pack

    def _on_a_plan(self, view: UserView) -> UserTurn | None:
        if view.messages and asks(view.messages[-1].content):
            known = [*view.brief.requests[: view.requests_made]] if self._told else []
            facts = "; ".join(
                [f"\u00ab{goal}\u00bb" for request in known for goal in request.goals]
                + [f"the {name} is {canonical_json(value)}" for name, value in view.brief.withheld.items()]
            )
            direction = (
                "answer the assistant's question; to a question for a yes to what you asked for, say yes."
                + f" What you know: {facts}." * bool(facts)
                + f" If it asks nothing of you, or only offers more help, end with {STOP}"
            )
            heard = [*(m.content for m in view.messages), *(g for r in known for g in r.goals), self._intent]
            allowed = digits_of(heard, [*view.brief.withheld.values()])
            text = self._session.written(
                "user", self._messages(view, direction),
                lambda text: "" if text.strip() == STOP else _problem(text, allowed, text),
            ).strip()  # fmt: skip
            if text != STOP:
                return UserTurn(text, "answer")
        if view.requests_made >= len(view.brief.requests):
            return None
        request = view.brief.requests[view.requests_made]
        return UserTurn(self._requested(view, request), "request")

    def _requested(self, view: UserView, request: Request) -> str:
        details = "; ".join(f"the {name} is {canonical_json(value)}" for name, value in request.details)
        goals = ", then to ".join(goal.rstrip(".") for goal in request.goals)
        direction = f"bring up this matter. In your words: \u00ab{goals}\u00bb" if self._told else f"ask to {goals}"
        direction += f". Say, with these exact values: {details}" * bool(details)
        direction += "".join(f". {remark.rstrip('.')}" for remark in request.remarks)

        def check(text: str) -> str:
            if text.strip() == STOP:
                return "there is a request to state"
            problem = _problem(text, None, text)
            if problem:
                return problem
            said = "\n".join([*(m.content for m in view.messages if m.role == "user"), text])
            missing = [
                f"the {label(part)} is {canonical_json(leaf)}"
                for name, detail in request.details
                for part, leaf in leaves(detail, name)
                if not mentions(said, part, leaf)
            ]
            if missing:
                return f"the message does not say that {'; '.join(missing)}"
            allowed = canonical_json([request, self._intent])
            for name, hidden in view.brief.withheld.items():
                early = isinstance(hidden, str) and len(hidden) > _TOLD_EARLY and contains_whole(text, hidden)
                if early and hidden not in allowed:
                    return f"the message tells the {name}, which is said only if asked"
            return "" if any(_shares_a_word(text, goal) for goal in request.goals) else "it is not about the request"

        return self._session.written("user", self._messages(view, direction), check).strip()

    # -- the request to the model

    def _messages(self, view: UserView, direction: str) -> list[dict[str, Json]]:
        """Return the conversation with the parts exchanged: the model writes what the user says."""
        persona = view.brief.persona
        system = fill_in(
            prompt("user"),
            {
                "name": persona.name,
                "role": persona.role or "a customer",
                "style": persona.style,
                "intent": self._intent,
            },
        )
        if self._session.advice:
            system += f"\n\n{self._session.advice}"
        messages: list[dict[str, Json]] = [{"role": "system", "content": system}]
        for message in view.messages:
            if message.role == "user" and len(messages) == 1:
                messages.append({"role": "user", "content": _BEGIN})
            messages.append({"role": "assistant" if message.role == "user" else "user", "content": message.content})
        heard = str(messages.pop()["content"]) if len(messages) > 1 else _BEGIN
        return [*messages, {"role": "user", "content": f"{heard}{DIRECTION}{direction}.)"}]


def _choices(due: Sequence[Line], heard: str) -> str:
    """Return the direction where the assistant goes its own way."""
    parts = []
    for line in due:
        if line.purpose == "agree":
            continue
        when = {"tell": "if asked for it", "choose": "if asked to choose"}.get(line.purpose, "")
        when = when or f"if the assistant says something like \u00ab{shorten(line.cue, _MAX_CUE)}\u00bb"
        parts.append(f"{when}: \u00ab{line.text}\u00bb")
    agree = " If it asks for your yes to what you asked for, give a clear yes." if "?" in heard else ""
    known = f" What you still have to say, in your words and only where it fits: {'; '.join(parts)}." if parts else ""
    return (
        f"answer what the assistant has just said.{agree}{known} If it asks nothing of you, or only offers more help, "
        f"and nothing of this fits, end with {STOP}"
    )


def _says_most_of(phrase: str, texts: Sequence[str]) -> bool:
    """Return whether texts say a phrase of several words in other ones: all its numbers, and half of its words."""
    words, numbers = _stems(phrase), set(_DIGITS.findall(phrase))
    said = "\n".join(texts)
    return (
        len(phrase.split()) >= _WORDING
        and numbers <= {*_DIGITS.findall(said), *_forms(said)}
        and 2 * len(words & _stems(said)) >= len(words)
    )


def _is_wording(value: Json) -> bool:
    """Return whether a value is a sentence or phrase, which can be said in other words."""
    return isinstance(value, str) and len(_WORD.findall(value)) >= _WORDING


def _problem(text: str, allowed: frozenset[str] | None, context: str) -> str:
    """Say what keeps a text from being something that the user says; empty if nothing does.

    ``context`` are texts whose words the user may use, though they are words of a machine.
    """
    if not text.strip():
        return "the message is empty"
    if len(text) > MAX_TEXT:
        return f"the message is longer than {MAX_TEXT} characters"
    for odd in _MACHINE.findall(text):
        if odd not in context:
            return f"people do not write {odd!r}"
    if allowed is not None:
        together = re.sub(r"\D", "", context)
        text = _GROUPED.sub(lambda match: "" if re.sub(r"\D", "", match.group()) in together else match.group(), text)
        for digits in _DIGITS.findall(text):
            if digits not in allowed and digits.lstrip("0") not in allowed:
                return f"the number {digits} was never given to you"
    return ""


def digits_of(texts: Sequence[str], values: Sequence[Json]) -> frozenset[str]:
    """Return the runs of digits that may be said: those of the texts, and those of the usual forms of the values."""
    return frozenset(number for text in texts for number in _forms(text)) | frozenset(
        number for value in values for _, leaf in leaves(value) for number in _forms_of_value(leaf)
    )


_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d))?")
_CLOCK = re.compile(r"\b(\d{1,2})[:.](\d\d)")
_TWELVE = re.compile(r"\b(\d{1,2})(?:[:.](\d\d))?\s*(?:am|pm|a\.m|p\.m|o'clock)", re.IGNORECASE)


_SPELLED = {word: str(number) for number in range(2, 100) for word in (in_words(number),)}


def _forms(text: str) -> Iterator[str]:
    for word in _WORDS.findall(text.casefold()):
        if word in _SPELLED:
            yield _SPELLED[word]
    for digits in _DIGITS.findall(text):
        yield digits
        yield digits.lstrip("0")
    for hour, _ in _CLOCK.findall(text):
        yield str(int(hour) % 12 or 12)
    for hour, _ in _TWELVE.findall(text):
        yield from (str(int(hour) % 12 + 12), "00")


def _forms_of_value(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield from _forms(value)
        for year, month, day, hour, minute in _MOMENT.findall(value):
            yield from (year, year[2:], str(int(month)), str(int(day)))
            if hour:
                yield from (str(int(hour)), str(int(hour) % 12 or 12), minute)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _DIGITS.findall(f"{value:g} {value:.2f} {value / 100:.2f} {value / 100:g} {value:,.0f}")
        yield from _DIGITS.findall(f"{value * 100:g} {value:.0f}")


def _shares_a_word(text: str, other: str) -> bool:
    """Return whether two texts are about the same thing, as far as a common word or a number shows it."""
    words, others = _stems(text), _stems(other)
    return bool(words & others) or not others or bool(set(_DIGITS.findall(text)) & set(_DIGITS.findall(other)))


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in _WORD.findall(text.casefold())}
