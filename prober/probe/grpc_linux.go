// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// healthCheck is the method that is called.
	healthCheck = "/grpc.health.v1.Health/Check"
	// Bounds of what is read of an answer.
	maxHTTP2Frame    = 16 << 10
	maxHTTP2Header   = 16 << 10
	maxHTTP2Frames   = 64
	maxHealthMessage = 4 << 10
	// grpcPrefix is what stands before each message: whether it is compressed,
	// and its length.
	grpcPrefix = 5
	// callStream is the stream of the one call.
	callStream = 1
)

// probeGRPC connects and calls the standard health service once. It speaks
// HTTP/2 by the frames of golang.org/x/net/http2, which the Kubernetes client
// brings anyway: google.golang.org/grpc made the binary 12 MB and its RSS 5 MB
// larger, and its goroutines hide what the socket learned.
func probeGRPC(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.aim(ctx); !ok {
		return res
	}
	request, err := r.healthRequest()
	if err != nil {
		return r.end(diagnosis{verdict: LocalError, evidence: err.Error()})
	}
	s, stream, res := r.channel(ctx, http2.NextProtoTLS)
	defer s.close()
	if stream == nil {
		return res
	}
	began := time.Now()
	if _, err := stream.Write(request); err != nil {
		return r.grpcFailure(err)
	}
	var answer grpcAnswer
	err = answer.read(stream)
	if !answer.began.IsZero() {
		r.phase("first_byte", answer.began.Sub(began))
	}
	if err != nil {
		return r.grpcFailure(err)
	}
	return r.end(answer.judge())
}

var (
	errNoHTTP2      = errors.New("no HTTP/2")
	errHTTP2Closed  = errors.New("closed without an answer")
	errHTTP2Refused = errors.New("refused by HTTP/2")
)

// grpcFailure tells a network fault from a bad answer. The text of a parse
// error may hold what the target sent and is not shown.
func (r *run) grpcFailure(err error) Result {
	if d, ok := brokenOff(err, ""); ok {
		return r.judge(d)
	}
	what := "the HTTP/2 answer is malformed or too long"
	switch {
	case errors.Is(err, errNoHTTP2):
		what = "the server answers, but not by HTTP/2, which gRPC needs"
	case errors.Is(err, errHTTP2Closed):
		what = "the connection was closed without a gRPC answer"
	case errors.Is(err, errHTTP2Refused):
		what = "the server ended the call without a gRPC answer"
	}
	return r.end(diagnosis{verdict: ProtocolError, evidence: what})
}

// healthRequest writes all that is sent of a call: what opens the connection,
// the header and the message. No server may refuse that much before it has said
// what it takes.
func (r *run) healthRequest() ([]byte, error) {
	t := &r.target
	if !isVisible(t.GRPC.Service) || !isVisible(r.authority()) {
		return nil, errors.New("the gRPC service must hold no spaces or control characters")
	}
	scheme := "http"
	if t.TLS != nil {
		scheme = "https"
	}
	var header bytes.Buffer
	encoder := hpack.NewEncoder(&header)
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&out, nil)
	fields := []hpack.HeaderField{
		{Name: ":method", Value: http.MethodPost}, {Name: ":scheme", Value: scheme}, {Name: ":path", Value: healthCheck},
		{Name: ":authority", Value: r.authority()}, {Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"}, {Name: "user-agent", Value: "netladder"},
	}
	var err error
	for _, f := range fields {
		err = errors.Join(err, encoder.WriteField(f))
	}
	err = errors.Join(err,
		framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush}, http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHTTP2Header}),
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: callStream, BlockFragment: header.Bytes(), EndHeaders: true}),
		framer.WriteData(callStream, true, healthMessage(t.GRPC.Service)),
	)
	return out.Bytes(), err
}

