"""Errors of the explorer: it cannot be served, or a request asks for what is not there."""

from __future__ import annotations

from http import HTTPStatus

from flows.errors import FlowError


class ExplorerError(FlowError):
    """The explorer cannot be served as asked."""

    code = "E0428"


class RequestError(FlowError):
    """A page of the explorer was asked for something that does not exist or cannot be read.

    Parameters
    ----------
    what, where, why, fix : str
        The four parts.
    status : HTTPStatus
        How it is answered.
    """

    code = "E0429"

    def __init__(
        self,
        what: str,
        *,
        where: str,
        why: str,
        fix: str,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
    ) -> None:
        super().__init__(what, where=where, why=why, fix=fix)
        self.status = status


def missing(what: str, where: str, fix: str) -> RequestError:
    """Return the error for something that the workspace does not have."""
    return RequestError(
        what,
        where=where,
        why="a page shows what is recorded, and nothing of this name is",
        fix=fix,
        status=HTTPStatus.NOT_FOUND,
    )
