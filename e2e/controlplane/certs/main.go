// Command certs writes the certificates and keys of one control plane into a directory.
//
// It uses only Go's standard library, so that it builds in seconds and no openssl is needed. Every
// file lives as long as the control plane, hours at most, on one machine.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// An identity is a client that the API server knows by its certificate: user name and group.
type identity struct{ file, user, group string }

func main() {
	directory := flag.String("directory", ".", "where to write the files")
	addresses := flag.String("addresses", "127.0.0.1", "IP addresses that the API server answers on")
	flag.Parse()
	if err := write(*directory, strings.Split(*addresses, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "certs:", err)
		os.Exit(1)
	}
}

func write(directory string, addresses []string) error {
	w := &writer{directory: directory}
	authority := w.authority("sluice-e2e")
	w.serving(authority, "apiserver", addresses)
	for _, client := range []identity{
		{"admin", "kubernetes-admin", "system:masters"},
		{"controller-manager", "system:kube-controller-manager", ""},
		{"scheduler", "system:kube-scheduler", ""},
	} {
		w.client(authority, client)
	}
	w.keyPair("service-account")
	return w.err
}

// A writer keeps the first error, so that the steps above read as a list.
type writer struct {
	directory string
	err       error
}

type issuer struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func (w *writer) authority(name string) issuer {
	template := certificate(pkix.Name{CommonName: name})
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	key := w.key()
	return issuer{w.sign("ca", template, issuer{template, key}, key), key}
}

func (w *writer) serving(from issuer, file string, addresses []string) {
	template := certificate(pkix.Name{CommonName: "kube-apiserver"})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{
		"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc.cluster.local",
	}
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	w.issue(from, file, template)
}

func (w *writer) client(from issuer, client identity) {
	subject := pkix.Name{CommonName: client.user}
	if client.group != "" {
		subject.Organization = []string{client.group}
	}
	template := certificate(subject)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	w.issue(from, client.file, template)
}

func (w *writer) issue(from issuer, file string, template *x509.Certificate) {
	key := w.key()
	w.sign(file, template, from, key)
	w.private(file, key)
}

func (w *writer) keyPair(file string) {
	key := w.key()
	w.private(file, key)
	if w.err != nil {
		return
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	w.fail(err)
	w.pem(file+".pub", "PUBLIC KEY", public)
}

func (w *writer) key() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.fail(err)
	return key
}

func (w *writer) sign(file string, template *x509.Certificate, from issuer, key crypto.Signer) *x509.Certificate {
	if w.err != nil {
		return template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, from.certificate, key.Public(), from.key)
	w.fail(err)
	w.pem(file+".crt", "CERTIFICATE", der)
	if w.err != nil {
		return template
	}
	signed, err := x509.ParseCertificate(der)
	w.fail(err)
	return signed
}

func (w *writer) private(file string, key *ecdsa.PrivateKey) {
	if w.err != nil {
		return
	}
	der, err := x509.MarshalECPrivateKey(key)
	w.fail(err)
	w.pem(file+".key", "EC PRIVATE KEY", der)
}

func (w *writer) pem(file, kind string, der []byte) {
	if w.err != nil {
		return
	}
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	w.fail(os.WriteFile(filepath.Join(w.directory, file), block, 0o600))
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func certificate(subject pkix.Name) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail on any system that Go supports
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-time.Hour), // a clock that is set back must not break a test
		NotAfter:     now.Add(30 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}
