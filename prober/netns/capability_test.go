// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
)

// What a prober with fewer capabilities is told.
const (
	envProcRoot = "NETLADDER_TEST_PROC"
	envPod      = "NETLADDER_TEST_POD"
)

// TestMain is also the prober of TestCapabilities.
func TestMain(m *testing.M) {
	if root := os.Getenv(envProcRoot); root != "" {
		limitedProber(root, os.Getenv(envPod))
		return
	}
	os.Exit(m.Run())
}

// limited is what a prober with fewer capabilities could do; the error where it
// could not.
type limited struct {
	Held                                                              []string
	Find, Enter, Listens, ResolvConf, Host, HostEnter, HostResolvConf string
	RawICMP, RawTCP, Ping, OpenNamespace, OpenRoot                    string
	Reason, HostReason                                                Reason
}

// limitedProber does everything that a prober of level Full does with a pod.
func limitedProber(root, uid string) {
	report := limited{Held: heldCapabilities()}
	said := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	r, err := New(Options{ProcRoot: root, Log: logr.Discard()})
	if err != nil {
		panic(err)
	}
	defer r.Close()
	socket := func(n *Namespace, typ, protocol int) string {
		return said(n.Do(func() error {
			fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC, protocol)
			if err == nil {
				_ = unix.Close(fd)
			}
			return err
		}))
	}
	r.Update(v4Pod(uid))
	var ns *Namespace
	for ns, err = r.Pod(uid); ReasonOf(err) == ReasonPending; ns, err = r.Pod(uid) {
		time.Sleep(time.Millisecond)
	}
	report.Find, report.Reason = said(err), ReasonOf(err)
	if err == nil {
		report.Enter = said(ns.Do(func() error { return nil }))
		_, err = ns.Listens(netip.AddrPortFrom(podV4, 80), "TCP")
		report.Listens = said(err)
		_, err = ns.ResolvConf()
		report.ResolvConf = said(err)
		report.RawICMP = socket(ns, unix.SOCK_RAW, unix.IPPROTO_ICMP)
		report.RawTCP = socket(ns, unix.SOCK_RAW, unix.IPPROTO_TCP)
		report.Ping = socket(ns, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)
	}
	report.OpenNamespace, report.OpenRoot = openPod(&r.locator, uid)
	host, err := r.Host()
	report.Host, report.HostReason = said(err), ReasonOf(err)
	if err == nil {
		err = host.Do(func() error { return nil })
		report.HostEnter, report.HostReason = said(err), ReasonOf(err)
		_, err = host.ResolvConf()
		report.HostResolvConf = said(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		panic(err)
	}
}

// openPod opens a pod's process without anything of the node's.
func openPod(l *locator, uid string) (namespace, root string) {
	scanned := procfs{root: l.procfs.root}
	found, err := scanned.scan(func(got string) bool { return got == uid })
	if err != nil || len(found[uid]) != 1 {
		return fmt.Sprint(found, err), ""
	}
	proc, err := scanned.member(found[uid][0].pid, uid)
	if err != nil {
		return err.Error(), ""
	}
	defer proc.close()
	if net, _, err := proc.namespace(); err != nil {
		namespace = err.Error()
	} else {
		net.close()
	}
	if _, err := proc.resolvConf(); err != nil {
		root = err.Error()
	}
	return namespace, root
}

var full = []int{unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE, unix.CAP_NET_RAW}

