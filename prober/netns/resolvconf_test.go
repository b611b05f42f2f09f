// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

const conf = "nameserver 10.96.0.10\nsearch a.svc.cluster.local\noptions ndots:5\n"

// What /etc/resolv.conf of a hostile pod can be. secret is a file outside of
// the pod's root.
func TestResolvConf(t *testing.T) {
	pod := newPodNet(t, podV4)
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("nameserver 6.6.6.6\n"), 0o644))
	write := func(name, content string) func(*testing.T, string) {
		return func(t *testing.T, root string) {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
			must(t, os.WriteFile(filepath.Join(root, name), []byte(content), 0o644))
		}
	}
	link := func(target string) func(*testing.T, string) {
		return func(t *testing.T, root string) {
			must(t, os.Symlink(target, filepath.Join(root, "etc/resolv.conf")))
		}
	}
	for _, tc := range []struct {
		name  string
		setup []func(*testing.T, string)
		want  string // empty for an error
	}{
		{"regular", []func(*testing.T, string){write("etc/resolv.conf", conf)}, conf},
		{"the largest", []func(*testing.T, string){write("etc/resolv.conf", strings.Repeat("#", maxResolvConf))}, strings.Repeat("#", maxResolvConf)},
		{"absolute link inside", []func(*testing.T, string){write("run/resolv.conf", conf), link("/run/resolv.conf")}, conf},
		{"relative link inside", []func(*testing.T, string){write("run/resolv.conf", conf), link("../run/resolv.conf")}, conf},
		{"link that climbs out and in", []func(*testing.T, string){write("run/resolv.conf", conf), link("../../../../../../run/resolv.conf")}, conf},
		{"absolute link to outside", []func(*testing.T, string){link(secret)}, ""},
		{"link that climbs out", []func(*testing.T, string){link("../../../../../../../../../../.." + secret)}, ""},
		{"link to itself", []func(*testing.T, string){link("resolv.conf")}, ""},
		{"missing", nil, ""},
		{"too large", []func(*testing.T, string){write("etc/resolv.conf", strings.Repeat("#", maxResolvConf+1))}, ""},
		{"enormous and empty", []func(*testing.T, string){write("etc/resolv.conf", ""), func(t *testing.T, root string) {
			must(t, os.Truncate(filepath.Join(root, "etc/resolv.conf"), 1<<40))
		}}, ""},
		{"directory", []func(*testing.T, string){func(t *testing.T, root string) {
			must(t, os.Mkdir(filepath.Join(root, "etc/resolv.conf"), 0o755))
		}}, ""},
		{"FIFO", []func(*testing.T, string){func(t *testing.T, root string) {
			must(t, unix.Mkfifo(filepath.Join(root, "etc/resolv.conf"), 0o644))
		}}, ""},
		{"device", []func(*testing.T, string){func(t *testing.T, root string) {
			must(t, unix.Mknod(filepath.Join(root, "etc/resolv.conf"), unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))))
		}}, ""},
		{"link to a device", []func(*testing.T, string){link("/dev/zero")}, ""},
		{"link through /proc", []func(*testing.T, string){mountProc, link("/proc/self/root" + secret)}, ""},
		{"link through /proc to a descriptor", []func(*testing.T, string){mountProc, link("/proc/" + strconv.Itoa(os.Getpid()) + "/exe")}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			must(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
			for _, f := range tc.setup {
				f(t, root)
			}
			fake := newFakeProc(t)
			fake.add(t, 20, cgroupOf(uidA), 5, path(pod))
			must(t, os.Symlink(root, filepath.Join(fake.root, "20/root")))
			r := newRegistry(t, fake.root)
			r.Update(v4Pod(uidA))
			ns := mustFind(t, r, uidA)
			before := descriptors(t)
			got, err := ns.ResolvConf()
			if n := descriptors(t); n != before {
				t.Errorf("%d descriptors, want %d", n, before)
			}
			if string(got) != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("got %.60q, %v", got, err)
			}
			if tc.want == "" {
				wantReason(t, err, ReasonFailed)
			}
		})
	}
}

