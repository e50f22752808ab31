package coffertest

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"strings"

	coffer "github.com/coffer-dev/coffer/sdk/go"
)

// key is a key as the server holds it: raw bytes if it is symmetric, PKCS#8 if not. What Go's own library does not have
// (ChaCha20-Poly1305, with either nonce) is only there in the component.
type key struct {
	algorithm string
	material  []byte
}

const (
	aes128    = "aes128-gcm96"
	aes256    = "aes256-gcm96"
	edwards   = "ed25519"
	ecdsaP256 = "ecdsa-p256"
	ecdsaP384 = "ecdsa-p384"
	ecdsaP521 = "ecdsa-p521"
	mac       = "hmac"
)

var symmetric = map[string]int{aes128: 16, aes256: 32, mac: 32}

var curves = map[string]elliptic.Curve{ecdsaP256: elliptic.P256(), ecdsaP384: elliptic.P384(), ecdsaP521: elliptic.P521()}

var moduli = map[string]int{"rsa-2048": 2048, "rsa-3072": 3072, "rsa-4096": 4096}

// Header is the host's.
func (h *Host) Header(name string) []string {
	for header, values := range h.Headers {
		if strings.EqualFold(header, name) {
			return values
		}
	}
	return nil
}

// SetHeader is the host's.
func (h *Host) SetHeader(name, value string) error {
	h.Responded[name] = append(h.Responded[name], value)
	return nil
}

// LoginGroups is the host's.
func (h *Host) LoginGroups(names []string) error {
	h.Groups = names
	return nil
}

// PodToken is the host's.
func (h *Host) PodToken() (string, error) { return h.Pod.Token, nil }

// PodCertificates is the host's.
func (h *Host) PodCertificates() (string, error) { return h.Pod.Certificates, nil }

// SetContent is the host's.
func (h *Host) SetContent(contentType string, body []byte) error {
	h.ContentType, h.Content = contentType, body
	return nil
}

// Password is the host's.
func (h *Host) Password(policy string) (string, error) {
	if password, there := h.Passwords[policy]; there {
		return password, nil
	}
	return "", coffer.Errorf(coffer.NotFound, "no password policy found")
}

// Random is the host's.
func (h *Host) Random(length uint32) []byte {
	bytes := make([]byte, length)
	rand.Read(bytes)
	return bytes
}

// GenerateKey is the host's.
func (h *Host) GenerateKey(name, algorithm string) error {
	var material []byte
	var err error
	if length, is := symmetric[algorithm]; is {
		material = h.Random(uint32(length))
	} else if curve, is := curves[algorithm]; is {
		var private *ecdsa.PrivateKey
		if private, err = ecdsa.GenerateKey(curve, rand.Reader); err == nil {
			material, err = x509.MarshalPKCS8PrivateKey(private)
		}
	} else if bits, is := moduli[algorithm]; is {
		var private *rsa.PrivateKey
		if private, err = rsa.GenerateKey(rand.Reader, bits); err == nil {
			material, err = x509.MarshalPKCS8PrivateKey(private)
		}
	} else if algorithm == edwards {
		material, err = x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(h.Random(ed25519.SeedSize)))
	} else {
		return coffer.Errorf(coffer.InvalidRequest, "the host in memory has no key algorithm %q", algorithm)
	}
	if err != nil {
		return err
	}
	return h.ImportKey(name, algorithm, material)
}

// ImportKey is the host's.
func (h *Host) ImportKey(name, algorithm string, material []byte) error {
	if _, taken := h.keys[name]; taken {
		return coffer.Errorf(coffer.Conflict, "there is a key %q", name)
	}
	made := key{algorithm, material}
	if length, is := symmetric[algorithm]; is && algorithm != mac && len(material) != length {
		return coffer.Errorf(coffer.InvalidRequest, "a key for %s has %d bytes", algorithm, length)
	} else if !is {
		if _, err := made.private(); err != nil {
			return err
		}
	}
	h.keys[name] = made
	return h.Failing
}

// OpenKey is the host's.
func (h *Host) OpenKey(name string) (coffer.Key, error) {
	if key, is := h.keys[name]; is {
		return key, h.Failing
	}
	return nil, h.Failing
}

// DeleteKey is the host's.
func (h *Host) DeleteKey(name string) error {
	delete(h.keys, name)
	return h.Failing
}

func (k key) Algorithm() string { return k.algorithm }

func (k key) unsupported(what string) error {
	return coffer.Errorf(coffer.InvalidRequest, "a key for %s does not %s", k.algorithm, what)
}

