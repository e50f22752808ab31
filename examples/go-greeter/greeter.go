// A secret engine in Go: it keeps a greeting under a name, and reads it back.
package main

import (
	"fmt"
	"strings"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	"github.com/coffer-dev/coffer/sdk/go/engine"
)

func init() { engine.Serve(greeter{}) }

func main() {}

type greeter struct{ engine.Base }

func (greeter) Describe() engine.Description {
	return engine.Description{
		Kind: engine.Secret, Name: "go-greeter", Version: "1.0.0", Help: "Keeps greetings.",
		Paths: []engine.Path{{
			Pattern: "greetings/{name}", Operations: []engine.Operation{engine.Read, engine.Write}, Help: "A greeting.",
			Fields: []engine.Field{
				{Name: "name", Help: "Whom it is for.", Required: true},
				{Name: "greeting", Help: "What to say.", Required: true},
			},
		}},
	}
}

func (greeter) Handle(request engine.Request) (*engine.Response, error) {
	name, found := strings.CutPrefix(request.Path, "greetings/")
	if !found || name == "" {
		return nil, coffer.Errorf(coffer.NotFound, "unsupported path")
	}
	switch request.Operation {
	case engine.Write:
		var given struct {
			Greeting string `json:"greeting"`
		}
		if err := request.Decode(&given); err != nil {
			return nil, err
		}
		if given.Greeting == "" {
			return nil, coffer.Errorf(coffer.InvalidRequest, "missing greeting")
		}
		return nil, coffer.Put("greetings/"+name, []byte(given.Greeting))
	case engine.Read:
		kept, err := coffer.Get("greetings/" + name)
		if err != nil {
			return nil, err
		}
		if kept == nil {
			return nil, coffer.Errorf(coffer.NotFound, "")
		}
		return engine.Answer(map[string]string{"greeting": fmt.Sprintf("%s, %s!", kept, name)}), nil
	}
	return nil, coffer.Errorf(coffer.UnsupportedOperation, "unsupported operation")
}
