default_lease_ttl = -1 + 2
max_lease_ttl = !true ? f(1) : [for x in y : x]