func (k key) private() (any, error) {
	private, err := x509.ParsePKCS8PrivateKey(k.material)
	if err != nil {
		return nil, coffer.Errorf(coffer.InvalidRequest, "this is no key for %s: %v", k.algorithm, err)
	}
	return private, nil
}

func (k key) PublicKey() []byte {
	var public any
	switch private, _ := k.private(); private := private.(type) {
	case *ecdsa.PrivateKey:
		public = private.Public()
	case *rsa.PrivateKey:
		public = private.Public()
	case ed25519.PrivateKey:
		public = private.Public()
	default:
		return nil
	}
	der, _ := x509.MarshalPKIXPublicKey(public)
	return der
}

func (k key) Derive(context []byte) (coffer.Key, error) {
	material := k.material
	if k.algorithm == edwards {
		private, err := k.private()
		if err != nil {
			return nil, err
		}
		material = private.(ed25519.PrivateKey).Seed()
	} else if _, is := symmetric[k.algorithm]; !is {
		return nil, k.unsupported("derive")
	}
	length := 32
	if k.algorithm == aes128 {
		length = 16
	}
	derived, err := hkdf.Key(sha256.New, material, nil, string(context), length)
	if err == nil && k.algorithm == edwards {
		derived, err = x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(derived))
	}
	return key{k.algorithm, derived}, err
}

func (k key) aead() (cipher.AEAD, error) {
	if k.algorithm != aes128 && k.algorithm != aes256 {
		return nil, k.unsupported("encrypt")
	}
	block, err := aes.NewCipher(k.material)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (k key) Encrypt(plaintext, associated, nonce []byte) ([]byte, error) {
	if private, err := k.private(); err == nil && len(associated) == 0 {
		if private, is := private.(*rsa.PrivateKey); is {
			return rsa.EncryptOAEP(sha256.New(), rand.Reader, &private.PublicKey, plaintext, nil)
		}
	}
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	if nonce == nil {
		nonce = make([]byte, aead.NonceSize())
		rand.Read(nonce)
	}
	if len(nonce) != aead.NonceSize() {
		return nil, coffer.Errorf(coffer.InvalidRequest, "a nonce for %s has %d bytes, not %d", k.algorithm, aead.NonceSize(), len(nonce))
	}
	return aead.Seal(append([]byte{}, nonce...), nonce, plaintext, associated), nil
}

func (k key) Decrypt(ciphertext, associated []byte) ([]byte, error) {
	if private, err := k.private(); err == nil && len(associated) == 0 {
		if private, is := private.(*rsa.PrivateKey); is {
			return rsa.DecryptOAEP(sha256.New(), nil, private, ciphertext, nil)
		}
	}
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	if size := aead.NonceSize(); len(ciphertext) > size {
		if plaintext, err := aead.Open(nil, ciphertext[:size], ciphertext[size:], associated); err == nil {
			return plaintext, nil
		}
	}
	return nil, coffer.Errorf(coffer.InvalidRequest, "the ciphertext does not open")
}

func (k key) digest(message []byte) []byte {
	switch k.algorithm {
	case ecdsaP384:
		digest := sha512.Sum384(message)
		return digest[:]
	case ecdsaP521:
		digest := sha512.Sum512(message)
		return digest[:]
	}
	digest := sha256.Sum256(message)
	return digest[:]
}

func (k key) Sign(message []byte) ([]byte, error) {
	switch private, _ := k.private(); private := private.(type) {
	case *ecdsa.PrivateKey:
		return ecdsa.SignASN1(rand.Reader, private, k.digest(message))
	case *rsa.PrivateKey:
		return rsa.SignPSS(rand.Reader, private, crypto.SHA256, k.digest(message), nil)
	case ed25519.PrivateKey:
		return ed25519.Sign(private, message), nil
	}
	return nil, k.unsupported("sign")
}

func (k key) Verify(message, signature []byte) (bool, error) {
	switch private, _ := k.private(); private := private.(type) {
	case *ecdsa.PrivateKey:
		return ecdsa.VerifyASN1(&private.PublicKey, k.digest(message), signature), nil
	case *rsa.PrivateKey:
		return rsa.VerifyPSS(&private.PublicKey, crypto.SHA256, k.digest(message), signature, nil) == nil, nil
	case ed25519.PrivateKey:
		return ed25519.Verify(private.Public().(ed25519.PublicKey), message, signature), nil
	}
	return false, k.unsupported("sign")
}

func (k key) MAC(data []byte) ([]byte, error) {
	if k.algorithm != mac {
		return nil, k.unsupported("mac")
	}
	code := hmac.New(sha256.New, k.material)
	code.Write(data)
	return code.Sum(nil), nil
}

func (k key) Export() ([]byte, error) { return k.material, nil }
