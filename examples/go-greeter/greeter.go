// A secret engine in Go: it keeps a greeting under a name, and reads it back.
package main

import (
	"fmt"
	"strings"

	coffer "github.com/coffer-dev/coffer/sdk/go"
)

func init() { coffer.Serve(greeter{}) }

func main() {}

type greeter struct{ coffer.Base }

func (greeter) Describe() coffer.Description {
	return coffer.Description{
		Kind: coffer.Secret, Name: "go-greeter", Version: "1.0.0", Help: "Keeps greetings.",
		Paths: []coffer.Path{{
			Pattern: "greetings/{name}", Operations: []coffer.Operation{coffer.Read, coffer.Write}, Help: "A greeting.",
			Fields: []coffer.Field{
				{Name: "name", Help: "Whom it is for.", Required: true},
				{Name: "greeting", Help: "What to say.", Required: true},
			},
		}},
	}
}

func (greeter) Handle(request coffer.Request) (*coffer.Response, error) {
	name, found := strings.CutPrefix(request.Path, "greetings/")
	if !found || name == "" {
		return nil, coffer.Errorf(coffer.NotFound, "unsupported path")
	}
	switch request.Operation {
	case coffer.Write:
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
	case coffer.Read:
		kept, err := coffer.Get("greetings/" + name)
		if err != nil {
			return nil, err
		}
		if kept == nil {
			return nil, coffer.Errorf(coffer.NotFound, "")
		}
		return coffer.Answer(map[string]string{"greeting": fmt.Sprintf("%s, %s!", kept, name)}), nil
	}
	return nil, coffer.Errorf(coffer.UnsupportedOperation, "unsupported operation")
}
