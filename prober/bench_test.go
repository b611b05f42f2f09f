// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

// cpu is the processor time of this process, user and system.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rss is the resident memory of this process in MiB.
func rss() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			return kb / 1024
		}
	}
	return 0
}

// acceptor is another process that accepts and closes, so that its work is
// not counted: this test binary, run again.
func acceptor(b *testing.B) string {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	return acceptorBy(b, exe)
}

// acceptorBy runs it by a command, such as one that enters a namespace first.
func acceptorBy(b *testing.B, command ...string) string {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	child, err := os.StartProcess(command[0], append(command, "-test.run=TestAcceptor"), &os.ProcAttr{
		Env: append(os.Environ(), "NETLADDER_TEST_ACCEPTOR=1"), Files: []*os.File{nil, w, os.Stderr},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = child.Kill()
		_, _ = child.Wait()
		_ = r.Close()
		_ = w.Close()
	})
	var addr string
	if err := json.NewDecoder(r).Decode(&addr); err != nil {
		b.Fatal(err)
	}
	return addr
}

// TestAcceptor is the other process of the benchmarks.
func TestAcceptor(t *testing.T) {
	if os.Getenv("NETLADDER_TEST_ACCEPTOR") == "" {
		t.Skip("only for the benchmarks")
	}
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_ = c.Close()
	}
}

// A benchmark measures for this long, after a time to warm up, whatever b.N.
const benchFor, benchWarmUp = 5 * time.Second, 2 * time.Second

func measure(b *testing.B, probes func() int) {
	time.Sleep(benchWarmUp)
	debug.FreeOSMemory()
	beforeN := probes()
	beforeCPU := cpu()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	allocs := mem.Mallocs
	time.Sleep(benchFor)
	used := cpu() - beforeCPU
	n := probes() - beforeN
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64(used.Microseconds())/float64(n), "cpu-µs/probe")
	b.ReportMetric(float64(n)/benchFor.Seconds(), "probes/s")
	b.ReportMetric(float64(mem.Mallocs-allocs)/float64(n), "allocs/probe")
	b.ReportMetric(rss(), "RSS-MiB")
	b.ReportMetric(0, "ns/op")
}

// nowhere is a Writer of reports.
type nowhere struct{}

func (nowhere) WriteStatus(context.Context, *v1alpha1.ProbeAssignmentStatus) error { return nil }

// BenchmarkAgent is the whole way of a TCP probe, from the schedule to the
// states, the metrics and the reports. Run it with -benchtime=1x.
func BenchmarkAgent(b *testing.B) {
	benchmarkAgent(b, probe.Kinds()[probe.TCP])
}

// BenchmarkAgentGoroutines is the same with a goroutine for each probe, as
// the other kinds have it.
func BenchmarkAgentGoroutines(b *testing.B) {
	benchmarkAgent(b, probe.Method{Probe: probe.Kinds()[probe.TCP].Probe})
}

// BenchmarkAgentAlone is the same without the sockets.
func BenchmarkAgentAlone(b *testing.B) {
	benchmarkAgent(b, probe.Method{NewBatch: func() (probe.Batch, error) { return noBatch{}, nil }})
}

// noBatch calls every probe good.
type noBatch struct{}

func (noBatch) Start(starts []probe.Start) {
	for i := range starts {
		starts[i].Done(probe.Result{Verdict: probe.Connected, Latency: time.Millisecond})
	}
}

func benchmarkAgent(b *testing.B, tcp probe.Method) {
	b.Helper()
	for _, rate := range []int{50, 200, 1000} {
		b.Run(fmt.Sprintf("%d per second", rate), func(b *testing.B) {
			_, port, err := net.SplitHostPort(acceptor(b))
			if err != nil {
				b.Fatal(err)
			}
			n, err := strconv.ParseInt(port, 10, 32)
			if err != nil {
				b.Fatal(err)
			}
			a := newAgent(Options{
				NodeName: "node0", PodUID: "uid", Log: logr.Discard(), Probes: map[probe.Kind]probe.Method{probe.TCP: tcp},
			}, nowhere{})
			measureAgent(b, a, benchSpec(rate, int32(n)))
		})
	}
}

// measureAgent measures an agent with an assignment.
func measureAgent(b *testing.B, a *agent, spec v1alpha1.ProbeAssignmentSpec) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { a.scheduler.Run(ctx) })
	wg.Go(func() { a.reporter.Run(ctx) })
	a.assigned(&v1alpha1.ProbeAssignment{Spec: spec})
	measure(b, func() int { return counted(b, a.metrics) })
	cancel()
	wg.Wait()
	if groups, bad := a.tracker.Snapshot(); len(bad) > 0 {
		b.Logf("%d groups, not passing: %v", len(groups), bad)
	}
}

