package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	"github.com/coffer-dev/coffer/sdk/go/backend"
	"github.com/coffer-dev/coffer/sdk/go/coffertest"
)

// connect is a connection to a server in memory, which has these users.
func connect(t *testing.T, users map[string]bool) *plugin {
	host := coffertest.New(t, nil)
	host.Answer = func(request coffer.HTTPRequest) (*coffer.HTTPResponse, error) {
		if request.Headers["authorization"] != "Basic YWRtaW46c2VjcmV0" {
			return &coffer.HTTPResponse{Status: 401}, nil
		}
		name, isUser := strings.CutPrefix(request.URL, "http://db:7000/users/")
		status := uint16(200)
		switch {
		case !isUser:
		case request.Method == "PUT" && users[name] && request.Headers["if-none-match"] == "*":
			status = 412
		case request.Method == "PUT" && !users[name]:
			users[name], status = true, 201
		case request.Method != "PUT" && !users[name]:
			status = 404
		case request.Method == "DELETE":
			delete(users, name)
		}
		return &coffer.HTTPResponse{Status: status}, nil
	}
	connection := &plugin{}
	config := `{"connection_url": "http://db:7000", "username": "admin", "password": "secret"}`
	if err := connection.Open(json.RawMessage(config)); err != nil {
		t.Fatal(err)
	}
	return connection
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, kind coffer.ErrorKind, err error) {
	t.Helper()
	var refused *coffer.Error
	if !errors.As(err, &refused) || refused.Kind != kind {
		t.Fatalf("got %v, wanted an error of kind %d", err, kind)
	}
}

func TestAUserIsMadeOnceAndRemovedForGood(t *testing.T) {
	users := map[string]bool{}
	connection := connect(t, users)
	must(t, connection.Ping())
	must(t, connection.Create(backend.User{Username: "app", Password: "one"}))
	refused(t, coffer.Conflict, connection.Create(backend.User{Username: "app", Password: "two"}))
	password := "two"
	must(t, connection.Update(backend.Change{Username: "app", Password: &password}))
	must(t, connection.Remove(backend.Removal{Username: "app"}))
	must(t, connection.Remove(backend.Removal{Username: "app"}))
	if there, err := connection.Exists("app"); there || err != nil || len(users) != 0 {
		t.Fatal(there, err, users)
	}
}

func TestNamesAreNewAndPlain(t *testing.T) {
	connection := connect(t, nil)
	naming := backend.Naming{DisplayName: "o'neil@example.com", RoleName: "app"}
	one, err := connection.Username(naming)
	must(t, err)
	two, err := connection.Username(naming)
	must(t, err)
	if !strings.HasPrefix(one, "v-o-neil-e-app-") || one == two {
		t.Fatal(one, two)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	connection := connect(t, map[string]bool{})
	refused(t, coffer.InvalidRequest, connection.Create(backend.User{Username: "app", Statements: []string{"x"}}))
	refused(t, coffer.InvalidRequest, connection.Open(json.RawMessage(`{"connection_url": "db"}`)))
	must(t, connection.Open(json.RawMessage(`{"connection_url": "http://db:7000", "username": "nobody"}`)))
	refused(t, coffer.Unavailable, connection.Ping())
}
