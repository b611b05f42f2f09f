// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nonce := Nonce(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "nonce"))
		printable := rapid.StringMatching(`[ -~]{0,300}`)
		want := Reply{Nonce: nonce, PodUID: printable.Draw(t, "uid"), Node: printable.Draw(t, "node")}
		request := AppendRequest(nil, Request{Nonce: nonce})
		reply := AppendReply([]byte("before"), want)[len("before"):]
		if len(request) != Size || len(reply) != Size {
			t.Fatalf("request of %d bytes, reply of %d", len(request), len(reply))
		}
		if got, err := ParseRequest(request); err != nil || got.Nonce != nonce {
			t.Fatalf("request: %+v, %v", got, err)
		}
		want.PodUID = want.PodUID[:min(len(want.PodUID), MaxUID)]
		want.Node = want.Node[:min(len(want.Node), MaxNode)]
		if got, err := ParseReply(reply); err != nil || got != want {
			t.Fatalf("reply: %+v, %v, want %+v", got, err, want)
		}
		// A reply is never a request: two servers cannot talk to each other.
		if _, err := ParseRequest(reply); !errors.Is(err, ErrType) {
			t.Fatalf("a reply parsed as a request: %v", err)
		}
		if _, err := ParseReply(request); !errors.Is(err, ErrType) {
			t.Fatalf("a request parsed as a reply: %v", err)
		}
	})
}

func TestMalformed(t *testing.T) {
	request, reply := AppendRequest(nil, Request{}), AppendReply(nil, Reply{PodUID: "uid", Node: "node"})
	change := func(b []byte, at int, to byte) []byte {
		b = bytes.Clone(b)
		b[at] = to
		return b
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"empty":                {nil, ErrSize},
		"short":                {request[:Size-1], ErrSize},
		"long":                 {append(bytes.Clone(request), 0), ErrSize},
		"magic":                {change(request, 0, 'X'), ErrMagic},
		"no version":           {change(request, 4, 0), ErrVersion},
		"later version":        {change(request, 4, 9), nil},
		"reserved and padding": {change(change(request, 6, 1), Size-1, 1), nil},
		"unknown type":         {change(request, 5, 0), ErrType},
	} {
		if _, err := ParseRequest(c.b); !errors.Is(err, c.want) {
			t.Errorf("request, %s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"short":         {reply[:100], ErrSize},
		"later version": {change(reply, 4, 2), ErrVersion},
		"long uid":      {change(reply, headerSize, MaxUID+1), ErrField},
		"long node":     {change(reply, headerSize+4, MaxNode+1), ErrField},
		"unprintable":   {change(reply, headerSize+1, '\n'), ErrField},
	} {
		if _, err := ParseReply(c.b); !errors.Is(err, c.want) {
			t.Errorf("reply, %s: %v", name, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(AppendRequest(nil, Request{Nonce: Nonce{1, 2}}))
	f.Add(AppendReply(nil, Reply{PodUID: "uid", Node: "node"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		request, err := ParseRequest(b)
		if err != nil {
			return
		}
		if reply := AppendReply(nil, Reply{Nonce: request.Nonce}); len(reply) > len(b) {
			t.Fatalf("%d bytes for a request of %d", len(reply), len(b))
		}
		if _, err = ParseReply(b); err == nil {
			t.Fatal("both a request and a reply")
		}
	})
}

func FuzzParseReply(f *testing.F) {
	f.Add(AppendReply(nil, Reply{PodUID: strings.Repeat("u", MaxUID), Node: strings.Repeat("n", MaxNode)}))
	f.Add(AppendRequest(nil, Request{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		reply, err := ParseReply(b)
		if err != nil {
			return
		}
		if again, err := ParseReply(AppendReply(nil, reply)); err != nil || again != reply {
			t.Fatalf("%+v became %+v: %v", reply, again, err)
		}
	})
}
