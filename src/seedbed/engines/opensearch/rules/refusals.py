"""Requests that a migration must not contain. What is not known to reach only what it names is refused."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.files.requests import RequestFileError
from seedbed.engines.opensearch.rules import reach
from seedbed.engines.opensearch.rules.endpoints import COMMON, ENDPOINTS, Endpoint, endpoint_of, fits, is_name
from seedbed.engines.opensearch.rules.naming import Complaint, complaint_about
from seedbed.support.guess import guess
from seedbed.support.phrases import shorten

_READS = frozenset(
    {
        "_analyze",
        "_cat",
        "_count",
        "_explain",
        "_field_caps",
        "_mget",
        "_msearch",
        "_mtermvectors",
        "_rank_eval",
        "_recovery",
        "_render",
        "_resolve",
        "_search_shards",
        "_segments",
        "_simulate",
        "_stats",
        "_termvectors",
        "_validate",
    }
)
_CLUSTER = "it changes the cluster for everything that it holds"
_ELSEWHERE = "do it where the cluster is configured"
_REFUSED = {
    "_all": ("it reaches every index of the cluster", "use one request for each index"),
    "_cluster": (_CLUSTER, _ELSEWHERE),
    "_nodes": (_CLUSTER, _ELSEWHERE),
    "_plugins": (f"{_CLUSTER}, users and roles among it", _ELSEWHERE),
    "_opendistro": (f"{_CLUSTER}, users and roles among it", _ELSEWHERE),
    "_dangling": (_CLUSTER, _ELSEWHERE),
    "_remotestore": (_CLUSTER, _ELSEWHERE),
    "_tasks": ("it would stop work that is not this migration's", "seedbed follows the tasks that it starts"),
    "_snapshot": (
        "repositories, and the snapshots in them, are for when a migration went wrong",
        "a migration may make one: PUT /_snapshot/REPOSITORY/NAME",
    ),
    "_security": ("that is Elasticsearch's, and users and roles are the cluster's", _ELSEWHERE),
    "_ilm": ("that is Elasticsearch's", "OpenSearch has ISM, which belongs to the cluster's configuration"),
    "_slm": ("that is Elasticsearch's", "OpenSearch has snapshot management, in the cluster's configuration"),
    "_ml": ("that is Elasticsearch's", _ELSEWHERE),
    "_transform": ("that is Elasticsearch's", _ELSEWHERE),
    "_watcher": ("that is Elasticsearch's", "OpenSearch has alerting, in the cluster's configuration"),
    "_enrich": ("that is Elasticsearch's", "write the values into the documents"),
    "_license": ("that is Elasticsearch's", ""),
    "_xpack": ("that is Elasticsearch's", ""),
}
_NEAREST = 3  # known requests that a refusal names


def require_permitted(request: Request) -> None:
    """Raise RequestFileError for a request that can never be part of a migration, with all that is wrong with it."""
    found = list(dict.fromkeys(_complaints(request)))
    if found:
        first, *others = found
        because = "; also: ".join([first.because, *(each.what for each in others)])
        raise RequestFileError(first.what, because, request.line, first.try_)


def _complaints(request: Request) -> Iterator[Complaint]:
    if request.method in {"GET", "HEAD"} or _is_read(request):
        yield Complaint("this request changes nothing", "the requests of a migration change something")
        return
    if any(part in {"", ".", ".."} for part in request.segments):
        yield Complaint(
            f"{request.path!r} is not a plain path", "it has an empty part, `.` or `..`", _plain(request)
        )
        return
    endpoint = endpoint_of(request)
    if endpoint is None:
        yield _unknown(request)
        return
    yield from chain(
        _names(endpoint, request), _params(endpoint, request), reach.complaints(endpoint, request)
    )


def _is_read(request: Request) -> bool:
    """Return whether `request` reads; a search pipeline, and a document whose id is that of an operation, do not."""
    first = next((each for each in request.parts if each.startswith("_")), "")
    is_search = first == "_search" and "pipeline" not in request.parts
    return is_search or first in _READS or request.parts[-1] == "_simulate"


def _plain(request: Request) -> str:
    plain = "/".join(part for part in request.parts if part not in {"", ".", "..", "%2e", "%2E"})
    return f"{request.method} /{plain}"


def _unknown(request: Request) -> Complaint:
    what = f"{shorten(f'{request.method} {request.path}', 80)} is not a request that seedbed knows"
    first = request.segments[0]
    if first in _REFUSED:
        because, try_ = _REFUSED[first]
        return Complaint(
            f"{shorten(f'{request.method} {request.path}', 80)} is not for a migration", because, try_
        )
    other = next((each for each in ENDPOINTS if fits(each, request)), None)
    if other is not None:
        methods = sorted({method for each in ENDPOINTS if each.path == other.path for method in each.methods})
        return Complaint(what, f"{other.form} is known with {', '.join(methods)}", str(other))
    unscoped = next(
        (each for each in ENDPOINTS if each.path[1:] == (first,) and len(request.parts) == 1), None
    )
    if unscoped is not None:
        return Complaint(
            f"{request} names no index",
            "it reaches every index of the cluster",
            f"{request.method} {unscoped.form}",
        )
    known = {part for each in ENDPOINTS for part in each.path if not is_name(part)}
    operation = next((each for each in request.segments if each.startswith("_")), "")
    likely = guess(operation, known) if operation else ""
    nearest = [str(each) for each in ENDPOINTS if likely and likely in each.path][:_NEAREST]
    if not operation:
        nearest = ["PUT /{index}", "PUT /{index}/_doc/{id}"]
    return Complaint(
        what,
        "what it reaches cannot be told from the file",
        f"known are {', '.join(nearest)}"
        if nearest
        else "the reference of OpenSearch migrations lists those that it knows",
    )


def _names(endpoint: Endpoint, request: Request) -> Iterator[Complaint]:
    for form, name in zip(endpoint.path, request.segments, strict=True):
        if is_name(form) and (wrong := complaint_about(name, form.strip("{}"))):
            yield wrong
    if pipeline := request.params.get("pipeline"):
        wrong = None if pipeline == "_none" else complaint_about(pipeline, "pipeline")
        if wrong:
            yield wrong


def _params(endpoint: Endpoint, request: Request) -> Iterator[Complaint]:
    for name in request.params:
        if name == "wait_for_completion":
            yield Complaint(
                "a migration cannot set `wait_for_completion`",
                "seedbed starts a long operation as a task, and follows it to its end",
                "leave it out",
            )
        elif name not in endpoint.params | COMMON:
            known = sorted(endpoint.params | COMMON)
            likely = guess(name, known)
            yield Complaint(
                f"the parameter {name!r} is not known here",
                f"it might change what {request.method} {endpoint.form} reaches, or hide that it failed",
                f"did you mean {likely}?" if likely else f"leave it out; known are {', '.join(known)}",
            )
