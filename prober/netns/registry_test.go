// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	testnetns "github.com/netladder/netladder/test/netns"
)

// inodeIn returns the namespace that Do puts a socket into.
func inodeIn(t testing.TB, do func(func() error) error) uint64 {
	t.Helper()
	var stat unix.Stat_t
	must(t, do(func() error { return unix.Stat("/proc/thread-self/ns/net", &stat) }))
	return stat.Ino
}

func inodeOf(t testing.TB, path string) uint64 {
	t.Helper()
	var stat unix.Stat_t
	must(t, unix.Stat(path, &stat))
	return stat.Ino
}

func cgroupOf(uid string) string { return "/kubepods/burstable/pod" + uid + "/" + ctr }

func v4Pod(uid string) []Pod { return []Pod{{UID: uid, IPs: []netip.Addr{podV4}}} }

// What a pod's processes can be like, and what comes of it.
func TestOutcomes(t *testing.T) {
	pod, other, wrong := newPodNet(t, podV4, podV6), newPodNet(t, podV4), newPodNet(t, otherV4)
	const own = "/proc/self/ns/net"
	type proc struct {
		pid    int
		cgroup string
		start  int
		net    string
	}
	cgroup := cgroupOf(uidA)
	both := []netip.Addr{podV4, podV6}
	for _, tc := range []struct {
		name  string
		pod   Pod
		procs []proc
		want  *testnetns.NS
		why   Reason
	}{
		{name: "nothing runs", pod: Pod{IPs: both}, why: ReasonNotFound},
		{name: "the pause process alone", pod: Pod{IPs: both}, procs: []proc{{20, cgroup, 50, path(pod)}}, want: pod},
		{name: "a mapped address", pod: Pod{IPs: []netip.Addr{netip.AddrFrom16(podV4.As16())}}, procs: []proc{{20, cgroup, 50, path(pod)}}, want: pod},
		{name: "the UID of another pod", pod: Pod{IPs: both}, procs: []proc{{20, cgroupOf(uidB), 50, path(pod)}}, why: ReasonNotFound},
		{name: "a zombie alone", pod: Pod{IPs: both}, procs: []proc{{20, cgroup, 50, ""}}, why: ReasonNotFound},
		{name: "a zombie and a process", pod: Pod{IPs: both}, procs: []proc{{20, cgroup, 50, ""}, {21, cgroup, 60, path(pod)}}, want: pod},
		{name: "the node's network", pod: Pod{IPs: both}, procs: []proc{{20, cgroup, 50, own}}, why: ReasonHostNetwork},
		{name: "a monitor in the node's network", pod: Pod{IPs: both},
			procs: []proc{{20, cgroup, 50, own}, {21, cgroup, 60, path(pod)}}, want: pod},
		{name: "a container with a network of its own", pod: Pod{IPs: both},
			procs: []proc{{20, cgroup, 50, path(wrong)}, {21, cgroup, 60, path(pod)}}, want: pod},
		{name: "one of two addresses is missing", pod: Pod{IPs: both},
			procs: []proc{{20, cgroup, 50, path(other)}, {21, cgroup, 60, path(pod)}}, want: pod},
		{name: "two with the address: the older wins", pod: Pod{IPs: []netip.Addr{podV4}},
			procs: []proc{{20, cgroup, 60, path(other)}, {21, cgroup, 50, path(pod)}}, want: pod},
		{name: "another address", pod: Pod{IPs: both}, procs: []proc{{20, cgroup, 50, path(wrong)}}, why: ReasonWrongAddress},
		{name: "no address yet", procs: []proc{{20, cgroup, 50, path(pod)}}, why: ReasonWrongAddress},
		{name: "sandboxed", pod: Pod{IPs: both, Sandboxed: true}, procs: []proc{{20, cgroup, 50, path(pod)}}, why: ReasonSandboxedRuntime},
		{name: "no namespace file but a directory", pod: Pod{IPs: both}, procs: []proc{{20, cgroup, 50, "/tmp"}}, why: ReasonFailed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake := newFakeProc(t)
			for _, p := range tc.procs {
				fake.add(t, p.pid, p.cgroup, p.start, p.net)
			}
			r := newRegistry(t, fake.root)
			tc.pod.UID = uidA
			r.Update([]Pod{tc.pod})
			ns, err := findPod(t, r, uidA)
			if tc.want == nil {
				wantReason(t, err, tc.why)
				return
			}
			must(t, err)
			if got, want := inodeIn(t, ns.Do), inodeOf(t, path(tc.want)); got != want {
				t.Errorf("in namespace %d, want %d", got, want)
			}
		})
	}
}

