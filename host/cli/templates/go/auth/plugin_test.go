package main

import (
	"encoding/json"
	"slices"
	"testing"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	"github.com/coffer-dev/coffer/sdk/go/coffertest"
	"github.com/coffer-dev/coffer/sdk/go/engine"
)

type data = map[string]any

const key = "0123456789abcdef0123"

func TestWhoHasTheKeyGetsWhatTheUserMay(t *testing.T) {
	host := coffertest.New(t, plugin{})
	host.Must(engine.Write, "users/build", data{"key": key, "policies": "app, ci"})
	response, err := host.Call(engine.Write, "login/build", data{"key": key})
	if err != nil || !slices.Equal(response.Login.Policies, []string{"app", "ci"}) {
		t.Fatal(response, err)
	}
	internal, err := json.Marshal(response.Login.Internal)
	if err != nil {
		t.Fatal(err)
	}
	lease := engine.Lease{Internal: internal}
	if _, err := (plugin{}).Renew(lease, 0); err != nil {
		t.Fatal(err)
	}
	host.Must(engine.Delete, "users/build", nil)
	if _, err := (plugin{}).Renew(lease, 0); err == nil {
		t.Fatal("the user is gone")
	}
}

func TestNobodyElseDoes(t *testing.T) {
	host := coffertest.New(t, plugin{})
	host.Must(engine.Write, "users/build", data{"key": key})
	host.Refused(coffer.PermissionDenied, engine.Write, "login/build", data{"key": key + "4"})
	host.Refused(coffer.PermissionDenied, engine.Write, "login/build", nil)
	host.Refused(coffer.PermissionDenied, engine.Write, "login/nobody", data{"key": key})
	host.Refused(coffer.InvalidRequest, engine.Write, "users/build", data{"key": "short"})
	host.Refused(coffer.UnsupportedOperation, engine.Read, "login/build", nil)
}
