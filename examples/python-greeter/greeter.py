"""A secret engine in Python: it keeps a greeting under a name, and reads it back."""

import json
import re

import wit_world
from componentize_py_types import Err
from wit_world.exports import engine
from wit_world.imports import storage
from wit_world.imports.types import Error, ErrorKind

GREETING = re.compile(r"greetings/([^/]+)")


def refuse(kind: ErrorKind, message: str) -> Err:
    """What the host turns into an HTTP status; the message is what the caller reads."""
    return Err(Error(kind, message))


def text(name: str, help: str) -> engine.Field:
    return engine.Field(name, engine.FieldType.TEXT, help, True, False, "", False)


class Engine(wit_world.exports.Engine):
    def describe(self) -> engine.Description:
        path = engine.Path(
            pattern="greetings/{name}",
            operations=[engine.Operation.READ, engine.Operation.WRITE],
            fields=[text("name", "Whom it is for."), text("greeting", "What to say.")],
            help="A greeting.",
            unauthenticated=False,
            sudo=False,
            checks_existence=False,
        )
        return engine.Description(engine.EngineKind.SECRET, "python-greeter", "1.0.0", "Keeps greetings.", [path], 0)

    def handle(self, request: engine.Request) -> engine.Response:
        found = GREETING.fullmatch(request.path)
        if not found:
            raise refuse(ErrorKind.NOT_FOUND, "unsupported path")
        name, key = found[1], f"greetings/{found[1]}"
        if request.operation == engine.Operation.WRITE:
            greeting = json.loads(request.data).get("greeting")
            if not isinstance(greeting, str) or not greeting:
                raise refuse(ErrorKind.INVALID_REQUEST, "missing greeting")
            storage.put(key, greeting.encode())
            return engine.Response(None, None, [], None, 0)
        if request.operation == engine.Operation.READ:
            kept = storage.get(key)
            if kept is None:
                raise refuse(ErrorKind.NOT_FOUND, "")
            data = {"greeting": f"{kept.decode()}, {name}!"}
            return engine.Response(None, json.dumps(data), [], None, 0)
        raise refuse(ErrorKind.UNSUPPORTED_OPERATION, "unsupported operation")

    def exists(self, request: engine.Request) -> None:
        return None

    def renew(self, lease: engine.Lease, increment: int) -> engine.Renewal:
        raise refuse(ErrorKind.INVALID_REQUEST, "lease is not renewable")

    def revoke(self, lease: engine.Lease) -> None:
        pass

    def tick(self) -> None:
        pass
