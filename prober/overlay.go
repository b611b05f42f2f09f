// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/kernel"
	"github.com/netladder/netladder/prober/probe"
)

// deviceEvery is how old what is known of the own tunnel device may become
// while all is well.
const deviceEvery = time.Minute

// overlay is what the prober knows of the tunnels of its node.
type overlay struct {
	clock clock.PassiveClock
	// look is kernel.Read, and listen is probe.NewEar; replaced in tests.
	look   func(kernel.Entry, kernel.Tunnel) (kernel.Snapshot, error)
	listen func(probe.Entry) (*probe.Ear, error)

	// looking holds back all but one look into the kernel.
	looking sync.Mutex

	mu sync.Mutex
	// self are the own ends, by whether IPv4 is inside, and peers the others by
	// their address inside.
	self  map[bool]kernel.Tunnel
	peers map[netip.Addr]kernel.Tunnel
	// devices are the own ones by the same.
	devices map[bool]device
	// failing is since when a peer does not answer.
	failing map[netip.Addr]time.Time
	// ear listens to the peers; nil where it does not, for the reason in deaf.
	ear  *probe.Ear
	deaf error
	// asked are the peers of kind IPIP, with the names of their nodes; responder
	// answers them, nil where it does not, for the reason in dumb.
	asked     map[netip.Addr]string
	responder *probe.IPIPResponder
	dumb      error
}

// device is what was seen of one, and when.
type device struct {
	kernel.Device
	seen time.Time
}

func newOverlay() *overlay {
	return &overlay{
		clock: clock.RealClock{}, look: kernel.Read, listen: probe.NewEar,
		devices: map[bool]device{}, failing: map[netip.Addr]time.Time{},
	}
}

// update takes in the tunnels of an assignment.
func (o *overlay) update(spec *v1alpha1.ProbeAssignmentSpec, self string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.self, o.peers, o.devices = map[bool]kernel.Tunnel{}, map[netip.Addr]kernel.Tunnel{}, map[bool]device{}
	var expected []netip.Addr
	for i := range spec.Nodes {
		n := &spec.Nodes[i]
		for j := range n.Tunnels {
			t, ok := tunnelOf(n.Name, &n.Tunnels[j])
			switch {
			case !ok:
			case n.Name == self:
				o.self[t.Inside.Is4()] = t
			default:
				o.peers[t.Inside] = t
				expected = append(expected, t.Inside)
			}
		}
	}
	o.updateAsked(spec)
	for peer := range o.failing {
		_, tunnel := o.peers[peer]
		if _, asked := o.asked[peer]; !tunnel && !asked {
			delete(o.failing, peer)
		}
	}
	switch {
	case len(expected) == 0:
		o.hush()
		o.deaf = nil
	case o.ear != nil:
		o.ear.Expect(expected)
	}
}

// hush ends listening.
func (o *overlay) hush() {
	if o.ear != nil {
		o.ear.Close()
		o.ear = nil
	}
}

func (o *overlay) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hush()
	o.silence()
}

// tunnelOf a row; what cannot be parsed is not known.
func tunnelOf(node string, row *v1alpha1.AssignedTunnel) (kernel.Tunnel, bool) {
	t := kernel.Tunnel{Node: node, Encapsulation: kernel.Encapsulation(row.Encapsulation), MAC: row.MAC, VNI: uint32(max(row.VNI, 0))}
	inside, err := netip.ParseAddr(row.IP)
	if err != nil || inside.Zone() != "" {
		return t, false
	}
	t.Inside = inside.Unmap()
	if ip, err := netip.ParseAddr(row.Endpoint); err == nil && ip.Zone() == "" {
		t.Endpoint = ip.Unmap()
	}
	if p, err := netip.ParsePrefix(row.PodCIDR); err == nil {
		t.Behind = []netip.Prefix{p.Masked()}
	}
	return t, true
}

// ends of the tunnel to an address; false if it is none that was assigned.
func (o *overlay) ends(to netip.Addr) (self, peer kernel.Tunnel, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	peer, ok = o.peers[to]
	return o.self[to.Is4()], peer, ok
}

// hear begins to listen, once there are peers, where the probes start.
func (o *overlay) hear(entry probe.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ear != nil || o.deaf != nil || len(o.peers) == 0 {
		return
	}
	if o.ear, o.deaf = o.listen(entry); o.ear == nil {
		return
	}
	expected := make([]netip.Addr, 0, len(o.peers))
	for peer := range o.peers {
		expected = append(expected, peer)
	}
	o.ear.Expect(expected)
}