// counted is how many probes the metrics know of.
func counted(b *testing.B, m *metrics) int {
	b.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		b.Fatal(err)
	}
	n := 0.0
	for _, f := range families {
		if f.GetName() == "netladder_probes_total" {
			for _, s := range f.GetMetric() {
				n += s.GetCounter().GetValue()
			}
		}
	}
	return int(n)
}

// benchSpec makes as many pairs as probes a second, in groups of 50, by using
// as many addresses of the loopback network.
func benchSpec(rate int, port int32) v1alpha1.ProbeAssignmentSpec {
	s := v1alpha1.ProbeAssignmentSpec{}
	for i := range rate {
		if i%50 == 0 {
			s.Groups = append(s.Groups, v1alpha1.ProbeGroup{
				Key: fmt.Sprintf("ns/check/path%d/TCP", i/50), Hash: "a-1", Kind: v1alpha1.ProbeTCP, FailureThreshold: 2,
				SuccessThreshold: 1, Interval: metav1.Duration{Duration: time.Second}, Timeout: metav1.Duration{Duration: 500 * time.Millisecond},
			})
		}
		s.Targets = append(s.Targets, v1alpha1.AssignedTarget{IP: fmt.Sprintf("127.0.%d.%d", i/250, 1+i%250), Port: port})
		g := &s.Groups[len(s.Groups)-1]
		g.Members = append(g.Members, int32(i))
	}
	return s
}

// BenchmarkBareDial is net.Dial at the same rates, one by one and all at once
// each second: what no schedule can beat, and what a naive one costs.
func BenchmarkBareDial(b *testing.B) {
	for _, rate := range []int{200, 1000} {
		for name, burst := range map[string]int{"paced": 1, "burst": rate} {
			b.Run(fmt.Sprintf("%s %d per second", name, rate), func(b *testing.B) {
				addr := acceptor(b)
				var mu sync.Mutex
				probes := 0
				ctx, cancel := context.WithCancel(b.Context())
				var wg sync.WaitGroup
				wg.Go(func() {
					tick := time.NewTicker(time.Second * time.Duration(burst) / time.Duration(rate))
					defer tick.Stop()
					for {
						select {
						case <-ctx.Done():
							return
						case <-tick.C:
						}
						for range burst {
							wg.Go(func() {
								if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
									_ = c.Close()
								}
								mu.Lock()
								defer mu.Unlock()
								probes++
							})
						}
					}
				})
				measure(b, func() int {
					mu.Lock()
					defer mu.Unlock()
					return probes
				})
				cancel()
				wg.Wait()
			})
		}
	}
}

// BenchmarkBareEpoll is the same connections by bare system calls, as many at
// once as the schedule starts: what the kernel takes, here and now.
func BenchmarkBareEpoll(b *testing.B) {
	for rate, burst := range map[int]int{200: 20, 1000: 50} {
		b.Run(fmt.Sprintf("%d per second", rate), func(b *testing.B) {
			addr := netip.MustParseAddrPort(strings.Replace(acceptor(b), "[::]", "127.0.0.1", 1))
			var probes atomic.Int64
			ctx, cancel := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				tick := time.NewTicker(time.Second * time.Duration(burst) / time.Duration(rate))
				defer tick.Stop()
				for ctx.Err() == nil {
					<-tick.C
					if err := connectAll(addr, burst); err != nil {
						b.Error(err)
						return
					}
					probes.Add(int64(burst))
				}
			})
			measure(b, func() int { return int(probes.Load()) })
			cancel()
			wg.Wait()
		})
	}
}

// connectAll connects n times at once, waits for all, and resets them.
func connectAll(addr netip.AddrPort, n int) error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(epoll) }()
	sa := &unix.SockaddrInet4{Port: int(addr.Port()), Addr: [4]byte{127, 0, 0, 1}}
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		event := unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(fd)}
		err = errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1),
			unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		)
		if err != nil {
			return err
		}
		if err = unix.Connect(fd, sa); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			return err
		}
		if err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			return err
		}
	}
	var events [64]unix.EpollEvent
	for n > 0 {
		got, err := unix.EpollWait(epoll, events[:], 1000)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, e := range events[:max(got, 0)] {
			n--
			_ = unix.Close(int(e.Fd))
		}
	}
	return nil
}