// heldCapabilities names those of level Full that are effective, and any
// other.
func heldCapabilities() []string {
	names := map[int]string{unix.CAP_SYS_ADMIN: "SYS_ADMIN", unix.CAP_SYS_PTRACE: "SYS_PTRACE", unix.CAP_NET_RAW: "NET_RAW"}
	var all []string
	for c := range unix.CAP_LAST_CAP + 1 {
		if held(c) {
			name, ok := names[c]
			if !ok {
				name = fmt.Sprint(c)
			}
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// runLimited runs a prober as uid 0 with these capabilities only.
func runLimited(t testing.TB, root, uid string, capabilities []int) limited {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envProcRoot+"="+root, envPod+"="+uid)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	type result struct {
		out []byte
		err error
	}
	done := make(chan result)
	go func() {
		// The bounding set is the thread's, and what it starts inherits it. The
		// thread ends with this goroutine.
		runtime.LockOSThread()
		err := boundCapabilities(capabilities)
		var out []byte
		if err == nil {
			out, err = cmd.Output()
		}
		done <- result{out, err}
	}()
	got := <-done
	if got.err != nil {
		t.Fatalf("%v: %s", got.err, stderr.String())
	}
	var report limited
	must(t, json.Unmarshal(got.out, &report))
	return report
}

func boundCapabilities(keep []int) error {
	for c := range unix.CAP_LAST_CAP + 1 {
		if slices.Contains(keep, c) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	return nil
}

// Each of the three capabilities of level Full is needed, none of the others
// is, and whoever lacks one is told which. The pod's process belongs to another
// user, as most do.
func TestCapabilities(t *testing.T) {
	pod := newRealPod(t)
	net := newPodNet(t, podV4)
	proc := newLinkedProc(t)
	proc.link(t, pod.start(t, net, 65534))
	// The test's directories are for their owner, who is root here too, so
	// that no capability is needed to find them.
	run := func(t *testing.T, without int) limited {
		t.Helper()
		return runLimited(t, proc.root, pod.uid, slices.DeleteFunc(slices.Clone(full), func(c int) bool { return c == without }))
	}
	want := func(t *testing.T, what, got, want string) {
		t.Helper()
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	works := func(t *testing.T, l limited) {
		t.Helper()
		for what, got := range map[string]string{
			"find": l.Find, "enter": l.Enter, "listeners": l.Listens, "resolv.conf": l.ResolvConf,
			"host": l.Host, "enter host": l.HostEnter, "host's resolv.conf": l.HostResolvConf,
		} {
			want(t, what, got, "")
		}
	}
	t.Run("all three", func(t *testing.T) {
		l := run(t, -1)
		if got := strings.Join(l.Held, " "); got != "NET_RAW SYS_ADMIN SYS_PTRACE" {
			t.Fatalf("the prober holds %s", got)
		}
		works(t, l)
		want(t, "the pod's namespace", l.OpenNamespace, "")
		want(t, "the pod's root", l.OpenRoot, "")
		want(t, "raw ICMP", l.RawICMP, "")
		want(t, "raw TCP", l.RawTCP, "")
	})
	t.Run("without SYS_ADMIN", func(t *testing.T) {
		l := run(t, unix.CAP_SYS_ADMIN)
		want(t, "find", l.Find, "needs CAP_SYS_ADMIN")
		want(t, "enter host", l.HostEnter, "needs CAP_SYS_ADMIN")
		if l.Reason != ReasonNotPermitted || l.HostReason != ReasonNotPermitted {
			t.Errorf("reasons %s and %s", l.Reason, l.HostReason)
		}
	})
	t.Run("without SYS_PTRACE", func(t *testing.T) {
		l := run(t, unix.CAP_SYS_PTRACE)
		want(t, "find", l.Find, "needs CAP_SYS_PTRACE")
		want(t, "host", l.Host, "needs CAP_SYS_PTRACE")
		want(t, "the pod's namespace", l.OpenNamespace, "needs CAP_SYS_PTRACE")
		want(t, "the pod's root", l.OpenRoot, "needs CAP_SYS_PTRACE")
		if l.Reason != ReasonNotPermitted || l.HostReason != ReasonNotPermitted {
			t.Errorf("reasons %s and %s", l.Reason, l.HostReason)
		}
	})
	t.Run("without NET_RAW", func(t *testing.T) {
		l := run(t, unix.CAP_NET_RAW)
		works(t, l)
		want(t, "raw ICMP", l.RawICMP, "operation not permitted")
		want(t, "raw TCP", l.RawTCP, "operation not permitted")
	})
}

// A pod's own setting decides about ping sockets, whatever the prober holds:
// pings from pods take raw ones.
func TestPingSocketsAreUpToThePod(t *testing.T) {
	pod := newRealPod(t)
	net := newPodNet(t, podV4)
	proc := newLinkedProc(t)
	proc.link(t, pod.start(t, net, 65534))
	for _, tc := range []struct{ groups, want string }{{"1 0", "permission denied"}, {"0 2147483647", ""}} {
		net.Sysctl(t, "ipv4.ping_group_range", tc.groups)
		l := runLimited(t, proc.root, pod.uid, full)
		if l.RawICMP != "" || l.Ping != tc.want {
			t.Errorf("with group range %s: raw %q, ping %q, want %q", tc.groups, l.RawICMP, l.Ping, tc.want)
		}
	}
}

// Without any capability nothing of this works, and nothing crashes.
func TestNoCapabilities(t *testing.T) {
	pod := newRealPod(t)
	proc := newLinkedProc(t)
	proc.link(t, pod.start(t, newPodNet(t, podV4), 65534))
	l := runLimited(t, proc.root, pod.uid, nil)
	if len(l.Held) != 0 || l.Reason != ReasonNotPermitted || l.HostReason != ReasonNotPermitted {
		t.Errorf("got %+v", l)
	}
}
