"""The fault sweep: every request of every transfer meets every fault, and no promise is broken.

The promises: exit 0 only if the destination holds exactly the source's bytes; a fault that passes ends in
success; one that does not in a single error line; nothing is left behind, neither upload (Create's lost
answer excepted: then the command that finds it is printed, and works) nor process nor file; no byte of a get
that is not the object's; never a hang.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.summary import FAULT, TRANSFER
from tests.faults.sweep import Bench
from tests.faults.table import TRANSFERS, Case, Transfer, cases

Record = Callable[[str, object], None]


@pytest.mark.parametrize("transfer", [pytest.param(each, id=each.name) for each in TRANSFERS])
def test_a_transfer_makes_the_requests_that_are_swept_and_no_others(bench: Bench, transfer: Transfer) -> None:
    ended, requests = bench.honest(transfer)
    assert Counter(requests) == transfer.requests
    assert ended.code == bool(transfer.always), ended


@pytest.mark.parametrize("case", [pytest.param(each, id=each.id) for each in cases()])
def test_a_fault_breaks_no_promise(bench: Bench, case: Case, record_property: Record) -> None:
    record_property(FAULT, case.kind.name)
    record_property(TRANSFER, case.transfer.name)
    assert bench.broken_promises(case) == []
