// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"

	testnetns "github.com/netladder/netladder/test/netns"
)

// Addresses of pods in tests.
var (
	podV4   = netip.MustParseAddr("10.88.0.7")
	podV6   = netip.MustParseAddr("fd88::7")
	otherV4 = netip.MustParseAddr("10.88.0.8")
)

// init keeps the process's first thread for the main goroutine, which waits.
// Others that end with their thread locked, as those of the harness do, would
// otherwise leave it parked in a namespace of a test: the runtime cannot end
// it, and /proc/self is what it is in.
func init() { runtime.LockOSThread() }

// newUID returns a UID that no pod has.
func newUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newPodNet makes a namespace like a pod's, with these addresses on eth0.
func newPodNet(t testing.TB, addrs ...netip.Addr) *testnetns.NS {
	t.Helper()
	ns := testnetns.New(t, "pod")
	ns.IP(t, "link add eth0 type veth peer name far\nlink set eth0 up\nlink set far up\n")
	for _, addr := range addrs {
		ns.IP(t, fmt.Sprintf("addr add %v/%d dev eth0%s\n", addr, addr.BitLen(), map[bool]string{true: " nodad"}[addr.Is6()]))
	}
	return ns
}

// newRegistry returns a Registry that the test closes.
func newRegistry(t testing.TB, procRoot string) *Registry {
	t.Helper()
	r, err := New(Options{ProcRoot: procRoot, Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// findPod asks until the pod was looked for: lookWait may pass on a busy
// machine.
func findPod(t testing.TB, r *Registry, uid string) (*Namespace, error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		ns, err := r.Pod(uid)
		if ReasonOf(err) != ReasonPending {
			return ns, err
		}
		if time.Now().After(deadline) {
			t.Fatal("the pod is never looked for")
		}
	}
}

// mustFind is findPod for a pod that is there, now or soon.
func mustFind(t testing.TB, r *Registry, uid string) *Namespace {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		var ns *Namespace
		if ns, err = r.Pod(uid); err == nil {
			return ns
		}
	}
	t.Fatalf("the pod is not found: %v", err)
	return nil
}

// wantReason fails the test unless an error has this reason.
func wantReason(t testing.TB, err error, want Reason) {
	t.Helper()
	if ReasonOf(err) != want {
		t.Fatalf("got %q (%v), want reason %s", ReasonOf(err), err, want)
	}
}

// fakeProc is a directory that looks like /proc. What is in it can be of a
// shape that no real process takes when a test wants it.
type fakeProc struct{ root string }

// newFakeProc has process 1 in the test's own network, as the node's.
func newFakeProc(t testing.TB) *fakeProc {
	p := &fakeProc{root: t.TempDir()}
	p.add(t, 1, "/init.scope", 1, "/proc/self/ns/net")
	return p
}

// add makes a process. net is where its namespace is; empty for a zombie.
func (p *fakeProc) add(t testing.TB, pid int, cgroup string, start int, net string) {
	t.Helper()
	dir := filepath.Join(p.root, strconv.Itoa(pid))
	// Renamed into place at once, as processes appear.
	staged := filepath.Join(p.root, "staged-"+strconv.Itoa(pid))
	must(t, os.MkdirAll(filepath.Join(staged, "ns"), 0o755))
	must(t, os.WriteFile(filepath.Join(staged, "cgroup"), []byte("0::"+cgroup+"\n"), 0o644))
	stat := fmt.Sprintf("%d (a ) name) S 1 %s%d 0 0\n", pid, strings.Repeat("0 ", 17), start)
	must(t, os.WriteFile(filepath.Join(staged, "stat"), []byte(stat), 0o644))
	if net != "" {
		must(t, os.Symlink(net, filepath.Join(staged, "ns", "net")))
	}
	must(t, os.Rename(staged, dir))
}

func (p *fakeProc) remove(t testing.TB, pid int) {
	t.Helper()
	gone := filepath.Join(p.root, "gone-"+rand.Text())
	must(t, os.Rename(filepath.Join(p.root, strconv.Itoa(pid)), gone))
	must(t, os.RemoveAll(gone))
}

// path is where a test's namespace can be opened.
func path(ns *testnetns.NS) string { return "/run/netns/" + ns.Name }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// realPod is a cgroup of a pod that processes can be started in.
type realPod struct {
	uid    string
	cgroup string // directory of the container
}

// newRealPod makes the cgroups of a pod.
func newRealPod(t testing.TB) *realPod {
	t.Helper()
	testnetns.Require(t)
	uid := newUID()
	root := filepath.Join(cgroupMount(t), "nltest-"+strings.ToLower(rand.Text()[:8]))
	dirs := []string{root}
	for _, name := range []string{"kubepods", "burstable", "pod" + uid, ctr} {
		dirs = append(dirs, filepath.Join(dirs[len(dirs)-1], name))
	}
	for _, dir := range dirs {
		must(t, os.Mkdir(dir, 0o755))
		t.Cleanup(func() { removeCgroup(t, dir) })
	}
	return &realPod{uid: uid, cgroup: dirs[len(dirs)-1]}
}

// newLinkedProc is a directory that looks like /proc and holds real processes:
// what is read there is read of the kernel. Process 1 is the test's own: not
// every machine lets root look at its first process.
func newLinkedProc(t testing.TB) *fakeProc {
	p := &fakeProc{root: t.TempDir()}
	must(t, os.Symlink("/proc/"+strconv.Itoa(os.Getpid()), filepath.Join(p.root, "1")))
	return p
}

// link adds a process to a linked proc.
func (p *fakeProc) link(t testing.TB, c *child) {
	t.Helper()
	name := strconv.Itoa(c.pid)
	must(t, os.Symlink("/proc/"+name, filepath.Join(p.root, name)))
}

// removeCgroup waits until the last process has left: that takes a moment
// after it was reaped.
func removeCgroup(t testing.TB, dir string) {
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err = unix.Rmdir(dir); err == nil {
			return
		}
	}
	t.Errorf("removing %s: %v", dir, err)
}

