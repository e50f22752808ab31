//go:build wasip1

package coffer

import (
	"encoding/json"
	"io"
	"time"

	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_clock"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_content"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_effects"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_headers"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_http"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_identity"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_keys"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_log"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_mount"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_network"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_passwords"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_pod"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_random"
	"github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_storage"
	wit "github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_types"
	"github.com/coffer-dev/coffer/sdk/go/internal/wit/types"
)

func init() { Use(imports{}) }

// imports is the host behind the contract's imports.
type imports struct{}

func told[T any](result types.Result[T, wit.Error]) (T, error) {
	if result.Tag() == types.ResultErr {
		err := result.Err()
		return result.Ok(), &Error{ErrorKind(err.Kind), err.Message}
	}
	return result.Ok(), nil
}

func only(result types.Result[types.Unit, wit.Error]) error {
	_, err := told(result)
	return err
}

// orEmpty is the value, or the zero one if there is none.
func orEmpty(result types.Result[types.Option[string], wit.Error]) (string, error) {
	value, err := told(result)
	if err != nil || value.Tag() == types.OptionNone {
		return "", err
	}
	return value.Some(), nil
}

// some is the value, or none if it is the zero one.
func some(text string) types.Option[string] {
	if text == "" {
		return types.None[string]()
	}
	return types.Some(text)
}

func (imports) Get(key string) ([]byte, error) {
	value, err := told(coffer_plugin_storage.Get(key))
	if value.Tag() == types.OptionSome && value.Some() == nil {
		return []byte{}, err
	}
	return value.Some(), err
}

func (imports) Put(key string, value []byte) error {
	return only(coffer_plugin_storage.Put(key, value))
}

func (imports) Delete(key string) error { return only(coffer_plugin_storage.Delete(key)) }

func (imports) Scan(prefix, after string, limit uint32) ([]string, error) {
	return told(coffer_plugin_storage.Scan(prefix, some(after), limit))
}

func (imports) Children(prefix, after string, limit uint32) ([]string, error) {
	return told(coffer_plugin_storage.Children(prefix, some(after), limit))
}

func (imports) Now() time.Time { return time.UnixMilli(int64(coffer_plugin_clock.Now())) }

func (imports) Random(length uint32) []byte { return coffer_plugin_random.Bytes(length) }

func (imports) Password(policy string) (string, error) {
	return told(coffer_plugin_passwords.Generate(policy))
}

func (imports) Header(name string) []string { return coffer_plugin_headers.Request(name) }

func (imports) SetHeader(name, value string) error {
	return only(coffer_plugin_headers.Respond(name, value))
}

func (imports) LoginGroups(names []string) error { return only(coffer_plugin_identity.Groups(names)) }

func (imports) PodToken() (string, error) {
	return orEmpty(coffer_plugin_pod.ServiceAccountToken())
}

func (imports) PodCertificates() (string, error) {
	return orEmpty(coffer_plugin_pod.CertificateAuthority())
}

func (imports) SetContent(contentType string, body []byte) error {
	return only(coffer_plugin_content.Respond(contentType, body))
}

func (imports) Log(level Level, message string) { coffer_plugin_log.Write(uint8(level), message) }

func (imports) Mount() MountInfo {
	info := coffer_plugin_mount.Get()
	return MountInfo{
		Path: info.Path, Accessor: info.Accessor, Options: json.RawMessage(info.Options),
		DefaultTTL: Seconds(info.DefaultLeaseTtl), MaxTTL: Seconds(info.MaxLeaseTtl),
	}
}

func (imports) Prepare(lease *LeaseRequest) (*LeaseGrant, error) {
	asked := types.None[coffer_plugin_effects.LeaseRequest]()
	if lease != nil {
		internal, err := json.Marshal(lease.Internal)
		if err != nil {
			return nil, err
		}
		asked = types.Some(coffer_plugin_effects.LeaseRequest{
			Ttl: uint64(lease.TTL), MaxTtl: uint64(lease.MaxTTL), Renewable: lease.Renewable, Group: lease.Group,
			Internal: string(internal),
		})
	}
	granted, err := told(coffer_plugin_effects.Prepare(asked))
	if err != nil || granted.Tag() == types.OptionNone {
		return nil, err
	}
	grant := granted.Some()
	return &LeaseGrant{
		ID: grant.LeaseId, TTL: Seconds(grant.Ttl), Expires: time.UnixMilli(int64(grant.Expires)), Renewable: grant.Renewable,
	}, nil
}

