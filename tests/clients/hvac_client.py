"""What programs do with hvac, against a server that is told by VAULT_ADDR and VAULT_TOKEN. It is started initialised."""

import os

import hvac
from hvac import exceptions


def refused(kind, call, *arguments, **named):
    """The call is refused in the way that hvac calls by this name."""
    try:
        call(*arguments, **named)
    except kind:
        return
    raise AssertionError(f"{call} was not refused with {kind}")


client = hvac.Client(url=os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"])
assert client.is_authenticated()
sys = client.sys

# The server.
assert sys.is_initialized() and not sys.is_sealed()
assert sys.read_health_status(method="GET")["initialized"] is True
assert sys.read_leader_status()["ha_enabled"] is False
status = sys.get_encryption_key_status()
sys.rotate_encryption_key()
assert sys.get_encryption_key_status()["data"]["term"] == status["data"]["term"] + 1

# Key shares.
assert sys.read_rekey_progress()["started"] is False
rekey = sys.start_rekey(secret_shares=3, secret_threshold=2)
assert sys.read_rekey_progress()["nonce"] == rekey["nonce"]
sys.cancel_rekey()
root = sys.start_root_token_generation(otp="x" * sys.read_root_generation_progress()["otp_length"])
assert root["started"] is True
sys.cancel_root_generation()

# Mounts.
sys.enable_secrets_engine("kv", path="one", options={"version": "2"}, description="first")
assert sys.list_mounted_secrets_engines()["data"]["one/"]["description"] == "first"
sys.tune_mount_configuration("one", default_lease_ttl="1h", max_lease_ttl="24h")
assert sys.read_mount_configuration("one")["data"]["default_lease_ttl"] == 3600
kv = client.secrets.kv.v2
kv.create_or_update_secret("app", secret={"a": "1"}, mount_point="one")
kv.patch("app", secret={"b": "2"}, mount_point="one")
assert kv.read_secret_version("app", mount_point="one", raise_on_deleted_version=True)["data"]["data"] == {"a": "1", "b": "2"}
assert kv.list_secrets("", mount_point="one")["data"]["keys"] == ["app"]
kv.delete_latest_version_of_secret("app", mount_point="one")
kv.undelete_secret_versions("app", versions=[2], mount_point="one")
kv.delete_metadata_and_all_versions("app", mount_point="one")
refused(exceptions.InvalidPath, kv.read_secret_version, "app", mount_point="one", raise_on_deleted_version=True)
sys.move_backend("one", "two")
assert "two/" in sys.list_mounted_secrets_engines()["data"]
sys.disable_secrets_engine("two")

# Policies.
sys.create_or_update_policy("app", policy='path "secret/data/app" { capabilities = ["read"] }')
assert "app" in sys.list_policies()["data"]["policies"]
assert "secret/data/app" in sys.read_policy("app")["data"]["rules"]
sys.create_or_update_acl_policy("acl", policy={"path": {"secret/data/acl": {"capabilities": ["read"]}}})
assert "acl" in sys.list_acl_policies()["data"]["keys"]
assert sys.get_capabilities(["secret/data/app"])["data"]["capabilities"] == ["root"]

# Tokens.
token = client.auth.token
made = token.create(policies=["app"], ttl="1h", meta={"who": "hvac"})["auth"]
assert made["policies"] == ["app", "default"]
assert token.lookup(made["client_token"])["data"]["meta"] == {"who": "hvac"}
assert token.lookup_accessor(made["accessor"])["data"]["ttl"] > 0
token.renew(made["client_token"], increment="2h")
token.create_or_update_role("role", allowed_policies=["app"])
assert token.list_roles()["data"]["keys"] == ["role"]
app = hvac.Client(url=client.url, token=made["client_token"])
refused(exceptions.Forbidden, app.sys.list_policies)
token.revoke_accessor(made["accessor"])
assert not app.is_authenticated()

# Auth methods.
sys.enable_auth_method("approle")
client.auth.approle.create_or_update_approle("app", token_policies=["app"], token_ttl="10m")
role_id = client.auth.approle.read_role_id("app")["data"]["role_id"]
secret_id = client.auth.approle.generate_secret_id("app")["data"]["secret_id"]
login = hvac.Client(url=client.url)
login.auth.approle.login(role_id=role_id, secret_id=secret_id)
assert login.lookup_token()["data"]["meta"] == {"role_name": "app"}
refused(exceptions.InvalidRequest, login.auth.approle.login, role_id=role_id, secret_id="none")
sys.enable_auth_method("userpass")
client.auth.userpass.create_or_update_user("amy", password="swordfish", policies="app")
login.auth.userpass.login("amy", "swordfish")
assert login.is_authenticated()
login.logout(revoke_token=True)

# Wrapping.
wrapped = sys.wrap({"x": "y"}, ttl=60)["wrap_info"]["token"]
assert sys.unwrap(wrapped)["data"] == {"x": "y"}
refused(exceptions.InvalidRequest, sys.unwrap, wrapped)

# Leases and audit.
refused(exceptions.InvalidRequest, sys.read_lease, "none")
assert sys.list_enabled_audit_devices()["data"] == {}
sys.revoke_prefix("auth/approle/")
sys.seal()
assert sys.is_sealed()
print("hvac is content")
