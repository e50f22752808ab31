// Users of a server that is told over HTTP. A component is one connection to it.
package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	"github.com/coffer-dev/coffer/sdk/go/backend"
)

func init() { backend.Serve(&plugin{}) }

func main() {}

type plugin struct{ settings settings }

type settings struct {
	URL      string `json:"connection_url"`
	Username string `json:"username"`
	// Password is in no message.
	Password string `json:"password"`
}

func (*plugin) Describe() backend.Description {
	return backend.Description{
		Name: "@name@", Version: "1.0.0", Help: "@description@",
		// What stands in this field may be connected to, and nothing else.
		DestinationFields: []string{"connection_url"}, DefaultPort: 80,
	}
}

func (p *plugin) Open(config json.RawMessage) error {
	if err := json.Unmarshal(config, &p.settings); err != nil {
		return coffer.Errorf(coffer.InvalidRequest, "%v", err)
	}
	if !strings.HasPrefix(p.settings.URL, "http://") && !strings.HasPrefix(p.settings.URL, "https://") {
		return coffer.Errorf(coffer.InvalidRequest, "connection_url is no URL of HTTP")
	}
	return nil
}

// Who logs in by a name of their own choice has a say in names.
var odd = regexp.MustCompile(`[^A-Za-z0-9]`)

func (*plugin) Username(naming backend.Naming) (string, error) {
	if naming.Template != "" {
		return "", coffer.Errorf(coffer.InvalidRequest, "this backend takes no username_template")
	}
	plain := func(name string) string {
		name = odd.ReplaceAllString(name, "-")
		return name[:min(8, len(name))]
	}
	return "v-" + plain(naming.DisplayName) + "-" + plain(naming.RoleName) + "-" + hex.EncodeToString(coffer.Random(10)), nil
}

func (p *plugin) Exists(username string) (bool, error) {
	status, err := p.ask("GET", "/users/"+username, nil, nil, 200, 404)
	return status == 200, err
}

// Create leaves it to the server to refuse a name that is taken: nobody can come between then.
func (p *plugin) Create(user backend.User) error {
	if len(user.Statements) > 0 {
		return coffer.Errorf(coffer.InvalidRequest, "this backend takes no statements")
	}
	onlyNew := map[string]string{"if-none-match": "*"}
	status, err := p.ask("PUT", "/users/"+user.Username, map[string]string{"password": user.Password}, onlyNew, 201, 412)
	if status == 412 {
		return coffer.Errorf(coffer.Conflict, "user %q is there already", user.Username)
	}
	return err
}

// Update need not know of a new expiry: the engine removes the user when the lease ends.
func (p *plugin) Update(change backend.Change) error {
	if change.Password == nil {
		return nil
	}
	_, err := p.ask("PUT", "/users/"+change.Username, map[string]string{"password": *change.Password}, nil, 200, 204)
	return err
}

// Remove succeeds if the user is gone already.
func (p *plugin) Remove(removal backend.Removal) error {
	_, err := p.ask("DELETE", "/users/"+removal.Username, nil, nil, 200, 204, 404)
	return err
}

func (p *plugin) Ping() error {
	_, err := p.ask("GET", "/health", nil, nil, 200)
	return err
}

// ask says something to the server, and gives the status if it is one of those expected.
func (p *plugin) ask(method, path string, body any, headers map[string]string, expected ...uint16) (uint16, error) {
	request := coffer.HTTPRequest{Method: method, URL: strings.TrimSuffix(p.settings.URL, "/") + path, Headers: map[string]string{}}
	for name, value := range headers {
		request.Headers[name] = value
	}
	login := p.settings.Username + ":" + p.settings.Password
	request.Headers["authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(login))
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		request.Headers["content-type"], request.Body = "application/json", text
	}
	response, err := coffer.Fetch(request)
	if err != nil {
		return 0, err
	}
	for _, status := range expected {
		if response.Status == status {
			return status, nil
		}
	}
	return 0, coffer.Errorf(coffer.Unavailable, "the server answers %s %s with %d", method, path, response.Status)
}
