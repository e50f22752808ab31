import unittest

import host
import plugin
from host import Err, call

engine = plugin.Engine()


class Tests(unittest.TestCase):
    def setUp(self) -> None:
        host.reset()

    def refused(self, kind: str, operation: str, path: str, **data) -> None:
        with self.assertRaises(Err) as raised:
            call(engine, operation, path, **data)
        self.assertEqual(raised.exception.value.kind.value, kind, path)

    def test_a_key_is_good_until_its_lease_ends(self) -> None:
        call(engine, "write", "roles/app", ttl="10m")
        key = call(engine, "read", "keys/app")["key"]
        self.assertEqual(call(engine, "write", "check", key=key), {"role": "app"})
        self.assertEqual(host.leases[0].ttl, 600)
        host.revoke(engine)
        self.refused("permission-denied", "write", "check", key=key)
        self.assertFalse([name for name in host.stored if name.startswith("keys/")], "nothing is left behind")

    def test_what_is_wrong_is_said(self) -> None:
        self.refused("invalid-request", "read", "keys/nobody")
        self.refused("not-found", "read", "roles/nobody")
        self.refused("invalid-request", "write", "roles/app", ttl="soon")
        self.refused("invalid-request", "write", "check")
        self.refused("not-found", "read", "nowhere")
        self.refused("unsupported-operation", "delete", "keys/app")
