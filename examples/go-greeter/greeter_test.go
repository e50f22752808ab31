package main

import (
	"testing"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	"github.com/coffer-dev/coffer/sdk/go/coffertest"
	"github.com/coffer-dev/coffer/sdk/go/engine"
)

func TestAGreetingIsKept(t *testing.T) {
	host := coffertest.New(t, greeter{})
	host.Must(engine.Write, "greetings/Ada", map[string]any{"greeting": "Hello"})
	if said := host.Must(engine.Read, "greetings/Ada", nil)["greeting"]; said != "Hello, Ada!" {
		t.Fatal(said)
	}
	host.Refused(coffer.NotFound, engine.Read, "greetings/Bob", nil)
	host.Refused(coffer.InvalidRequest, engine.Write, "greetings/Bob", nil)
	host.Refused(coffer.UnsupportedOperation, engine.Delete, "greetings/Bob", nil)
	host.Refused(coffer.NotFound, engine.Read, "nowhere", nil)
}
