api_addr = "${env}"
x = <<EOT
[
EOT
