"""Which credentials are revoked: one, and all, as a DeDi registry answers; the discom is the registry of its own.

Source: DeDi's access API, "Record Lookup" and "Query Records by Registry". The ids, digests and proofs of its answers are of its own
ledger, and left out.
"""

from hashlib import sha256
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request
from starlette.responses import JSONResponse, Response

from headend.ies.credential import REGISTRY
from headend.web import conditional
from headend.web.access import REVOCATIONS, REVOKED
from headend.web.desk import AtDesk
from headend.web.parameters import data_of
from headend.web.problems import invalid, not_found
from signing.interval import utc_text

_MAX_PAGE = 1_000_000
_MAX_PAGE_SIZE = 1000


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    app.add_api_route(REVOCATIONS, revocation, methods=["GET"], response_class=JSONResponse)
    app.add_api_route(REVOKED, revocations, methods=["GET"], response_class=JSONResponse)


def revocation(desk: AtDesk, namespace: str, credential: Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]) -> Response:
    """Whether a credential is revoked: 200 when it is, 404 while it is not, as DeDi answers."""
    since = data_of(desk).revoked_utc(credential) if namespace == desk.domain else None
    if since is None:
        raise not_found(
            f"no revocation of {credential}", "the credential is not revoked: check its signature and dates"
        )
    return JSONResponse({"credential": f"urn:uuid:{credential}", "status": "revoked", "since": utc_text(since)})


def revocations(
    request: Request,
    desk: AtDesk,
    namespace: str,
    page: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = 1,
    page_size: Annotated[int, Query(ge=1, le=_MAX_PAGE_SIZE)] = 100,
) -> Response:
    """Every revoked credential, earliest first, in pages as DeDi's query has them. An answer is tagged: who holds it asks for news only."""
    if namespace != desk.domain:
        raise not_found(f"no registry of {namespace}", f"ask for the one of {desk.domain}")
    others = sorted(set(request.query_params) - {"page", "page_size"})
    if others:
        # A filter that is not heeded would be answered wrongly in the shape of a right answer.
        raise invalid(f"expected only page and page_size, got {others[0]!r:.80}", "filter what is listed yourself")
    total, found = data_of(desk).revocations(skip=(page - 1) * page_size, limit=page_size)
    records = [_record(number, utc_text(since)) for number, since in found]
    content = {
        "message": "revoked credentials, earliest first",
        "data": {
            "namespace": namespace,
            "namespace_name": namespace,
            "registry_name": REGISTRY,
            "total_records": total,
            "total_pages": -(-total // page_size),
            "page_number": page,
            "page_size": page_size,
            "records": records,
        },
    }
    response = JSONResponse(content)
    tag = f'"{sha256(bytes(response.body)).hexdigest()[:32]}"'
    return conditional.answer(request, tag=tag, vary=None, build=lambda: response)


def _record(number: str, since: str) -> dict[str, object]:
    """One revocation; `live` is the record's own state: it holds."""
    return {
        "record_name": number,
        "details": {"credential": f"urn:uuid:{number}", "status": "revoked", "since": since},
        "created_at": since,
        "updated_at": since,
        "state": "live",
    }