// probeTunnel pings a peer through the tunnel. Where that fails it says what
// the kernel lacks for it, or else which way is broken.
func (a *agent) probeTunnel(ctx context.Context, t probe.Target) probe.Result {
	o := a.overlay
	self, peer, ok := o.ends(t.Addr.Addr())
	if ok {
		o.hear(t.Entry)
		t.Tunnel = o.end(t.Entry, self, peer)
	}
	began := o.clock.Now()
	r := a.probe(probe.Tunnel)(ctx, t)
	if !ok || !v1alpha1.Verdict(r.Verdict).IsBad() {
		o.mend(t.Addr.Addr(), r.Verdict)
		return r
	}
	since := o.fail(peer.Inside, began)
	snapshot, err := o.see(t.Entry, self, peer)
	if err != nil {
		r.Evidence += "; the node's kernel cannot be looked at: " + err.Error()
		return r
	}
	for _, f := range kernel.Judge(snapshot, self, peer) {
		if f.Code != kernel.MTUTooLarge { // which does not stop what is small
			r.Reason, r.Evidence = string(f.Code), f.Message+"; "+r.Evidence
			return r
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ear != nil {
		o.direction(&r, way{peer.Node, "through the tunnel", o.ear.Heard(peer.Inside)}, since, began)
	}
	return r
}

// inspect says what the node has to make tunnels by, where none is announced.
// Nothing is sent.
func (a *agent) inspect(_ context.Context, t probe.Target) probe.Result {
	snapshot, err := a.overlay.look(placeOf(t.Entry), kernel.Tunnel{})
	if err != nil {
		return probe.Result{Verdict: probe.LocalError, Evidence: "the node's kernel cannot be looked at: " + err.Error()}
	}
	devices := snapshot.Describe()
	if devices == "" {
		return probe.Result{Verdict: probe.Inconclusive, Evidence: "no tunnel is announced, and no device makes one"}
	}
	return probe.Result{Verdict: probe.Unsupported, Evidence: devices}
}

// probeMTU sends packets as large as the link that they leave by.
func (a *agent) probeMTU(ctx context.Context, t probe.Target) probe.Result {
	size, err := kernel.MTU(placeOf(t.Entry), t.Addr.Addr())
	if err != nil {
		return probe.Result{Verdict: probe.LocalError, Evidence: "the MTU to use is not known: " + err.Error()}
	}
	t.Size = size
	self, peer, ok := a.overlay.ends(t.Addr.Addr())
	if ok && peer.Endpoint.IsValid() {
		t.Tunnel = probe.TunnelEnd{Endpoint: netip.AddrPortFrom(peer.Endpoint, 0), Size: size + peer.Encapsulation.Overhead(peer.Endpoint.Is6())}
	}
	r := a.probe(probe.MTU)(ctx, t)
	if !ok || !v1alpha1.Verdict(r.Verdict).IsBad() {
		return r
	}
	snapshot, err := a.overlay.see(t.Entry, self, peer)
	if err != nil {
		return r
	}
	for _, f := range kernel.Judge(snapshot, self, peer) {
		if f.Code == kernel.MTUTooLarge {
			r.Reason, r.Evidence = string(f.Code), f.Message+"; "+r.Evidence
		}
	}
	return r
}

// mend notes that a peer answers.
func (o *overlay) mend(peer netip.Addr, v probe.Verdict) {
	if v != probe.Connected {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.failing, peer)
}

// fail notes that a peer does not answer, and returns since when.
func (o *overlay) fail(peer netip.Addr, at time.Time) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.failing[peer]; !ok {
		o.failing[peer] = at
	}
	return o.failing[peer]
}

// way is by what means a peer was last heard.
type way struct {
	peer, by string
	heard    time.Time
}

// direction says which way is broken, as far as what was heard of the peer
// since it began to fail tells. Its own probes come once in each round.
func (o *overlay) direction(r *probe.Result, w way, since, began time.Time) {
	if !began.After(since) {
		return // too early to tell
	}
	ago := o.clock.Now().Sub(w.heard).Round(time.Second)
	switch {
	case w.heard.After(since):
		r.Reason = v1alpha1.CauseTunnelWayThere
		r.Evidence = fmt.Sprintf("the way there is broken: %s was heard %s %s ago, and does not answer; %s", w.peer, w.by, ago, r.Evidence)
	case w.heard.IsZero():
		r.Reason = v1alpha1.CauseTunnelNotHeard
		r.Evidence = fmt.Sprintf("nothing was ever heard from %s %s; %s", w.peer, w.by, r.Evidence)
	default:
		r.Reason = v1alpha1.CauseTunnelNotHeard
		r.Evidence = fmt.Sprintf("nothing was heard from %s %s for %s; %s", w.peer, w.by, ago, r.Evidence)
	}
}

// end is where the tunnel to a peer ends, if that is known: the own device
// says which port is used. Nothing is sent to a device that takes its peers
// from elsewhere.
func (o *overlay) end(entry probe.Entry, self, peer kernel.Tunnel) probe.TunnelEnd {
	if peer.Encapsulation != kernel.VXLAN || !peer.Endpoint.IsValid() {
		return probe.TunnelEnd{}
	}
	o.mu.Lock()
	d := o.devices[peer.Inside.Is4()]
	o.mu.Unlock()
	if o.clock.Now().Sub(d.seen) >= deviceEvery {
		if _, err := o.see(entry, self, peer); err != nil {
			return probe.TunnelEnd{}
		}
		o.mu.Lock()
		d = o.devices[peer.Inside.Is4()]
		o.mu.Unlock()
	}
	if d.Port == 0 || d.External || d.Encapsulation != kernel.VXLAN {
		return probe.TunnelEnd{}
	}
	out := probe.TunnelEnd{Endpoint: netip.AddrPortFrom(peer.Endpoint, d.Port), VNI: d.VNI}
	if d.Local.IsValid() && d.Local.Is4() == peer.Endpoint.Is4() {
		out.Local = d.Local
	}
	return out
}

// see looks into the kernel, and notes the own device.
func (o *overlay) see(entry probe.Entry, self, peer kernel.Tunnel) (kernel.Snapshot, error) {
	o.looking.Lock()
	defer o.looking.Unlock()
	s, err := o.look(placeOf(entry), peer)
	if err != nil {
		return s, err
	}
	own, _ := s.Own(self, peer)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.devices[peer.Inside.Is4()] = device{Device: own, seen: o.clock.Now()}
	return s, nil
}

// placeOf is the namespace where a probe starts; nil for the prober's own.
func placeOf(entry probe.Entry) kernel.Entry {
	if entry == nil {
		return nil
	}
	return entry
}
