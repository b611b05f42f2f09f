// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// open opens a test's namespace.
func openNamespace(t testing.TB, path string) *descriptor {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	d := &descriptor{fd: fd}
	t.Cleanup(d.close)
	return d
}

func TestEnterComesBack(t *testing.T) {
	pod := newPodNet(t)
	h, err := newHome()
	must(t, err)
	defer h.close()
	inside := openNamespace(t, path(pod))
	want := inodeOf(t, path(pod))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				err := h.enter(inside, func() error {
					var stat unix.Stat_t
					if err := unix.Stat("/proc/thread-self/ns/net", &stat); err != nil {
						return err
					}
					if stat.Ino != want {
						return errors.New("not inside")
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if got := threadNamespaces(t); len(got) != 1 {
		t.Errorf("threads are in %v", got)
	}
}

func TestEnterComesBackFromAPanic(t *testing.T) {
	pod := newPodNet(t)
	h, err := newHome()
	must(t, err)
	defer h.close()
	inside := openNamespace(t, path(pod))
	func() {
		defer func() { _ = recover() }()
		_ = h.enter(inside, func() error { panic("inside") })
	}()
	if got := threadNamespaces(t); len(got) != 1 {
		t.Errorf("threads are in %v", got)
	}
	must(t, h.enter(inside, func() error { return nil }))
}

// Without a way back the goroutine dies, and its thread with it: nothing else
// ever runs in there.
func TestNoWayBack(t *testing.T) {
	pod := newPodNet(t)
	h, err := newHome()
	must(t, err)
	defer h.close()
	inside := openNamespace(t, path(pod))
	h.setns = func(fd int) error {
		if fd == inside.fd {
			return unix.Setns(fd, unix.CLONE_NEWNET)
		}
		return unix.ENOMEM
	}
	recovered := make(chan any)
	checked := make(chan struct{})
	go func() {
		defer func() {
			recovered <- recover()
			<-checked
		}()
		_ = h.enter(inside, func() error { return nil })
	}()
	if r := <-recovered; r == nil {
		t.Error("no panic")
	}
	if got := threadNamespaces(t); len(got) != 2 {
		t.Errorf("threads are in %v: the goroutine is to keep its thread", got)
	}
	close(checked)
	settleThreads(t, 1)
}

func TestEnterWhatIsClosed(t *testing.T) {
	pod := newPodNet(t)
	h, err := newHome()
	must(t, err)
	inside := openNamespace(t, path(pod))
	f := func() error { t.Error("inside"); return nil }
	h.close()
	if err := h.enter(inside, f); !errors.Is(err, errClosed) {
		t.Errorf("without a home: %v", err)
	}
	inside.close()
	if err := h.enter(inside, f); !errors.Is(err, errClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestEnterWhatIsNoNamespace(t *testing.T) {
	h, err := newHome()
	must(t, err)
	defer h.close()
	f := func() error { t.Error("inside"); return nil }
	wantReason(t, h.enter(openNamespace(t, "/proc/self/ns/pid"), f), ReasonFailed)
	wantReason(t, h.enter(openNamespace(t, "/dev/null"), f), ReasonFailed)
}

// cpuTime reports what a benchmark costs on a machine that does other things
// too.
func cpuTime(b *testing.B) func() {
	used := func() time.Duration {
		var u unix.Rusage
		must(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
		return time.Duration(unix.TimevalToNsec(u.Utime) + unix.TimevalToNsec(u.Stime))
	}
	began := used()
	return func() { b.ReportMetric(float64((used()-began).Nanoseconds())/float64(b.N), "cpu-ns/op") }
}

// The floor: a pair of setns on a thread that is ours anyway.
func BenchmarkSetnsPair(b *testing.B) {
	pod := newPodNet(b)
	h, err := newHome()
	must(b, err)
	defer h.close()
	inside := openNamespace(b, path(pod))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer cpuTime(b)()
	for b.Loop() {
		if err := errors.Join(h.setns(inside.fd), h.setns(h.fd)); err != nil {
			b.Fatal(err)
		}
	}
}

// What the look whether the process is still there costs.
func BenchmarkCurrent(b *testing.B) {
	p := procfs{root: "/proc"}
	proc, err := p.open(os.Getpid())
	must(b, err)
	defer proc.close()
	_, id, err := proc.namespace()
	must(b, err)
	defer cpuTime(b)()
	for b.Loop() {
		if !proc.in(id) {
			b.Fatal("gone")
		}
	}
}

// What it costs to be inside once; a pair of setns is most of it.
func BenchmarkEnter(b *testing.B) {
	pod := newPodNet(b)
	h, err := newHome()
	must(b, err)
	defer h.close()
	inside := openNamespace(b, path(pod))
	b.ReportAllocs()
	defer cpuTime(b)()
	for b.Loop() {
		if err := h.enter(inside, func() error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// What a probe from a pod's namespace costs beyond one from the prober's own:
// the look at the Registry, the process, and the way in and out.
func BenchmarkPodEntry(b *testing.B) {
	pod := newRealPod(b)
	ns := newPodNet(b, podV4)
	proc := newLinkedProc(b)
	proc.link(b, pod.start(b, ns, 65534))
	r := newRegistry(b, proc.root)
	r.Update(v4Pod(pod.uid))
	mustFind(b, r, pod.uid)
	entry := r.PodEntry(pod.uid)
	socket := func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	}
	b.Run("nothing", func(b *testing.B) {
		b.ReportAllocs()
		defer cpuTime(b)()
		for b.Loop() {
			must(b, entry.Do(func() error { return nil }))
		}
	})
	b.Run("socket inside", func(b *testing.B) {
		defer cpuTime(b)()
		for b.Loop() {
			must(b, entry.Do(socket))
		}
	})
	b.Run("socket outside", func(b *testing.B) {
		defer cpuTime(b)()
		for b.Loop() {
			must(b, socket())
		}
	})
}

// What one look through /proc costs.
func BenchmarkScan(b *testing.B) {
	p := procfs{root: "/proc"}
	defer cpuTime(b)()
	for b.Loop() {
		_, err := p.scan(func(string) bool { return true })
		must(b, err)
	}
}
