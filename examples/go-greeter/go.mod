module go-greeter

go 1.24

require github.com/coffer-dev/coffer/sdk/go v0.1.0

replace github.com/coffer-dev/coffer/sdk/go => ../../sdk/go
