audit "file" "one" {
  options { file_path = "/a" }
}
user_lockout "all" {
  lockout_threshold = 9
  lockout_duration = "10m"
  disable_lockout = true
}
telemetry { disable_hostname = true
  prometheus_retention_time = "24h" }
seal "shamir" {}
storage "redb" { path = "/var/lib/coffer" }
raw_storage_endpoint = true
introspection_endpoint = true
unsafe_allow_api_audit_creation = true
listener "unix" {
  address = "/run/coffer.sock"
  socket_user = "1"
}
listener "tcp" {
  address = "[::1]:8200"
  tls_disable = true
  proxy_protocol_behavior = "allow_authorized"
  proxy_protocol_authorized_addrs = ["10.0.0.0/8", "::1"]
  disable_unauthed_rekey_endpoints = true
  telemetry { unauthenticated_metrics_access = true }
}
