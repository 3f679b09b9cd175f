"""The application: routes, door and error shapes around one desk. No global state; several may live in one process."""

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI

from headend.tokens import Tokens
from headend.views import Reads
from headend.web import api, api_log, api_operations, console, problems
from headend.web.desk import Component, Desk
from headend.web.guard import Guard
from signing.keys import Signer


def create_app(
    *,
    discom: str,
    reads: Reads,
    tokens: Tokens,
    signer: Signer,
    trust_file: Path,
    now: Callable[[], int],
    components: Callable[[], tuple[Component, ...]] = tuple,
) -> FastAPI:
    """The API and the console of one head-end.

    `signer` is the statement key. `now` gives UTC seconds. `components` is asked at every health check and scrape, from any thread.
    """
    app = FastAPI(
        title=f"Sakshi head-end of {discom}",
        version="1",
        description="Attested actuals, their evidence and the transparency log. Every route but the log's needs a token.",
        # The interactive pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.desk = Desk(
        discom=discom,
        reads=reads,
        tokens=tokens,
        signer=signer,
        trust_file=trust_file,
        now=now,
        components=components,
    )
    for part in (api, api_log, api_operations, console):
        part.add_routes(app)
    problems.add_handlers(app, console.denied)
    app.add_middleware(Guard, routes=app.routes, tokens=tokens, now=now, denial=console.denied)
    return app