func (imports) Withdraw() error { return only(coffer_plugin_effects.Withdraw()) }

func protection(options TLSOptions) coffer_plugin_network.TlsOptions {
	return coffer_plugin_network.TlsOptions{
		ServerName: options.ServerName, Verification: uint8(options.Verification), RootCertificates: options.RootCertificates,
		ClientCertificate: options.ClientCertificate, ClientKey: options.ClientKey,
	}
}

func (imports) Fetch(request HTTPRequest) (*HTTPResponse, error) {
	asked := coffer_plugin_http.Request{
		Method: request.Method, Url: request.URL, Headers: types.Pairs(request.Headers), Body: request.Body,
	}
	if request.TLS != nil {
		asked.Tls = types.Some(protection(*request.TLS))
	}
	answered, err := told(coffer_plugin_http.Send(asked))
	if err != nil {
		return nil, err
	}
	response := HTTPResponse{Status: answered.Status, Headers: map[string]string{}, Body: answered.Body}
	for _, header := range answered.Headers {
		response.Headers[header.F0] = header.F1
	}
	return &response, nil
}

func (imports) Connect(to string, port uint16) (Connection, error) {
	connection, err := told(coffer_plugin_network.Connect(to, port))
	if err != nil {
		return nil, err
	}
	return stream{connection}, nil
}

type stream struct {
	connection *coffer_plugin_network.Connection
}

func (s stream) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	read, err := told(s.connection.Read(uint32(min(len(into), 1<<20))))
	if err == nil && len(read) == 0 {
		err = io.EOF
	}
	return copy(into, read), err
}

func (s stream) Write(from []byte) (int, error) {
	if err := only(s.connection.Write(from)); err != nil {
		return 0, err
	}
	return len(from), nil
}

func (s stream) StartTLS(options TLSOptions) error {
	return only(s.connection.StartTls(protection(options)))
}

func (s stream) Close() error {
	s.connection.Drop()
	return nil
}

func (imports) GenerateKey(name, algorithm string) error {
	return only(coffer_plugin_keys.Generate(name, algorithm))
}

func (imports) ImportKey(name, algorithm string, material []byte) error {
	return only(coffer_plugin_keys.Import(name, algorithm, material))
}

func (imports) OpenKey(name string) (Key, error) {
	opened, err := told(coffer_plugin_keys.Open(name))
	if err != nil || opened.Tag() == types.OptionNone {
		return nil, err
	}
	return held{opened.Some()}, nil
}

func (imports) DeleteKey(name string) error { return only(coffer_plugin_keys.Delete(name)) }

// held is a key of the host.
type held struct{ key *coffer_plugin_keys.Key }

func (h held) Algorithm() string { return h.key.Algorithm() }

func (h held) PublicKey() []byte { return h.key.PublicKey().Some() }

func (h held) Derive(context []byte) (Key, error) {
	derived, err := told(h.key.Derive(context))
	if err != nil {
		return nil, err
	}
	return held{derived}, nil
}

func (h held) Encrypt(plaintext, associated, nonce []byte) ([]byte, error) {
	given := types.None[[]byte]()
	if nonce != nil {
		given = types.Some(nonce)
	}
	return told(h.key.Encrypt(plaintext, associated, given))
}

func (h held) Decrypt(ciphertext, associated []byte) ([]byte, error) {
	return told(h.key.Decrypt(ciphertext, associated))
}

func (h held) Sign(message []byte) ([]byte, error) { return told(h.key.Sign(message)) }

func (h held) Verify(message, signature []byte) (bool, error) {
	return told(h.key.Verify(message, signature))
}

func (h held) MAC(data []byte) ([]byte, error) { return told(h.key.Mac(data)) }

func (h held) Export() ([]byte, error) { return told(h.key.Export()) }
