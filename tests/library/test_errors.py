"""What an engine tells of its failure becomes an error that Python's own ``except`` clauses know."""

from __future__ import annotations

import errno
import pickle

import pytest

import gof3r
from gof3r.engine.errors import UNMET, ReaderGone, told
from gof3r.engine.values import Failure


def server(status: int, code: str) -> Failure:
    return Failure("server", code, status=status)


@pytest.mark.parametrize(
    ("name", "failure", "kind", "number"),
    [
        ("TransferError", server(404, "NoSuchKey"), gof3r.NotFound, errno.ENOENT),
        ("TransferError", server(404, ""), gof3r.NotFound, errno.ENOENT),
        ("TransferError", server(404, "NoSuchUpload"), gof3r.TransferError, None),
        ("TransferError", server(403, "AccessDenied"), gof3r.AccessDenied, errno.EACCES),
        ("TransferError", server(412, "PreconditionFailed"), gof3r.TransferError, None),
        ("TransferError", Failure("check", UNMET), gof3r.AlreadyExists, errno.EEXIST),
        ("TransferError", Failure("transport", "28"), gof3r.TransferError, None),
        ("TransferError", None, gof3r.TransferError, None),
        ("UsageError", None, gof3r.UsageError, None),
        ("ReaderGone", None, ReaderGone, None),
        ("Interrupted", None, gof3r.Gof3rError, None),
        ("", None, gof3r.Gof3rError, None),
    ],
)
def test_an_error_is_told_by_its_kind_and_survives_pickling(
    name: str, failure: Failure | None, kind: type[gof3r.Gof3rError], number: int | None
) -> None:
    error = told(name, "what happened", failure)
    for each in (error, pickle.loads(pickle.dumps(error))):
        assert type(each) is kind
        assert str(each) == "what happened"
        assert getattr(each, "errno", None) == number
        assert getattr(each, "failure", None) == failure