// healthMessage is a HealthCheckRequest: field 1 is the service.
func healthMessage(service string) []byte {
	var body []byte
	if service != "" {
		body = protowire.AppendTag(body, 1, protowire.BytesType)
		body = protowire.AppendString(body, service)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
}

// authority is what gRPC clients send for a server.
func (r *run) authority() string {
	switch t := &r.target; {
	case t.TLS != nil && t.TLS.ServerName != "":
		return bracketed(t.TLS.ServerName)
	case t.Host.Name != "":
		return hostHeader(t.Host, t.TLS != nil)
	default:
		return addressHeader(t.Addr)
	}
}

// grpcAnswer is what came of a call.
type grpcAnswer struct {
	// began is when the header came.
	began       time.Time
	status      int // of HTTP
	contentType string
	code        int // of gRPC; below zero without one
	message     []byte
}

// read reads an answer to its end.
func (a *grpcAnswer) read(stream io.ReadWriter) error {
	a.code = -1
	framer := http2.NewFramer(stream, stream)
	framer.SetMaxReadFrameSize(maxHTTP2Frame)
	framer.SetReuseFrames()
	framer.MaxHeaderListSize = maxHTTP2Header
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for n := range maxHTTP2Frames {
		frame, err := framer.ReadFrame()
		if err == nil && n == 0 {
			// A server begins with its settings.
			if settings, ok := frame.(*http2.SettingsFrame); !ok || settings.IsAck() {
				return errNoHTTP2
			}
		}
		if err != nil {
			return frameError(err, n)
		}
		ended, err := a.take(framer, frame)
		if ended || err != nil {
			return err
		}
	}
	return errTooMuch
}

// frameError finds why there is no n-th frame.
func frameError(err error, n int) error {
	switch {
	case networkFault(err) != nil || alertOf(err) != "":
		return err
	case errors.Is(err, io.EOF):
		return errHTTP2Closed
	case n == 0:
		return errNoHTTP2
	default:
		return err
	}
}

// take takes in one frame and says whether the answer ended with it.
func (a *grpcAnswer) take(framer *http2.Framer, frame http2.Frame) (bool, error) {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return false, framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return false, framer.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		// A server that is being stopped still answers what it has taken.
		if f.LastStreamID < callStream {
			return false, errHTTP2Refused
		}
	case *http2.RSTStreamFrame:
		if f.StreamID == callStream {
			return false, errHTTP2Refused
		}
	case *http2.MetaHeadersFrame:
		if f.StreamID == callStream {
			return a.header(f)
		}
	case *http2.DataFrame:
		if f.StreamID != callStream {
			return false, nil
		}
		if len(a.message)+len(f.Data()) > maxHealthMessage {
			return false, errTooMuch
		}
		a.message = append(a.message, f.Data()...)
		return f.StreamEnded(), nil
	}
	return false, nil
}

// header takes in a header or a trailer.
func (a *grpcAnswer) header(f *http2.MetaHeadersFrame) (bool, error) {
	if f.Truncated {
		return false, errTooMuch
	}
	if a.began.IsZero() {
		a.began = time.Now()
	}
	if text := f.PseudoValue("status"); text != "" {
		a.status = number(text)
	}
	for _, field := range f.RegularFields() {
		switch field.Name {
		case "content-type":
			a.contentType = field.Value
		case "grpc-status":
			a.code = number(field.Value)
		}
	}
	return f.StreamEnded(), nil
}

// number parses a status; -1 for anything else.
func number(text string) int {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return -1
	}
	return int(n)
}

// judge says what an answer means.
func (a *grpcAnswer) judge() diagnosis {
	bad := func(format string, args ...any) diagnosis {
		return diagnosis{verdict: ProtocolError, evidence: fmt.Sprintf(format, args...)}
	}
	switch {
	case a.status != http.StatusOK && a.code < 0:
		return bad("HTTP status %d instead of a gRPC answer", a.status)
	case a.code < 0 || !strings.HasPrefix(a.contentType, "application/grpc"):
		return bad("the answer is HTTP/2, but not gRPC")
	case a.code == grpcNotFound:
		return bad("gRPC status 5 (NOT_FOUND): the health service knows no service of this name")
	case a.code == grpcUnimplemented:
		return bad("gRPC status 12 (UNIMPLEMENTED): the server has no health service")
	case a.code != 0:
		return bad("gRPC status %d (%s)", a.code, grpcCode(a.code))
	}
	serving, ok := servingStatus(a.message)
	switch {
	case !ok:
		return bad("the answer of the health service is malformed")
	case serving != healthServing:
		return bad("the health service says %s", healthStatus(serving))
	default:
		return diagnosis{verdict: Connected, evidence: "the health service says SERVING"}
	}
}

// healthServing is the one ServingStatus that is good.
const healthServing = 1

// servingStatus reads a HealthCheckResponse: field 1 is the status, 0 where it
// is absent.
func servingStatus(message []byte) (uint64, bool) {
	if len(message) < grpcPrefix || message[0] != 0 || uint64(binary.BigEndian.Uint32(message[1:])) != uint64(len(message)-grpcPrefix) {
		return 0, false
	}
	status := uint64(0)
	for b := message[grpcPrefix:]; len(b) > 0; {
		field, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, false
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(field, typ, b); n < 0 {
			return 0, false
		}
		if field == 1 && typ == protowire.VarintType {
			status, _ = protowire.ConsumeVarint(b)
		}
		b = b[n:]
	}
	return status, true
}

func healthStatus(s uint64) string {
	switch s {
	case 0:
		return "UNKNOWN"
	case 2:
		return "NOT_SERVING"
	case 3:
		return "SERVICE_UNKNOWN"
	default:
		return "something that it must not"
	}
}

// The statuses of gRPC that mean something to a health check.
const (
	grpcNotFound      = 5
	grpcUnimplemented = 12
)

func grpcCode(code int) string {
	names := [...]string{
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
	}
	if code < len(names) {
		return names[code]
	}
	return "no status of gRPC"
}
