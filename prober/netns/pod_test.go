// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	testnetns "github.com/netladder/netladder/test/netns"
)

// A real process in a real cgroup and a real namespace: enter, connect from there, read its listeners and its resolv.conf.
func TestARealPod(t *testing.T) {
	pod := newRealPod(t)
	pair := testnetns.NewTopology(t)
	proc := newLinkedProc(t)
	proc.link(t, pod.start(t, pair.Source, 65534))
	r := newRegistry(t, proc.root)
	r.Update([]Pod{{UID: pod.uid, IPs: []netip.Addr{testnetns.SourceV4, testnetns.SourceV6}}})
	ns := mustFind(t, r, pod.uid)
	if got, want := inodeIn(t, ns.Do), inodeOf(t, path(pair.Source)); got != want {
		t.Errorf("in namespace %d, want %d", got, want)
	}

	var server net.Listener
	var err error
	pair.Target.Do(t, func() { server, err = net.Listen("tcp4", ":0") })
	must(t, err)
	defer func() { _ = server.Close() }()
	port := server.Addr().(*net.TCPAddr).AddrPort().Port()
	fd := -1
	must(t, ns.Do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err == nil {
			err = unix.Bind(fd, &unix.SockaddrInet4{Addr: testnetns.SourceV4.As4()})
		}
		return err
	}))
	defer func() { _ = unix.Close(fd) }()
	// Outside again: the socket stays where it was made.
	must(t, unix.Connect(fd, &unix.SockaddrInet4{Addr: testnetns.TargetV4.As4(), Port: int(port)}))
	peer, err := server.Accept()
	must(t, err)
	defer func() { _ = peer.Close() }()
	if from := peer.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(); from != testnetns.SourceV4 {
		t.Errorf("connected from %v", from)
	}

	if _, err = ns.ResolvConf(); err != nil {
		t.Errorf("resolv.conf: %v", err)
	}
	host, err := r.Host()
	must(t, err)
	if _, err = host.ResolvConf(); err != nil {
		t.Errorf("the node's resolv.conf: %v", err)
	}
}

// The pod's processes end one by one, and its number passes to nobody.
func TestARealPodThatEnds(t *testing.T) {
	pod := newRealPod(t)
	net := newPodNet(t, podV4)
	first, second := pod.start(t, net, 65534), pod.start(t, net, 65534)
	proc := newLinkedProc(t)
	proc.link(t, first)
	proc.link(t, second)
	r := newRegistry(t, proc.root)
	r.Update(v4Pod(pod.uid))
	ns := mustFind(t, r, pod.uid)
	first.stop()
	if again := mustFind(t, r, pod.uid); again != ns {
		t.Error("the same namespace became another Namespace")
	}
	// Killed and not waited for: a zombie is no process of the pod.
	must(t, second.cmd.Process.Kill())
	awaitZombie(t, second.pid)
	_, err := findPod(t, r, pod.uid)
	wantReason(t, err, ReasonNotFound)
	second.stop()
}

func awaitZombie(t testing.TB, pid int) {
	t.Helper()
	p := procfs{root: "/proc"}
	proc, err := p.open(pid)
	must(t, err)
	defer proc.close()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		stat, err := proc.read("stat")
		must(t, err)
		if strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Fatalf("process %d does not become a zombie", pid)
}

// A directory of /proc stays that of its process: when the process has ended
// nothing can be read through it, whoever has its number.
func TestAProcessThatEndsBetweenSteps(t *testing.T) {
	pod := newRealPod(t)
	c := pod.start(t, newPodNet(t, podV4), 65534)
	l := locator{procfs: procfs{root: "/proc"}}
	proc, err := l.procfs.member(c.pid, pod.uid)
	must(t, err)
	defer proc.close()
	s, err := l.enclose(c.pid, pod.uid)
	must(t, err)
	defer s.close()
	if !proc.in(s.id) {
		t.Error("not in its own namespace")
	}
	c.stop()
	if proc.in(s.id) {
		t.Error("still there after its end")
	}
	for _, name := range []string{"cgroup", "stat"} {
		if _, err := proc.read(name); !errors.Is(err, errGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := proc.namespace(); !errors.Is(err, errGone) {
		t.Errorf("namespace: %v", err)
	}
	if _, err := proc.resolvConf(); !errors.Is(err, errGone) {
		t.Errorf("resolv.conf: %v", err)
	}
	if _, err := l.procfs.member(c.pid, pod.uid); !errors.Is(err, errGone) {
		t.Errorf("a second time: %v", err)
	}
}

// A dead pod's namespace, and with it the node's end of its interface, goes
// when the Registry lets go of it, and is there until then.
func TestADeadPodsNamespaceGoes(t *testing.T) {
	pod := newRealPod(t)
	node := testnetns.New(t, "node")
	c := pod.start(t, nil, 65534)
	pid := strconv.Itoa(c.pid)
	node.IP(t, "link add veth-pod type veth peer name eth0 netns "+pid+"\n")
	for _, args := range []string{"addr add 10.88.0.7/32 dev eth0", "link set lo up", "link set eth0 up"} {
		out, err := exec.Command("nsenter", append([]string{"-t", pid, "-n", "ip"}, strings.Fields(args)...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", args, err, out)
		}
	}
	veth := func() bool {
		return strings.Contains(node.Run(t, "ip", "-o", "link"), "veth-pod")
	}
	proc := newLinkedProc(t)
	proc.link(t, c)
	r := newRegistry(t, proc.root)
	r.Update(v4Pod(pod.uid))
	ns := mustFind(t, r, pod.uid)
	must(t, ns.Do(func() error { return nil }))
	c.stop()
	if !veth() {
		t.Fatal("the namespace goes without the Registry: this test proves nothing")
	}
	r.Update(nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for veth() {
		select {
		case <-ctx.Done():
			t.Fatal("the namespace stays")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// 200 pods come and go while others probe in them: nothing stays.
func TestChurn(t *testing.T) {
	fake := newFakeProc(t)
	nets := []*testnetns.NS{newPodNet(t, podV4), newPodNet(t, podV4)}
	r := newRegistry(t, fake.root)
	_, err := r.Host()
	must(t, err)
	before := descriptors(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	shared := make(chan string, 8)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case uid := <-shared:
				entry := r.PodEntry(uid)
				for range 50 {
					// It may have left; then this is an error and no harm.
					_ = entry.Do(func() error { return nil })
				}
			}
		}
	}()
	var pods []Pod
	for i := range 200 {
		uid := newUID()
		fake.add(t, 100+i, cgroupOf(uid), 5, path(nets[i%2]))
		pods = append(pods, v4Pod(uid)...)
		if len(pods) > 20 {
			fake.remove(t, 100+i-20)
			pods = pods[1:]
		}
		r.Update(pods)
		select {
		case shared <- uid:
		default:
		}
	}
	for _, pod := range pods {
		mustFind(t, r, pod.UID)
	}
	close(stop)
	<-stopped
	r.Update(nil)
	if got := descriptors(t); got != before {
		t.Errorf("%d descriptors, want %d", got, before)
	}
	if got := threadNamespaces(t); len(got) != 1 {
		t.Errorf("threads are in %v", got)
	}
	if got := len(r.pods); got != 0 {
		t.Errorf("%d pods are held", got)
	}
}
