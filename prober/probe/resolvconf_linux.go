// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

const (
	defaultResolvConf = "/etc/resolv.conf"
	// maxResolvConf bounds what is read of a resolv.conf, in bytes.
	maxResolvConf = 64 << 10
	// maxServers is how many servers resolvers use.
	maxServers = 3
	// maxSearch is how many search domains Kubernetes admits.
	maxSearch = 32
	// dnsPort is where resolvers ask.
	dnsPort = 53
)

// resolver is what a resolv.conf says.
type resolver struct {
	config  *dns.ClientConfig
	servers []netip.AddrPort
}

// readResolvConf reads a resolv.conf. It may be any file: it is opened without
// waiting, must be a regular one, and none of it is shown in errors.
func readResolvConf(path string) (*resolver, error) {
	if path == "" {
		path = defaultResolvConf
	}
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening resolv.conf: %w", errors.Unwrap(err))
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading resolv.conf: %w", errors.Unwrap(err))
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("resolv.conf is not a regular file")
	}
	return parseResolvConf(file)
}

// resolverOf reads the resolv.conf of a target's source.
func resolverOf(t Target) (*resolver, error) {
	if t.Entry == nil {
		return readResolvConf(t.DNS.ResolvConf)
	}
	content, err := t.Entry.ResolvConf()
	if err != nil {
		// Its text may say what lies in the pod.
		var errno unix.Errno
		if errors.As(err, &errno) {
			return nil, fmt.Errorf("reading the pod's resolv.conf: %w", errno)
		}
		return nil, errors.New("the pod's resolv.conf cannot be read")
	}
	return parseResolvConf(bytes.NewReader(content))
}

func parseResolvConf(r io.Reader) (*resolver, error) {
	content := &io.LimitedReader{R: r, N: maxResolvConf + 1}
	config, err := dns.ClientConfigFromReader(content)
	if content.N <= 0 {
		return nil, fmt.Errorf("resolv.conf is larger than %d bytes", maxResolvConf)
	}
	if err != nil {
		return nil, errors.New("resolv.conf cannot be parsed")
	}
	return newResolver(config)
}

func newResolver(config *dns.ClientConfig) (*resolver, error) {
	r := &resolver{config: config}
	for _, server := range config.Servers[:min(len(config.Servers), maxServers)] {
		addr, err := netip.ParseAddr(server)
		if err != nil {
			continue // as resolvers do
		}
		r.servers = append(r.servers, netip.AddrPortFrom(addr, dnsPort))
	}
	if len(r.servers) == 0 {
		return nil, errors.New("resolv.conf names no server")
	}
	config.Search = config.Search[:min(len(config.Search), maxSearch)]
	return r, nil
}

// names lists what is asked for a name, in order: as it is, or completed by
// the search list, as ndots decides.
func (r *resolver) names(name string) []string {
	var valid []string
	for _, candidate := range r.config.NameList(name) {
		if _, ok := dns.IsDomainName(candidate); ok {
			valid = append(valid, candidate)
		}
	}
	return valid
}