func TestAProcessThatIsHiddenOrOurOwn(t *testing.T) {
	pod := newPodNet(t, podV4)
	t.Run("no process 1", func(t *testing.T) {
		fake := newFakeProc(t)
		fake.remove(t, 1)
		r := newRegistry(t, fake.root)
		r.Update(v4Pod(uidA))
		_, err := findPod(t, r, uidA)
		wantReason(t, err, ReasonFailed)
		_, err = r.Host()
		wantReason(t, err, ReasonFailed)
		if !strings.Contains(err.Error(), "hostPID") {
			t.Errorf("%v does not say what to do", err)
		}
	})
	t.Run("the prober is process 1", func(t *testing.T) {
		fake := newFakeProc(t)
		fake.add(t, 20, cgroupOf(uidA), 5, path(pod))
		must(t, os.Symlink("1", filepath.Join(fake.root, "self")))
		r := newRegistry(t, fake.root)
		r.Update(v4Pod(uidA))
		_, err := findPod(t, r, uidA)
		wantReason(t, err, ReasonNotPermitted)
		_, err = r.Host()
		wantReason(t, err, ReasonNotPermitted)
		if !strings.Contains(err.Error(), "hostPID") {
			t.Errorf("%v does not say what to do", err)
		}
	})
}

func TestPodsThatAreNotWanted(t *testing.T) {
	pod := newPodNet(t, podV4)
	fake := newFakeProc(t)
	fake.add(t, 20, cgroupOf(uidA), 5, path(pod))
	r := newRegistry(t, fake.root)
	_, err := r.Pod(uidA)
	wantReason(t, err, ReasonNotWanted)
	r.Update(v4Pod(uidA))
	ns := mustFind(t, r, uidA)
	r.Update(v4Pod(uidA))
	if again := mustFind(t, r, uidA); again != ns {
		t.Error("the same Update gives another Namespace")
	}
	r.Update(nil)
	_, err = r.Pod(uidA)
	wantReason(t, err, ReasonNotWanted)
	wantReason(t, ns.Do(func() error { return errors.New("inside") }), ReasonNotWanted)
	_, err = ns.Listens(netip.AddrPortFrom(podV4, 80), "TCP")
	wantReason(t, err, ReasonNotWanted)
	_, err = ns.ResolvConf()
	wantReason(t, err, ReasonNotWanted)
}

// The descriptor leaves while somebody is inside: they come out, and only then
// it is closed.
func TestAPodThatLeavesDuringAProbe(t *testing.T) {
	pod := newPodNet(t, podV4)
	fake := newFakeProc(t)
	fake.add(t, 20, cgroupOf(uidA), 5, path(pod))
	r := newRegistry(t, fake.root)
	r.Update(v4Pod(uidA))
	ns := mustFind(t, r, uidA)
	before := descriptors(t)
	var listener net.Listener
	must(t, ns.Do(func() (err error) {
		r.Update(nil)
		if got := descriptors(t); got != before-1 {
			t.Errorf("%d descriptors while inside, want %d: all but the namespace's", got, before-1)
		}
		if got, want := inodeOf(t, "/proc/thread-self/ns/net"), inodeOf(t, path(pod)); got != want {
			t.Errorf("in namespace %d, want %d", got, want)
		}
		listener, err = net.Listen("tcp", netip.AddrPortFrom(podV4, 0).String())
		return err
	}))
	must(t, listener.Close())
	if got := descriptors(t); got > before-2 {
		t.Errorf("%d descriptors afterwards, want %d", got, before-2)
	}
	settleThreads(t, 1)
}

