// Package pki makes the certificates and keys of a lab. Files that exist are kept.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime of every certificate: a lab that lives longer is started anew.
const lifetime = 365 * 24 * time.Hour

// Authority signs the lab's certificates, all in one directory: NAME.crt and NAME.key.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Certificate says what to certify. One without addresses and names is a client's.
type Certificate struct {
	File     string // base name of the files
	User     string // common name
	Groups   []string
	IPs      []net.IP
	DNSNames []string
}

// New loads the authority in dir or makes it.
func New(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of certificates: %w", err)
	}
	a := &Authority{dir: dir}
	err := a.load()
	if errors.Is(err, fs.ErrNotExist) {
		err = a.create()
	}
	if err != nil {
		return nil, fmt.Errorf("certificate authority in %s: %w", dir, err)
	}
	return a, nil
}

// CertFile and KeyFile are the paths of a certificate and its key; "ca" is the authority's.
func (a *Authority) CertFile(name string) string { return filepath.Join(a.dir, name+".crt") }

// KeyFile is the path of a private key.
func (a *Authority) KeyFile(name string) string { return filepath.Join(a.dir, name+".key") }

// Ensure makes a key and a certificate for it.
func (a *Authority) Ensure(spec Certificate) error {
	if _, err := os.Stat(a.CertFile(spec.File)); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the key of %s: %w", spec.File, err)
	}
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(spec.IPs)+len(spec.DNSNames) > 0 {
		usage = append(usage, x509.ExtKeyUsageServerAuth)
	}
	template, err := newTemplate(pkix.Name{CommonName: spec.User, Organization: spec.Groups})
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = usage
	template.IPAddresses, template.DNSNames = spec.IPs, spec.DNSNames
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("signing the certificate of %s: %w", spec.File, err)
	}
	return a.write(spec.File, key, der)
}

// EnsureKey makes a key without a certificate, as for service account tokens.
func (a *Authority) EnsureKey(name string) error {
	if _, err := os.Stat(a.KeyFile(name)); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making key %s: %w", name, err)
	}
	return a.writeKey(name, key)
}

func (a *Authority) load() error {
	keyPair := [2]*pem.Block{}
	for i, file := range []string{a.CertFile("ca"), a.KeyFile("ca")} {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if keyPair[i], _ = pem.Decode(content); keyPair[i] == nil {
			return fmt.Errorf("%s is no PEM file", file)
		}
	}
	var err error
	if a.cert, err = x509.ParseCertificate(keyPair[0].Bytes); err != nil {
		return err
	}
	a.key, err = x509.ParseECPrivateKey(keyPair[1].Bytes)
	return err
}

func (a *Authority) create() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template, err := newTemplate(pkix.Name{CommonName: "netladder-lab"})
	if err != nil {
		return err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.key = key
	return a.write("ca", key, der)
}

// write puts the key down first: a certificate on disk then means that its key is there too.
func (a *Authority) write(name string, key *ecdsa.PrivateKey, der []byte) error {
	if err := a.writeKey(name, key); err != nil {
		return err
	}
	return writeFile(a.CertFile(name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// writeKey uses the older encoding: kube-apiserver reads the public half of a service account key from no other.
func (a *Authority) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding key %s: %w", name, err)
	}
	return writeFile(a.KeyFile(name), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func writeFile(path string, content []byte) error {
	unfinished := path + ".unfinished"
	if err := os.WriteFile(unfinished, content, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(unfinished, path)
}

func newTemplate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: subject, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(lifetime),
	}, nil
}
