import json
import unittest
from types import SimpleNamespace

import host
import plugin
from host import Err

backend = plugin.Backend()
CONFIG = {"connection_url": "http://db:7000", "username": "admin", "password": "secret"}


def user(name: str, statements: list = []):
    return SimpleNamespace(username=name, password="one", statements=statements)


class Tests(unittest.TestCase):
    def setUp(self) -> None:
        """A server in memory."""
        self.users: set[str] = set()
        host.answer = self.answer
        backend.open(json.dumps(CONFIG))

    def answer(self, request):
        headers, (_, _, name) = dict(request.headers), request.url.partition("http://db:7000/users/")
        there, status = name in self.users, 200
        if headers["authorization"] != "Basic YWRtaW46c2VjcmV0":
            status = 401
        elif name and request.method == "PUT" and there:
            status = 412 if headers.get("if-none-match") == "*" else 200
        elif name and request.method == "PUT":
            self.users.add(name)
            status = 201
        elif name and not there:
            status = 404
        elif request.method == "DELETE":
            self.users.remove(name)
        return SimpleNamespace(status=status, headers=[], body=b"")

    def refused(self, kind: str, call, *arguments) -> None:
        with self.assertRaises(Err) as raised:
            call(*arguments)
        self.assertEqual(raised.exception.value.kind.value, kind)

    def test_a_user_is_made_once_and_removed_for_good(self) -> None:
        backend.ping()
        backend.create_user(user("app"))
        self.refused("conflict", backend.create_user, user("app"))
        backend.update_user(SimpleNamespace(username="app", password="two"))
        for _ in range(2):
            backend.delete_user(SimpleNamespace(username="app"))
        self.assertFalse(backend.exists("app"))

    def test_names_are_new_and_plain(self) -> None:
        naming = SimpleNamespace(display_name="o'neil@example.com", role_name="app", template="")
        one, two = backend.username(naming), backend.username(naming)
        self.assertTrue(one.startswith("v-o-neil-e-app-"), one)
        self.assertNotEqual(one, two)

    def test_what_is_wrong_is_said(self) -> None:
        self.refused("invalid-request", backend.create_user, user("app", ["x"]))
        self.refused("invalid-request", backend.open, json.dumps({"connection_url": "db"}))
        backend.open(json.dumps({**CONFIG, "username": "nobody"}))
        self.refused("unavailable", backend.ping)
