"""Where an association stands, what can happen to it, and every move that there is."""

from enum import Enum, auto
from typing import Final


class State(Enum):
    """Where the association stands."""

    IDLE = auto()
    ASSOCIATING = auto()
    PROVING = auto()
    READY = auto()
    READING = auto()
    RELEASING = auto()
    CLOSED = auto()


class Event(Enum):
    """What can happen to it."""

    ASSOCIATE = auto()
    GET = auto()
    RELEASE = auto()
    CHALLENGED = auto()
    GRANTED = auto()
    BLOCK = auto()
    ANSWER = auto()
    RELEASED = auto()
    LOST = auto()


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.IDLE, Event.ASSOCIATE): State.ASSOCIATING,
    (State.ASSOCIATING, Event.GRANTED): State.READY,
    (State.ASSOCIATING, Event.CHALLENGED): State.PROVING,
    (State.PROVING, Event.GRANTED): State.READY,
    (State.PROVING, Event.RELEASE): State.RELEASING,
    (State.READY, Event.GET): State.READING,
    (State.READING, Event.BLOCK): State.READING,
    (State.READING, Event.ANSWER): State.READY,
    (State.READY, Event.RELEASE): State.RELEASING,
    # A reader that is cancelled in the middle of a read still releases; what the meter was sending meanwhile is dropped.
    (State.READING, Event.RELEASE): State.RELEASING,
    (State.RELEASING, Event.BLOCK): State.RELEASING,
    (State.RELEASING, Event.ANSWER): State.RELEASING,
    (State.RELEASING, Event.RELEASED): State.CLOSED,
    **{(state, Event.LOST): State.CLOSED for state in State},
}
