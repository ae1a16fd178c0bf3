"""The one table from errors to HTTP statuses; a test walks `errors.py` so that none is missing."""

from __future__ import annotations

from shipway import errors
from shipway.errors import ShipwayError

STATUSES: dict[type[ShipwayError], int] = {
    errors.MalformedRequestError: 400,
    errors.TensorMismatchError: 400,
    errors.RouteNotFoundError: 404,
    errors.ModelNotFoundError: 404,
    errors.MethodNotAllowedError: 405,
    errors.NotJsonError: 406,
    errors.RequestTimeoutError: 408,
    errors.RequestTooLargeError: 413,
    errors.UnauthorizedError: 401,
    errors.ForbiddenError: 403,
    errors.LoadRefusedError: 409,
    errors.DeadlineExceededError: 504,
    errors.OverloadedError: 429,
    errors.UnsupportedRequestError: 501,
    errors.UnavailableError: 503,
    errors.SessionRunError: 500,
    # What follows is met while a server starts, not in an answer; it is here so that the table is whole.
    errors.RequestError: 400,
    errors.InputError: 500,
    errors.EnvironmentFailure: 500,
    errors.ExportError: 500,
    errors.SessionError: 500,
    errors.EndpointError: 500,
    ShipwayError: 500,
}
PHRASES = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
RETRY_AFTER_SECONDS = {429: 1, 503: 1}


def status_of(error: ShipwayError) -> int:
    """The status for an error: of its own class, or of the nearest family above it."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
