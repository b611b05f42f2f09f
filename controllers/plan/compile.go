// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// compiledCheck is what can be said of a check without a cluster.
type compiledCheck struct {
	key   types.NamespacedName
	paths []compiledPath
	// fingerprint of all that was read.
	fingerprint string
}

// compiledPath is one path; either idle or one of mesh, service and dns.
type compiledPath struct {
	name string
	// idle is why nothing is probed; nil if something is.
	idle *idle
	from selector
	// perRound: how many members each source tests in one round.
	perRound int
	probes   []compiledProbe
	mesh     *compiledMesh
	service  *compiledService
}

// idle says why a path has nothing to probe.
type idle struct {
	accepted        bool
	reason, message string
}

// compiledProbe is one kind of probe of a path.
type compiledProbe struct {
	// group without its members.
	group v1alpha1.ProbeGroup
	// content is the first part of the hash.
	content string
	// size of the group as JSON, without its members.
	size int
}

type compiledMesh struct {
	to    selector
	scope v1alpha1.MeshScope
}

type compiledService struct {
	key  types.NamespacedName
	port intstr.IntOrString
}

// apiServer is the Service behind to.apiServer.
func apiServer() *compiledService {
	return &compiledService{
		key:  types.NamespacedName{Namespace: metav1.NamespaceDefault, Name: "kubernetes"},
		port: intstr.FromString("https"),
	}
}

func everyNode() selector { return selector{sel: labels.Everything()} }

func compile(check *v1alpha1.ConnectivityCheck, s Settings) *compiledCheck {
	c := &compiledCheck{key: types.NamespacedName{Namespace: check.Namespace, Name: check.Name}}
	c.fingerprint = string(check.UID) + "/" + string(mustJSON(&check.Spec))
	for i := range check.Spec.Paths {
		c.paths = append(c.paths, compilePath(check, i, s))
	}
	return c
}

func compilePath(check *v1alpha1.ConnectivityCheck, i int, s Settings) compiledPath {
	p := withDefaults(&check.Spec.Paths[i], check.Namespace)
	c := compiledPath{name: p.Name, perRound: targetsPerSource(p.Sampling)}
	if c.idle = refuse(check, p, s); c.idle != nil {
		return c
	}
	var err error
	if c.from, err = parseSelector(p.From.Probers.NodeSelector); err != nil {
		c.idle = invalidSelector("from.probers.nodeSelector", err)
		return c
	}
	switch to := &p.To; {
	case to.Mesh != nil:
		c.mesh = &compiledMesh{scope: to.Mesh.Scope}
		if c.mesh.to, err = parseSelector(to.Mesh.NodeSelector); err != nil {
			c.idle = invalidSelector("to.mesh.nodeSelector", err)
			return c
		}
	case to.Service != nil:
		c.service = &compiledService{
			key:  types.NamespacedName{Namespace: to.Service.Namespace, Name: to.Service.Name},
			port: to.Service.Port,
		}
	case to.APIServer != nil:
		c.service = apiServer()
	}
	kinds := kindsOf(p)
	if len(kinds) == 0 {
		c.idle = &idle{reason: v1alpha1.ReasonUnsupported,
			message: "this version of Netladder knows only the mesh protocols TCP, UDP and ICMP; set one of them in to.mesh.protocols, or upgrade"}
	}
	for _, kind := range kinds {
		c.probes = append(c.probes, compileProbe(check, p, kind))
	}
	return c
}

