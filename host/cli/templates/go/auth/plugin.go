// Logging in with a key that the client and the server share.
package main

import (
	"encoding/hex"
	"encoding/json"
	"strings"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	"github.com/coffer-dev/coffer/sdk/go/engine"
)

func init() { engine.Serve(plugin{}) }

func main() {}

type plugin struct{ engine.Base }

// user is who may log in, and what for.
type user struct {
	Code     string          `json:"code,omitempty"`
	Policies coffer.TextList `json:"policies"`
}

// session is what a login's lease knows.
type session struct {
	Name string `json:"name"`
}

func (plugin) Describe() engine.Description {
	name := engine.Field{Name: "name", Help: "The user.", Required: true}
	key := engine.Field{Name: "key", Help: "The user's key.", Required: true}
	policies := engine.Field{Name: "policies", Kind: engine.TextListField, Help: "Policies of the user's tokens."}
	operations := func(all ...engine.Operation) []engine.Operation { return all }
	fields := func(all ...engine.Field) []engine.Field { return all }
	return engine.Description{
		Kind: engine.Auth, Name: "@name@", Version: "1.0.0", Help: "@description@",
		Paths: []engine.Path{
			{Pattern: "users", Operations: operations(engine.List), Help: "Lists the users."},
			{Pattern: "users/{name}", Operations: operations(engine.Read, engine.Write, engine.Delete), Fields: fields(name, key, policies), Help: "Who may log in, and what for."},
			{Pattern: "login/{name}", Operations: operations(engine.Write), Fields: fields(name, key), Help: "Logs in.", Unauthenticated: true},
		},
	}
}

func (plugin) Handle(request engine.Request) (*engine.Response, error) {
	first, name, _ := strings.Cut(strings.TrimSuffix(request.Path, "/"), "/")
	switch first {
	case "users":
		return users(request, name)
	case "login":
		return login(request, name)
	}
	return nil, coffer.Errorf(coffer.NotFound, "unsupported path")
}

func users(request engine.Request, name string) (*engine.Response, error) {
	switch {
	case name == "" && request.Operation == engine.List:
		names, err := coffer.Children("users/", "", 1000)
		return engine.Answer(map[string]any{"keys": names}), err
	case name != "" && request.Operation == engine.Read:
		var user user
		if err := coffer.LoadOr("users/"+name, &user, coffer.Errorf(coffer.NotFound, "")); err != nil {
			return nil, err
		}
		user.Code = ""
		return engine.Answer(user), nil
	case name != "" && request.Operation == engine.Write:
		var given struct {
			Key      string          `json:"key"`
			Policies coffer.TextList `json:"policies"`
		}
		if err := request.Decode(&given); err != nil {
			return nil, err
		}
		if len(given.Key) < 20 {
			return nil, coffer.Errorf(coffer.InvalidRequest, "key has 20 characters at least")
		}
		code, err := code(given.Key)
		if err != nil {
			return nil, err
		}
		return nil, coffer.Store("users/"+name, user{code, given.Policies})
	case name != "" && request.Operation == engine.Delete:
		return nil, coffer.Remove("users/" + name)
	}
	return nil, coffer.Errorf(coffer.UnsupportedOperation, "unsupported operation")
}

func login(request engine.Request, name string) (*engine.Response, error) {
	if name == "" || request.Operation != engine.Write {
		return nil, coffer.Errorf(coffer.UnsupportedOperation, "unsupported operation")
	}
	var given struct {
		Key string `json:"key"`
	}
	if err := request.Decode(&given); err != nil {
		return nil, err
	}
	wrong := coffer.Errorf(coffer.PermissionDenied, "wrong name or key")
	var user user
	if err := coffer.LoadOr("users/"+name, &user, wrong); err != nil {
		return nil, err
	}
	code, err := code(given.Key)
	if err != nil {
		return nil, err
	}
	// Codes of a key that nobody knows: comparing them tells nothing of the key.
	if code != user.Code {
		return nil, wrong
	}
	return &engine.Response{Login: &engine.Login{
		Policies: user.Policies, DisplayName: name, Alias: &engine.Alias{Name: name}, Internal: session{name}, Renewable: true,
	}}, nil
}

// code is a code of the user's key, which only the host can make.
func code(key string) (string, error) {
	mac, err := coffer.EnsureKey("mac", "hmac")
	if err != nil {
		return "", err
	}
	code, err := mac.MAC([]byte(key))
	return hex.EncodeToString(code), err
}

// Renew has a token live on for as long as its user is there.
func (plugin) Renew(lease engine.Lease, _ coffer.Seconds) (engine.Renewal, error) {
	var of session
	if err := json.Unmarshal(lease.Internal, &of); err != nil {
		return engine.Renewal{}, err
	}
	gone := coffer.Errorf(coffer.PermissionDenied, "the user is gone")
	return engine.Renewal{}, coffer.LoadOr("users/"+of.Name, &user{}, gone)
}
