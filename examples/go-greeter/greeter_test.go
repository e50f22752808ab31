package main

import (
	"testing"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	"github.com/coffer-dev/coffer/sdk/go/coffertest"
)

func TestAGreetingIsKept(t *testing.T) {
	host := coffertest.New(t, greeter{})
	host.Must(coffer.Write, "greetings/Ada", map[string]any{"greeting": "Hello"})
	if said := host.Must(coffer.Read, "greetings/Ada", nil)["greeting"]; said != "Hello, Ada!" {
		t.Fatal(said)
	}
	host.Refused(coffer.NotFound, coffer.Read, "greetings/Bob", nil)
	host.Refused(coffer.InvalidRequest, coffer.Write, "greetings/Bob", nil)
	host.Refused(coffer.UnsupportedOperation, coffer.Delete, "greetings/Bob", nil)
	host.Refused(coffer.NotFound, coffer.Read, "nowhere", nil)
}