// refuse says why a path must or can not be probed at all.
func refuse(check *v1alpha1.ConnectivityCheck, p *v1alpha1.Path, s Settings) *idle {
	switch to := &p.To; {
	case p.From.Probers == nil:
		return &idle{reason: v1alpha1.ReasonUnsupported, message: "this version of Netladder knows only the source from.probers; set it, or upgrade"}
	case to.Mesh == nil && to.Service == nil && to.DNS == nil && to.APIServer == nil:
		return &idle{reason: v1alpha1.ReasonUnsupported, message: "this version of Netladder knows only the targets to.mesh, to.service, to.dns and to.apiServer; set one of them, or upgrade"}
	case check.Namespace != s.Namespace:
		return &idle{reason: v1alpha1.ReasonSourceNotPermitted, message: fmt.Sprintf(
			"from.probers may be used only in Netladder's own namespace; create this check in namespace %s", s.Namespace)}
	case check.Spec.Suspend:
		return &idle{accepted: true, reason: v1alpha1.ReasonSuspended, message: "spec.suspend is true; set it to false to probe again"}
	}
	return nil
}

func parseSelector(s *metav1.LabelSelector) (selector, error) {
	sel, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return selector{}, err
	}
	return selector{key: sel.String(), sel: sel}, nil
}

// maxQuoted bounds what a message quotes from a spec, in bytes.
const maxQuoted = 256

func invalidSelector(field string, err error) *idle {
	return &idle{reason: v1alpha1.ReasonInvalidSelector,
		message: fmt.Sprintf("%s cannot be parsed: %s; correct it", field, cut(err.Error()))}
}

func cut(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted], "") + "…"
}

// kindsOf a path, sorted.
func kindsOf(p *v1alpha1.Path) []v1alpha1.ProbeKind {
	switch {
	case p.To.Mesh != nil:
		var kinds []v1alpha1.ProbeKind
		for _, protocol := range p.To.Mesh.Protocols {
			switch protocol {
			case v1alpha1.MeshTCP:
				kinds = append(kinds, v1alpha1.ProbeMeshTCP)
			case v1alpha1.MeshUDP:
				kinds = append(kinds, v1alpha1.ProbeMeshUDP)
			case v1alpha1.MeshICMP:
				kinds = append(kinds, v1alpha1.ProbeMeshICMP)
			}
		}
		slices.Sort(kinds)
		return kinds
	case p.To.DNS != nil:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeDNS}
	case p.To.Service != nil && p.HTTP != nil:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeHTTP}
	default:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeTCP}
	}
}

func compileProbe(check *v1alpha1.ConnectivityCheck, p *v1alpha1.Path, kind v1alpha1.ProbeKind) compiledProbe {
	key := types.NamespacedName{Namespace: check.Namespace, Name: check.Name}
	pc := paceOf(&check.Spec)
	g := v1alpha1.ProbeGroup{
		Key:              groupKey(key, p.Name, kind),
		Kind:             kind,
		Interval:         metav1.Duration{Duration: pc.Interval},
		Timeout:          metav1.Duration{Duration: pc.Timeout},
		MaxLatency:       p.MaxLatency,
		FailureThreshold: pc.FailureThreshold,
		SuccessThreshold: pc.SuccessThreshold,
	}
	switch kind {
	case v1alpha1.ProbeDNS:
		g.DNS = p.To.DNS
	case v1alpha1.ProbeHTTP:
		g.HTTP = p.HTTP
	case v1alpha1.ProbeMeshTCP, v1alpha1.ProbeMeshUDP, v1alpha1.ProbeMeshICMP:
		g.Port = EchoPort
	}
	return compiledProbe{group: g, content: contentHash(check.UID, p, pc, kind), size: len(mustJSON(g))}
}

// contentHash covers what makes the state of a pair another state: not the
// severity, which is not tested, nor the sampling, which only picks pairs.
func contentHash(uid types.UID, in *v1alpha1.Path, pc pace, kind v1alpha1.ProbeKind) string {
	p := *in
	p.Severity, p.Sampling = nil, nil
	return digest(mustJSON(struct {
		UID  types.UID
		Kind v1alpha1.ProbeKind
		Pace pace
		Path v1alpha1.Path
	}{uid, kind, pc, p}))
}

// mustJSON marshals a value of our own types, which cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
