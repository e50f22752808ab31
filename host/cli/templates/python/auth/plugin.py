"""Logging in with a key that the client and the server share."""

import json

import wit_world
from componentize_py_types import Err
from wit_world.exports import engine
from wit_world.exports.engine import FieldType, Operation
from wit_world.imports import keys, storage
from wit_world.imports.types import Error, ErrorKind


def refuse(kind: ErrorKind, message: str) -> Err:
    """What the host turns into an HTTP status; the message is what the caller reads."""
    return Err(Error(kind, message))


def field(name: str, kind: FieldType, help: str, required: bool = False) -> engine.Field:
    return engine.Field(name, kind, help, required, False, "", False)


def path(pattern: str, operations: list, help: str, fields: list, unauthenticated: bool = False) -> engine.Path:
    return engine.Path(pattern, operations, fields, help, unauthenticated, False, False)


def answer(data: object = None, auth: engine.Auth | None = None) -> engine.Response:
    return engine.Response(None, None if data is None else json.dumps(data), [], auth, 0)


def read(name: str) -> dict | None:
    kept = storage.get(f"users/{name}")
    return None if kept is None else json.loads(kept)


def code(key: str) -> str:
    """A code of the user's key, which only the host can make."""
    if keys.open("mac") is None:
        keys.generate("mac", "hmac")
    return keys.open("mac").mac(key.encode()).hex()


def users(operation: Operation, name: str, data: dict) -> engine.Response:
    if not name and operation == Operation.LIST:
        return answer({"keys": storage.children("users/", None, 1000)})
    if name and operation == Operation.READ:
        user = read(name)
        if user is None:
            raise refuse(ErrorKind.NOT_FOUND, "")
        return answer({"policies": user["policies"]})
    if name and operation == Operation.WRITE:
        key, policies = data.get("key"), data.get("policies", [])
        if not isinstance(key, str) or len(key) < 20:
            raise refuse(ErrorKind.INVALID_REQUEST, "key has 20 characters at least")
        given = policies if isinstance(policies, list) else str(policies).split(",")
        user = {"code": code(key), "policies": [str(policy).strip() for policy in given if str(policy).strip()]}
        storage.put(f"users/{name}", json.dumps(user).encode())
        return answer()
    if name and operation == Operation.DELETE:
        storage.delete(f"users/{name}")
        return answer()
    raise refuse(ErrorKind.UNSUPPORTED_OPERATION, "unsupported operation")


def login(operation: Operation, name: str, data: dict) -> engine.Response:
    if not name or operation != Operation.WRITE:
        raise refuse(ErrorKind.UNSUPPORTED_OPERATION, "unsupported operation")
    user = read(name)
    # Codes of a key that nobody knows: comparing them tells nothing of the key.
    if code(str(data.get("key", ""))) != (user or {}).get("code"):
        raise refuse(ErrorKind.PERMISSION_DENIED, "wrong name or key")
    return answer(None, engine.Auth(
        policies=user["policies"], no_default_policy=False, display_name=name, alias=engine.Alias(name, []), metadata=[],
        internal=json.dumps({"name": name}), renewable=True, ttl=0, max_ttl=0, explicit_max_ttl=0, period=0,
        num_uses=0, bound_cidrs=[], kind=engine.TokenKind.DEFAULT,
    ))


PATHS = {"users": users, "login": login}


class Engine(wit_world.exports.Engine):
    def describe(self) -> engine.Description:
        name, key = field("name", FieldType.TEXT, "The user.", True), field("key", FieldType.TEXT, "The user's key.", True)
        policies = field("policies", FieldType.TEXT_LIST, "Policies of the user's tokens.")
        paths = [
            path("users", [Operation.LIST], "Lists the users.", []),
            path("users/{name}", [Operation.READ, Operation.WRITE, Operation.DELETE], "Who may log in, and what for.",
                 [name, key, policies]),
            path("login/{name}", [Operation.WRITE], "Logs in.", [name, key], True),
        ]
        return engine.Description(engine.EngineKind.AUTH, "@name@", "1.0.0", "@description@", paths, 0)

    def handle(self, request: engine.Request) -> engine.Response:
        first, _, name = request.path.rstrip("/").partition("/")
        if first not in PATHS:
            raise refuse(ErrorKind.NOT_FOUND, "unsupported path")
        return PATHS[first](request.operation, name, json.loads(request.data))

    def exists(self, request: engine.Request) -> None:
        return None

    def renew(self, lease: engine.Lease, increment: int) -> engine.Renewal:
        """A token lives on for as long as its user is there."""
        if read(json.loads(lease.internal)["name"]) is None:
            raise refuse(ErrorKind.PERMISSION_DENIED, "the user is gone")
        return engine.Renewal(0, 0, 0)

    def revoke(self, lease: engine.Lease) -> None:
        pass

    def tick(self) -> None:
        pass
