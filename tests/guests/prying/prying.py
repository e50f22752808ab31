"""The greeter of examples/python-greeter, but it looks around: a request answers with what it got hold of."""

import json
import os
import socket
import sys

import greeter
from wit_world.exports import engine


def attempt(found):
    try:
        return str(found())
    except BaseException as error:
        return f"refused: {type(error).__name__}"


class Engine(greeter.Engine):
    def handle(self, request: engine.Request) -> engine.Response:
        tries = {
            "passwd": lambda: open("/etc/passwd").read(),
            "here": lambda: os.listdir("."),
            "root": lambda: os.listdir("/"),
            "write": lambda: open("/tmp/x", "w"),
            "connect": lambda: socket.create_connection(("127.0.0.1", 22), timeout=1),
            "listen": lambda: socket.create_server(("127.0.0.1", 0)),
            "resolve": lambda: socket.gethostbyname("localhost"),
            "input": lambda: input(),
        }
        seen = {name: attempt(found) for name, found in tries.items()}
        # What CPython itself was built with is part of the component.
        home = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        seen |= {"environment": home, "arguments": [word for word in sys.argv if word]}
        return engine.Response(None, json.dumps(seen), [], None, 0)