// mountProc gives the pod a /proc of its own, with links that lead anywhere.
func mountProc(t *testing.T, root string) {
	dir := filepath.Join(root, "proc")
	must(t, os.Mkdir(dir, 0o755))
	must(t, unix.Mount("/proc", dir, "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
}

// The sandbox's own process may have no files, or none any more: the others
// are asked.
func TestResolvConfOfAnotherProcess(t *testing.T) {
	pod := newPodNet(t, podV4)
	fake := newFakeProc(t)
	root := t.TempDir()
	must(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "etc/resolv.conf"), []byte(conf), 0o644))
	fake.add(t, 20, cgroupOf(uidA), 5, path(pod))
	fake.add(t, 21, cgroupOf(uidA), 6, path(pod))
	fake.add(t, 22, cgroupOf(uidA), 7, path(pod))
	must(t, os.Symlink(t.TempDir(), filepath.Join(fake.root, "20/root")))
	must(t, os.Symlink(root, filepath.Join(fake.root, "22/root")))
	r := newRegistry(t, fake.root)
	r.Update(v4Pod(uidA))
	ns := mustFind(t, r, uidA)
	got, err := ns.ResolvConf()
	must(t, err)
	if string(got) != conf {
		t.Errorf("got %q", got)
	}
	// The number passes to a process of another pod: it is not asked.
	fake.remove(t, 22)
	fake.add(t, 22, cgroupOf(uidB), 8, path(pod))
	must(t, os.Symlink(root, filepath.Join(fake.root, "22/root")))
	_, err = ns.ResolvConf()
	wantReason(t, err, ReasonFailed)
}

func TestResolvConfOfTheNode(t *testing.T) {
	fake := newFakeProc(t)
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "run/systemd/resolve"), 0o755))
	must(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "run/systemd/resolve/stub-resolv.conf"), []byte(conf), 0o644))
	must(t, os.Symlink("../run/systemd/resolve/stub-resolv.conf", filepath.Join(root, "etc/resolv.conf")))
	must(t, os.Symlink(root, filepath.Join(fake.root, "1/root")))
	r := newRegistry(t, fake.root)
	host, err := r.Host()
	must(t, err)
	got, err := host.ResolvConf()
	must(t, err)
	if string(got) != conf {
		t.Errorf("got %q", got)
	}
}

// A file on a filesystem that the pod serves itself need never answer.
func TestAReadThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reader
		answer := make(chan struct{})
		var calls atomic.Int64
		hang := func() ([]byte, error) { calls.Add(1); <-answer; return []byte("late"), nil }
		began := time.Now()
		if _, err := r.read(hang); err == nil || time.Since(began) != readTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		for range 3 {
			began = time.Now()
			if _, err := r.read(hang); err == nil || time.Since(began) != 0 {
				t.Errorf("%v after %v: nobody else is to wait", err, time.Since(began))
			}
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("%d reads hang", n)
		}
		close(answer)
		synctest.Wait()
		got, err := r.read(func() ([]byte, error) { return []byte("again"), nil })
		if err != nil || string(got) != "again" {
			t.Errorf("got %q, %v", got, err)
		}
		failed := errors.New("failed")
		if _, err := r.read(func() ([]byte, error) { return nil, failed }); !errors.Is(err, failed) {
			t.Errorf("got %v", err)
		}
	})
}

// A file that grows while it is read.
func TestReadResolvConfIsBounded(t *testing.T) {
	pipe := make([]int, 2)
	must(t, unix.Pipe2(pipe, unix.O_CLOEXEC))
	defer func() { _ = unix.Close(pipe[0]) }()
	go func() {
		_, _ = unix.Write(pipe[1], bytes.Repeat([]byte("#"), maxResolvConf))
		_, _ = unix.Write(pipe[1], []byte("#"))
		_ = unix.Close(pipe[1])
	}()
	if _, err := readResolvConf(pipe[0]); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
}
