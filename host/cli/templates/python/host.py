"""A host in memory: in tests, the contract's modules are this. Import it before the plugin."""

import enum
import hashlib
import hmac
import json
import secrets
import sys
from types import ModuleType, SimpleNamespace

stored: dict[str, bytes] = {}
held: dict[str, bytes] = {}
leases: list = []


def answer(request):
    """What answers the plugin's HTTP requests: a test puts its own here."""
    raise Err(SimpleNamespace(kind=SimpleNamespace(value="permission-denied"), message="not granted"))


class Err(Exception):
    """What `componentize_py_types.Err` is."""

    def __init__(self, value):
        super().__init__(value)
        self.value = value


class Anything:
    """A record of the contract: its fields, by position or by name."""

    def __init__(self, *values, **fields):
        self.values = values
        self.__dict__.update(fields)


def names(all_of: str):
    return enum.Enum("Names", {name: name.lower().replace("_", "-") for name in all_of.split()})


class Key:
    def __init__(self, material: bytes):
        self.material = material

    def mac(self, data: bytes) -> bytes:
        return hmac.new(self.material, data, hashlib.sha256).digest()


def prepare(lease):
    leases.append(lease)
    return SimpleNamespace(lease_id="l", ttl=lease.ttl)


def children(prefix: str, after, limit: int) -> list[str]:
    return sorted(key[len(prefix):] for key in stored if key.startswith(prefix))


RECORDS = {name: type(name, (Anything,), {}) for name in "Description Path Field Request Response Auth Alias Lease Renewal".split()}

MODULES = {
    "componentize_py_types": {"Err": Err},
    "wit_world": {},
    "wit_world.exports": {"Engine": object, "Backend": object},
    "wit_world.exports.backend": RECORDS,
    "wit_world.exports.engine": {
        **RECORDS,
        "EngineKind": names("SECRET AUTH"),
        "Operation": names("READ WRITE PATCH DELETE LIST"),
        "FieldType": names("TEXT INTEGER BOOLEAN DURATION TEXT_LIST TEXT_MAP OBJECT TIMESTAMP"),
        "TokenKind": names("DEFAULT SERVICE BATCH DEFAULT_SERVICE DEFAULT_BATCH"),
    },
    "wit_world.imports": {},
    "wit_world.imports.types": {
        "Error": type("Error", (Anything,), {"__init__": lambda self, kind, message: Anything.__init__(self, kind=kind, message=message)}),
        "ErrorKind": names("INVALID_REQUEST PERMISSION_DENIED NOT_FOUND UNSUPPORTED_OPERATION CONFLICT UNAVAILABLE INTERNAL"),
    },
    "wit_world.imports.storage": {
        "get": stored.get,
        "put": stored.__setitem__,
        "delete": lambda key: stored.pop(key, None) and None,
        "children": children,
    },
    "wit_world.imports.keys": {
        "generate": lambda name, algorithm: held.__setitem__(name, secrets.token_bytes(32)),
        "open": lambda name: Key(held[name]) if name in held else None,
    },
    "wit_world.imports.http": {
        "Request": type("Request", (), {"__init__": lambda self, method, url, headers, body, tls: self.__dict__.update(method=method, url=url, headers=headers)}),
        "send": lambda request: answer(request),
    },
    "wit_world.imports.random": {"bytes": secrets.token_bytes},
    "wit_world.imports.effects": {
        "prepare": prepare,
        "LeaseRequest": type("LeaseRequest", (), {"__init__": lambda self, ttl, max_ttl, renewable, group, internal: self.__dict__.update(ttl=ttl, internal=internal)}),
    },
}

for name, content in MODULES.items():
    module = sys.modules[name] = ModuleType(name)
    module.__dict__.update(content)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def reset() -> None:
    """Nothing is there any more."""
    stored.clear()
    held.clear()
    leases.clear()


def call(engine, operation: str, path: str, **data):
    """Calls the plugin as a server does: what it has put is dropped if it fails. Answers with the data, or the auth."""
    before = dict(stored)
    request = SimpleNamespace(
        operation=MODULES["wit_world.exports.engine"]["Operation"](operation),
        path=path,
        data=json.dumps(data),
        caller=SimpleNamespace(display_name="test", token="t", remote_address="127.0.0.1"),
    )
    try:
        _, answer, _, auth, _ = engine.handle(request).values
    except Err:
        stored.clear()
        stored.update(before)
        raise
    return auth or (answer and json.loads(answer))


def revoke(engine) -> None:
    """Ends the last lease."""
    engine.revoke(SimpleNamespace(internal=leases.pop().internal))
