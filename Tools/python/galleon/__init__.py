"""A small Galleon client in plain Python: written from the folder Protocol and nothing else.

It is here to show that the folder is enough, and to test the broker from outside. It blocks, it
has no threads, and it understands no codec: the broker sends it every batch uncompressed.

    from galleon import Session, Event
    with Session.connect("galleon://127.0.0.1:4747") as session:
        publisher = session.open_topic("hunt.loot", ack_level="accepted")
        publisher.publish([Event(b"gold", key=b"ann")])
        publisher.flush()
"""

from .batch import Batch, Event, charge, decode_batch, decode_batches, encode_batch
from .counters import Counters
from .names import is_name, is_pattern, matches
from .registry import REGISTRY, Fault
from .session import Closed, Refused, Session
from .streams import (
    Blocked, ContinuityError, Gap, Passed, Publisher, StateReset, Subscription)
from .wire import Frame, FrameReader, decode_frame, encode_frame

__all__ = [
    "Batch", "Blocked", "Closed", "ContinuityError", "Counters", "Event", "Fault", "Frame",
    "FrameReader", "Gap", "Passed", "Publisher", "REGISTRY", "Refused", "Session", "StateReset",
    "Subscription", "charge", "decode_batch", "decode_batches", "decode_frame", "encode_batch",
    "encode_frame", "is_name", "is_pattern", "matches",
]
