"""Users of a server that is told over HTTP. A component is one connection to it."""

import base64
import json
import re

import wit_world
from componentize_py_types import Err
from wit_world.exports import backend
from wit_world.imports import http, random
from wit_world.imports.types import Error, ErrorKind

settings: dict = {}


def refuse(kind: ErrorKind, message: str) -> Err:
    """What the host turns into an HTTP status; the message is what the caller reads."""
    return Err(Error(kind, message))


def ask(method: str, path: str, expected: list, body: dict | None = None, headers: list = []) -> int:
    """Says something to the server, and gives the status if it is one of those expected."""
    login = base64.b64encode(f"{settings.get('username', '')}:{settings.get('password', '')}".encode()).decode()
    headers = [("authorization", f"Basic {login}"), ("content-type", "application/json"), *headers]
    url = settings["connection_url"].rstrip("/") + path
    content = b"" if body is None else json.dumps(body).encode()
    status = http.send(http.Request(method, url, headers, content, None)).status
    if status not in expected:
        raise refuse(ErrorKind.UNAVAILABLE, f"the server answers {method} {path} with {status}")
    return status


class Backend(wit_world.exports.Backend):
    def describe(self) -> backend.Description:
        # What stands in connection_url may be connected to, and nothing else.
        return backend.Description("@name@", "1.0.0", "@description@", ["connection_url"], 80, [])

    def open(self, config: str) -> None:
        given = json.loads(config)
        if not str(given.get("connection_url")).startswith(("http://", "https://")):
            raise refuse(ErrorKind.INVALID_REQUEST, "connection_url is no URL of HTTP")
        settings.clear()
        settings.update(given)

    def username(self, naming) -> str:
        if naming.template:
            raise refuse(ErrorKind.INVALID_REQUEST, "this backend takes no username_template")
        # Who logs in by a name of their own choice has a say in these.
        display, role = (re.sub("[^A-Za-z0-9]", "-", name)[:8] for name in (naming.display_name, naming.role_name))
        return f"v-{display}-{role}-{random.bytes(10).hex()}"

    def exists(self, username: str) -> bool:
        return ask("GET", f"/users/{username}", [200, 404]) == 200

    def create_user(self, user) -> None:
        if user.statements:
            raise refuse(ErrorKind.INVALID_REQUEST, "this backend takes no statements")
        # The server refuses a name that is taken: nobody can come between then.
        only_new = [("if-none-match", "*")]
        if ask("PUT", f"/users/{user.username}", [201, 412], {"password": user.password}, only_new) == 412:
            raise refuse(ErrorKind.CONFLICT, f"user {user.username!r} is there already")

    def update_user(self, change) -> None:
        # It need not know of a new expiry: the engine removes the user when the lease ends.
        if change.password is not None:
            ask("PUT", f"/users/{change.username}", [200, 204], {"password": change.password})

    def delete_user(self, removal) -> None:
        ask("DELETE", f"/users/{removal.username}", [200, 204, 404])

    def ping(self) -> None:
        ask("GET", "/health", [200])
