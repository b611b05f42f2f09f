// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// Bounds of what is read of a response.
	maxHTTPHeader = 16 << 10
	maxHTTPBody   = 64 << 10
	// maxInterim is how many interim (1xx) responses are read.
	maxInterim = 4
)

// probeHTTP connects, by TLS if the target says so, and makes one HTTP/1.1
// request. It follows no redirects
// and keeps nothing alive. A response counts when its body has come too, up to
// maxHTTPBody: a path that passes only small packets is no working path.
func probeHTTP(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.aim(ctx); !ok {
		return res
	}
	request, err := httpRequest(r.target)
	if err != nil {
		return r.end(diagnosis{verdict: LocalError, evidence: err.Error()})
	}
	s, channel, res := r.channel(ctx, "http/1.1")
	defer s.close()
	if channel == nil {
		return res
	}
	began := time.Now()
	if _, err := channel.Write(request); err != nil {
		return r.httpFailure(err, 0)
	}
	stream := &httpStream{reader: channel}
	status, err := readHTTP(stream, t.HTTP.Method)
	if !stream.firstByte.IsZero() {
		r.phase("first_byte", stream.firstByte.Sub(began))
	}
	if err != nil {
		return r.httpFailure(err, status)
	}
	if !statusExpected(status, t.HTTP.ExpectedStatuses) {
		return r.end(diagnosis{verdict: ProtocolError, evidence: fmt.Sprintf("HTTP status %d is not expected", status)})
	}
	return r.end(diagnosis{verdict: Connected, evidence: fmt.Sprintf("HTTP status %d", status)})
}

// httpFailure tells a network fault from a bad response. The text of a parse
// error may hold what the target sent and is not shown.
func (r *run) httpFailure(err error, status int) Result {
	what := "the HTTP response is malformed"
	if status != 0 {
		what = fmt.Sprintf("HTTP status %d, and its body is malformed or incomplete", status)
	}
	before := ""
	if status != 0 {
		before = fmt.Sprintf("HTTP status %d, then: ", status)
	}
	if d, ok := brokenOff(err, before); ok {
		return r.judge(d)
	}
	switch {
	case errors.Is(err, errHTTPTooLong):
		what = fmt.Sprintf("the HTTP response header is longer than %d bytes", maxHTTPHeader)
	case errors.Is(err, errHTTPClosed):
		what = "the connection was closed without an HTTP response"
	}
	return r.end(diagnosis{verdict: ProtocolError, evidence: what})
}

// httpRequest writes the request. What the API does not admit is refused here
// again: nothing may be smuggled into the header.
func httpRequest(t Target) ([]byte, error) {
	h := t.HTTP
	if h.Method == "" {
		h.Method = http.MethodGet
	}
	if h.Path == "" {
		h.Path = "/"
	}
	if h.Host == "" && t.Host.Name != "" {
		h.Host = hostHeader(t.Host, t.TLS != nil)
	}
	if h.Host == "" {
		h.Host = addressHeader(t.Addr)
	}
	switch {
	case h.Method != http.MethodGet && h.Method != http.MethodHead:
		return nil, errors.New("the HTTP method must be GET or HEAD")
	case !strings.HasPrefix(h.Path, "/") || !isVisible(h.Path):
		return nil, errors.New("the HTTP path must begin with / and hold no spaces or control characters")
	case !isVisible(h.Host):
		return nil, errors.New("the HTTP host must hold no spaces or control characters")
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: netladder\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		h.Method, h.Path, h.Host), nil
}

// hostHeader is what clients send for a name: virtual hosts are found by it.
func hostHeader(host HostName, secure bool) string {
	name, standard := strings.TrimSuffix(host.Name, "."), uint16(80)
	if secure {
		standard = 443
	}
	if host.Port == standard {
		return bracketed(name)
	}
	return net.JoinHostPort(name, strconv.Itoa(int(host.Port)))
}

// bracketed writes a name, or an address, as it stands in a URL.
func bracketed(name string) string {
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}

// addressHeader is what clients send for an address.
func addressHeader(addr netip.AddrPort) string {
	return netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port()).String()
}

func isVisible(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }) < 0
}

func statusExpected(status int, expected []int32) bool {
	if len(expected) == 0 {
		return status >= http.StatusOK && status < http.StatusBadRequest
	}
	return slices.Contains(expected, int32(status))
}

var (
	errHTTPTooLong = errors.New("response header too long")
	errHTTPClosed  = errors.New("closed without a response")
	errHTTPInterim = errors.New("too many interim responses")
)

// readHTTP reads a response. The status is not zero as soon as the header was
// read, whatever the error.
func readHTTP(stream *httpStream, method string) (status int, err error) {
	limited := &io.LimitedReader{R: stream, N: maxHTTPHeader}
	reader := bufio.NewReader(limited)
	for range maxInterim {
		res, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			return 0, headerError(stream, limited, err)
		}
		if res.StatusCode >= 100 && res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		// The buffer may have read ahead into the body; that much more is no harm.
		limited.N = maxHTTPBody
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if limited.N <= 0 {
			err = nil // long enough
		}
		return res.StatusCode, err
	}
	return 0, errHTTPInterim
}

// headerError finds why there is no response header.
func headerError(stream *httpStream, limited *io.LimitedReader, err error) error {
	switch {
	case networkFault(err) != nil || alertOf(err) != "":
		return err
	case limited.N <= 0:
		return errHTTPTooLong
	case stream.firstByte.IsZero():
		return errHTTPClosed
	default:
		return err
	}
}

// httpStream notes when the first byte came.
type httpStream struct {
	reader    io.Reader
	firstByte time.Time
}

// Read implements io.Reader.
func (h *httpStream) Read(b []byte) (int, error) {
	n, err := h.reader.Read(b)
	if n > 0 && h.firstByte.IsZero() {
		h.firstByte = time.Now()
	}
	return n, err
}