// cgroupMount returns where cgroups can be made: version 2, or any of 1.
func cgroupMount(t testing.TB) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	best := ""
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 4 || strings.HasPrefix(fields[3], "ro"):
		case fields[2] == "cgroup2":
			return fields[1]
		case fields[2] == "cgroup" && strings.Contains(fields[3], "pids"):
			best = fields[1]
		}
	}
	if best == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no cgroups can be made here; with CI=true this test must not be skipped")
		}
		t.Skip("no cgroups can be made here")
	}
	return best
}

// child is a process of a realPod; it lives until it is stopped.
type child struct {
	pid   int
	stdin io.Closer
	cmd   *exec.Cmd
}

// start starts a process that does nothing, in a network namespace and as some
// user. Without a namespace it gets its own, which nothing else keeps alive.
func (p *realPod) start(t testing.TB, ns *testnetns.NS, uid uint32) *child {
	t.Helper()
	// The shell enters the cgroup by itself, still as root, and becomes the
	// process.
	script := `echo $$ > "$0/cgroup.procs" && exec setpriv --reuid=` + strconv.Itoa(int(uid)) +
		` --regid=` + strconv.Itoa(int(uid)) + ` --clear-groups sh -c 'echo ready && exec cat'`
	cmd := exec.Command("sh", "-c", script, p.cgroup)
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	if ns == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
		err = cmd.Start()
	} else {
		ns.Do(t, func() { err = cmd.Start() })
	}
	must(t, err)
	c := &child{pid: cmd.Process.Pid, stdin: stdin, cmd: cmd}
	t.Cleanup(c.stop)
	ready := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(stdout, ready); err != nil {
		t.Fatalf("a process of the pod does not start: %v", err)
	}
	awaitName(t, c.pid, "cat")
	return c
}

// awaitName waits until a process has become a program.
func awaitName(t testing.TB, pid int, name string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		must(t, err)
		if strings.TrimSpace(string(comm)) == name {
			return
		}
	}
	t.Fatalf("process %d does not become %s", pid, name)
}

// stop ends the process and waits for it.
func (c *child) stop() {
	if c.cmd == nil {
		return
	}
	_ = c.stdin.Close()
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
	c.cmd = nil
}

// descriptors counts those of this process.
func descriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(names)
}

// threadNamespaces lists the network namespaces that threads of this process
// are in.
func threadNamespaces(t testing.TB) map[string]bool {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	must(t, err)
	all := map[string]bool{}
	for _, task := range tasks {
		if link, err := os.Readlink(task); err == nil {
			all[link] = true
		}
	}
	return all
}

// settleThreads lets threads end whose goroutine never unlocked them.
func settleThreads(t testing.TB, want int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); len(threadNamespaces(t)) != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("threads are in %v, want %d namespaces", threadNamespaces(t), want)
		}
		runtime.Gosched()
	}
}
