// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStartOf(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n"
	for stat, want := range map[string]uint64{
		"12 (sh)" + rest:                  4711,
		"12 (a) S 1 2 3) b)" + rest:       4711,
		"12 (with\nnewline)" + rest:       4711,
		"12 (sh) S 1 2 3\n":               0,
		"":                                0,
		"12 (sh" + rest[:len(rest)-1]:     0,
		"12 (sh)" + rest[:len(rest)-12]:   0,
		strings.Repeat("x ", maxProcFile): 0,
	} {
		if got, ok := startOf([]byte(stat)); got != want || ok != (want != 0) {
			t.Errorf("startOf(%.40q) = %d, %v, want %d", stat, got, ok, want)
		}
	}
}

// A cgroup file that is too long is cut off at a line: half a path must not
// name another pod.
func TestReadAllIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for content, want := range map[string]string{
		"short":                        "short",
		"first line\nsecond line":      "first line\n",
		strings.Repeat("x", 100):       "",
		"exactly sixteen\n":            "exactly sixteen\n",
		strconv.Itoa(123456789) + "\n": "123456789\n",
	} {
		must(t, os.WriteFile(file, []byte(content), 0o600))
		fd, err := unix.Open(file, unix.O_RDONLY, 0)
		must(t, err)
		got, err := readAll(fd, make([]byte, 16))
		_ = unix.Close(fd)
		must(t, err)
		if string(got) != want {
			t.Errorf("%.20q: got %q, want %q", content, got, want)
		}
	}
}
