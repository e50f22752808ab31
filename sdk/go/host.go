package coffer

import (
	"encoding/json"
	"io"
	"time"
)

// Host is what a plugin may ask of the world around it. The functions of this package ask the one there is.
type Host interface {
	Get(key string) ([]byte, error)
	Put(key string, value []byte) error
	Delete(key string) error
	Scan(prefix, after string, limit uint32) ([]string, error)
	Children(prefix, after string, limit uint32) ([]string, error)
	Now() time.Time
	Random(length uint32) []byte
	Password(policy string) (string, error)
	Header(name string) []string
	SetHeader(name, value string) error
	LoginGroups(names []string) error
	PodToken() (string, error)
	PodCertificates() (string, error)
	SetContent(contentType string, body []byte) error
	Log(level Level, message string)
	Mount() MountInfo
	Prepare(lease *LeaseRequest) (*LeaseGrant, error)
	Withdraw() error
	Fetch(request HTTPRequest) (*HTTPResponse, error)
	Connect(host string, port uint16) (Connection, error)
	GenerateKey(name, algorithm string) error
	ImportKey(name, algorithm string, material []byte) error
	OpenKey(name string) (Key, error)
	DeleteKey(name string) error
}

var host Host

// Use has the functions of this package ask this host: for tests.
func Use(other Host) { host = other }

// Get is the value of a key of storage; nil if there is none.
func Get(key string) ([]byte, error) { return host.Get(key) }

// Put writes a value. It counts when the request succeeds, or with the next Prepare.
func Put(key string, value []byte) error { return host.Put(key, value) }

// Remove deletes a key of storage, if it is there.
func Remove(key string) error { return host.Delete(key) }

// Scan is the keys that begin with the prefix, whole and in order, after one of them or from the first: at most limit, and at
// most 10,000.
func Scan(prefix, after string, limit uint32) ([]string, error) {
	return host.Scan(prefix, after, limit)
}

// Children is the names right below a prefix, which is empty or ends in a slash; a name with more below it ends in one too.
// At most limit, and at most 100,000.
func Children(prefix, after string, limit uint32) ([]string, error) {
	return host.Children(prefix, after, limit)
}

// Load reads what Store has written, and says whether it is there.
func Load(key string, into any) (bool, error) {
	value, err := Get(key)
	if value == nil || err != nil {
		return false, err
	}
	return true, json.Unmarshal(value, into)
}

// LoadOr reads what Store has written; if it is not there, the error is the one given.
func LoadOr(key string, into any, missing error) error {
	there, err := Load(key, into)
	if err == nil && !there {
		return missing
	}
	return err
}

// Store writes a value as JSON.
func Store(key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return Put(key, text)
}

// Now is the host's time.
func Now() time.Time { return host.Now() }

// Random is bytes that nobody can guess.
func Random(length uint32) []byte { return host.Random(length) }

// Password is a new one by an operator's password policy, which the error NotFound says is not there.
func Password(policy string) (string, error) { return host.Password(policy) }

// Header is what the request says in a header, if the mount lets that through: its tuning has passthrough_request_headers.
func Header(name string) []string { return host.Header(name) }

// SetHeader adds a header to the response. It reaches the client if the mount's allowed_response_headers has it.
func SetHeader(name, value string) error { return host.SetHeader(name, value) }

// LoginGroups says which groups the one who logs in is in, by the names that whoever vouches for it uses. If the login
// succeeds, it is a member of the external groups that have such a name at this mount, and of no others of this mount.
func LoginGroups(names []string) error { return host.LoginGroups(names) }

// PodToken is the token of the service account of the pod that the server runs in, as it is now; empty if it runs in none.
// The plugin's manifest asks for pod.
func PodToken() (string, error) { return host.PodToken() }

// PodCertificates vouch for the API server of that pod's cluster, in PEM; empty if there are none.
func PodCertificates() (string, error) { return host.PodCertificates() }

// SetContent makes this the response's whole body, in place of JSON: a page for a browser, a certificate. The response can have no
// data and no login then.
func SetContent(contentType string, body []byte) error { return host.SetContent(contentType, body) }

// Level is how important a line of the log is.
type Level uint8

const (
	Debug Level = iota
	Info
	Warn
	Failure
)

// Log writes to the server's log.
func Log(level Level, message string) { host.Log(level, message) }

// MountInfo is where the plugin is mounted.
type MountInfo struct {
	Path, Accessor     string
	DefaultTTL, MaxTTL Seconds
	// Options is what the operator gave, a JSON object.
	Options json.RawMessage
}

