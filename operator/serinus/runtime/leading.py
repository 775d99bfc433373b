"""Which ModelDeployments this process decides, and until when what it has begun may be written.

Whoever leads a shard does so for one tenure. A pass runs under the tenure that it began with, and so does all that it
sets off: once that is over, nothing of it is written, also where this very process leads the shard again by then.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from serinus.core.model.identity import Key
from serinus.core.model.shards import shard_of
from serinus.runtime.ports import Tenure

_UNDER: ContextVar[Tenure | None] = ContextVar("tenure", default=None)


class Unending:
    """The tenure of an operator without leader election: it is the only one."""

    left = False

    def seconds_left(self) -> float:
        return math.inf

    def unsettle(self) -> None:
        """Nobody waits for it."""


@contextmanager
def under(tenure: Tenure) -> Iterator[None]:
    """Do something under a tenure; tasks that are begun meanwhile are under it, too."""
    token = _UNDER.set(tenure)
    try:
        yield
    finally:
        _UNDER.reset(token)


def seconds_to_write() -> float:
    """Give the seconds within which a write of this task must have ended; none without a tenure."""
    tenure = _UNDER.get()
    return -math.inf if tenure is None else tenure.seconds_left()


def seconds_to_tell() -> float:
    """The same for Events: of what was done before a shard was given up in good order they are still sent."""
    tenure = _UNDER.get()
    return math.inf if tenure is not None and tenure.left else seconds_to_write()


def note_unsettled() -> None:
    """Tell the tenure of this task that a write was given up on its way."""
    tenure = _UNDER.get()
    if tenure is not None:
        tenure.unsettle()


@dataclass
class _Led:
    """A shard that is led: all of it, or some of its ModelDeployments while the rest is being read."""

    tenure: Tenure
    only: set[Key] | None = None
    finishing: bool = False


@dataclass
class Leading:
    """The shards that this process leads, of so many in all."""

    shards: int = 1
    left_out: frozenset[str] = frozenset()
    """Namespaces that may not be read: nothing in them is decided."""
    unheld: frozenset[str] = frozenset()
    """Namespaces out of which we do not keep other installs: another one may decide what is in them."""
    _led: dict[int, _Led] = field(default_factory=dict)

    @classmethod
    def everything(cls) -> Leading:
        """Lead all that there is, for ever."""
        leading = cls()
        leading.open(0, Unending())
        return leading

    def open(self, shard: int, tenure: Tenure) -> None:
        """Decide all ModelDeployments of a shard from now on."""
        self._led[shard] = _Led(tenure)

    def admit(self, key: Key, tenure: Tenure) -> None:
        """Decide one ModelDeployment before its shard is opened; those that were admitted before stay."""
        led = self._led.get(self.shard_of(key))
        if led is None or led.tenure is not tenure:
            led = self._led[self.shard_of(key)] = _Led(tenure, set())
        if led.only is not None:
            led.only.add(key)

    def finish(self, shard: int) -> None:
        """Begin nothing more in a shard; what is under way may be written."""
        if shard in self._led:
            self._led[shard].finishing = True

    def close(self, shard: int) -> None:
        """Decide nothing of a shard any more."""
        self._led.pop(shard, None)

    def shard_of(self, key: Key) -> int:
        return shard_of(key, self.shards)

    def of(self, key: Key) -> Tenure | None:
        """Give the tenure under which a ModelDeployment is decided now; None where that is not for us to do."""
        led = self._led.get(shard_of(key, self.shards))
        if led is None or led.finishing or key.namespace in self.left_out | self.unheld:
            return None
        if led.only is not None and key not in led.only:
            return None
        return led.tenure

    def leads(self, key: Key) -> bool:
        """Tell whether we decide a ModelDeployment, or are about to finish with it."""
        return shard_of(key, self.shards) in self._led
