"""Who signs: each role's credentials, and when they are looked up again.

Keys from an assumed role, a container or instance metadata live for minutes to hours, a transfer may take
days. They are renewed well before they expire, and once more when the server calls them expired; until the
answer comes the old ones go on, unless the server has refused them. Keys that were given outright (options,
environment) have nowhere to be renewed from.

It says when; looking up is the shell's. ``now`` and all moments are monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..values import Credentials, Role
from .events import NotRenewed, Renewed
from .retry import Newer

AHEAD = 1500.0
"""Seconds before their end from which on newer keys are looked for. Less would not do: botocore says that
keys of instance metadata last for another 17 to 25 minutes, a random number, whenever they last shorter."""

OFTEN = 240.0
"""Seconds between looks from then on, for half of the keys' life at most. Instance metadata has newer ones
five minutes before the end at the latest (EC2 User Guide, "Retrieve security credentials")."""

AGAIN = 5.0
"""Seconds at least between two looks."""


@dataclass(slots=True)
class Signer:
    """One role's keys. ``renewable``: looking them up again may find newer ones. ``lasts``: seconds that they
    are good for, counted from the transfer's start; None for ever."""

    credentials: Credentials | None
    lasts: float | None = None
    renewable: bool = False


@dataclass(slots=True)
class _State:
    credentials: Credentials | None
    renewable: bool
    due: float | None
    """When to look for newer ones."""
    asked: bool = False
    refused: bool = False
    """The server calls these expired: nothing goes out until there are newer ones."""


class Signers:
    """All roles of a transfer; ``begin`` before anything else."""

    def __init__(self, signers: Mapping[Role, Signer]) -> None:
        self._signers = signers
        self._states: dict[Role, _State] = {}

    def begin(self, now: float) -> None:
        for role, signer in self._signers.items():
            due = _due(signer.lasts, now) if signer.renewable else None
            self._states[role] = _State(signer.credentials, signer.renewable, due)

    def credentials(self, role: Role) -> Credentials | None:
        return self._states[role].credentials

    def blocked(self, role: Role) -> bool:
        """Requests of this role wait for newer keys."""
        return self._states[role].refused

    def newer(self, role: Role, used: Credentials | None) -> Newer:
        """Whether there are newer keys than ``used``, which the server calls expired."""
        state = self._states[role]
        if used != state.credentials:
            return "here"
        return "to come" if state.renewable else "none"

    def refused(self, role: Role, now: float) -> None:
        """The server calls the present keys expired: look for newer ones at once."""
        self._states[role].refused = True
        self._states[role].due = now

    def due(self, now: float) -> list[Role]:
        """Roles whose keys are to be looked up now; each is named once until its answer has come."""
        roles = []
        for role, state in self._states.items():
            if not state.asked and state.due is not None and state.due <= now:
                state.asked = True
                roles.append(role)
        return roles

    def deadline(self) -> float | None:
        """When ``due`` will name a role next."""
        return min((s.due for s in self._states.values() if s.due is not None and not s.asked), default=None)

    def renewed(self, event: Renewed, now: float) -> bool:
        """Take what was found. False when it is what the server has refused already."""
        state = self._states[event.role]
        state.asked = False
        same = event.credentials == state.credentials
        state.due = _due(event.lasts, now)
        state.credentials = event.credentials
        if state.refused and same:
            return False
        state.refused = False
        return True

    def heard(self, event: Renewed | NotRenewed, now: float) -> tuple[str, NotRenewed | None]:
        """What to say of the answer to a look, and that there is nothing newer, if so."""
        if isinstance(event, Renewed) and self.renewed(event, now):
            return f"credentials of {event.role} renewed", None
        if isinstance(event, Renewed):
            event = NotRenewed(event.role, "the same keys were found again")
        return f"credentials of {event.role} not renewed: {event.text}", event

    def not_renewed(self, event: NotRenewed, now: float) -> None:
        """Nothing was found: the present keys go on. They may be good for a while yet; and where the server
        refuses them it says so itself, to those who clean up as well."""
        state = self._states[event.role]
        state.due = now + (AGAIN if state.refused else OFTEN)
        state.asked = state.refused = False


def _due(lasts: float | None, now: float) -> float | None:
    if lasts is None:
        return None
    return now + max(lasts - AHEAD, min(lasts / 2, OFTEN), AGAIN)
