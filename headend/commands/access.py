"""token: who may read."""

import argparse
from collections.abc import Iterable
from contextlib import closing

from headend import service
from headend.commands.command import DONE, Adding, acting, add_apply, ended, misuse
from headend.config import Config
from headend.store.sqlite import tokens as token_rows
from headend.store.sqlite.database import open_database
from headend.tokens import Scope, Token, mint
from signing.interval import DAY_S, ist_text

_TOKEN_DAYS = 90


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    token = verb("token", _token, "make, list or revoke tokens of the API")
    token.add_argument("action", choices=["create", "list", "revoke"], help="create prints the secret, this once")
    token.add_argument("--name", default="", help="who holds the token")
    token.add_argument(
        "--scope",
        action="append",
        default=[],
        choices=[scope.value for scope in Scope],
        help="what it opens; repeatable",
    )
    add_apply(token, what="revoke: do it; without this it only says what it would do")
    token.add_argument("--days", type=int, default=_TOKEN_DAYS, help=f"days until it ends (default {_TOKEN_DAYS})")


def _token(settings: Config, arguments: argparse.Namespace) -> int:
    action: str = arguments.action
    if action != "list" and not arguments.name:
        return misuse(f"expected --name, who holds the token, for `token {action}`")
    if action == "create" and not arguments.scope:
        return misuse(f"expected at least one --scope of {', '.join(scope.value for scope in Scope)}")
    if action == "revoke":
        return _revoke(settings, arguments)
    with closing(open_database(settings.database)) as database:
        if action == "list":
            _print_tokens(token_rows.tokens(database.connection))
        else:
            scopes = frozenset(Scope(scope) for scope in arguments.scope)
            minted = mint(arguments.name, scopes, now_utc=service.now(), life_s=arguments.days * DAY_S)
            with database.transaction() as connection:
                token_rows.put_token(connection, minted.token)
            # The only time that the secret is shown.
            print(minted.secret)
    return DONE


def _revoke(settings: Config, arguments: argparse.Namespace) -> int:
    with closing(acting(settings, arguments)) as database, database.transaction() as connection:
        _print_tokens(one for one in token_rows.tokens(connection) if one.name == arguments.name)
        sessions = token_rows.revoke(connection, arguments.name, at_utc=service.now())
        print(
            f"{'it opens' if arguments.apply else 'it would open'} nothing more; {sessions} console session(s) end with it"
        )
    return ended(arguments)


def _print_tokens(tokens: Iterable[Token]) -> None:
    for token in tokens:
        opens = " ".join(sorted(scope.value for scope in token.scopes))
        ended = "revoked" if token.revoked_utc is not None else f"until {ist_text(token.expires_utc)}"
        print(f"{token.name}: {opens}; {ended}")