// The sandbox is replaced: same pod, same address, another namespace.
func TestASandboxThatIsReplaced(t *testing.T) {
	first, second := newPodNet(t, podV4), newPodNet(t, podV4)
	fake := newFakeProc(t)
	fake.add(t, 20, cgroupOf(uidA), 5, path(first))
	r := newRegistry(t, fake.root)
	r.Update(v4Pod(uidA))
	old := mustFind(t, r, uidA)
	fake.add(t, 21, cgroupOf(uidA), 6, path(second))
	fake.remove(t, 20)
	ns := mustFind(t, r, uidA)
	if got, want := inodeIn(t, ns.Do), inodeOf(t, path(second)); got != want {
		t.Errorf("in namespace %d, want %d", got, want)
	}
	wantReason(t, old.Do(func() error { return nil }), ReasonNamespaceChanged)
}

// The process that the namespace was found by ends; another is still there.
func TestAHolderThatEnds(t *testing.T) {
	pod := newPodNet(t, podV4)
	fake := newFakeProc(t)
	fake.add(t, 20, cgroupOf(uidA), 5, path(pod))
	fake.add(t, 21, cgroupOf(uidA), 6, path(pod))
	r := newRegistry(t, fake.root)
	r.Update(v4Pod(uidA))
	ns := mustFind(t, r, uidA)
	before := descriptors(t)
	fake.remove(t, 20)
	if again := mustFind(t, r, uidA); again != ns {
		t.Error("the same namespace became another Namespace")
	}
	if got := descriptors(t); got != before {
		t.Errorf("%d descriptors, want %d", got, before)
	}
	fake.remove(t, 21)
	_, err := findPod(t, r, uidA)
	wantReason(t, err, ReasonNotFound)
	wantReason(t, ns.Do(func() error { return nil }), ReasonNotFound)
}

// A process moves to another namespace: what it was in before is not the
// pod's because of it.
func TestAHolderThatMoves(t *testing.T) {
	pod, elsewhere := newPodNet(t, podV4), newPodNet(t, otherV4)
	fake := newFakeProc(t)
	fake.add(t, 20, cgroupOf(uidA), 5, path(pod))
	r := newRegistry(t, fake.root)
	r.Update(v4Pod(uidA))
	mustFind(t, r, uidA)
	link := filepath.Join(fake.root, "20", "ns", "net")
	must(t, os.Symlink(path(elsewhere), link+"2"))
	must(t, os.Rename(link+"2", link))
	_, err := findPod(t, r, uidA)
	wantReason(t, err, ReasonWrongAddress)
}

func TestAnAddressThatChanges(t *testing.T) {
	pod := newPodNet(t, podV4)
	fake := newFakeProc(t)
	fake.add(t, 20, cgroupOf(uidA), 5, path(pod))
	r := newRegistry(t, fake.root)
	r.Update([]Pod{{UID: uidA}})
	_, err := findPod(t, r, uidA)
	wantReason(t, err, ReasonWrongAddress)
	r.Update(v4Pod(uidA))
	ns, err := findPod(t, r, uidA)
	must(t, err)
	r.Update([]Pod{{UID: uidA, IPs: []netip.Addr{otherV4}}})
	_, err = findPod(t, r, uidA)
	wantReason(t, err, ReasonWrongAddress)
	wantReason(t, ns.Do(func() error { return nil }), ReasonWrongAddress)
	r.Update([]Pod{{UID: uidA, IPs: []netip.Addr{podV4}, Sandboxed: true}})
	_, err = r.Pod(uidA)
	wantReason(t, err, ReasonSandboxedRuntime)
}

// A pod that was not found is found without anybody asking for it.
func TestAPodThatStartsLater(t *testing.T) {
	pod := newPodNet(t, podV4)
	fake := newFakeProc(t)
	r := newRegistry(t, fake.root)
	r.Update(v4Pod(uidA))
	_, err := findPod(t, r, uidA)
	wantReason(t, err, ReasonNotFound)
	fake.add(t, 20, cgroupOf(uidA), 5, path(pod))
	mustFind(t, r, uidA)
}

