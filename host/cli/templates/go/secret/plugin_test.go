package main

import (
	"strings"
	"testing"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	"github.com/coffer-dev/coffer/sdk/go/coffertest"
	"github.com/coffer-dev/coffer/sdk/go/engine"
)

type data = map[string]any

func TestAKeyIsGoodUntilItsLeaseEnds(t *testing.T) {
	host := coffertest.New(t, plugin{})
	host.Must(engine.Write, "roles/app", data{"ttl": "10m"})
	key := host.Must(engine.Read, "keys/app", nil)["key"]
	if role := host.Must(engine.Write, "check", data{"key": key})["role"]; role != "app" {
		t.Fatalf("the role is %v", role)
	}
	if lease := host.Leases[0]; lease.Expires.Sub(lease.Issued).Seconds() != 600 {
		t.Fatalf("the lease is %v", lease)
	}
	if err := host.Revoke(); err != nil {
		t.Fatal(err)
	}
	host.Refused(coffer.PermissionDenied, engine.Write, "check", data{"key": key})
	for name := range host.Storage {
		if strings.HasPrefix(name, "keys/") {
			t.Fatalf("%s is left behind", name)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	host := coffertest.New(t, plugin{})
	host.Refused(coffer.InvalidRequest, engine.Read, "keys/nobody", nil)
	host.Refused(coffer.NotFound, engine.Read, "roles/nobody", nil)
	host.Refused(coffer.InvalidRequest, engine.Write, "roles/app", data{"ttl": "soon"})
	host.Refused(coffer.InvalidRequest, engine.Write, "check", nil)
	host.Refused(coffer.NotFound, engine.Read, "nowhere", nil)
	host.Refused(coffer.UnsupportedOperation, engine.Delete, "keys/app", nil)
}