// Mount is where this plugin is mounted.
func Mount() MountInfo { return host.Mount() }

// LeaseRequest is a lease to come.
type LeaseRequest struct {
	// TTL is asked for; 0 is the mount's default.
	TTL Seconds
	// MaxTTL is the role's ceiling; 0 is the mount's.
	MaxTTL    Seconds
	Renewable bool
	// Group is what it depends on: if revoking fails, only leases of this group wait. At most 256 bytes, not secret.
	Group string
	// Internal is what Renew and Revoke will need: anything that JSON has, of at most 64 KiB.
	Internal any
}

// LeaseGrant is the lease there is.
type LeaseGrant struct {
	ID        string
	TTL       Seconds
	Expires   time.Time
	Renewable bool
}

// Prepare makes what was put so far durable, and a lease if one is asked for. Call it before touching anything outside, with
// all that is needed to undo that: whatever happens then, Revoke will be called.
func Prepare(lease *LeaseRequest) (*LeaseGrant, error) { return host.Prepare(lease) }

// Withdraw forgets this request's lease, when it is certain that nothing was made for it.
func Withdraw() error { return host.Withdraw() }

// Verification is how a server's certificate is looked at.
type Verification uint8

const (
	// AnyCertificate only encrypts.
	AnyCertificate Verification = iota
	// TrustedCertificate chains to a trusted root.
	TrustedCertificate
	// FullVerification is for the server's name, too.
	FullVerification
)

// TLSOptions is how a connection is protected.
type TLSOptions struct {
	ServerName   string
	Verification Verification
	// RootCertificates are PEM; empty for the public ones.
	RootCertificates string
	// ClientCertificate and ClientKey are PEM: both, or none.
	ClientCertificate, ClientKey string
}

// HTTPRequest is a request to another server.
type HTTPRequest struct {
	Method, URL string
	Headers     map[string]string
	// Body is of at most 1 MiB.
	Body []byte
	// TLS is nil for the public roots and the URL's host.
	TLS *TLSOptions
}

// HTTPResponse is its answer.
type HTTPResponse struct {
	Status uint16
	// Headers have names in lower case.
	Headers map[string]string
	// Body is of at most 1 MiB.
	Body []byte
}

// Fetch sends a request; the manifest's needs.network must name its destination. Any status is an answer.
func Fetch(request HTTPRequest) (*HTTPResponse, error) { return host.Fetch(request) }

// Connection is a stream. Closing it gives it back to the host.
type Connection interface {
	io.ReadWriteCloser
	// StartTLS goes on with TLS from here.
	StartTLS(TLSOptions) error
}

// Connect opens a stream; the manifest's needs.network must name its destination.
func Connect(to string, port uint16) (Connection, error) { return host.Connect(to, port) }

// Key is a key that the host holds, for this call. What it may be used for stands in the manifest's needs.keys.
type Key interface {
	Algorithm() string
	// PublicKey is a SubjectPublicKeyInfo in DER; nil if the key is symmetric.
	PublicKey() []byte
	Derive(context []byte) (Key, error)
	// Encrypt gives nonce, ciphertext and tag, one behind the other. The nonce is random if it is nil.
	Encrypt(plaintext, associated, nonce []byte) ([]byte, error)
	Decrypt(ciphertext, associated []byte) ([]byte, error)
	// Sign is over the hash that suits the algorithm; RSA signs by PSS.
	Sign(message []byte) ([]byte, error)
	Verify(message, signature []byte) (bool, error)
	// MAC is with SHA-256: 32 bytes.
	MAC(data []byte) ([]byte, error)
	Export() ([]byte, error)
}

// GenerateKey makes a key: "aes256-gcm96", "chacha20-poly1305", "ed25519", "ecdsa-p256", "rsa-2048", "hmac" or another that
// the host has.
func GenerateKey(name, algorithm string) error { return host.GenerateKey(name, algorithm) }

// ImportKey takes in a key, as Export gives it out.
func ImportKey(name, algorithm string, material []byte) error {
	return host.ImportKey(name, algorithm, material)
}

// OpenKey is a key; nil if there is none of this name.
func OpenKey(name string) (Key, error) { return host.OpenKey(name) }

// EnsureKey is a key, which is made if there is none of this name.
func EnsureKey(name, algorithm string) (Key, error) {
	key, err := OpenKey(name)
	if err != nil || key != nil {
		return key, err
	}
	if err := GenerateKey(name, algorithm); err != nil {
		return nil, err
	}
	return OpenKey(name)
}

// DeleteKey forgets a key, if it is there.
func DeleteKey(name string) error { return host.DeleteKey(name) }
