"""Whose keys sign: when newer ones are looked for, and what a transfer does until they come."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.flow.events import NotRenewed, Renewed
from gof3r.engine.flow.signers import AGAIN, Signer, Signers
from gof3r.engine.values import Credentials, Job, Role
from tests.flow.scripts import Script, honest, instead
from tests.flow.store import OBJECT, error
from tests.flow.transfers import get, put
from tests.flow.world import STARTED, World

NOW = STARTED
OLD = Credentials("AKOLD", "old", "token")
NEW = Credentials("AKNEW", "new", "token")
DATA = bytes(range(60))


def signers_of(lasts: float | None = None, renewable: bool = True) -> Signers:
    signers = Signers({"main": Signer(OLD, lasts, renewable), "source": Signer(OLD)})
    signers.begin(NOW)
    return signers


# --- when ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lasts", "after"),
    [
        (43200.0, 41700.0),
        (21600.0, 20100.0),
        (3600.0, 2100.0),  # an assumed role's usual hour
        (1740.0, 240.0),
        (1739.0, 240.0),
        (1200.0, 240.0),  # what botocore says of instance metadata's keys in their last minutes
        (900.0, 240.0),  # the shortest that STS gives
        (480.0, 240.0),
        (300.0, 150.0),
        (20.0, 10.0),
        (10.0, 5.0),
        (9.0, 5.0),
        (0.0, 5.0),
        (-100.0, 5.0),  # our clock is ahead of theirs
    ],
)
def test_keys_are_looked_up_again_well_before_they_expire(lasts: float, after: float) -> None:
    signers = signers_of(lasts)
    assert signers.deadline() == NOW + after
    assert signers.due(NOW + after - 0.001) == []
    assert signers.due(NOW + after) == ["main"]
    signers.renewed(Renewed("main", NEW, lasts), NOW + 10_000.0)
    assert signers.deadline() == NOW + 10_000.0 + after


@pytest.mark.parametrize("signers", [signers_of(None), signers_of(60.0, renewable=False)])
def test_keys_that_never_expire_or_were_given_outright_are_not_looked_up(signers: Signers) -> None:
    assert signers.deadline() is None
    assert signers.due(NOW + 1e9) == []


@given(st.lists(st.tuples(st.floats(12.0, 1e5), st.floats(0.0, 5.0)), min_size=1))
def test_keys_with_their_true_end_never_sign_after_it(lives: list[tuple[float, float]]) -> None:
    """``lives``: seconds that each new set lasts, and that the look for the next one takes."""
    now, ends = NOW, NOW + lives[0][0]
    signers = signers_of(lives[0][0])
    for number, ((_, takes), (lasts, _)) in enumerate(zip(lives, lives[1:], strict=False)):
        due = signers.deadline()
        assert due is not None and signers.due(due) == ["main"]
        now = due + takes
        assert now < ends, "newer ones are there in time"
        ends = now + lasts
        assert signers.renewed(Renewed("main", Credentials(f"AK{number}", "s"), lasts), now)


@given(
    left=st.floats(301.0, 21600.0),
    early=st.floats(300.0, 3600.0),
    takes=st.floats(0.0, 30.0),
    seed=st.integers(),
)
def test_instance_metadata_s_keys_never_sign_after_their_end_though_botocore_tells_a_later_one(
    left: float, early: float, takes: float, seed: int
) -> None:
    """``left``: seconds to the end of the first keys; ``early``: how long before it there are newer ones."""
    random = Random(seed)

    def told(lasts: float) -> float:
        window = 900.0 + random.randint(120, 600)  # botocore.utils.InstanceMetadataFetcher, 1.44
        return window if lasts <= window else lasts

    ends = NOW + left
    signers = signers_of(told(left))
    due = NOW
    while due < ends - early:
        next_due = signers.deadline()
        assert next_due is not None and signers.due(next_due) == ["main"]
        due = next_due
        assert signers.renewed(Renewed("main", OLD, told(ends - due)), due + takes)
    assert due + takes < ends


# --- refused ------------------------------------------------------------------


def test_refused_keys_block_their_role_alone_and_are_looked_up_at_once_and_once() -> None:
    signers = signers_of(3600.0)
    signers.refused("main", NOW)
    assert (signers.blocked("main"), signers.blocked("source")) == (True, False)
    assert signers.due(NOW) == ["main"]
    signers.refused("main", NOW + 1)
    assert signers.due(NOW + 1) == []
    assert signers.renewed(Renewed("main", NEW, 3600.0), NOW + 2)
    assert not signers.blocked("main")
    assert (signers.credentials("main"), signers.credentials("source")) == (NEW, OLD)


@pytest.mark.parametrize("found", [OLD, replace(OLD, expires=5e9)])
def test_the_keys_that_were_refused_are_no_newer_ones_whatever_their_end(found: Credentials) -> None:
    signers = signers_of()
    signers.refused("main", NOW)
    assert signers.due(NOW) == ["main"]
    assert not signers.renewed(Renewed("main", found, 3600.0), NOW)


def test_the_same_keys_ahead_of_their_end_are_taken_and_asked_about_again() -> None:
    signers = signers_of(100.0)
    assert signers.due(NOW + 50.0) == ["main"]
    assert signers.renewed(Renewed("main", OLD, 50.0), NOW + 50.0)
    assert signers.deadline() == NOW + 75.0


def test_without_newer_keys_the_present_ones_go_on_and_a_look_follows() -> None:
    signers = signers_of(3600.0)
    signers.refused("main", NOW)
    signers.due(NOW)
    signers.not_renewed(NotRenewed("main", "gone"), NOW)
    assert not signers.blocked("main")
    assert signers.credentials("main") == OLD
    assert signers.deadline() == NOW + AGAIN


@pytest.mark.parametrize(
    ("role", "used", "newer"),
    [
        ("main", OLD, "to come"),
        ("main", replace(OLD, expires=5e9), "to come"),
        ("main", NEW, "here"),
        ("source", OLD, "none"),
    ],
)
def test_whether_there_are_newer_keys_than_those_of_an_attempt(
    role: Role, used: Credentials, newer: str
) -> None:
    assert signers_of().newer(role, used) == newer


@given(
    st.lists(st.tuples(st.sampled_from(["refused", "same", "new", "none", "wait"]), st.floats(0.0, 400.0)))
)
def test_nothing_is_blocked_without_a_look_that_will_end_it(history: list[tuple[str, float]]) -> None:
    signers, now, asked, issued = signers_of(600.0), NOW, False, 0
    for what, seconds in history:
        now += seconds
        if what == "refused":
            signers.refused("main", now)
        elif what == "wait":
            due = signers.due(now)
            assert not (asked and due), "one look at a time"
            asked = asked or bool(due)
        elif asked and what == "none":
            signers.not_renewed(NotRenewed("main", "gone"), now)
            asked = False
        elif asked:
            issued += what == "new"
            found = Credentials(f"AK{issued}", "s")
            if not signers.renewed(Renewed("main", found, 600.0), now):
                signers.not_renewed(NotRenewed("main", "the same"), now)
            asked = False
        deadline = signers.deadline()
        assert asked or deadline is not None
        assert not signers.blocked("main") or asked or deadline is not None and deadline <= now


# --- in a transfer ------------------------------------------------------------------

EXPIRED = instead(error(400, "ExpiredToken", "it is old"))


def rotated(world: World, often: float) -> World:
    """``world``, whose server takes the newest keys alone; ``often`` is the chance that a request meets new
    ones."""
    issued = [OLD]

    def judge(job: Job) -> Script:
        if world.random.random() < often:
            issued.append(Credentials(f"AK{len(issued)}", "secret", "token"))
        return honest if job.credentials == issued[-1] else EXPIRED

    world.default = judge
    world.look_up = lambda role: Renewed(role, issued[-1], None)
    return world


@pytest.mark.parametrize("seed", range(20))
def test_transfers_arrive_whole_however_often_the_keys_rotate(seed: int) -> None:
    up = rotated(put(DATA, seed=seed, credentials=OLD), 0.15).run()
    assert up.receipt
    assert up.store.objects[OBJECT].data == DATA
    assert up.store.uploads == {}
    down = rotated(get(up.store, seed=seed, credentials=OLD), 0.15).run()
    assert down.receipt
    assert down.delivered == DATA


@pytest.mark.parametrize("seed", [None, *range(10)])
@pytest.mark.parametrize(
    "what", ["create_multipart_upload", "part 3", "complete_multipart_upload", "sidecar"]
)
def test_a_put_whose_keys_are_refused_for_good_fails_once_and_leaves_no_upload(
    what: str, seed: int | None
) -> None:
    def judge(job: Job) -> Script:
        cleaning = job.request.operation in ("abort_multipart_upload", "list_parts")
        return EXPIRED if what in world.log and not cleaning else honest

    world = put(DATA, seed=seed, credentials=OLD)
    world.default = judge
    world.run()
    assert "ExpiredToken: it is old; no newer credentials: nothing there" in str(world.error)
    assert world.store.uploads == {}
    assert world.warnings == []
