
    listener "tcp" {
      address         = "0.0.0.0:8200"
      tls_cert_file   = "/c.pem"
      tls_key_file    = "/k.pem"
      tls_min_version = "tls13"
      tls_client_ca_file = "/ca.pem"
      tls_require_and_verify_client_cert = true
    }
    # Behind a proxy.
    listener "tcp" {
      address                  = "127.0.0.1:8201"
      tls_disable              = true
      max_request_size         = 1048576
      max_request_duration     = "30s"
      http_read_header_timeout = "5s"
      http_read_timeout        = 20
      require_request_header   = true
      x_forwarded_for_authorized_addrs   = "10.0.0.0/8, 10.1.1.1"
      x_forwarded_for_hop_skips          = 1
      x_forwarded_for_reject_not_present = false
    }
    storage "redb" { path = "/var/lib/coffer" }
    api_addr          = "https://coffer:8200"
    cluster_addr      = "https://coffer:8201"
    ui                = true
    disable_mlock     = true
    default_lease_ttl = 3600
    max_lease_ttl     = "768h"
    log_level         = "warn"
    log_format        = "json"
    pid_file          = "/run/coffer.pid"
    audit_directory   = "/var/log/coffer"
    plugin_directory  = "/opt/plugins"
    plugin_compile_timeout = "5m"
    plugin_signatures = "require"
    plugin_keys       = ["/etc/a.pub", "/etc/b.pub"]
