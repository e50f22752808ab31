import unittest
from types import SimpleNamespace

import host
import plugin
from host import Err, call

engine = plugin.Engine()
KEY = "0123456789abcdef0123"


class Tests(unittest.TestCase):
    def setUp(self) -> None:
        host.reset()

    def refused(self, kind: str, operation: str, path: str, **data) -> None:
        with self.assertRaises(Err) as raised:
            call(engine, operation, path, **data)
        self.assertEqual(raised.exception.value.kind.value, kind, path)

    def test_who_has_the_key_gets_what_the_user_may(self) -> None:
        call(engine, "write", "users/build", key=KEY, policies="app, ci")
        auth = call(engine, "write", "login/build", key=KEY)
        self.assertEqual(auth.policies, ["app", "ci"])
        lease = SimpleNamespace(internal=auth.internal)
        engine.renew(lease, 0)
        call(engine, "delete", "users/build")
        with self.assertRaises(Err):
            engine.renew(lease, 0)

    def test_nobody_else_does(self) -> None:
        call(engine, "write", "users/build", key=KEY)
        self.refused("permission-denied", "write", "login/build", key=KEY + "4")
        self.refused("permission-denied", "write", "login/build")
        self.refused("permission-denied", "write", "login/nobody", key=KEY)
        self.refused("invalid-request", "write", "users/build", key="short")
        self.refused("unsupported-operation", "read", "login/build")