func TestEntries(t *testing.T) {
	pod := newPodNet(t, podV4)
	fake := newFakeProc(t)
	fake.add(t, 20, cgroupOf(uidA), 5, path(pod))
	r := newRegistry(t, fake.root)
	entry, host := r.PodEntry(uidA), r.HostEntry()
	wantReason(t, entry.Do(func() error { return nil }), ReasonNotWanted)
	_, err := entry.ResolvConf()
	wantReason(t, err, ReasonNotWanted)
	r.Update(v4Pod(uidA))
	mustFind(t, r, uidA)
	if got, want := inodeIn(t, entry.Do), inodeOf(t, path(pod)); got != want {
		t.Errorf("in namespace %d, want %d", got, want)
	}
	if got, want := inodeIn(t, host.Do), inodeOf(t, "/proc/self/ns/net"); got != want {
		t.Errorf("in namespace %d, want %d", got, want)
	}
	inside := errors.New("inside")
	if err := entry.Do(func() error { return inside }); !errors.Is(err, inside) {
		t.Errorf("Do returns %v", err)
	}
	r.Close()
	r.Close()
	r.Update(v4Pod(uidA))
	wantReason(t, entry.Do(func() error { return nil }), ReasonNotWanted)
	wantReason(t, host.Do(func() error { return nil }), ReasonNotWanted)
}

// Everything goes when the pods do: descriptors, goroutines, and namespaces of
// which no other trace is left.
func TestNothingStays(t *testing.T) {
	fake := newFakeProc(t)
	before := descriptors(t)
	r := newRegistry(t, fake.root)
	var pods []Pod
	for i := range 8 {
		pod := newPodNet(t, podV4)
		uid := newUID()
		fake.add(t, 100+i, cgroupOf(uid), 5, path(pod))
		pods = append(pods, v4Pod(uid)...)
	}
	baseline := descriptors(t) // with those of the test's namespaces
	r.Update(pods)
	for _, pod := range pods {
		ns := mustFind(t, r, pod.UID)
		_, err := ns.Listens(netip.AddrPortFrom(podV4, 80), "TCP")
		must(t, err)
	}
	if got := descriptors(t); got != baseline+2*len(pods) {
		t.Errorf("%d descriptors with %d pods, want two for each beyond %d", got, len(pods), baseline)
	}
	r.Update(pods[:3])
	if got := descriptors(t); got != baseline+2*3 {
		t.Errorf("%d descriptors with 3 pods, want %d", got, baseline+2*3)
	}
	r.Update(nil)
	if got := descriptors(t); got != baseline {
		t.Errorf("%d descriptors without pods, want %d", got, baseline)
	}
	r.Close()
	if got := descriptors(t); got != before+len(pods) {
		t.Errorf("%d descriptors after Close, want %d", got, before+len(pods))
	}
	settleThreads(t, 1)
}

// Pods of other nodes' size: everything is found in one scan.
func TestManyPodsTakeOneScan(t *testing.T) {
	pod := newPodNet(t, podV4)
	fake := newFakeProc(t)
	var pods []Pod
	for i := range 200 {
		uid := newUID()
		fake.add(t, 100+i, cgroupOf(uid), 5, path(pod))
		pods = append(pods, v4Pod(uid)...)
	}
	r := newRegistry(t, fake.root)
	r.Update(pods)
	for _, pod := range pods {
		mustFind(t, r, pod.UID)
	}
	if scans := r.scans.Load(); scans != 1 {
		t.Errorf("%d scans", scans)
	}
	for _, pod := range pods {
		mustFind(t, r, pod.UID)
	}
	if scans := r.scans.Load(); scans != 1 {
		t.Errorf("%d scans after they were found", scans)
	}
}

// Who must not wait is told what is there.
func TestReadyAndHeld(t *testing.T) {
	fake := newFakeProc(t)
	fake.add(t, 20, cgroupOf(uidA), 5, path(newPodNet(t, podV4)))
	r := newRegistry(t, fake.root)
	if r.Ready(uidA) != nil || r.Held() != 0 {
		t.Error("something is there before Update")
	}
	r.Update(append(v4Pod(uidA), v4Pod(uidB)...))
	ns := mustFind(t, r, uidA)
	_, err := r.Host()
	must(t, err)
	if r.Ready(uidA) != ns || r.Ready(uidB) != nil || r.Held() != 2 {
		t.Errorf("%v and %v are ready, %d held", r.Ready(uidA), r.Ready(uidB), r.Held())
	}
	fake.remove(t, 20)
	if r.Ready(uidA) != nil {
		t.Error("ready after its process has ended")
	}
	r.Close()
	if r.Held() != 0 {
		t.Errorf("%d held after Close", r.Held())
	}
}
