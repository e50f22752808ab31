"""API keys that are good until their lease ends."""

import json
import re

import wit_world
from componentize_py_types import Err
from wit_world.exports import engine
from wit_world.exports.engine import FieldType, Operation
from wit_world.imports import effects, keys, random, storage
from wit_world.imports.types import Error, ErrorKind

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def refuse(kind: ErrorKind, message: str) -> Err:
    """What the host turns into an HTTP status; the message is what the caller reads."""
    return Err(Error(kind, message))


def field(name: str, kind: FieldType, help: str, required: bool = False) -> engine.Field:
    return engine.Field(name, kind, help, required, False, "", False)


def path(pattern: str, operations: list, help: str, *fields: engine.Field) -> engine.Path:
    return engine.Path(pattern, operations, list(fields), help, False, False, False)


def answer(data: object = None) -> engine.Response:
    return engine.Response(None, None if data is None else json.dumps(data), [], None, 0)


def read(key: str) -> dict | None:
    kept = storage.get(key)
    return None if kept is None else json.loads(kept)


def place(key: str) -> str:
    """Keys of storage are not encrypted: what stands there is a code of the API key, which only the host can make."""
    if keys.open("mac") is None:
        keys.generate("mac", "hmac")
    return f"keys/{keys.open('mac').mac(key.encode()).hex()}"


def seconds(given: object) -> int:
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", str(given))
    if not found:
        raise refuse(ErrorKind.INVALID_REQUEST, "ttl is no duration")
    return int(found[1]) * UNITS[found[2]]


def roles(operation: Operation, name: str, data: dict) -> engine.Response:
    if not name and operation == Operation.LIST:
        return answer({"keys": storage.children("roles/", None, 1000)})
    if name and operation == Operation.READ:
        role = read(f"roles/{name}")
        if role is None:
            raise refuse(ErrorKind.NOT_FOUND, "")
        return answer(role)
    if name and operation == Operation.WRITE:
        storage.put(f"roles/{name}", json.dumps({"ttl": seconds(data.get("ttl", 0))}).encode())
        return answer()
    if name and operation == Operation.DELETE:
        storage.delete(f"roles/{name}")
        return answer()
    raise refuse(ErrorKind.UNSUPPORTED_OPERATION, "unsupported operation")


def issue(operation: Operation, name: str, data: dict) -> engine.Response:
    """The lease is there before the key is: whatever happens then, it will be revoked."""
    if not name or operation != Operation.READ:
        raise refuse(ErrorKind.UNSUPPORTED_OPERATION, "unsupported operation")
    role = read(f"roles/{name}")
    if role is None:
        raise refuse(ErrorKind.INVALID_REQUEST, f"there is no role {name!r}")
    key = random.bytes(20).hex()
    kept = place(key)
    effects.prepare(effects.LeaseRequest(role["ttl"], 0, True, "", json.dumps({"kept": kept})))
    storage.put(kept, json.dumps({"role": name}).encode())
    return answer({"key": key})


def check(operation: Operation, name: str, data: dict) -> engine.Response:
    if name or operation != Operation.WRITE:
        raise refuse(ErrorKind.UNSUPPORTED_OPERATION, "unsupported operation")
    key = data.get("key")
    if not isinstance(key, str) or not key:
        raise refuse(ErrorKind.INVALID_REQUEST, "missing key")
    kept = read(place(key))
    if kept is None:
        raise refuse(ErrorKind.PERMISSION_DENIED, "the key is not good, or no more")
    return answer(kept)


PATHS = {"roles": roles, "keys": issue, "check": check}


class Engine(wit_world.exports.Engine):
    def describe(self) -> engine.Description:
        name = field("name", FieldType.TEXT, "The role.", True)
        paths = [
            path("roles", [Operation.LIST], "Lists the roles."),
            path("roles/{name}", [Operation.READ, Operation.WRITE, Operation.DELETE], "What keys are made for.",
                 name, field("ttl", FieldType.DURATION, "How long its keys are good.")),
            path("keys/{name}", [Operation.READ], "Makes a key.", name),
            path("check", [Operation.WRITE], "Whether a key is good.", field("key", FieldType.TEXT, "The key.", True)),
        ]
        return engine.Description(engine.EngineKind.SECRET, "@name@", "1.0.0", "@description@", paths, 0)

    def handle(self, request: engine.Request) -> engine.Response:
        first, _, name = request.path.rstrip("/").partition("/")
        if first not in PATHS:
            raise refuse(ErrorKind.NOT_FOUND, "unsupported path")
        return PATHS[first](request.operation, name, json.loads(request.data))

    def exists(self, request: engine.Request) -> None:
        return None

    def renew(self, lease: engine.Lease, increment: int) -> engine.Renewal:
        return engine.Renewal(increment, 0, 0)

    def revoke(self, lease: engine.Lease) -> None:
        storage.delete(json.loads(lease.internal)["kept"])

    def tick(self) -> None:
        pass
